/**
 * MySQL and MariaDB (`mysql2`). One connection, made at the first statement and made again after it was lost; of
 * several hosts the first that answers is taken, and the next one when a host leaves us or says that it cannot serve
 * (Galera: no quorum, not yet joined). A host that stands earlier in the list is gone back to when it serves again.
 * While no host answers, statements fail at once with the last cause and the hosts are tried again with growing
 * pauses: whoever polls needs no timers of its own.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, createConnection } from 'mysql2/promise';
import { describeHost, describeLocation, type MysqlLocation } from '#db/database-url.ts';
import { failureOf, problemOf } from '#db/mysql-problem.ts';
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
/** How often a host that stands earlier in the list is tried. */
const preferMilliseconds = 30_000;

/** A conflict is over in milliseconds, or somebody holds a lock for long: then others shall have the connection. */
const conflictAttemptsMax = 6;
const conflictMillisecondsMax = 3000;
const conflictPauseMillisecondsMin = 10;

/**
 * Values are put into statements with backslashes, which a server can be set to take for ordinary characters. A
 * statement that we have given up must not be carried out later, behind a newer one: the server gives it up before us.
 * Only MariaDB reads what stands between the marks.
 */
const session =
  "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'NO_BACKSLASH_ESCAPES', '')" +
  ', lock_wait_timeout = 2, innodb_lock_wait_timeout = 2 /*M!100100 , max_statement_time = 4.5 */';
/** For work that may take as long as it takes: migrations of tables with millions of rows. */
const patientSession = session.slice(0, session.indexOf(', lock_wait_timeout'));
/** SET is allowed on a Galera node that cannot serve; this is not. */
const serves = 'SELECT 1';

type Outcome = SqlRow[] | Failure | 'lost' | 'conflict';

export class MysqlConnection implements SqlConnection {
  readonly dialect = 'mysql';
  readonly description: string;
  readonly #location: MysqlLocation;
  readonly #clock: Clock;
  readonly #isPatient: boolean;
  #connection: Promise<Connection | Failure> | null = null;
  #lastFailure: Failure | null = null;
  /** Index of the host to begin with; of the one in use, while there is a connection. */
  #host = 0;
  #pauseMilliseconds = pauseMillisecondsMin;
  #retryAt = 0;
  #preferAt = 0;
  #isClosed = false;

  /** `isPatient`: statements take as long as they take. */
  constructor(location: MysqlLocation, clock: Clock, isPatient = false) {
    this.description = describeLocation(location);
    this.#location = location;
    this.#clock = clock;
    this.#isPatient = isPatient;
  }

  /**
   * Statements must be such that repeating them changes nothing: one whose answer was lost is sent again. Failures:
   * DB_SERVER_UNREACHABLE, DB_ACCESS_DENIED, DB_DATABASE_MISSING, DB_TABLE_MISSING, DB_COLUMN_MISSING,
   * DB_COLUMN_EXISTS, DB_ROW_REFUSED, DB_QUERY_FAILED.
   */
  async query(statement: string, values: readonly SqlValue[] = []): Promise<SqlRow[] | Failure> {
    const first = await this.#settle(statement, values);
    // An idle connection that the server or a firewall has closed shows only now; a fresh one settles it.
    if (first !== 'lost') return first;
    const second = await this.#settle(statement, values);
    if (second !== 'lost') return second;
    return this.#lastFailure ?? new Failure('DB_SERVER_UNREACHABLE', `${this.description}: connection lost`);
  }

  async createDatabase(): Promise<Failure | null> {
    const name = this.#location.database;
    const connection = await this.#connectToAny(undefined);
    if (connection instanceof Failure) return connection;
    try {
      await connection.query(`CREATE DATABASE IF NOT EXISTS \`${name.replaceAll('`', '``')}\``);
      return null;
    } catch (error) {
      return failureOf(error, this.description);
    } finally {
      connection.destroy();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const connection = await this.#connection;
    this.#connection = null;
    if (connection && !(connection instanceof Failure)) connection.destroy();
  }

  /** Conflicts end here: after a pause, longer each time, of random length so that two do not meet again. */
  async #settle(statement: string, values: readonly SqlValue[]): Promise<SqlRow[] | Failure | 'lost'> {
    const begin = this.#clock.monotonic();
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(statement, values);
      if (outcome !== 'conflict') return outcome;
      const isOver = this.#clock.monotonic() - begin > conflictMillisecondsMax;
      if (isOver || attempt === conflictAttemptsMax) break;
      await sleep(conflictPauseMillisecondsMin * 2 ** attempt * (0.5 + Math.random()));
    }
    return this.#lastFailure ?? new Failure('DB_QUERY_FAILED', `${this.description}: conflict`);
  }

