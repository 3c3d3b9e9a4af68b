/**
 * Rows written to a database behind the work that changes them. Only the keys of changed rows wait here, each once
 * however often it changes; what a row holds is asked for when it is written, so a database that comes back after an
 * hour gets the state of that moment, once. Batches follow each other until nothing waits or one fails; after a
 * failure a pause, longer each time. Too many keys: they are counted, and everything is written when the rest is done.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { Failure } from '#util/failure.ts';
import type { StorageFigures } from '#util/storage-figures.ts';

/** Writes rows of one table: all of a call or nothing. Repeating a call changes nothing. */
export interface RowWriter<Row> {
  /** Failure DB_ROW_REFUSED: one of these rows can never be written. Any other: the database cannot now. */
  write(rows: readonly Row[], removedKeys: readonly string[]): Promise<Failure | null>;
}

/** The rows as they are in memory. */
export interface RowSource<Row> {
  /** Null: the row is gone, and is to be removed. */
  read(key: string): Row | null;
  /** Every key whose row is this node's to write, for catching up. */
  keys(): Iterable<string>;
}

export interface WriteBehindOptions {
  /** For the log: `table location of mysql://…`. */
  readonly name: string;
  /** Milliseconds, monotonic. */
  readonly monotonic: () => number;
  readonly log: { warn(message: string): void; info(message: string): void; error(message: string): void };
  readonly keysMax?: number;
  readonly batchRowsMax?: number;
}

/** Some 100 bytes each. */
const defaultKeysMax = 200_000;
/** One statement of some 60 kB: a few milliseconds of the database, less than one of ours. */
const defaultBatchRowsMax = 200;
const pauseMillisecondsMin = 500;
/** A database that comes back is written to within this time. */
const pauseMillisecondsMax = 15_000;
const logMilliseconds = 60_000;

export class WriteBehind<Row> {
  readonly #writer: RowWriter<Row>;
  readonly #source: RowSource<Row>;
  readonly #options: WriteBehindOptions;
  readonly #keysMax: number;
  readonly #batchRowsMax: number;
  readonly #waiting = new Set<string>();
  readonly #counts = { written: 0, removed: 0, failures: 0, refused: 0, overflowed: 0 };
  #flying: readonly string[] = [];
  #running: Promise<void> | null = null;
  /** Keys did not fit: everything must be written once. */
  #isBehind = false;
  #catchingUp: Iterator<string> | null = null;
  #pauseMilliseconds = 0;
  #retryAt = 0;
  #failingSince: number | null = null;
  #loggedAt = 0;

  constructor(writer: RowWriter<Row>, source: RowSource<Row>, options: WriteBehindOptions) {
    this.#writer = writer;
    this.#source = source;
    this.#options = options;
    this.#keysMax = options.keysMax ?? defaultKeysMax;
    this.#batchRowsMax = options.batchRowsMax ?? defaultBatchRowsMax;
  }

  get figures(): StorageFigures {
    return { waiting: this.#waiting.size + this.#flying.length, ...this.#counts };
  }

  /** The row under this key changed, came or went. */
  touch(key: string): void {
    if (this.#waiting.size < this.#keysMax || this.#waiting.has(key)) {
      this.#waiting.add(key);
      return;
    }
    this.#counts.overflowed++;
    this.#isBehind = true;
  }

  /** Writes what waits, unless it is being done or a pause is on. */
  pump(): void {
    if (this.#running !== null || this.#options.monotonic() < this.#retryAt || this.#isIdle()) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Writes what waits, now, as far as the database lets it. True when nothing is left. */
  async flush(): Promise<boolean> {
    await this.#running;
    this.#retryAt = 0;
    this.pump();
    await this.#running;
    return this.#isIdle();
  }

  #isIdle(): boolean {
    return this.#waiting.size === 0 && !this.#isBehind && this.#catchingUp === null;
  }

  async #run(): Promise<void> {
    while (!this.#isIdle()) {
      const keys = this.#take();
      if (keys.length === 0) continue;
      this.#flying = keys;
      const failure = await this.#write(keys);
      this.#flying = [];
      if (failure !== null) {
        for (const key of keys) this.touch(key);
        this.#pause(failure);
        return;
      }
      this.#resume();
      // Between two batches everything else has its turn: SQLite writes while we wait for nobody.
      await nextTurn();
    }
  }

  /** The next keys; those of a catch-up when no others wait. */
  #take(): string[] {
    if (this.#waiting.size === 0 && this.#isBehind) {
      this.#isBehind = false;
      this.#catchingUp = this.#source.keys()[Symbol.iterator]();
      this.#options.log.warn(
        `${this.#options.name}: more changes waited than are noted; all rows are written again`,
      );
    }
    while (this.#catchingUp !== null && this.#waiting.size < this.#batchRowsMax) {
      const { value, done } = this.#catchingUp.next();
      if (done === true) this.#catchingUp = null;
      else this.#waiting.add(value);
    }
    const keys: string[] = [];
    for (const key of this.#waiting) {
      if (keys.length >= this.#batchRowsMax) break;
      keys.push(key);
    }
    for (const key of keys) this.#waiting.delete(key);
    return keys;
  }

  /** A row that the database never takes must not hold up the others: its half of the batch is found, then itself. */
  async #write(keys: readonly string[]): Promise<Failure | null> {
    const rows: Row[] = [];
    const removed: string[] = [];
    for (const key of keys) {
      const row = this.#source.read(key);
      if (row === null) removed.push(key);
      else rows.push(row);
    }
    const failure = await this.#attempt(rows, removed);
    if (failure === null) {
      this.#counts.written += rows.length;
      this.#counts.removed += removed.length;
      return null;
    }
    if (failure.code !== 'DB_ROW_REFUSED') return failure;
    if (keys.length === 1) {
      this.#counts.refused++;
      this.#options.log.error(`${this.#options.name}: a row is not taken: ${failure.message}`);
      return null;
    }
    const middle = keys.length >> 1;
    return (await this.#write(keys.slice(0, middle))) ?? (await this.#write(keys.slice(middle)));
  }

  async #attempt(rows: readonly Row[], removed: readonly string[]): Promise<Failure | null> {
    try {
      return await this.#writer.write(rows, removed);
    } catch (error) {
      return new Failure('DB_QUERY_FAILED', error instanceof Error ? error.message : String(error));
    }
  }

  #pause(failure: Failure): void {
    const now = this.#options.monotonic();
    this.#counts.failures++;
    this.#pauseMilliseconds = Math.min(
      Math.max(this.#pauseMilliseconds * 2, pauseMillisecondsMin),
      pauseMillisecondsMax,
    );
    this.#retryAt = now + this.#pauseMilliseconds;
    // An outage shows in several ways (refused, reset, timed out): one line at its beginning, and one a minute.
    if (this.#failingSince !== null && now - this.#loggedAt < logMilliseconds) return;
    this.#failingSince ??= now;
    this.#loggedAt = now;
    this.#options.log.error(`${this.#options.name}: ${this.#waiting.size} changes wait: ${failure.message}`);
  }

  #resume(): void {
    if (this.#failingSince === null) return;
    const seconds = Math.round((this.#options.monotonic() - this.#failingSince) / 1000);
    this.#options.log.info(
      `${this.#options.name}: writing again after ${seconds} s, ${this.#waiting.size} changes to catch up`,
    );
    this.#failingSince = null;
    this.#pauseMilliseconds = 0;
  }
}
