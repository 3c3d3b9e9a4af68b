/** The location table kept equal on all nodes: what the replica engine must know of bindings. */

import { Replica, type ReplicaPort } from '#cluster/replica.ts';
import { ReplicaCodec } from '#cluster/replica-message.ts';
import type { ReplicatedTable } from '#cluster/replicated-table.ts';
import { type Binding, type FlagTexts, isAtLeast, nextChange } from '#registrar/binding.ts';
import { type LocationRecord, locationRecordCodec } from '#registrar/location-record.ts';
import { bucketsCount, type LocationTable } from '#registrar/location-table.ts';
import type { TextPool } from '#util/text-pool.ts';

export interface LocationReplicaOptions {
  readonly node: number;
  readonly table: LocationTable;
  readonly flags: FlagTexts;
  readonly pool: TextPool;
  /** Null when the node stands alone. */
  readonly port: ReplicaPort | null;
  /** Unix milliseconds. */
  readonly wall: () => number;
  /** A version that a peer made was taken. */
  readonly onTaken: (address: string, binding: Binding) => void;
  readonly onSynchronised: (fromPeer: boolean) => void;
}

export class LocationReplica {
  readonly engine: Replica<LocationRecord>;
  /** Bindings that two nodes changed at one time, put right here. */
  conflicts = 0;
  readonly #options: LocationReplicaOptions;

  constructor(options: LocationReplicaOptions) {
    this.#options = options;
    const { node, flags, pool, port, wall, onSynchronised } = options;
    this.engine = new Replica({
      node,
      table: this.#replicated(),
      codec: new ReplicaCodec(locationRecordCodec(flags, pool), bucketsCount),
      port,
      wall,
      onSynchronised,
    });
  }

  /** Stores versions made on this node and tells every peer. */
  publish(records: readonly LocationRecord[]): void {
    const { table, wall } = this.#options;
    this.engine.tell(records.filter(({ address, binding }) => table.apply(address, binding, wall())));
  }

  #replicated(): ReplicatedTable<LocationRecord> {
    const { table } = this.#options;
    return {
      bucketsCount,
      keyOf: ({ address, binding }) => `${address}\0${binding.key}`,
      isAtLeast: (known, other) => isAtLeast(known.binding, other.binding),
      isCurrent: ({ binding }, wall) => binding.expires > wall,
      take: (record) => this.#take(record),
      visit: (bucket, visitor) => table.visit(bucket, (address, binding) => visitor({ address, binding })),
      digest: (bucket, window) => table.digest(bucket, window),
    };
  }

  #take({ address, binding }: LocationRecord): boolean {
    const { table, wall, node, onTaken } = this.#options;
    const known = table.version(address, binding.key);
    const isStale = known !== null && isAtLeast(known, binding);
    if (isStale && known.node === node && isOutOfOrder(known, binding)) {
      // RFC 3261 10.3 step 7: of one Call-ID the higher CSeq counts. Two nodes took two requests at one time, and ours,
      // the older request, has the later version: whoever made it puts things right, so it is done once.
      this.conflicts++;
      const mended = { ...binding, changed: nextChange(known, wall()), node };
      this.publish([{ address, binding: mended }]);
      onTaken(address, mended);
      return true;
    }
    if (isStale || !table.apply(address, binding, wall())) return false;
    onTaken(address, binding);
    return true;
  }
}

function isOutOfOrder(known: Binding, other: Binding): boolean {
  return known.callId === other.callId && known.cseq < other.cseq;
}
