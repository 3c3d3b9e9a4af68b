/**
 * The table `dialog` of a database, as the dialogs of a node see it: read once, then written behind. Implemented in
 * `db`, joined by the server. Nothing here waits for a database.
 */

import type { DialogRecord } from '#dialog/dialog.ts';
import type { Failure } from '#util/failure.ts';

/** Counted since the start. */
export interface DialogStorageFigures {
  /** Rows whose change is not in the database yet. */
  readonly waiting: number;
  readonly written: number;
  readonly removed: number;
  /** Attempts that failed. */
  readonly failures: number;
  /** Rows that the database does not take. */
  readonly refused: number;
  /** Changes that were not noted because too many waited; they are caught up from memory. */
  readonly overflowed: number;
}

export interface DialogStorage {
  readonly figures: DialogStorageFigures;
  /** `each` for every row; then `done`, with their number or the reason why not. */
  load(each: (record: DialogRecord) => void, done: (outcome: number | Failure) => void): void;
  /** The dialog changed or ended: its state of the moment is written later, once for all changes until then. */
  touch(id: string): void;
  /** Writes what waits, unless a pause after a failure is still on. */
  pump(): void;
}

export interface DialogStorageOptions {
  readonly url: string;
  readonly table: string;
  /** The answered dialog as it is now; null when it is over. */
  find(id: string): DialogRecord | null;
  /** Ids of all that are this node's to write. */
  own(): Iterable<string>;
}

/** Provided by the server. Failures: DB_URL_INVALID, DB_NAME_INVALID. */
export interface DialogDatabase {
  open(options: DialogStorageOptions): DialogStorage | Failure;
}

/** Asked for by name and type, like every service. */
export const dialogDatabase: { readonly name: string; readonly service?: DialogDatabase } = {
  name: 'dialog-database',
};
