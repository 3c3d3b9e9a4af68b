/** The location table as other modules use it: changes made through it reach every node of the cluster. */

import type { Binding } from '#registrar/binding.ts';
import type { LocationTable } from '#registrar/location-table.ts';

export interface LocationService {
  readonly table: LocationTable;
  put(address: string, binding: Binding): void;
  remove(address: string, uri: string): void;
}

/** Asked for by name and type, like every service of a module. Provided by `usrloc`. */
export const locationService: { readonly name: string; readonly service?: LocationService } = {
  name: 'usrloc',
};
