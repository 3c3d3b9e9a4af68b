/**
 * The table `location`: read page by page, rows written and removed in batches. Rows that OpenSIPS wrote have ids of
 * its own making; they are read like the others, and replaced by ours when they are written next.
 */

import { KeyedRows } from '#db/keyed-rows.ts';
import { bindingOfRow, locationColumns, rowOfBinding } from '#db/location-row.ts';
import type { SqlConnection, SqlValue } from '#db/sql-connection.ts';
import { sqlName } from '#db/sql-name.ts';
import { type RowWriter, WriteBehind } from '#db/write-behind.ts';
import { bindingId, contactIdText } from '#registrar/binding.ts';
import type { LocationRecord } from '#registrar/location-record.ts';
import type { LocationStorage, LocationStorageOptions } from '#registrar/location-storage.ts';
import type { Clock } from '#util/clock.ts';
import { Failure, isFailure } from '#util/failure.ts';
import type { StorageFigures } from '#util/storage-figures.ts';

/** Some 300 bytes each. */
const pageRowsMax = 2000;
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
  readonly #rows: KeyedRows;
  readonly #clock: Clock;
  readonly #options: LocationStorageOptions;
  readonly #writes: WriteBehind<LocationRecord>;
  /** Ids of rows that somebody else wrote for bindings that are known here: removed with the next write. */
  readonly #foreign = new Map<string, string>();
  #unfit = 0;

  private constructor(options: LocationStorageOptions, parts: LocationStoreParts) {
    this.#options = options;
    this.#rows = new KeyedRows(parts.connection, options.table, locationColumns);
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

  get figures(): StorageFigures {
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
    let count = 0;
    const failure = await this.#rows.read(pageRowsMax, (row) => {
      if (this.#take(row, each)) count++;
    });
    return failure ?? count;
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
    const failure = (await this.#rows.remove(gone)) ?? (await this.#rows.upsert(rows));
    if (failure === null) for (const key of [...foreign, ...removedKeys]) this.#foreign.delete(key);
    return failure;
  }
}

function splitKey(key: string): [address: string, contact: string] {
  const at = key.indexOf(divider);
  return [key.slice(0, at), key.slice(at + 1)];
}

function* keysOf(records: Iterable<LocationRecord>): Iterable<string> {
  for (const { address, binding } of records) yield `${address}${divider}${binding.key}`;
}
