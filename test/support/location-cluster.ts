/**
 * Location tables of several nodes on a simulated channel: in order per pair, with delay, loss of single messages and
 * cut links, driven by a clock that a test moves. Same seed, same run.
 */

import { LocationReplica } from '#modules/usrloc/location-replica.ts';
import { type Binding, bindingId, nextChange, removalOf } from '#registrar/binding.ts';
import { LocationTable } from '#registrar/location-table.ts';
import { TextPool } from '#util/text-pool.ts';
import { SeededRandom } from './seeded-random.ts';

const start = 1_800_000_000_000;

interface Message {
  readonly due: number;
  readonly from: number;
  readonly to: number;
  readonly body: Uint8Array;
}

export class LocationNode {
  readonly id: number;
  readonly table: LocationTable;
  readonly replica: LocationReplica;
  readonly taken: string[] = [];
  readonly live = new Set<number>();
  /** How this node's clock differs, ms. */
  skew = 0;
  synchronisedFrom: 'peer' | 'nobody' | null = null;
  readonly #cluster: LocationCluster;

  constructor(cluster: LocationCluster, id: number) {
    this.id = id;
    this.#cluster = cluster;
    this.table = new LocationTable();
    const flags = {
      write: (bits: number) => (bits === 1 ? 'NAT' : ''),
      read: (names: string) => (names === 'NAT' ? 1 : 0),
    };
    this.replica = new LocationReplica({
      node: id,
      table: this.table,
      flags,
      pool: new TextPool(),
      port: {
        livePeers: () => [...this.live],
        broadcast: (body) => {
          for (const peer of this.live) cluster.post(id, peer, body);
        },
        send: (peer, body) => this.live.has(peer) && cluster.post(id, peer, body),
      },
      wall: () => this.wall,
      onTaken: (address) => this.taken.push(address),
      onSynchronised: (fromPeer) => {
        this.synchronisedFrom = fromPeer ? 'peer' : 'nobody';
      },
    });
  }

  get wall(): number {
    return start + this.#cluster.now + this.skew;
  }

  bind(address: string, uri: string, more: Partial<Binding> = {}): Binding {
    const known = this.table.version(address, uri);
    const binding: Binding = {
      key: uri,
      ...bindingId(address, uri),
      removed: false,
      uri,
      parameters: '',
      received: '',
      path: '',
      q: -1,
      callId: `call of ${uri}`,
      cseq: 1,
      mark: 0,
      userAgent: 'test phone',
      socket: 'udp:10.0.0.1:5060',
      methods: 0,
      flags: 0,
      expires: this.wall + 3_600_000,
      changed: nextChange(known, this.wall),
      node: this.id,
      ...more,
    };
    this.replica.publish([{ address, binding }]);
    return binding;
  }

  unbind(address: string, uri: string): void {
    const known = this.table.version(address, uri);
    if (known === null || known.removed) return;
    const binding = removalOf(known, { ...known, node: this.id }, this.wall);
    this.replica.publish([{ address, binding }]);
  }

  /** Everything bound, as sorted text. */
  state(): string[] {
    const lines: string[] = [];
    for (const [address, bindings] of this.table.all()) {
      for (const { uri, cseq, changed, node, flags } of bindings) {
        lines.push(`${address} ${uri} ${cseq} ${changed - start} ${node} ${flags}`);
      }
    }
    return lines.sort();
  }
}

export class LocationCluster {
  readonly nodes = new Map<number, LocationNode>();
  readonly random: SeededRandom;
  now = 0;
  /** Of 100 messages so many are lost, as by a full queue. */
  lossPercent = 0;
  sent = 0;
  bytesMost = 0;
  #messages: Message[] = [];
  #lastTick = 0;

  constructor(seed = 1) {
    this.random = new SeededRandom(seed);
  }

  /** Nodes 1 to `size`, synchronised and empty. */
  static running(size: number, seed = 1): LocationCluster {
    const cluster = new LocationCluster(seed);
    for (let id = 1; id <= size; id++) cluster.add(id);
    cluster.run(6000);
    return cluster;
  }

  at(id: number): LocationNode {
    return this.nodes.get(id)!;
  }

  /** A node that begins and finds its peers. */
  add(id: number): LocationNode {
    const node = new LocationNode(this, id);
    this.nodes.set(id, node);
    for (const peer of this.nodes.keys()) if (peer !== id) this.join(id, peer);
    return node;
  }

  kill(id: number): void {
    this.nodes.delete(id);
    this.#messages = this.#messages.filter(({ from, to }) => from !== id && to !== id);
    for (const node of this.nodes.values()) {
      if (node.live.delete(id)) node.replica.engine.onPeerDown(id, this.now);
    }
  }

  cut(one: number, other: number): void {
    this.#messages = this.#messages.filter(
      ({ from, to }) => !((from === one && to === other) || (from === other && to === one)),
    );
    for (const [id, peer] of [
      [one, other],
      [other, one],
    ] as const) {
      this.at(id).live.delete(peer);
      this.at(id).replica.engine.onPeerDown(peer, this.now);
    }
  }

  join(one: number, other: number): void {
    for (const [id, peer] of [
      [one, other],
      [other, one],
    ] as const)
      this.at(id).live.add(peer);
    for (const [id, peer] of [
      [one, other],
      [other, one],
    ] as const)
      this.at(id).replica.engine.onPeerUp(peer, this.now);
  }

  post(from: number, to: number, body: Uint8Array): boolean {
    this.sent++;
    this.bytesMost = Math.max(this.bytesMost, body.length);
    if (this.random.below(100) < this.lossPercent) return false;
    const last = this.#messages.findLast((message) => message.from === from && message.to === to);
    const due = Math.max(this.now + 1 + this.random.below(5), last?.due ?? 0);
    this.#messages.push({ due, from, to, body: Uint8Array.from(body) });
    return true;
  }

  run(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (;;) {
      const next = Math.min(this.#lastTick + 1000, ...this.#messages.map((message) => message.due));
      if (next > end) break;
      this.now = Math.max(this.now, next);
      const due = this.#messages.filter((message) => message.due <= this.now);
      this.#messages = this.#messages.filter((message) => message.due > this.now);
      for (const { from, to, body } of due) {
        if (this.nodes.get(to)?.live.has(from)) this.at(to).replica.engine.onMessage(from, body, this.now);
      }
      if (this.now >= this.#lastTick + 1000) {
        this.#lastTick = this.now;
        for (const node of this.nodes.values()) node.replica.engine.tick(this.now);
      }
    }
    this.now = end;
  }

  /** The one state that all nodes have; throws with the difference when they differ. */
  agreed(): string[] {
    const [first, ...others] = [...this.nodes.values()];
    const wanted = first!.state();
    for (const node of others) {
      const state = node.state();
      const missing = wanted.filter((line) => !state.includes(line));
      const extra = state.filter((line) => !wanted.includes(line));
      if (missing.length + extra.length > 0) {
        throw new Error(
          `node ${node.id} lacks ${missing.join('; ') || 'nothing'} and has ${extra.join('; ') || 'nothing'} more`,
        );
      }
    }
    return wanted;
  }
}
