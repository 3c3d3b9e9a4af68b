/** Reads single rows of tables that scripts name, for modules that judge a message by them. */

import type { SqlConnection } from '#db/sql-connection.ts';
import { sqlName } from '#db/sql-name.ts';
import type { TableQuery, TableRow, TableSource } from '#module/services.ts';
import { Failure } from '#util/failure.ts';

export class TableReader implements TableSource {
  readonly #connection: SqlConnection;

  constructor(connection: SqlConnection) {
    this.#connection = connection;
  }

  get description(): string {
    return this.#connection.description;
  }

  /** Names of tables and columns become part of the statement: they are checked; values never do. */
  async select({ table, columns, where, rowsMax }: TableQuery): Promise<readonly TableRow[] | Failure> {
    const wrong = [table, ...columns, ...where.map(([column]) => column)].find((name) => !sqlName.test(name));
    if (wrong !== undefined)
      return new Failure('DB_NAME_INVALID', `"${wrong}" is no name of a table or column`);
    const conditions = where.map(([column]) => `${column} = ?`).join(' AND ');
    const filter = conditions === '' ? '' : ` WHERE ${conditions}`;
    const rows = await this.#connection.query(
      `SELECT ${columns.join(', ')} FROM ${table}${filter} LIMIT ${Math.trunc(rowsMax)}`,
      where.map(([, value]) => value),
    );
    return rows instanceof Failure ? rows : (rows as TableRow[]);
  }
}
