/**
 * The location table in a database: read when the cluster has nothing to tell, written behind by the node that made a
 * change. Each table that the script names has rows of its own.
 */

import type { LocationModule } from '#modules/usrloc/location-module.ts';
import type { WorkingMode } from '#modules/usrloc/working-mode.ts';
import { defaultDomain, splitTableKey, tableKey } from '#registrar/address.ts';
import type { Binding } from '#registrar/binding.ts';
import type { LocationRecord } from '#registrar/location-record.ts';
import {
  type LocationDatabase,
  type LocationStorage,
  locationDatabase,
} from '#registrar/location-storage.ts';
import { Failure, isFailure } from '#util/failure.ts';
import type { StorageFigures } from '#util/storage-figures.ts';

/** `write-through`: what changed is on its way to the database at once, but no call waits for it. */
const throughMilliseconds = 100;
/** How often a failed load is tried again. */
const loadMilliseconds = 5000;

const quietMilliseconds = 60_000;

export class LocationRecords {
  readonly #module: LocationModule;
  readonly #mode: WorkingMode;
  readonly #url: string;
  readonly #database: LocationDatabase | null;
  readonly #storages = new Map<string, LocationStorage>();
  /** Tables whose rows are still to be read. */
  readonly #unread = new Set<string>();
  #isReading = false;
  #quietUntil = -Infinity;
  #begun = false;

  constructor(module: LocationModule, mode: WorkingMode, url: string) {
    this.#module = module;
    this.#mode = mode;
    this.#url = url;
    const { host } = module;
    this.#database = host.optionalService(locationDatabase);
    for (const name of ['waiting', 'written', 'removed', 'failures', 'refused', 'overflowed'] as const) {
      host.statistics.gauge('usrloc', `db_${name}`, () => this.#sum(name));
    }
  }

  /** True when registrations are kept in a database. */
  get isKept(): boolean {
    return this.#mode.writes !== 'none' || this.#mode.loadsFromDatabase;
  }

  get hasOtherTables(): boolean {
    return this.#storages.size > 1;
  }

  /** Null when all is well. Failures: USRLOC_DATABASE_MISSING and those of the URL. */
  open(): Failure | null {
    if (!this.isKept) return null;
    const storage = this.#storage(defaultDomain);
    if (isFailure(storage)) return storage;
    this.#read();
    return null;
  }

  /** The cluster has told what it knows, or has nothing to tell. */
  begin(fromPeer: boolean): void {
    this.#begun = true;
    if (fromPeer) this.#unread.clear();
    this.#read();
  }

  keepTime(intervalMilliseconds: number): void {
    if (!this.isKept) return;
    const { host } = this.#module;
    host.every(loadMilliseconds, () => this.#read());
    const period = this.#mode.writes === 'write-through' ? throughMilliseconds : intervalMilliseconds;
    host.every(period, () => this.pump());
  }

  touch(address: string, key: string): void {
    if (this.#mode.writes === 'none') return;
    const { domain, address: user } = splitTableKey(address);
    const storage = this.#storage(domain);
    if (!isFailure(storage)) storage.touch(user, key);
  }

  pump(): void {
    if (this.#mode.writes === 'none') return;
    for (const storage of this.#storages.values()) storage.pump();
  }

  #storage(domain: string): LocationStorage | Failure {
    const known = this.#storages.get(domain);
    if (known !== undefined) return known;
    if (this.#database === null) {
      return new Failure('USRLOC_DATABASE_MISSING', 'this node was started without a database');
    }
    const { withDomain, flags, pool } = this.#module;
    const storage = this.#database.open({
      url: this.#url,
      table: domain,
      withDomain,
      flags,
      pool,
      find: (address, key) => this.#find(tableKey(domain, address), key),
      own: () => this.#own(domain),
    });
    if (isFailure(storage)) return storage;
    this.#storages.set(domain, storage);
    if (this.#mode.loadsFromDatabase) this.#unread.add(domain);
    return storage;
  }

  #find(address: string, key: string): Binding | null {
    const version = this.#module.table.version(address, key);
    return version === null || version.removed ? null : version;
  }

  *#own(domain: string): Iterable<LocationRecord> {
    for (const [key, bindings] of this.#module.table.all()) {
      const { domain: table, address } = splitTableKey(key);
      if (table !== domain) continue;
      for (const binding of bindings) if (this.#module.isOurs(binding)) yield { address, binding };
    }
  }

  /** One table after the other; a table that cannot be read is tried again. */
  #read(): void {
    const [domain] = this.#unread;
    if (!this.#begun || this.#isReading || domain === undefined) return;
    const { host, table } = this.#module;
    this.#isReading = true;
    this.#storages.get(domain)!.load(
      ({ address, binding }) => table.apply(tableKey(domain, address), binding, host.clock.wall()),
      (outcome) => {
        this.#isReading = false;
        if (isFailure(outcome)) {
          this.#complain(outcome);
          return;
        }
        this.#unread.delete(domain);
        host.log.info(`usrloc: ${outcome} contacts read from table ${domain}`);
        this.#read();
      },
    );
  }

  /** Tried every few seconds, said once a minute. */
  #complain({ code, message }: Failure): void {
    const { host } = this.#module;
    const now = host.clock.monotonic();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + quietMilliseconds;
    host.log.warn(`usrloc: registrations cannot be read yet: ${message}`, { code });
  }

  #sum(name: keyof StorageFigures): number {
    let sum = 0;
    for (const storage of this.#storages.values()) sum += storage.figures[name];
    return sum;
  }
}
