/** From a URL to a connection. Nothing is contacted before the first statement. */

import { parseDatabaseUrl } from '#db/database-url.ts';
import { MysqlConnection } from '#db/mysql.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import { SqliteConnection } from '#db/sqlite.ts';
import type { Clock } from '#util/clock.ts';
import { Failure } from '#util/failure.ts';

/** `isPatient`: statements may take as long as they take. Failures: DB_URL_INVALID. */
export function openDatabase(url: string, clock: Clock, isPatient = false): SqlConnection | Failure {
  const location = parseDatabaseUrl(url);
  if (location instanceof Failure) return location;
  if (location.kind === 'sqlite') return new SqliteConnection(location);
  return new MysqlConnection(location, clock, isPatient);
}
