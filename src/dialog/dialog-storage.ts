/**
 * The table `dialog` of a database, as the dialogs of a node see it: read once, then written behind. Implemented in
 * `db`, joined by the server. Nothing here waits for a database.
 */

import type { DialogRecord } from '#dialog/dialog.ts';
import type { Failure } from '#util/failure.ts';
import type { StorageFigures } from '#util/storage-figures.ts';

export interface DialogStorage {
  readonly figures: StorageFigures;
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
