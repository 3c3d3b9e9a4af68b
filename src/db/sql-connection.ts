/**
 * What the stores ask of a database, whichever it is: `mysql.ts` and `sqlite.ts` implement it and pass one compliance
 * suite. Statements use `?` for values in both dialects.
 */

import type { Failure } from '#util/failure.ts';

export type SqlDialect = 'mysql' | 'sqlite';
export type SqlValue = string | number | bigint | null;
export type SqlRow = Readonly<Record<string, unknown>>;

export interface SqlConnection {
  readonly dialect: SqlDialect;
  /** Where it leads, without the password: for messages. */
  readonly description: string;
  /** Rows of a SELECT; an empty list for other statements. Reconnects when the connection was lost. */
  query(statement: string, values?: readonly SqlValue[]): Promise<SqlRow[] | Failure>;
  /** Makes the database itself (the schema of MySQL, the file of SQLite) unless it is there. */
  createDatabase(): Promise<Failure | null>;
  close(): Promise<void>;
}
