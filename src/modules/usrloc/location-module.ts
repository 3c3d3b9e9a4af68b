/** The location table of one node, shared with all peers at the moment it changes. */

import type { ParameterValues } from '#module/define.ts';
import { type ClusterSubscriber, clusterChannels, type ModuleHost } from '#module/host.ts';
import type { Binding } from '#registrar/binding.ts';
import { decodeLocationDelta, encodeLocationDelta, type LocationDelta } from '#registrar/delta.ts';
import type { LocationService } from '#registrar/location-service.ts';
import { LocationTable } from '#registrar/location-table.ts';

export class LocationModule implements LocationService, ClusterSubscriber {
  readonly host: ModuleHost;
  readonly table = new LocationTable();

  constructor(host: ModuleHost, parameters: ParameterValues) {
    this.host = host;
    const expired = host.statistics.counter('usrloc', 'location-expires');
    host.statistics.gauge('usrloc', 'registered_users', () => this.table.addresses);
    host.statistics.gauge('usrloc', 'location-users', () => this.table.addresses);
    host.statistics.gauge('usrloc', 'location-contacts', () => this.table.size);
    host.every(Math.max(1, Number(parameters.timer_interval)) * 1000, () => {
      expired.value += this.table.expire(host.clock.wall());
    });
    host.cluster?.subscribe(clusterChannels.location, this);
  }

  put(address: string, binding: Binding): void {
    if (this.table.put(address, binding)) this.#tell({ address, removed: false, ...binding });
  }

  remove(address: string, uri: string): void {
    const wall = this.host.clock.wall();
    const known = this.table.find(address, uri);
    if (known === null || !this.table.remove(address, uri, wall)) return;
    this.#tell({ address, removed: true, ...known, changed: wall });
  }

  #tell(delta: LocationDelta): void {
    if (this.host.cluster !== null) {
      this.host.cluster.broadcast(clusterChannels.location, encodeLocationDelta(delta));
    }
  }

  onMessage(_from: number, body: Uint8Array): void {
    const delta = decodeLocationDelta(body);
    if (delta === null) return;
    const { address, removed, ...binding } = delta;
    if (removed) this.table.remove(address, binding.uri, binding.changed);
    else this.table.put(address, binding);
  }

  /** Everything known, to the node that joined: later changes win there too. */
  onPeerUp(node: number): void {
    for (const [address, bindings] of this.table.all()) {
      for (const binding of bindings) {
        const body = encodeLocationDelta({ address, removed: false, ...binding });
        this.host.cluster?.send(node, clusterChannels.location, body);
      }
    }
  }

  /** A binding is nobody's property: it stays until it expires. */
  onPeerDown(): void {}
}
