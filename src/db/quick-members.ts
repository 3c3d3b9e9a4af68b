/** Fills the table `clusterer` of an embedded database for the first run: one row per node on the loopback address. */

import type { SqlConnection } from '#db/sql-connection.ts';
import { Failure } from '#util/failure.ts';

/** Null when all rows are there. Failures: those of the connection. */
export async function insertLoopbackMembers(
  connection: SqlConnection,
  binPorts: readonly number[],
): Promise<Failure | null> {
  for (const [index, port] of binPorts.entries()) {
    const result = await connection.query(
      'INSERT INTO clusterer (cluster_id, node_id, url) VALUES (1, ?, ?)',
      [index + 1, `bin:127.0.0.1:${port}`],
    );
    if (result instanceof Failure) return result;
  }
  return null;
}
