/**
 * The embedded database (`node:sqlite`). One file may be shared by several processes of one machine: WAL lets readers
 * and one writer work at the same time, and who finds it locked waits a moment.
 */

import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describeLocation, type SqliteLocation } from '#db/database-url.ts';
import { remedyFor } from '#db/remedy.ts';
import type { SqlConnection, SqlRow, SqlValue } from '#db/sql-connection.ts';
import { Failure } from '#util/failure.ts';

/** How long a statement waits for another process's write. Writes here are single rows. */
const busyMilliseconds = 2000;

/** SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH: what is wrong with a row stays wrong. */
const rowErrors = [18, 19, 20];

const inMemory = ':memory:';

export class SqliteConnection implements SqlConnection {
  readonly dialect = 'sqlite';
  readonly description: string;
  readonly #path: string;
  #database: DatabaseSync | null = null;

  constructor(location: SqliteLocation) {
    this.description = describeLocation(location);
    this.#path = location.path;
  }

  /** Failures: DB_FILE_UNUSABLE, DB_TABLE_MISSING, DB_ROW_REFUSED, DB_QUERY_FAILED. */
  async query(statement: string, values: readonly SqlValue[] = []): Promise<SqlRow[] | Failure> {
    // A mistyped path must not leave an empty database behind.
    if (this.#database === null && this.#path !== inMemory && !existsSync(this.#path)) {
      return new Failure('DB_FILE_UNUSABLE', `${this.description}: there is no such file`);
    }
    const database = this.#open();
    if (database instanceof Failure) return database;
    try {
      return database.prepare(statement).all(...values) as SqlRow[];
    } catch (error) {
      return this.#explain(error);
    }
  }

  /** Failures: DB_FILE_UNUSABLE. */
  async createDatabase(): Promise<Failure | null> {
    try {
      if (this.#path !== inMemory) mkdirSync(dirname(this.#path), { recursive: true });
    } catch (error) {
      return new Failure('DB_FILE_UNUSABLE', `${this.description}: ${(error as Error).message}`);
    }
    const database = this.#open();
    return database instanceof Failure ? database : null;
  }

  async close(): Promise<void> {
    this.#database?.close();
    this.#database = null;
  }

  #open(): DatabaseSync | Failure {
    if (this.#database !== null) return this.#database;
    try {
      const database = new DatabaseSync(this.#path, { timeout: busyMilliseconds });
      this.#database = database;
      database.exec('PRAGMA journal_mode = WAL');
      // With WAL the file stays whole without waiting for the disk at every commit; a power cut may take the last ones.
      database.exec('PRAGMA synchronous = NORMAL');
      return database;
    } catch (error) {
      this.#database?.close();
      this.#database = null;
      return new Failure('DB_FILE_UNUSABLE', `${this.description}: ${(error as Error).message}`);
    }
  }

  #explain(error: unknown): Failure {
    const cause = (error as Error).message;
    const refused = rowErrors.includes(((error as { errcode?: number }).errcode ?? 0) & 0xff);
    const known = refused ? 'DB_ROW_REFUSED' : 'DB_QUERY_FAILED';
    const code = cause.startsWith('no such table')
      ? 'DB_TABLE_MISSING'
      : cause.startsWith('duplicate column name')
        ? 'DB_COLUMN_EXISTS'
        : / no column named |^no such column/.test(cause)
          ? 'DB_COLUMN_MISSING'
          : known;
    return new Failure(code, `${this.description}: ${cause}${remedyFor(code)}`);
  }
}
