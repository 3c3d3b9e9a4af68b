/**
 * What an error of `mysql2` means for a statement: that it is wrong, that it lost against another one, or that this
 * connection is of no more use. Judged by MySQL's numbers: `mysql2` has no names for those of MariaDB alone.
 */

import { remedyFor } from '#db/remedy.ts';
import { Failure } from '#util/failure.ts';

/**
 * `refused`: by a server that works; the same statement fails again. `conflict`: lost against another transaction; it
 * is likely to pass when tried again. `lost`: this host or connection cannot serve; another one may.
 */
export type MysqlProblem = 'refused' | 'conflict' | 'lost';

/** Codes of the server's own refusals; others are DB_QUERY_FAILED, or about the connection. */
const codes: Readonly<Record<number, string>> = {
  1044: 'DB_ACCESS_DENIED', // ER_DBACCESS_DENIED_ERROR
  1045: 'DB_ACCESS_DENIED', // ER_ACCESS_DENIED_ERROR
  1142: 'DB_ACCESS_DENIED', // ER_TABLEACCESS_DENIED_ERROR
  1049: 'DB_DATABASE_MISSING', // ER_BAD_DB_ERROR
  1054: 'DB_COLUMN_MISSING', // ER_BAD_FIELD_ERROR
  1060: 'DB_COLUMN_EXISTS', // ER_DUP_FIELDNAME
  1146: 'DB_TABLE_MISSING', // ER_NO_SUCH_TABLE
  // What is wrong with a row stays wrong: there is no use in trying again.
  1048: 'DB_ROW_REFUSED', // ER_BAD_NULL_ERROR
  1264: 'DB_ROW_REFUSED', // ER_WARN_DATA_OUT_OF_RANGE
  1292: 'DB_ROW_REFUSED', // ER_TRUNCATED_WRONG_VALUE
  1366: 'DB_ROW_REFUSED', // ER_TRUNCATED_WRONG_VALUE_FOR_FIELD
  1406: 'DB_ROW_REFUSED', // ER_DATA_TOO_LONG
  4025: 'DB_ROW_REFUSED', // ER_CONSTRAINT_FAILED
};

const conflicts: readonly number[] = [
  1020, // ER_CHECKREAD: "Record has changed since last read"
  1180, // ER_ERROR_DURING_COMMIT: so says Galera when a certification fails at the commit
  1205, // ER_LOCK_WAIT_TIMEOUT
  1213, // ER_LOCK_DEADLOCK, Galera's certification among them
  1317, // ER_QUERY_INTERRUPTED: KILL QUERY, or Galera that aborts for another node's transaction
];

/** The host is there and cannot serve. */
const unserving: readonly number[] = [
  1047, // ER_UNKNOWN_COM_ERROR; Galera: "WSREP has not yet prepared node for application use"
  1053, // ER_SERVER_SHUTDOWN
  1184, // ER_NEW_ABORTING_CONNECTION
  1290, // ER_OPTION_PREVENTS_STATEMENT: a replica, or read-only
  1836, // ER_READ_ONLY_MODE
  1927, // ER_CONNECTION_KILLED
  3169, // ER_SESSION_WAS_KILLED
  4031, // ER_CLIENT_INTERACTION_TIMEOUT
];

/** The server's error number; 0 when it was not the server that spoke. */
function serverError(error: unknown): number {
  const { errno, sqlState } = error as { errno?: number; sqlState?: string };
  return sqlState === undefined || errno === undefined ? 0 : errno;
}

export function problemOf(error: unknown): MysqlProblem {
  const number = serverError(error);
  if (conflicts.includes(number)) return 'conflict';
  return number === 0 || unserving.includes(number) ? 'lost' : 'refused';
}

/** `place`: where it happened, for the message. */
export function failureOf(error: unknown, place: string): Failure {
  const { code = '', message } = error as { code?: string; message: string };
  const number = serverError(error);
  const known = codes[number] ?? (number === 0 ? 'DB_SERVER_UNREACHABLE' : 'DB_QUERY_FAILED');
  // An AggregateError of the resolver's several addresses has no message of its own.
  return new Failure(known, `${place}: ${message || code}${remedyFor(known)}`);
}
