/**
 * The location table of one node: shared with all peers at the moment it changes, written behind into a database when
 * the script names one, swept of what is over a piece at a time.
 */

import { rankByHash } from '#cluster/ownership.ts';
import { Receipts } from '#cluster/receipts.ts';
import type { ParameterValues } from '#module/define.ts';
import { type ClusterPort, type ClusterSubscriber, clusterChannels, type ModuleHost } from '#module/host.ts';
import { LocationEvents } from '#modules/usrloc/location-events.ts';
import { LocationRecords } from '#modules/usrloc/location-records.ts';
import { LocationReplica } from '#modules/usrloc/location-replica.ts';
import type { WorkingMode } from '#modules/usrloc/working-mode.ts';
import { splitTableKey } from '#registrar/address.ts';
import { type Binding, type FlagTexts, removalOf } from '#registrar/binding.ts';
import type { LocationRecord } from '#registrar/location-record.ts';
import type { LocationService } from '#registrar/location-service.ts';
import { bucketsCount, LocationTable } from '#registrar/location-table.ts';
import { isFailure } from '#util/failure.ts';
import { TextPool } from '#util/text-pool.ts';

/** A node that died may have had this much unwritten, beside its timer_interval. */
const unwrittenMilliseconds = 60_000;

export class LocationModule implements LocationService, ClusterSubscriber {
  readonly host: ModuleHost;
  readonly table = new LocationTable();
  readonly pool = new TextPool();
  readonly flags: FlagTexts;
  readonly withDomain: boolean;
  readonly matchesCallId: boolean;
  readonly natFlag: number;
  readonly replica: LocationReplica;
  readonly records: LocationRecords;
  /** Null when nobody else holds the table. */
  readonly receipts: Receipts | null;
  readonly #events: LocationEvents;
  readonly #intervalMilliseconds: number;
  #nextSweep = 0;

  constructor(host: ModuleHost, parameters: ParameterValues, mode: WorkingMode) {
    this.host = host;
    this.withDomain = parameters.use_domain !== 0;
    this.matchesCallId = parameters.matching_mode === 1;
    this.#intervalMilliseconds = Math.max(1, Number(parameters.timer_interval)) * 1000;
    this.flags = {
      write: (flags) => host.flagNames('branch', flags),
      read: (names) => this.#readFlags(names),
    };
    const natFlag = parameters.nat_bflag === null ? 0 : host.flagBit('branch', String(parameters.nat_bflag));
    this.natFlag = isFailure(natFlag) ? 0 : natFlag;
    this.#events = new LocationEvents(host, this.table, this.flags);
    const cluster = mode.isShared ? host.cluster : null;
    this.records = new LocationRecords(
      this,
      mode,
      parameters.db_url === null ? '' : String(parameters.db_url),
    );
    this.replica = new LocationReplica({
      node: host.nodeId,
      table: this.table,
      flags: this.flags,
      pool: this.pool,
      port:
        cluster === null
          ? null
          : {
              livePeers: () => cluster.livePeers(),
              broadcast: (body, isPatient) => cluster.broadcast(clusterChannels.location, body, isPatient),
              send: (node, body) => cluster.send(node, clusterChannels.location, body),
            },
      wall: () => host.clock.wall(),
      onTaken: (address, binding) => {
        // A conflict that this node mended is its own version, and its own to write.
        if (binding.node === host.nodeId) this.records.touch(address, binding.key);
      },
      onSynchronised: (fromPeer) => this.records.begin(fromPeer),
    });
    this.receipts = cluster === null ? null : receiptsOf(host, cluster, Number(parameters.confirm_timeout));
    this.#keepTime();
    this.#countAll();
    cluster?.subscribe(clusterChannels.location, this);
  }

  // ── LocationService ───────────────────────────────────────────────────────────────────────────────────────────

  publish(address: string, bindings: readonly Binding[]): void {
    const before = this.#events.before(address);
    this.replica.publish(bindings.map((binding) => ({ address, binding })));
    this.#events.after(address, before, bindings);
    for (const binding of bindings) this.records.touch(address, binding.key);
  }

  confirm(done: () => void): boolean {
    return this.receipts?.ask(this.host.clock.monotonic(), done) ?? false;
  }

  remove(address: string, bindings: readonly Binding[]): void {
    const wall = this.host.clock.wall();
    const node = this.host.nodeId;
    this.publish(
      address,
      bindings.map((known) => removalOf(known, { ...known, node }, wall)),
    );
  }

  isOurs(binding: Binding): boolean {
    const { cluster, nodeId } = this.host;
    if (cluster === null || binding.node === nodeId) return true;
    const live = cluster.livePeers();
    if (live.includes(binding.node)) return false;
    return rankByHash(binding.idHigh, binding.idLow, [...live, nodeId])[0] === nodeId;
  }

