-- Second names of users, one row each.
CREATE TABLE IF NOT EXISTS dbaliases (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  alias_username CHAR(64) NOT NULL DEFAULT '',
  alias_domain CHAR(64) NOT NULL DEFAULT '',
  username CHAR(64) NOT NULL DEFAULT '',
  domain CHAR(64) NOT NULL DEFAULT '',
  CONSTRAINT dbaliases_alias_idx UNIQUE (alias_username, alias_domain)
);
CREATE INDEX IF NOT EXISTS dbaliases_target_idx ON dbaliases (username, domain);
INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('dbaliases', 2);
