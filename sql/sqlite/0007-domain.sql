-- Domains that are served here, one row each.
CREATE TABLE IF NOT EXISTS domain (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  domain CHAR(64) NOT NULL DEFAULT '',
  attrs CHAR(255) DEFAULT NULL,
  accept_subdomain INTEGER NOT NULL DEFAULT 0,
  last_modified DATETIME NOT NULL DEFAULT '1900-01-01 00:00:01',
  CONSTRAINT domain_domain_idx UNIQUE (domain)
);
INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('domain', 4);
