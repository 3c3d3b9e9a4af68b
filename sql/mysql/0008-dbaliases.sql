-- Second names of users, one row each.
CREATE TABLE IF NOT EXISTS dbaliases (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  alias_username CHAR(64) NOT NULL DEFAULT '',
  alias_domain CHAR(64) NOT NULL DEFAULT '',
  username CHAR(64) NOT NULL DEFAULT '',
  domain CHAR(64) NOT NULL DEFAULT '',
  UNIQUE KEY alias_idx (alias_username, alias_domain),
  KEY target_idx (username, domain)
) ENGINE = InnoDB;
INSERT IGNORE INTO version (table_name, table_version) VALUES ('dbaliases', 2);
