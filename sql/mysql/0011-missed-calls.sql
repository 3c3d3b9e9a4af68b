-- Calls that nobody answered; anyvia_key as in acc.
CREATE TABLE IF NOT EXISTS missed_calls (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  method CHAR(16) NOT NULL DEFAULT '',
  from_tag CHAR(64) NOT NULL DEFAULT '',
  to_tag CHAR(64) NOT NULL DEFAULT '',
  callid CHAR(64) NOT NULL DEFAULT '',
  sip_code CHAR(3) NOT NULL DEFAULT '',
  sip_reason CHAR(32) NOT NULL DEFAULT '',
  time DATETIME NOT NULL,
  setuptime INT UNSIGNED NOT NULL DEFAULT 0,
  created DATETIME DEFAULT NULL,
  KEY callid_idx (callid)
) ENGINE = InnoDB;
ALTER TABLE missed_calls ADD COLUMN anyvia_key CHAR(40) CHARACTER SET ascii DEFAULT NULL, ADD UNIQUE KEY missed_calls_anyvia_key_idx (anyvia_key);
INSERT IGNORE INTO version (table_name, table_version) VALUES ('missed_calls', 5);