  async #attempt(statement: string, values: readonly SqlValue[]): Promise<Outcome> {
    this.#prefer();
    const kept = this.#connect();
    const connection = await kept;
    if (connection instanceof Failure) return connection;
    try {
      const [rows] = await connection.query({
        sql: statement,
        values: [...values],
        ...(this.#isPatient ? {} : { timeout: statementMilliseconds }),
      });
      return Array.isArray(rows) ? (rows as SqlRow[]) : [];
    } catch (error) {
      const failure = failureOf(error, `${this.description} at ${this.#describeHost(this.#host)}`);
      const problem = problemOf(error);
      if (problem === 'refused') return failure;
      if (problem === 'conflict') {
        this.#lastFailure = failure;
        return 'conflict';
      }
      // Of several statements on a connection that broke, the first lets go of it; the next one is not theirs.
      if (this.#connection === kept) {
        this.#lastFailure = failure;
        this.#connection = null;
        this.#host++;
      }
      connection.destroy();
      return 'lost';
    }
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
    this.#preferAt = this.#clock.monotonic() + preferMilliseconds;
    const kept = this.#connection;
    // Without a listener, a connection that breaks while idle would end the process.
    connection.on('error', () => {
      if (this.#connection === kept) this.#connection = null;
      connection.destroy();
    });
  }

  /** Back to a host that stands earlier in the list. Statements go on where they are until it has answered. */
  #prefer(): void {
    const used = this.#host % this.#location.hosts.length;
    if (used === 0 || this.#connection === null || this.#clock.monotonic() < this.#preferAt) return;
    this.#preferAt = this.#clock.monotonic() + preferMilliseconds;
    const before = this.#connection;
    void this.#connectToFirst(0, used, this.#location.database).then(async (found) => {
      if (found instanceof Failure) return;
      // Closed or lost meanwhile: whoever makes a new connection chooses its host.
      if (this.#isClosed || this.#connection !== before) {
        found.connection.destroy();
        return;
      }
      this.#connection = Promise.resolve(found.connection);
      this.#host = found.host;
      this.#keep(found.connection);
      const left = await before;
      // After the statements that are under way.
      if (!(left instanceof Failure)) await left.end().catch(() => left.destroy());
    });
  }

  async #connectToAny(database: string | undefined): Promise<Connection | Failure> {
    const found = await this.#connectToFirst(this.#host, this.#location.hosts.length, database);
    if (found instanceof Failure) return found;
    this.#host = found.host;
    return found.connection;
  }

  /** The first of `count` hosts from `begin` on that serves. */
  async #connectToFirst(
    begin: number,
    count: number,
    database: string | undefined,
  ): Promise<{ readonly connection: Connection; readonly host: number } | Failure> {
    const { hosts } = this.#location;
    let failure: Failure | null = null;
    for (let step = 0; step < count; step++) {
      const host = (begin + step) % hosts.length;
      try {
        return { connection: await this.#open(host, database), host };
      } catch (error) {
        failure = failureOf(error, `${this.description} at ${this.#describeHost(host)}`);
      }
    }
    return failure ?? new Failure('DB_SERVER_UNREACHABLE', `${this.description}: no host`);
  }

  async #open(host: number, database: string | undefined): Promise<Connection> {
    const { hosts, user, password } = this.#location;
    const place = hosts[host]!;
    const connection = await createConnection({
      host: place.host,
      port: place.port,
      user,
      password,
      connectTimeout: connectMilliseconds,
      ...(database === undefined ? {} : { database }),
    });
    try {
      for (const sql of [this.#isPatient ? patientSession : session, serves]) {
        await connection.query({ sql, timeout: connectMilliseconds });
      }
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  #describeHost(host: number): string {
    const { hosts } = this.#location;
    return describeHost(hosts[host % hosts.length]!);
  }
}
