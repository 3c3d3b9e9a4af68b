/**
 * MySQL and MariaDB (`mysql2`). One connection, made at the first statement and made again after it was lost; of
 * several hosts the first that answers is taken, and the next one when a host leaves us or says that it cannot serve
 * (Galera: no quorum, not yet joined). While no host answers, statements fail at once with the last cause and the
 * hosts are tried again with growing pauses: whoever polls needs no timers of its own.
 */

import { type Connection, createConnection } from 'mysql2/promise';
import { type DatabaseHost, describeHost, describeLocation, type MysqlLocation } from '#db/database-url.ts';
import type { SqlConnection, SqlRow, SqlValue } from '#db/sql-connection.ts';
import type { Clock } from '#util/clock.ts';
import { Failure } from '#util/failure.ts';

/** A host in the same data centre answers in a few ms; a dead one must not hold up the next. */
const connectMilliseconds = 3000;
/** The statements here read or write some hundred rows at most. */
const statementMilliseconds = 5000;
const pauseMillisecondsMin = 500;
/** A database that comes back is found within this time. */
const pauseMillisecondsMax = 15_000;

/** Codes of the server's own refusals; every other code is about the network or the connection. */
const refusals: Readonly<Record<string, string>> = {
  ER_ACCESS_DENIED_ERROR: 'DB_ACCESS_DENIED',
  ER_DBACCESS_DENIED_ERROR: 'DB_ACCESS_DENIED',
  ER_BAD_DB_ERROR: 'DB_DATABASE_MISSING',
  ER_NO_SUCH_TABLE: 'DB_TABLE_MISSING',
  ER_DUP_FIELDNAME: 'DB_COLUMN_EXISTS',
  // What is wrong with a row stays wrong: there is no use in trying again.
  ER_DATA_TOO_LONG: 'DB_ROW_REFUSED',
  ER_WARN_DATA_OUT_OF_RANGE: 'DB_ROW_REFUSED',
  ER_TRUNCATED_WRONG_VALUE: 'DB_ROW_REFUSED',
  ER_TRUNCATED_WRONG_VALUE_FOR_FIELD: 'DB_ROW_REFUSED',
  ER_BAD_NULL_ERROR: 'DB_ROW_REFUSED',
  ER_CONSTRAINT_FAILED: 'DB_ROW_REFUSED',
};

/** The host is there and cannot serve: another one may. */
const unservingCodes: readonly string[] = [
  // Galera: "WSREP has not yet prepared node for application use".
  'ER_UNKNOWN_COM_ERROR',
  'ER_SERVER_SHUTDOWN',
  'ER_NEW_ABORTING_CONNECTION',
  'ER_CONNECTION_KILLED',
  // The host is a replica, or was made read-only.
  'ER_OPTION_PREVENTS_STATEMENT',
  'ER_READ_ONLY_MODE',
];
/** Lost against another transaction, in Galera at its certification: the same statement again is likely to pass. */
const conflictCodes: readonly string[] = ['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT'];
const conflictAttemptsMax = 4;

/** Values are put into statements with backslashes, which a server can be set to take for ordinary characters. */
const escapesOn = "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'NO_BACKSLASH_ESCAPES', '')";

export class MysqlConnection implements SqlConnection {
  readonly dialect = 'mysql';
  readonly description: string;
  readonly #location: MysqlLocation;
  readonly #clock: Clock;
  #connection: Promise<Connection | Failure> | null = null;
  #lastFailure: Failure | null = null;
  /** Index of the host to begin with. */
  #firstHost = 0;
  #pauseMilliseconds = pauseMillisecondsMin;
  #retryAt = 0;

  constructor(location: MysqlLocation, clock: Clock) {
    this.description = describeLocation(location);
    this.#location = location;
    this.#clock = clock;
  }

  /** Failures: DB_SERVER_UNREACHABLE, DB_ACCESS_DENIED, DB_DATABASE_MISSING, DB_TABLE_MISSING, DB_ROW_REFUSED, DB_QUERY_FAILED. */
  async query(statement: string, values: readonly SqlValue[] = []): Promise<SqlRow[] | Failure> {
    const first = await this.#queryOnce(statement, values);
    // An idle connection that the server or a firewall has closed shows only now; a fresh one settles it.
    return first === 'lost' ? this.#lastWord(await this.#queryOnce(statement, values)) : first;
  }

