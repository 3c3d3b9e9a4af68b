/** The location table as other modules use it: changes made through it reach every node of the cluster. */

import type { Binding } from '#registrar/binding.ts';
import type { LocationTable } from '#registrar/location-table.ts';
import type { TextPool } from '#util/text-pool.ts';

export interface LocationService {
  readonly table: LocationTable;
  readonly pool: TextPool;
  /** `use_domain`: addresses are `user@host`; else the user part alone. */
  readonly withDomain: boolean;
  /** `matching_mode`: the Call-ID belongs to what tells contacts apart. */
  readonly matchesCallId: boolean;
  /** Branch flag of contacts behind a NAT (`nat_bflag`), 0 for none. */
  readonly natFlag: number;
  /** Stores versions of one address, made on this node: all of them at once. */
  publish(address: string, bindings: readonly Binding[]): void;
  /**
   * Calls `done` when all peers have what was published so far, after `confirm_timeout` at the latest. False when there
   * is nobody to wait for: then `done` is not called.
   */
  confirm(done: () => void): boolean;
  /** Removes bindings of an address. */
  remove(address: string, bindings: readonly Binding[]): void;
  /** The one live node whose duty this binding is: pings and writes of a node that is gone fall to another. */
  isOurs(binding: Binding): boolean;
}

/** Asked for by name and type, like every service of a module. Provided by `usrloc`. */
export const locationService: { readonly name: string; readonly service?: LocationService } = {
  name: 'usrloc',
};
