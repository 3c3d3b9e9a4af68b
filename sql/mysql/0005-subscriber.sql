-- Users who may authenticate, one row each.
CREATE TABLE IF NOT EXISTS subscriber (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  username CHAR(64) NOT NULL DEFAULT '',
  domain CHAR(64) NOT NULL DEFAULT '',
  password CHAR(64) NOT NULL DEFAULT '',
  ha1 CHAR(64) NOT NULL DEFAULT '',
  ha1_sha256 CHAR(64) NOT NULL DEFAULT '',
  ha1_sha512t256 CHAR(64) NOT NULL DEFAULT '',
  UNIQUE KEY account_idx (username, domain),
  KEY username_idx (username)
) ENGINE = InnoDB;
INSERT IGNORE INTO version (table_name, table_version) VALUES ('subscriber', 8);
