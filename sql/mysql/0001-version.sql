-- Version of each OpenSIPS table, which its modules and tools compare with what they expect.
CREATE TABLE IF NOT EXISTS version (
  table_name CHAR(32) NOT NULL,
  table_version INT UNSIGNED NOT NULL DEFAULT 0,
  UNIQUE KEY t_name_idx (table_name)
) ENGINE = InnoDB;
