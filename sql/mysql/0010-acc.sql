-- Accounting: one row per transaction or call. anyvia_key names the event, so that a row written twice stands there once;
-- rows of OpenSIPS have none. Adding the column to a table that has it already is skipped.
CREATE TABLE IF NOT EXISTS acc (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  method CHAR(16) NOT NULL DEFAULT '',
  from_tag CHAR(64) NOT NULL DEFAULT '',
  to_tag CHAR(64) NOT NULL DEFAULT '',
  callid CHAR(64) NOT NULL DEFAULT '',
  sip_code CHAR(3) NOT NULL DEFAULT '',
  sip_reason CHAR(32) NOT NULL DEFAULT '',
  time DATETIME NOT NULL,
  duration INT UNSIGNED NOT NULL DEFAULT 0,
  ms_duration INT UNSIGNED NOT NULL DEFAULT 0,
  setuptime INT UNSIGNED NOT NULL DEFAULT 0,
  created DATETIME DEFAULT NULL,
  KEY callid_idx (callid)
) ENGINE = InnoDB;
ALTER TABLE acc ADD COLUMN anyvia_key CHAR(40) CHARACTER SET ascii DEFAULT NULL, ADD UNIQUE KEY acc_anyvia_key_idx (anyvia_key);
INSERT IGNORE INTO version (table_name, table_version) VALUES ('acc', 7);
