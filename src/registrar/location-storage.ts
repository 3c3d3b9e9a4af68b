/**
 * The table `location` of a database, as the location table sees it: read once, then written behind. Implemented in
 * `db`, joined by the server. Nothing here waits for a database.
 */

import type { Binding, FlagTexts } from '#registrar/binding.ts';
import type { LocationRecord } from '#registrar/location-record.ts';
import type { Failure } from '#util/failure.ts';
import type { StorageFigures } from '#util/storage-figures.ts';
import type { TextPool } from '#util/text-pool.ts';

export interface LocationStorage {
  readonly figures: StorageFigures;
  /** `each` for every row that has not expired; then `done`, with the number of rows or the reason why not. */
  load(each: (record: LocationRecord) => void, done: (outcome: number | Failure) => void): void;
  /** The binding changed: its state of the moment is written later, once for all changes until then. */
  touch(address: string, key: string): void;
  /** Writes what waits, unless a pause after a failure is still on. */
  pump(): void;
}

export interface LocationStorageOptions {
  readonly url: string;
  /** Table name. */
  readonly table: string;
  readonly withDomain: boolean;
  readonly flags: FlagTexts;
  readonly pool: TextPool;
  /** The binding as it is now; null when it is gone. */
  find(address: string, key: string): Binding | null;
  /** All bindings that are this node's to write. */
  own(): Iterable<LocationRecord>;
}

/** Provided by the server. Failures: DB_URL_INVALID, DB_NAME_INVALID. */
export interface LocationDatabase {
  open(options: LocationStorageOptions): LocationStorage | Failure;
}

/** Asked for by name and type, like every service. */
export const locationDatabase: { readonly name: string; readonly service?: LocationDatabase } = {
  name: 'location-database',
};
