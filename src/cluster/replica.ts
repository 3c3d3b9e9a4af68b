/**
 * Keeps a table equal on all nodes of a cluster. Changes are told to every peer at once; a node that begins takes a
 * snapshot, a piece at a time, from a peer that has one; and peers compare fingerprints all the time, because a change
 * may be lost when a queue is full or a link is down. All of it is order-free: the later version wins.
 * No input or output: the channel is a port, time an argument.
 */

import { BucketRepair } from '#cluster/bucket-repair.ts';
import type {
  AskMessage,
  BucketMessage,
  DigestsMessage,
  ReplicaCodec,
  ReplicaMessage,
} from '#cluster/replica-message.ts';
import type { ReplicatedTable } from '#cluster/replicated-table.ts';
import { Snapshot } from '#cluster/snapshot.ts';

export interface ReplicaPort {
  livePeers(): readonly number[];
  /** `isPatient`: it may wait a moment for company. */
  broadcast(body: Uint8Array, isPatient: boolean): void;
  /** False when the peer is down or its queue full. */
  send(node: number, body: Uint8Array): boolean;
}

export interface ReplicaOptions<Item> {
  readonly node: number;
  readonly table: ReplicatedTable<Item>;
  readonly codec: ReplicaCodec<Item>;
  /** Null when the node stands alone. */
  readonly port: ReplicaPort | null;
  /** Unix milliseconds. */
  readonly wall: () => number;
  /** The snapshot is complete, or nobody has one: what this node knows is what the cluster knows. */
  readonly onSynchronised: (fromPeer: boolean) => void;
}

/** Compared each second with every peer of a higher number: all buckets in 64 s, at 1 ms of work per 100,000 records. */
const bucketsOfRound = 16;
/** The same with a peer whose link was away: all buckets in 8 s. */
const bucketsOfHurry = 128;
/** Changes that may still be on their way do not count. */
const settlingMilliseconds = 2000;
/** A message of shared state; calls' messages overtake it between two of these. */
const messageBytesMax = 64 * 1024;

export class Replica<Item> {
  readonly counters = {
    changesSent: 0,
    changesReceived: 0,
    snapshotRecords: 0,
    bucketsDiffering: 0,
    recordsRepaired: 0,
    unreadable: 0,
  };
  readonly #options: ReplicaOptions<Item>;
  readonly #snapshot: Snapshot;
  readonly #repair: BucketRepair<Item>;
  #nextDigest = 0;
  /** Peers that are compared with in a hurry, and the bucket that comes next. */
  readonly #hurried = new Map<number, number>();

