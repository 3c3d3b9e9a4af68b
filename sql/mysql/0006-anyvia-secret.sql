-- anyvia's own: the secret that the members of a cluster share, 32 bytes in hexadecimal. The first node lays it down.
-- Who may read this table may speak on the cluster channel.
CREATE TABLE IF NOT EXISTS anyvia_secret (
  cluster_id INT NOT NULL PRIMARY KEY,
  secret CHAR(64) NOT NULL
) ENGINE = InnoDB;
