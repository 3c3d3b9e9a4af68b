/**
 * The databases of the modules: per URL one connection to write behind and one to read, each for all tables in it. When the node stops,
 * what waits is written first, as far as there is time.
 */

import { DialogStore } from '#db/dialog-store.ts';
import { LocationStore } from '#db/location-store.ts';
import { openDatabase } from '#db/open.ts';
import { FileRecordSpool } from '#db/record-spool.ts';
import { RecordStore } from '#db/record-store.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import { TableGuard } from '#db/table-guard.ts';
import { TableReader } from '#db/table-reader.ts';
import type { DialogDatabase } from '#dialog/dialog-storage.ts';
import type { Logger } from '#module/host.ts';
import type { RecordService, TableService } from '#module/services.ts';
import type {
  LocationDatabase,
  LocationStorage,
  LocationStorageOptions,
} from '#registrar/location-storage.ts';
import type { Clock } from '#util/clock.ts';
import { type Failure, isFailure } from '#util/failure.ts';

/** A database that does not answer must not hold up a stop for longer. */
const flushMilliseconds = 5000;

export class Databases {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #connections = new Map<string, SqlConnection>();
  readonly #stores: { flush(): Promise<boolean> }[] = [];

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** For the module `usrloc`. */
  readonly location: LocationDatabase = { open: (options) => this.#openLocation(options) };

  /** For the module `dialog`. */
  readonly dialog: DialogDatabase = {
    open: (options) => {
      const shared = this.#connection(options.url);
      if (isFailure(shared)) return shared;
      const connection = new TableGuard(shared, options.table);
      const monotonic = (): number => this.#clock.monotonic();
      const store = DialogStore.open(options, { connection, monotonic, log: this.#log });
      if (!isFailure(store)) this.#stores.push(store);
      return store;
    },
  };

  /** For the module `acc`. */
  readonly records: RecordService = {
    open: (url, table, onDone) => {
      const shared = this.#connection(url);
      if (isFailure(shared)) return shared;
      const connection = new TableGuard(shared, table);
      const monotonic = (): number => this.#clock.monotonic();
      const store = RecordStore.open(table, { connection, monotonic, log: this.#log, onDone });
      if (!isFailure(store)) this.#stores.push(store);
      return store;
    },
    spool: (path, each) => FileRecordSpool.open(path, { log: this.#log }, each),
  };

  /** For modules that read while a message waits: on connections of their own, so that no bulk write is before them. */
  readonly tables: TableService = {
    open: (url) => {
      const connection = this.#connection(url, 'read');
      return isFailure(connection) ? connection : new TableReader(connection);
    },
    records: this.records,
  };

  #openLocation(options: LocationStorageOptions): LocationStorage | Failure {
    const shared = this.#connection(options.url);
    if (isFailure(shared)) return shared;
    const connection = new TableGuard(shared, options.table);
    const store = LocationStore.open(options, { connection, clock: this.#clock, log: this.#log });
    if (!isFailure(store)) this.#stores.push(store);
    return store;
  }

  #connection(url: string, purpose: 'read' | 'write' = 'write'): SqlConnection | Failure {
    const key = `${purpose} ${url}`;
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const connection = openDatabase(url, this.#clock);
    if (!isFailure(connection)) this.#connections.set(key, connection);
    return connection;
  }

  /** Writes what waits, then closes the connections. */
  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false[]>((resolve) => {
      timer = setTimeout(() => resolve([false]), flushMilliseconds);
    });
    const written = await Promise.race([Promise.all(this.#stores.map((store) => store.flush())), late]);
    clearTimeout(timer);
    if (written.includes(false))
      this.#log.error('not everything was written to the database before the stop');
    for (const connection of this.#connections.values()) await connection.close();
    this.#connections.clear();
  }
}
