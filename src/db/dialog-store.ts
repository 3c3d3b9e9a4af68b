/** The table `dialog`: read page by page, rows written and removed in batches. */

import { dialogColumns, dialogOfRow, dialogRowId, rowOfDialog } from '#db/dialog-row.ts';
import { KeyedRows } from '#db/keyed-rows.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import { sqlName } from '#db/sql-name.ts';
import { type RowWriter, WriteBehind } from '#db/write-behind.ts';
import type { DialogRecord } from '#dialog/dialog.ts';
import type { DialogStorage, DialogStorageOptions } from '#dialog/dialog-storage.ts';
import { Failure } from '#util/failure.ts';
import type { StorageFigures } from '#util/storage-figures.ts';

/** Some 1 kB each. */
const pageRowsMax = 1000;

export interface DialogStoreParts {
  readonly connection: SqlConnection;
  /** Milliseconds. */
  readonly monotonic: () => number;
  readonly log: { warn(message: string): void; info(message: string): void; error(message: string): void };
}

export class DialogStore implements DialogStorage, RowWriter<DialogRecord> {
  readonly #rows: KeyedRows;
  readonly #writes: WriteBehind<DialogRecord>;

  private constructor(options: DialogStorageOptions, { connection, monotonic, log }: DialogStoreParts) {
    this.#rows = new KeyedRows(connection, options.table, dialogColumns);
    const source = { read: (id: string) => options.find(id), keys: () => options.own() };
    const name = `table ${options.table} of ${connection.description}`;
    this.#writes = new WriteBehind(this, source, { name, monotonic, log });
  }

  /** Failures: DB_NAME_INVALID. */
  static open(options: DialogStorageOptions, parts: DialogStoreParts): DialogStore | Failure {
    if (sqlName.test(options.table)) return new DialogStore(options, parts);
    return new Failure('DB_NAME_INVALID', `"${options.table}" is no name for a table`);
  }

  get figures(): StorageFigures {
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
    let count = 0;
    const failure = await this.#rows.read(pageRowsMax, (row) => {
      const record = dialogOfRow(row);
      if (record === null) return;
      count++;
      each(record);
    });
    return failure ?? count;
  }

  // ── RowWriter ─────────────────────────────────────────────────────────────────────────────────────────────────

  async write(records: readonly DialogRecord[], removedKeys: readonly string[]): Promise<Failure | null> {
    return (
      (await this.#rows.remove(removedKeys.map(dialogRowId))) ??
      (await this.#rows.upsert(records.map(rowOfDialog)))
    );
  }
}
