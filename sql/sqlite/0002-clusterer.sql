-- Members of the cluster, one row each.
CREATE TABLE IF NOT EXISTS clusterer (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  cluster_id INTEGER NOT NULL,
  node_id INTEGER NOT NULL,
  url CHAR(64) NOT NULL,
  state INTEGER NOT NULL DEFAULT 1,
  no_ping_retries INTEGER NOT NULL DEFAULT 3,
  priority INTEGER NOT NULL DEFAULT 50,
  sip_addr CHAR(64) DEFAULT NULL,
  flags CHAR(64) DEFAULT NULL,
  description CHAR(64) DEFAULT NULL,
  CONSTRAINT clusterer_clusterer_idx UNIQUE (cluster_id, node_id)
);
INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('clusterer', 4);