  // ── ClusterSubscriber ─────────────────────────────────────────────────────────────────────────────────────────

  onMessage(from: number, body: Uint8Array, now: number): void {
    this.replica.engine.onMessage(from, body, now);
  }

  onPeerUp(node: number, _incarnation: number, now: number): void {
    this.replica.engine.onPeerUp(node, now);
  }

  /** A binding is nobody's property: it stays until it expires. What the dead node had not written is written here. */
  onPeerDown(node: number, now: number): void {
    this.replica.engine.onPeerDown(node, now);
    if (!this.records.isKept) return;
    const since = this.host.clock.wall() - this.#intervalMilliseconds - unwrittenMilliseconds;
    for (let bucket = 0; bucket < bucketsCount; bucket++) {
      this.table.visit(bucket, (address, binding) => {
        if (binding.node !== node || binding.changed < since || !this.isOurs(binding)) return;
        this.records.touch(address, binding.key);
      });
    }
  }

  // ── duties ────────────────────────────────────────────────────────────────────────────────────────────────────

  #keepTime(): void {
    const expired = this.host.statistics.counter('usrloc', 'location-expires');
    const buckets = Math.max(1, Math.ceil((bucketsCount * 1000) / this.#intervalMilliseconds));
    this.host.every(1000, (now) => {
      const over: LocationRecord[] = [];
      this.table.expire(this.#nextSweep, buckets, this.host.clock.wall(), (address, binding) => {
        over.push({ address, binding });
      });
      this.#nextSweep = (this.#nextSweep + buckets) % bucketsCount;
      expired.value += over.length;
      for (const { address, binding } of over) {
        if (!this.isOurs(binding)) continue;
        this.records.touch(address, binding.key);
        this.#events.expired(address, binding);
      }
      this.replica.engine.tick(now);
    });
    this.records.keepTime(this.#intervalMilliseconds);
  }

  #countAll(): void {
    const { statistics } = this.host;
    statistics.gauge('usrloc', 'registered_users', () => this.table.addresses);
    statistics.gauge('usrloc', 'location-users', () => this.#count(true));
    statistics.gauge('usrloc', 'location-contacts', () => this.#count(false));
    statistics.gauge('usrloc', 'removals_remembered', () => this.table.removals);
    statistics.gauge('usrloc', 'removals_forgotten', () => this.table.forgotten);
    const { counters } = this.replica.engine;
    const shown = {
      changes_sent: 'changesSent',
      changes_received: 'changesReceived',
      snapshot_contacts: 'snapshotRecords',
      drifted_buckets: 'bucketsDiffering',
      repaired_contacts: 'recordsRepaired',
      unreadable_messages: 'unreadable',
    } as const;
    for (const [name, counter] of Object.entries(shown)) {
      statistics.gauge('usrloc', name, () => counters[counter]);
    }
    statistics.gauge('usrloc', 'confirmations', () => this.receipts?.counters.asked ?? 0);
    statistics.gauge('usrloc', 'unconfirmed', () => this.receipts?.counters.unanswered ?? 0);
    statistics.gauge('usrloc', 'mended_conflicts', () => this.replica.conflicts);
    statistics.gauge('usrloc', 'synchronised', () => (this.replica.engine.isSynchronised ? 1 : 0));
    statistics.gauge('usrloc', 'repairs_waiting', () => this.replica.engine.repairsWaiting);
  }

  /** Of the default table; scripts hardly ever use another. */
  #count(addresses: boolean): number {
    let others = 0;
    if (!this.records.hasOtherTables) return addresses ? this.table.addresses : this.table.size;
    for (const [key, bindings] of this.table.all()) {
      if (splitTableKey(key).domain !== 'location') others += addresses ? 1 : bindings.length;
    }
    return (addresses ? this.table.addresses : this.table.size) - others;
  }

  #readFlags(names: string): number {
    let mask = 0;
    for (const name of names.split(/[ ,|]+/)) {
      if (name === '') continue;
      const bit = this.host.flagBit('branch', name);
      if (!isFailure(bit)) mask |= bit;
    }
    return mask;
  }
}

/** The questions take the same way as the changes, behind them. */
function receiptsOf(host: ModuleHost, cluster: ClusterPort, timeoutMilliseconds: number): Receipts {
  const receipts = new Receipts({
    port: {
      livePeers: () => cluster.livePeers(),
      send: (node, body) => cluster.send(node, clusterChannels.locationReceipt, body),
    },
    timers: host.timers,
    timeoutMilliseconds,
  });
  cluster.subscribe(clusterChannels.locationReceipt, {
    onMessage: (from, body) => receipts.onMessage(from, body),
    onPeerUp: () => undefined,
    onPeerDown: (node) => receipts.onPeerDown(node),
  });
  return receipts;
}
