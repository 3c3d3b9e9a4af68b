/** A connection for one table: nothing is read or written before it is known not to be newer than this program. */

import { newerTable, readVersions } from '#db/migrations.ts';
import { knownTables, readMigrations } from '#db/schema.ts';
import type { SqlConnection, SqlRow, SqlValue } from '#db/sql-connection.ts';
import { Failure } from '#util/failure.ts';

export class TableGuard implements SqlConnection {
  readonly #connection: SqlConnection;
  readonly #table: string;
  #isChecked = false;

  constructor(connection: SqlConnection, table: string) {
    this.#connection = connection;
    this.#table = table;
  }

  get dialect(): SqlConnection['dialect'] {
    return this.#connection.dialect;
  }

  get description(): string {
    return this.#connection.description;
  }

  /** Failures: DB_SCHEMA_NEWER, those of the connection. */
  async query(statement: string, values?: readonly SqlValue[]): Promise<SqlRow[] | Failure> {
    const failure = this.#isChecked ? null : await this.#check();
    return failure ?? this.#connection.query(statement, values);
  }

  createDatabase(): Promise<Failure | null> {
    return this.#connection.createDatabase();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** Tables of the operator's own have no version. */
  async #check(): Promise<Failure | null> {
    const versions = await readVersions(this.#connection);
    if (versions instanceof Failure) return versions;
    const known = knownTables(readMigrations(this.dialect)).find(({ name }) => name === this.#table);
    const found = versions.get(this.#table) ?? 0;
    if (known?.version && found > known.version) {
      return newerTable(this.description, this.#table, found, known.version);
    }
    this.#isChecked = true;
    return null;
  }
}
