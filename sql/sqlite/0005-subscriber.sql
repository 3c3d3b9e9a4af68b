-- Users who may authenticate, one row each.
CREATE TABLE IF NOT EXISTS subscriber (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  username CHAR(64) NOT NULL DEFAULT '',
  domain CHAR(64) NOT NULL DEFAULT '',
  password CHAR(64) NOT NULL DEFAULT '',
  ha1 CHAR(64) NOT NULL DEFAULT '',
  ha1_sha256 CHAR(64) NOT NULL DEFAULT '',
  ha1_sha512t256 CHAR(64) NOT NULL DEFAULT '',
  CONSTRAINT subscriber_account_idx UNIQUE (username, domain)
);
CREATE INDEX IF NOT EXISTS subscriber_username_idx ON subscriber (username);
INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('subscriber', 8);