  async createDatabase(): Promise<Failure | null> {
    const name = this.#location.database;
    const connection = await this.#connectToAny(undefined);
    if (connection instanceof Failure) return connection;
    try {
      await connection.query(`CREATE DATABASE IF NOT EXISTS \`${name.replaceAll('`', '``')}\``);
      return null;
    } catch (error) {
      return this.#explain(error);
    } finally {
      connection.destroy();
    }
  }

  async close(): Promise<void> {
    const connection = await this.#connection;
    this.#connection = null;
    if (connection && !(connection instanceof Failure)) connection.destroy();
  }

  /** Conflicts are settled here. */
  async #queryOnce(statement: string, values: readonly SqlValue[]): Promise<SqlRow[] | Failure | 'lost'> {
    let outcome = await this.#attempt(statement, values);
    for (let attempt = 1; outcome === 'conflict' && attempt < conflictAttemptsMax; attempt++) {
      outcome = await this.#attempt(statement, values);
    }
    if (outcome !== 'conflict') return outcome;
    return this.#lastFailure ?? new Failure('DB_QUERY_FAILED', `${this.description}: conflict`);
  }

  async #attempt(
    statement: string,
    values: readonly SqlValue[],
  ): Promise<SqlRow[] | Failure | 'lost' | 'conflict'> {
    const kept = this.#connect();
    const connection = await kept;
    if (connection instanceof Failure) return connection;
    try {
      const [rows] = await connection.query({
        sql: statement,
        values: [...values],
        timeout: statementMilliseconds,
      });
      return Array.isArray(rows) ? (rows as SqlRow[]) : [];
    } catch (error) {
      const code = String((error as { code?: string }).code);
      if (conflictCodes.includes(code)) {
        this.#lastFailure = this.#explain(error);
        return 'conflict';
      }
      if (code.startsWith('ER_') && !unservingCodes.includes(code)) return this.#explain(error);
      // Of several statements on a connection that broke, the first lets go of it; the next one is not theirs.
      if (this.#connection === kept) {
        this.#lastFailure = this.#explain(error);
        this.#connection = null;
        this.#firstHost++;
      }
      connection.destroy();
      return 'lost';
    }
  }

  #lastWord(outcome: SqlRow[] | Failure | 'lost'): SqlRow[] | Failure {
    if (outcome !== 'lost') return outcome;
    return this.#lastFailure ?? new Failure('DB_SERVER_UNREACHABLE', `${this.description}: connection lost`);
  }

  /** The one connection, shared by everybody who asks while it is being made. */
  #connect(): Promise<Connection | Failure> {
    if (this.#connection !== null) return this.#connection;
    if (this.#lastFailure !== null && this.#clock.monotonic() < this.#retryAt) {
      return Promise.resolve(this.#lastFailure);
    }
    const attempt = this.#connectToAny(this.#location.database).then((outcome) => {
      if (outcome instanceof Failure) this.#pause(outcome);
      else this.#keep(outcome);
      return outcome;
    });
    this.#connection = attempt;
    return attempt;
  }

  #pause(failure: Failure): void {
    this.#connection = null;
    this.#lastFailure = failure;
    this.#retryAt = this.#clock.monotonic() + this.#pauseMilliseconds;
    this.#pauseMilliseconds = Math.min(this.#pauseMilliseconds * 2, pauseMillisecondsMax);
  }

  #keep(connection: Connection): void {
    this.#lastFailure = null;
    this.#pauseMilliseconds = pauseMillisecondsMin;
    const kept = this.#connection;
    // Without a listener, a connection that breaks while idle would end the process.
    connection.on('error', () => {
      if (this.#connection === kept) this.#connection = null;
      connection.destroy();
    });
  }

  async #connectToAny(database: string | undefined): Promise<Connection | Failure> {
    let failure: Failure | null = null;
    const { hosts } = this.#location;
    for (let step = 0; step < hosts.length; step++) {
      const index = (this.#firstHost + step) % hosts.length;
      const host = hosts[index]!;
      try {
        const connection = await createConnection({
          host: host.host,
          port: host.port,
          user: this.#location.user,
          password: this.#location.password,
          connectTimeout: connectMilliseconds,
          ...(database === undefined ? {} : { database }),
        });
        await connection.query(escapesOn);
        this.#firstHost = index;
        return connection;
      } catch (error) {
        failure = this.#explain(error, host);
      }
    }
    return failure ?? new Failure('DB_SERVER_UNREACHABLE', `${this.description}: no host`);
  }

  #explain(error: unknown, host?: DatabaseHost): Failure {
    const { code = '', message } = error as { code?: string; message: string };
    const known = refusals[code] ?? (code.startsWith('ER_') ? 'DB_QUERY_FAILED' : 'DB_SERVER_UNREACHABLE');
    const place = host === undefined ? '' : ` at ${describeHost(host)}`;
    // An AggregateError of the resolver's several addresses has no message of its own.
    return new Failure(known, `${this.description}${place}: ${message || code}`);
  }
}
