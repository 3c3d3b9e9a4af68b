/**
 * Rows of a table whose first column is a number of 63 bits and the key: read page by page in its order, written over
 * what is there, removed.
 */

import type { SqlConnection, SqlRow, SqlValue } from '#db/sql-connection.ts';
import { type Failure, isFailure } from '#util/failure.ts';

export class KeyedRows {
  readonly #connection: SqlConnection;
  readonly #table: string;
  readonly #columns: readonly string[];

  /** `table` and `columns` become part of statements: see `sqlName`. */
  constructor(connection: SqlConnection, table: string, columns: readonly string[]) {
    this.#connection = connection;
    this.#table = table;
    this.#columns = columns;
  }

  get #key(): string {
    return this.#columns[0]!;
  }

  get #isMysql(): boolean {
    return this.#connection.dialect === 'mysql';
  }

  /** `take` gets every row, its key as text: a 64-bit number does not survive the way through JavaScript. */
  async read(pageRowsMax: number, take: (row: SqlRow) => void): Promise<Failure | null> {
    const key = `${this.#table}.${this.#key}`;
    const asText = `CAST(${this.#key} AS ${this.#isMysql ? 'CHAR' : 'TEXT'}) AS ${this.#key}`;
    const statement =
      `SELECT ${[asText, ...this.#columns.slice(1)].join(', ')} FROM ${this.#table} ` +
      `WHERE ${key} > ? ORDER BY ${key} LIMIT ${pageRowsMax}`;
    let last = 0n;
    for (;;) {
      const rows = await this.#connection.query(statement, [last]);
      if (isFailure(rows)) return rows;
      for (const row of rows) take(row);
      if (rows.length < pageRowsMax) return null;
      last = BigInt(String(rows.at(-1)![this.#key]));
    }
  }

  async upsert(rows: readonly (readonly SqlValue[])[]): Promise<Failure | null> {
    if (rows.length === 0) return null;
    const marks = `(${this.#columns.map(() => '?').join(', ')})`;
    const updates = this.#columns
      .slice(1)
      .map((name) => (this.#isMysql ? `${name} = VALUES(${name})` : `${name} = excluded.${name}`))
      .join(', ');
    const conflict = this.#isMysql ? 'ON DUPLICATE KEY UPDATE' : `ON CONFLICT (${this.#key}) DO UPDATE SET`;
    const outcome = await this.#connection.query(
      `INSERT INTO ${this.#table} (${this.#columns.join(', ')}) ` +
        `VALUES ${rows.map(() => marks).join(', ')} ${conflict} ${updates}`,
      rows.flat(),
    );
    return isFailure(outcome) ? outcome : null;
  }

  async remove(keys: readonly bigint[]): Promise<Failure | null> {
    if (keys.length === 0) return null;
    const outcome = await this.#connection.query(
      `DELETE FROM ${this.#table} WHERE ${this.#key} IN (${keys.map(() => '?').join(', ')})`,
      keys,
    );
    return isFailure(outcome) ? outcome : null;
  }
}
