/**
 * Answered dialogs in a database: read when a node starts, written behind by the node whose duty each is. No call waits
 * for a database.
 */

import type { DialogRecord } from '#dialog/dialog.ts';
import { type DialogStorage, dialogDatabase } from '#dialog/dialog-storage.ts';
import type { ModuleHost } from '#module/host.ts';
import { type DialogSettings, databaseModes } from '#modules/dialog/settings.ts';
import { Failure, isFailure } from '#util/failure.ts';
import type { StorageFigures } from '#util/storage-figures.ts';

/** On its way to the database at once, but a call that ends soon is not written at all. */
const realtimeMilliseconds = 100;
/** How often a failed load is tried again. */
const loadMilliseconds = 5000;

export interface RecordsUser {
  /** The answered dialog as it is now; null when it is over. */
  find(id: string): DialogRecord | null;
  own(): Iterable<string>;
  /** A row that was read. */
  take(record: DialogRecord): void;
}

export class DialogRecords {
  readonly #host: ModuleHost;
  readonly #user: RecordsUser;
  #storage: DialogStorage | null = null;
  #isRead = false;
  #isReading = false;

  constructor(host: ModuleHost, user: RecordsUser) {
    this.#host = host;
    this.#user = user;
    for (const name of ['waiting', 'written', 'removed', 'failures', 'refused', 'overflowed'] as const)
      host.statistics.gauge('dialog', `db_${name}`, () => this.#figure(name));
  }

  /** Null when all is well. Failures: DIALOG_DATABASE_MISSING and those of the URL. */
  open({ databaseMode, databaseUrl, tableName, updateSeconds }: DialogSettings): Failure | null {
    if (databaseMode === databaseModes.none || databaseUrl === null) return null;
    const host = this.#host;
    const database = host.optionalService(dialogDatabase);
    if (database === null)
      return new Failure('DIALOG_DATABASE_MISSING', 'this node was started without a database');
    const user = this.#user;
    const storage = database.open({
      url: databaseUrl,
      table: tableName,
      find: (id) => user.find(id),
      own: () => user.own(),
    });
    if (isFailure(storage)) return storage;
    this.#storage = storage;
    this.#read();
    host.every(loadMilliseconds, () => this.#read());
    // What waits when the node stops is written then.
    if (databaseMode === databaseModes.shutdown) return null;
    const isRealtime = databaseMode === databaseModes.realtime;
    host.every(isRealtime ? realtimeMilliseconds : updateSeconds * 1000, () => storage.pump());
    return null;
  }

  touch(id: string): void {
    this.#storage?.touch(id);
  }

  #read(): void {
    const storage = this.#storage;
    if (storage === null || this.#isRead || this.#isReading) return;
    this.#isReading = true;
    storage.load(
      (record) => this.#user.take(record),
      (outcome) => {
        this.#isReading = false;
        const { log } = this.#host;
        if (isFailure(outcome)) {
          log.warn(`dialog: dialogs cannot be read yet: ${outcome.message}`, { code: outcome.code });
          return;
        }
        this.#isRead = true;
        log.info(`dialog: ${outcome} dialogs read from the database`);
      },
    );
  }

  #figure(name: keyof StorageFigures): number {
    return this.#storage?.figures[name] ?? 0;
  }
}