  constructor(options: ReplicaOptions<Item>) {
    this.#options = options;
    const ask = (node: number, bucket: number, forSnapshot: boolean): boolean =>
      this.#send(node, { kind: 'ask', bucket, forSnapshot });
    this.#snapshot = new Snapshot(options.table.bucketsCount, {
      livePeers: () => options.port?.livePeers() ?? [],
      ask: (node, bucket) => ask(node, bucket, true),
      onComplete: (fromPeer) => options.onSynchronised(fromPeer),
    });
    this.#repair = new BucketRepair(options.table, {
      ask: (node, bucket) => ask(node, bucket, false),
      push: (node, records) => this.#sendRecords(node, records),
    });
    if (options.port === null) this.#snapshot.finish(false);
  }

  get isSynchronised(): boolean {
    return this.#snapshot.isComplete;
  }

  /** Buckets that are known to differ from a peer's and wait for their repair. */
  get repairsWaiting(): number {
    return this.#repair.waiting;
  }

  /** Tells every peer of versions made on this node, which its table has taken. */
  tell(records: readonly Item[], isPatient = false): void {
    const { port, codec } = this.#options;
    if (records.length === 0 || port === null) return;
    this.counters.changesSent += records.length;
    port.broadcast(codec.encode({ kind: 'changes', records }), isPatient);
  }

  /** `now`: ms, monotonic. */
  onMessage(from: number, body: Uint8Array, now: number): void {
    const message = this.#options.codec.decode(body);
    if (message === null) {
      this.counters.unreadable++;
      return;
    }
    if (message.kind === 'changes') this.#onChanges(from, message.records);
    else if (message.kind === 'ask') this.#onAsk(from, message);
    else if (message.kind === 'bucket') this.#onBucket(from, message, now);
    else this.#onDigests(from, message, now);
  }

  onPeerUp(node: number, now: number): void {
    this.#snapshot.onPeerUp(node, now);
    // What either side changed while the link was away is found soon.
    if (this.isSynchronised && node > this.#options.node) this.#hurried.set(node, 0);
  }

  onPeerDown(node: number, now: number): void {
    this.#hurried.delete(node);
    this.#repair.onPeerDown(node, now);
    this.#snapshot.onPeerDown(node, now);
  }

  /** Compares everything with every peer, beginning now. */
  compareAll(): void {
    for (const node of this.#options.port?.livePeers() ?? []) this.#hurried.set(node, 0);
  }

  /** Once a second. */
  tick(now: number): void {
    const { bucketsCount } = this.#options.table;
    this.#snapshot.tick(now);
    this.#repair.tick(now);
    if (!this.isSynchronised || this.#options.port === null) return;
    for (const [node, first] of this.#hurried) {
      this.#sendDigests([node], first, bucketsOfHurry);
      if (first + bucketsOfHurry < bucketsCount) this.#hurried.set(node, first + bucketsOfHurry);
      else this.#hurried.delete(node);
    }
    const higher = this.#options.port.livePeers().filter((node) => node > this.#options.node);
    if (higher.length === 0) return;
    this.#sendDigests(higher, this.#nextDigest, bucketsOfRound);
    this.#nextDigest = (this.#nextDigest + bucketsOfRound) % bucketsCount;
  }

  // ── what peers send ───────────────────────────────────────────────────────────────────────────────────────────

  #onChanges(from: number, records: readonly Item[]): void {
    this.counters.changesReceived += records.length;
    for (const record of records) this.#options.table.take(record, from);
  }

  #onAsk(from: number, { bucket, forSnapshot }: AskMessage): void {
    const { table, codec } = this.#options;
    const answer = { kind: 'bucket', bucket, forSnapshot, isSynchronised: this.isSynchronised } as const;
    if (forSnapshot && !this.isSynchronised) {
      this.#send(from, { ...answer, next: table.bucketsCount, records: [] });
      return;
    }
    let records: Item[] = [];
    let bytes = 0;
    let next = bucket;
    do {
      table.visit(next, (record) => {
        const size = codec.size(record);
        if (bytes + size > messageBytesMax && records.length > 0) {
          this.#send(from, { ...answer, next: null, records });
          records = [];
          bytes = 0;
        }
        records.push(record);
        bytes += size;
      });
      next++;
    } while (forSnapshot && next < table.bucketsCount && bytes < messageBytesMax / 2);
    this.#send(from, { ...answer, next, records });
  }

  #onBucket(from: number, message: BucketMessage<Item>, now: number): void {
    const { bucket, forSnapshot, records, next } = message;
    const isExpected = forSnapshot
      ? this.#snapshot.expects(from, bucket)
      : this.#repair.expects(from, bucket);
    let taken = 0;
    for (const record of records) if (this.#options.table.take(record, from)) taken++;
    if (forSnapshot) this.counters.snapshotRecords += taken;
    else this.counters.recordsRepaired += taken;
    if (!isExpected) return;
    if (forSnapshot) this.#snapshot.onPart(message, now);
    else {
      this.#repair.onPart(records);
      if (next !== null) this.counters.recordsRepaired += this.#repair.finish(this.#options.wall(), now);
    }
  }

  #onDigests(from: number, message: DigestsMessage, now: number): void {
    if (!this.isSynchronised) return;
    for (const [index, digest] of message.digests.entries()) {
      const bucket = message.first + index;
      const own = this.#options.table.digest(bucket, message);
      if (own.high === digest.high && own.low === digest.low) continue;
      if (this.#repair.add(from, bucket, now)) this.counters.bucketsDiffering++;
    }
  }

  // ── what we send ──────────────────────────────────────────────────────────────────────────────────────────────

  #send(node: number, message: ReplicaMessage<Item>): boolean {
    return this.#options.port?.send(node, this.#options.codec.encode(message)) ?? false;
  }

  /** In messages of bounded size. */
  #sendRecords(node: number, records: readonly Item[]): void {
    let part: Item[] = [];
    let bytes = 0;
    for (const record of records) {
      part.push(record);
      bytes += this.#options.codec.size(record);
      if (bytes < messageBytesMax) continue;
      this.#send(node, { kind: 'changes', records: part });
      part = [];
      bytes = 0;
    }
    if (part.length > 0) this.#send(node, { kind: 'changes', records: part });
    this.counters.changesSent += records.length;
  }

  #sendDigests(nodes: readonly number[], first: number, count: number): void {
    const { table, wall } = this.#options;
    const window = {
      expiresAfter: wall() + settlingMilliseconds,
      changedUntil: wall() - settlingMilliseconds,
    };
    const digests = Array.from({ length: count }, (_, index) => table.digest(first + index, window));
    for (const node of nodes) this.#send(node, { kind: 'digests', first, ...window, digests });
  }
}
