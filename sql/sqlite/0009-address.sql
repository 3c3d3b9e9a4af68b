-- Sources that scripts trust, one address or network each.
CREATE TABLE IF NOT EXISTS address (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  grp INTEGER NOT NULL DEFAULT 0,
  ip CHAR(50) NOT NULL,
  mask INTEGER NOT NULL DEFAULT 32,
  port INTEGER NOT NULL DEFAULT 0,
  proto CHAR(4) NOT NULL DEFAULT 'any',
  pattern CHAR(64) DEFAULT NULL,
  context_info CHAR(32) DEFAULT NULL
);
INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('address', 5);
