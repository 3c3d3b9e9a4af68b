-- Accounting: one row per transaction or call. anyvia_key names the event, so that a row written twice stands there once;
-- rows of OpenSIPS have none. Adding the column to a table that has it already is skipped.
CREATE TABLE IF NOT EXISTS acc (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  method CHAR(16) NOT NULL DEFAULT '',
  from_tag CHAR(64) NOT NULL DEFAULT '',
  to_tag CHAR(64) NOT NULL DEFAULT '',
  callid CHAR(64) NOT NULL DEFAULT '',
  sip_code CHAR(3) NOT NULL DEFAULT '',
  sip_reason CHAR(32) NOT NULL DEFAULT '',
  time DATETIME NOT NULL,
  duration INTEGER NOT NULL DEFAULT 0,
  ms_duration INTEGER NOT NULL DEFAULT 0,
  setuptime INTEGER NOT NULL DEFAULT 0,
  created DATETIME DEFAULT NULL
);
ALTER TABLE acc ADD COLUMN anyvia_key CHAR(40) DEFAULT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS acc_anyvia_key_idx ON acc (anyvia_key);
CREATE INDEX IF NOT EXISTS acc_callid_idx ON acc (callid);
INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('acc', 7);
