-- Version of each OpenSIPS table, which its modules and tools compare with what they expect.
CREATE TABLE IF NOT EXISTS version (
  table_name CHAR(32) NOT NULL,
  table_version INTEGER NOT NULL DEFAULT 0,
  CONSTRAINT version_t_name_idx UNIQUE (table_name)
);
