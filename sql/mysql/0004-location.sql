-- Contacts of registered users, one row each.
CREATE TABLE IF NOT EXISTS location (
  contact_id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  username CHAR(64) NOT NULL DEFAULT '',
  domain CHAR(64) DEFAULT NULL,
  contact TEXT,
  received CHAR(255) DEFAULT NULL,
  path CHAR(255) DEFAULT NULL,
  expires INT UNSIGNED NOT NULL,
  q FLOAT(10,2) NOT NULL DEFAULT 1.0,
  callid CHAR(255) NOT NULL DEFAULT 'Default-Call-ID',
  cseq INT NOT NULL DEFAULT 13,
  last_modified DATETIME NOT NULL DEFAULT '1900-01-01 00:00:01',
  flags INT NOT NULL DEFAULT 0,
  cflags CHAR(255) DEFAULT NULL,
  user_agent CHAR(255) NOT NULL DEFAULT '',
  socket CHAR(64) DEFAULT NULL,
  methods INT DEFAULT NULL,
  sip_instance CHAR(255) DEFAULT NULL,
  kv_store TEXT,
  attr CHAR(255) DEFAULT NULL
) ENGINE = InnoDB;
INSERT IGNORE INTO version (table_name, table_version) VALUES ('location', 1013);
