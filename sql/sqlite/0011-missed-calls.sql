-- Calls that nobody answered; anyvia_key as in acc.
CREATE TABLE IF NOT EXISTS missed_calls (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  method CHAR(16) NOT NULL DEFAULT '',
  from_tag CHAR(64) NOT NULL DEFAULT '',
  to_tag CHAR(64) NOT NULL DEFAULT '',
  callid CHAR(64) NOT NULL DEFAULT '',
  sip_code CHAR(3) NOT NULL DEFAULT '',
  sip_reason CHAR(32) NOT NULL DEFAULT '',
  time DATETIME NOT NULL,
  setuptime INTEGER NOT NULL DEFAULT 0,
  created DATETIME DEFAULT NULL
);
ALTER TABLE missed_calls ADD COLUMN anyvia_key CHAR(40) DEFAULT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS missed_calls_anyvia_key_idx ON missed_calls (anyvia_key);
CREATE INDEX IF NOT EXISTS missed_calls_callid_idx ON missed_calls (callid);
INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('missed_calls', 5);
