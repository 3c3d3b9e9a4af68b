-- Members of the cluster, one row each.
CREATE TABLE IF NOT EXISTS clusterer (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  cluster_id INT NOT NULL,
  node_id INT NOT NULL,
  url CHAR(64) NOT NULL,
  state INT(1) NOT NULL DEFAULT 1,
  no_ping_retries INT NOT NULL DEFAULT 3,
  priority INT NOT NULL DEFAULT 50,
  sip_addr CHAR(64) DEFAULT NULL,
  flags CHAR(64) DEFAULT NULL,
  description CHAR(64) DEFAULT NULL,
  UNIQUE KEY clusterer_idx (cluster_id, node_id)
) ENGINE = InnoDB;
INSERT IGNORE INTO version (table_name, table_version) VALUES ('clusterer', 4);
