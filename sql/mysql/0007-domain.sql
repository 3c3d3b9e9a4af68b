-- Domains that are served here, one row each.
CREATE TABLE IF NOT EXISTS domain (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  domain CHAR(64) NOT NULL DEFAULT '',
  attrs CHAR(255) DEFAULT NULL,
  accept_subdomain INT UNSIGNED NOT NULL DEFAULT 0,
  last_modified DATETIME NOT NULL DEFAULT '1900-01-01 00:00:01',
  UNIQUE KEY domain_idx (domain)
) ENGINE = InnoDB;
INSERT IGNORE INTO version (table_name, table_version) VALUES ('domain', 4);
