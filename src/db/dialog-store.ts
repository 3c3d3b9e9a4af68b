/** The table `dialog`: read page by page, rows written and removed in batches. */

import { dialogColumns, dialogOfRow, dialogRowId, rowOfDialog } from '#db/dialog-row.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import { type RowWriter, WriteBehind, type WriteBehindFigures } from '#db/write-behind.ts';
import type { DialogRecord } from '#dialog/dialog.ts';
import type { DialogStorage, DialogStorageOptions } from '#dialog/dialog-storage.ts';
import { Failure, isFailure } from '#util/failure.ts';

/** Some 1 kB each. */
const pageRowsMax = 1000;
const sqlName = /^[A-Za-z0-9_]{1,64}$/;

export interface DialogStoreParts {
  readonly connection: SqlConnection;
  /** Milliseconds. */
  readonly monotonic: () => number;
  readonly log: { warn(message: string): void; info(message: string): void; error(message: string): void };
}

export class DialogStore implements DialogStorage, RowWriter<DialogRecord> {
  readonly #connection: SqlConnection;
  readonly #table: string;
  readonly #writes: WriteBehind<DialogRecord>;

  private constructor(options: DialogStorageOptions, { connection, monotonic, log }: DialogStoreParts) {
    this.#connection = connection;
    this.#table = options.table;
    const source = { read: (id: string) => options.find(id), keys: () => options.own() };
    const name = `table ${options.table} of ${connection.description}`;
    this.#writes = new WriteBehind(this, source, { name, monotonic, log });
  }

  /** Failures: DB_NAME_INVALID. */
  static open(options: DialogStorageOptions, parts: DialogStoreParts): DialogStore | Failure {
    if (sqlName.test(options.table)) return new DialogStore(options, parts);
    return new Failure('DB_NAME_INVALID', `"${options.table}" is no name for a table`);
  }

  get figures(): WriteBehindFigures {
    return this.#writes.figures;
  }

  touch(id: string): void {
    this.#writes.touch(id);
  }

  pump(): void {
    this.#writes.pump();
  }

  /** True when nothing is left to be written. */
  flush(): Promise<boolean> {
    return this.#writes.flush();
  }

  load(each: (record: DialogRecord) => void, done: (outcome: number | Failure) => void): void {
    this.#load(each).then(done, (error: unknown) => done(new Failure('DB_QUERY_FAILED', String(error))));
  }

  async #load(each: (record: DialogRecord) => void): Promise<number | Failure> {
    // A 64-bit number does not survive the way through JavaScript: it is read as text.
    const type = this.#connection.dialect === 'mysql' ? 'CHAR' : 'TEXT';
    const columns = [`CAST(dlg_id AS ${type}) AS row_id`, ...dialogColumns.slice(1)].join(', ');
    const statement = `SELECT ${columns} FROM ${this.#table} WHERE dlg_id > ? ORDER BY dlg_id LIMIT ${pageRowsMax}`;
    let count = 0;
    let last = 0n;
    for (;;) {
      const rows = await this.#connection.query(statement, [last]);
      if (isFailure(rows)) return rows;
      for (const row of rows) {
        const record = dialogOfRow(row);
        if (record === null) continue;
        count++;
        each(record);
      }
      if (rows.length < pageRowsMax) return count;
      last = BigInt(String(rows.at(-1)!.row_id));
    }
  }

  // ── RowWriter ─────────────────────────────────────────────────────────────────────────────────────────────────

  async write(records: readonly DialogRecord[], removedKeys: readonly string[]): Promise<Failure | null> {
    return (await this.#remove(removedKeys)) ?? (await this.#upsert(records));
  }

  async #upsert(records: readonly DialogRecord[]): Promise<Failure | null> {
    if (records.length === 0) return null;
    const isMysql = this.#connection.dialect === 'mysql';
    const marks = `(${dialogColumns.map(() => '?').join(', ')})`;
    const updates = dialogColumns
      .slice(1)
      .map((name) => (isMysql ? `${name} = VALUES(${name})` : `${name} = excluded.${name}`))
      .join(', ');
    const conflict = isMysql ? 'ON DUPLICATE KEY UPDATE' : 'ON CONFLICT (dlg_id) DO UPDATE SET';
    const outcome = await this.#connection.query(
      `INSERT INTO ${this.#table} (${dialogColumns.join(', ')}) ` +
        `VALUES ${records.map(() => marks).join(', ')} ${conflict} ${updates}`,
      records.flatMap(rowOfDialog),
    );
    return isFailure(outcome) ? outcome : null;
  }

  async #remove(ids: readonly string[]): Promise<Failure | null> {
    if (ids.length === 0) return null;
    const outcome = await this.#connection.query(
      `DELETE FROM ${this.#table} WHERE dlg_id IN (${ids.map(() => '?').join(', ')})`,
      ids.map(dialogRowId),
    );
    return isFailure(outcome) ? outcome : null;
  }
}
