/**
 * Records that are written once and never changed (accounting): behind the call, in batches, each under a key that the
 * table keeps unique. Writing a record again, after a lost answer or by another node, changes nothing. What the
 * database never takes goes to the log whole; so does what finds no room here.
 */

import type { SqlConnection, SqlValue } from '#db/sql-connection.ts';
import { sqlName } from '#db/sql-name.ts';
import { type RowWriter, WriteBehind } from '#db/write-behind.ts';
import type { RecordStorage, StoredRecord } from '#module/services.ts';
import { Failure, isFailure } from '#util/failure.ts';
import type { StorageFigures } from '#util/storage-figures.ts';

/** Some 500 bytes each: 50 MB at most, a quarter of an hour of 100 calls a second. */
const recordsMax = 100_000;
export interface RecordStoreParts {
  readonly connection: SqlConnection;
  /** Milliseconds. */
  readonly monotonic: () => number;
  readonly log: { warn(message: string): void; info(message: string): void; error(message: string): void };
  /** Called with the keys of records that need nobody's care any more. */
  readonly onDone?: (keys: readonly string[]) => void;
  /** For tests. */
  readonly recordsMax?: number;
}

export class RecordStore implements RecordStorage, RowWriter<StoredRecord> {
  readonly #table: string;
  readonly #parts: RecordStoreParts;
  readonly #records = new Map<string, StoredRecord>();
  readonly #writes: WriteBehind<StoredRecord>;
  readonly #recordsMax: number;
  #overflowed = 0;
  #isFull = false;

  private constructor(table: string, parts: RecordStoreParts) {
    this.#table = table;
    this.#parts = parts;
    this.#recordsMax = parts.recordsMax ?? recordsMax;
    const source = {
      read: (key: string) => this.#records.get(key) ?? null,
      keys: () => this.#records.keys(),
    };
    this.#writes = new WriteBehind(this, source, {
      name: `table ${table} of ${parts.connection.description}`,
      monotonic: parts.monotonic,
      log: parts.log,
      keysMax: this.#recordsMax,
    });
  }

  /** Failures: DB_NAME_INVALID. */
  static open(table: string, parts: RecordStoreParts): RecordStore | Failure {
    if (sqlName.test(table)) return new RecordStore(table, parts);
    return new Failure('DB_NAME_INVALID', `"${table}" is no name for a table`);
  }

  get figures(): StorageFigures {
    return { ...this.#writes.figures, overflowed: this.#overflowed };
  }

  append(record: StoredRecord): boolean {
    if (this.#records.has(record.key)) return true;
    if (this.#records.size >= this.#recordsMax) {
      this.#overflowed++;
      if (!this.#isFull)
        this.#parts.log.error(`table ${this.#table}: ${this.#recordsMax} records wait, more are only logged`);
      this.#isFull = true;
      this.#parts.log.error(`record not kept for table ${this.#table}: ${describe(record)}`);
      return false;
    }
    this.#records.set(record.key, record);
    this.#writes.touch(record.key);
    return true;
  }

  pump(): void {
    this.#writes.pump();
  }

  flush(): Promise<boolean> {
    return this.#writes.flush();
  }

  // ── RowWriter ─────────────────────────────────────────────────────────────────────────────────────────────────

  async write(records: readonly StoredRecord[]): Promise<Failure | null> {
    for (const group of byColumns(records)) {
      const failure = await this.#insert(group);
      if (failure === null) {
        this.#done(group);
        continue;
      }
      if (failure.code === 'DB_ROW_REFUSED' && records.length === 1) {
        this.#parts.log.error(`record refused by table ${this.#table}: ${describe(records[0]!)}`);
        this.#done(records);
      }
      return failure;
    }
    return null;
  }

  #done(records: readonly StoredRecord[]): void {
    for (const { key } of records) this.#records.delete(key);
    this.#isFull = false;
    this.#parts.onDone?.(records.map(({ key }) => key));
  }

  async #insert(records: readonly StoredRecord[]): Promise<Failure | null> {
    const columns = ['anyvia_key', ...Object.keys(records[0]!.columns)];
    const wrong = columns.find((name) => !sqlName.test(name));
    if (wrong !== undefined) return new Failure('DB_ROW_REFUSED', `"${wrong}" is no name for a column`);
    // Not INSERT IGNORE: that would also cut what does not fit, without a word.
    const conflict =
      this.#parts.connection.dialect === 'mysql'
        ? 'ON DUPLICATE KEY UPDATE anyvia_key = VALUES(anyvia_key)'
        : 'ON CONFLICT (anyvia_key) DO NOTHING';
    const marks = `(${columns.map(() => '?').join(', ')})`;
    const outcome = await this.#parts.connection.query(
      `INSERT INTO ${this.#table} (${columns.join(', ')}) VALUES ${records.map(() => marks).join(', ')} ${conflict}`,
      records.flatMap(({ key, columns: values }): SqlValue[] => [key, ...Object.values(values)]),
    );
    return isFailure(outcome) ? outcome : null;
  }
}

/** Records of one statement have the same columns in the same order. */
function byColumns(records: readonly StoredRecord[]): StoredRecord[][] {
  const groups = new Map<string, StoredRecord[]>();
  for (const record of records) {
    const shape = Object.keys(record.columns).join();
    const group = groups.get(shape);
    if (group === undefined) groups.set(shape, [record]);
    else group.push(record);
  }
  return [...groups.values()];
}

function describe(record: StoredRecord): string {
  return JSON.stringify(record.columns);
}
