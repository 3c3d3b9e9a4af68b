/**
 * The table `location`: read page by page, rows written and removed in batches. Rows that OpenSIPS wrote have ids of
 * its own making; they are read like the others, and replaced by ours when they are written next.
 */

import { bindingOfRow, locationColumns, rowOfBinding } from '#db/location-row.ts';
import type { SqlConnection, SqlValue } from '#db/sql-connection.ts';
import { type RowWriter, WriteBehind, type WriteBehindFigures } from '#db/write-behind.ts';
import { bindingId, contactIdText } from '#registrar/binding.ts';
import type { LocationRecord } from '#registrar/location-record.ts';
import type { LocationStorage, LocationStorageOptions } from '#registrar/location-storage.ts';
import type { Clock } from '#util/clock.ts';
import { Failure, isFailure } from '#util/failure.ts';

/** Some 300 bytes each. */
const pageRowsMax = 2000;
const sqlName = /^[A-Za-z0-9_]{1,64}$/;
/** Between address and key in the keys of the write-behind; in neither of them. */
const divider = '\n';

export interface LocationStoreParts {
  readonly connection: SqlConnection;
  readonly clock: Clock;
  readonly log: { warn(message: string): void; info(message: string): void; error(message: string): void };
  /** Rows that may wait; for tests. */
  readonly keysMax?: number;
}

export class LocationStore implements LocationStorage, RowWriter<LocationRecord> {
  readonly #connection: SqlConnection;
  readonly #clock: Clock;
  readonly #options: LocationStorageOptions;
  readonly #writes: WriteBehind<LocationRecord>;
  /** Ids of rows that somebody else wrote for bindings that are known here: removed with the next write. */
  readonly #foreign = new Map<string, string>();
  #unfit = 0;

  private constructor(options: LocationStorageOptions, parts: LocationStoreParts) {
    this.#options = options;
    this.#connection = parts.connection;
    this.#clock = parts.clock;
    const source = {
      read: (key: string) => {
        const [address, contact] = splitKey(key);
        const binding = options.find(address, contact);
        return binding === null ? null : { address, binding };
      },
      keys: () => keysOf(options.own()),
    };
    this.#writes = new WriteBehind(this, source, {
      name: `table ${options.table} of ${parts.connection.description}`,
      monotonic: () => parts.clock.monotonic(),
      log: parts.log,
      ...(parts.keysMax === undefined ? {} : { keysMax: parts.keysMax }),
    });
  }

  /** Failures: DB_NAME_INVALID. */
  static open(options: LocationStorageOptions, parts: LocationStoreParts): LocationStore | Failure {
    if (sqlName.test(options.table)) return new LocationStore(options, parts);
    return new Failure('DB_NAME_INVALID', `"${options.table}" is no name for a table`);
  }

  get figures(): WriteBehindFigures {
    const figures = this.#writes.figures;
    return { ...figures, refused: figures.refused + this.#unfit };
  }

  touch(address: string, key: string): void {
    this.#writes.touch(`${address}${divider}${key}`);
  }

  pump(): void {
    this.#writes.pump();
  }

  /** True when nothing is left to be written. */
  flush(): Promise<boolean> {
    return this.#writes.flush();
  }

  load(each: (record: LocationRecord) => void, done: (outcome: number | Failure) => void): void {
    this.#load(each).then(done, (error: unknown) => done(new Failure('DB_QUERY_FAILED', String(error))));
  }

  async #load(each: (record: LocationRecord) => void): Promise<number | Failure> {
    const { table } = this.#options;
    // A 64-bit number does not survive the way through JavaScript: it is read as text.
    const isMysql = this.#connection.dialect === 'mysql';
    const columns = locationColumns.map((name) =>
      name === 'contact_id' ? `CAST(contact_id AS ${isMysql ? 'CHAR' : 'TEXT'}) AS contact_id` : name,
    );
    const statement =
      `SELECT ${columns.join(', ')} FROM ${table} WHERE ${table}.contact_id > ? ` +
      `ORDER BY ${table}.contact_id LIMIT ${pageRowsMax}`;
    let count = 0;
    let last = 0n;
    for (;;) {
      const rows = await this.#connection.query(statement, [last]);
      if (isFailure(rows)) return rows;
      for (const row of rows) if (this.#take(row, each)) count++;
      if (rows.length < pageRowsMax) return count;
      last = BigInt(String(rows.at(-1)!.contact_id));
    }
  }

  #take(row: Readonly<Record<string, unknown>>, each: (record: LocationRecord) => void): boolean {
    const { withDomain, flags, pool } = this.#options;
    const read = bindingOfRow(row, { withDomain, flags, pool, wall: this.#clock.wall() });
    if (read === null) return false;
    const { record, contactId } = read;
    if (contactId !== contactIdText(record.binding)) {
      this.#foreign.set(`${record.address}${divider}${record.binding.key}`, contactId);
      this.touch(record.address, record.binding.key);
    }
    each(record);
    return true;
  }

  // ── RowWriter ─────────────────────────────────────────────────────────────────────────────────────────────────

  async write(records: readonly LocationRecord[], removedKeys: readonly string[]): Promise<Failure | null> {
    const { withDomain, flags } = this.#options;
    const rows: SqlValue[][] = [];
    const foreign: string[] = [];
    for (const record of records) {
      const row = rowOfBinding(record, withDomain, flags);
      if (isFailure(row)) this.#unfit++;
      else rows.push(row);
      const key = `${record.address}${divider}${record.binding.key}`;
      if (this.#foreign.has(key)) foreign.push(key);
    }
    const gone = removedKeys.map((key) => BigInt(contactIdText(bindingId(...splitKey(key)))));
    for (const key of [...foreign, ...removedKeys]) {
      const id = this.#foreign.get(key);
      if (id !== undefined) gone.push(BigInt(id));
    }
    const failure = (await this.#remove(gone)) ?? (await this.#upsert(rows));
    if (failure === null) for (const key of [...foreign, ...removedKeys]) this.#foreign.delete(key);
    return failure;
  }

  async #upsert(rows: readonly (readonly SqlValue[])[]): Promise<Failure | null> {
    if (rows.length === 0) return null;
    const { dialect } = this.#connection;
    const marks = `(${locationColumns.map(() => '?').join(', ')})`;
    const updates = locationColumns
      .slice(1)
      .map((name) => (dialect === 'mysql' ? `${name} = VALUES(${name})` : `${name} = excluded.${name}`))
      .join(', ');
    const conflict =
      dialect === 'mysql' ? 'ON DUPLICATE KEY UPDATE' : 'ON CONFLICT (contact_id) DO UPDATE SET';
    const outcome = await this.#connection.query(
      `INSERT INTO ${this.#options.table} (${locationColumns.join(', ')}) ` +
        `VALUES ${rows.map(() => marks).join(', ')} ${conflict} ${updates}`,
      rows.flat(),
    );
    return isFailure(outcome) ? outcome : null;
  }

  async #remove(ids: readonly bigint[]): Promise<Failure | null> {
    if (ids.length === 0) return null;
    const outcome = await this.#connection.query(
      `DELETE FROM ${this.#options.table} WHERE contact_id IN (${ids.map(() => '?').join(', ')})`,
      ids,
    );
    return isFailure(outcome) ? outcome : null;
  }
}

function splitKey(key: string): [address: string, contact: string] {
  const at = key.indexOf(divider);
  return [key.slice(0, at), key.slice(at + 1)];
}

function* keysOf(records: Iterable<LocationRecord>): Iterable<string> {
  for (const { address, binding } of records) yield `${address}${divider}${binding.key}`;
}
