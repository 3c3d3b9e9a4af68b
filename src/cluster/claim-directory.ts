/**
 * Who owns a transaction whose messages carry nothing of ours (design 4.2): each node tells all others what it has
 * begun, or its home alone (claim-homes.ts). Keys are hashed with a key that only the cluster knows. When two nodes
 * claim one key, the lower rendezvous hash wins everywhere, so every node comes to the same answer without asking.
 */

import { ClaimBatch, type ClaimWords, claimsOfFrameMax, wordsPerClaim } from '#cluster/claim-batch.ts';
import { ClaimTable } from '#cluster/claim-table.ts';
import { KeyedHash } from '#cluster/keyed-hash.ts';
import { rendezvousWinner } from '#cluster/ownership.ts';

export interface ClaimOwner {
  readonly node: number;
  readonly incarnation: number;
}

export interface ClaimDirectoryUser {
  /** Incarnation of a peer that is reached now, -1 otherwise. */
  liveIncarnation(node: number): number;
  /** There is something in the batch; `urgent`: it is full. */
  onClaimsWaiting(now: number, urgent: boolean): void;
  /** A peer owns what we had claimed too, and its claim wins. */
  onClaimLost(key: string, winner: ClaimOwner, now: number): void;
  /** Two peers own the same, and this node knows of both. */
  onPeersConflict(conflict: ClaimConflict, now: number): void;
}

export interface ClaimConflict {
  readonly high: number;
  readonly low: number;
  readonly winner: ClaimOwner;
  readonly loser: number;
}

export class ClaimDirectory {
  readonly #self: ClaimOwner;
  readonly #table: ClaimTable;
  readonly #hash: KeyedHash;
  /** Of peers whose secret is another one, while it is being changed. */
  readonly #otherHash: KeyedHash | null;
  readonly #user: ClaimDirectoryUser;
  readonly batch = new ClaimBatch();
  #conflicts = 0;
  #lost = 0;

  constructor(
    self: ClaimOwner,
    hashKeys: readonly [Buffer, ...Buffer[]],
    claimsMax: number,
    user: ClaimDirectoryUser,
  ) {
    this.#self = self;
    this.#table = new ClaimTable(claimsMax);
    this.#hash = new KeyedHash(hashKeys[0]);
    const [, other] = hashKeys;
    this.#otherHash = other === undefined ? null : new KeyedHash(other);
    this.#user = user;
  }

  /** Claims known, of all nodes. */
  get size(): number {
    return this.#table.size;
  }

  get evicted(): number {
    return this.#table.evicted;
  }

  /** Claims of a peer for a key that another node had claimed. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** Conflicts that this node lost. */
  get lost(): number {
    return this.#lost;
  }

  /** `key` is kept for the claim's life: hand over a string that pins no message. */
  claim(now: number, key: string, lifetimeMilliseconds: number): void {
    this.#hash.hash(key);
    const { high, low } = this.#hash;
    const lifetime = Math.max(1, Math.ceil(lifetimeMilliseconds));
    this.#table.put(now, high, low, { ...this.#self, lifetimeMilliseconds: lifetime, key });
    this.batch.add(high, low, lifetime);
    this.#user.onClaimsWaiting(now, this.batch.count >= claimsOfFrameMax);
  }

  /** Takes our claim back; the peers learn of it with whatever is sent to them next. */
  release(now: number, key: string): void {
    this.#hash.hash(key);
    const { high, low } = this.#hash;
    const index = this.#table.find(now, high, low);
    if (index === -1 || this.#table.node(index) !== this.#self.node) return;
    this.#table.remove(index);
    this.batch.add(high, low, 0);
    if (this.batch.count >= claimsOfFrameMax) this.#user.onClaimsWaiting(now, true);
  }

  /** The node that claimed the key, dead or alive, this one included; null when none did. */
  owner(now: number, key: string): ClaimOwner | null {
    this.#hash.hash(key);
    let index = this.#table.find(now, this.#hash.high, this.#hash.low);
    if (index === -1 && this.#otherHash !== null) {
      this.#otherHash.hash(key);
      index = this.#table.find(now, this.#otherHash.high, this.#otherHash.low);
    }
    return this.#ownerAt(index);
  }

  /** The same by its hash. */
  ownerOf(now: number, high: number, low: number): ClaimOwner | null {
    return this.#ownerAt(this.#table.find(now, high, low));
  }

  /** What the key is known by; read it before the next call. */
  hashOf(key: string): { readonly high: number; readonly low: number } {
    this.#hash.hash(key);
    return this.#hash;
  }

  /** Peers may hash with another secret now. */
  get hasOtherSecret(): boolean {
    return this.#otherHash !== null;
  }

  /** For a peer that asked for a claim nobody had. */
  reserve(
    now: number,
    { high, low }: { readonly high: number; readonly low: number },
    owner: ClaimOwner,
    lifetimeMilliseconds: number,
  ): void {
    this.#table.put(now, high, low, { ...owner, lifetimeMilliseconds, key: null });
  }

  /** The home says that our claim is another's. */
  lose(now: number, high: number, low: number, winner: ClaimOwner): void {
    const index = this.#table.find(now, high, low);
    const key = index === -1 || this.#table.node(index) !== this.#self.node ? null : this.#table.key(index);
    if (key === null) return;
    this.#table.remove(index);
    this.#lost++;
    this.#user.onClaimLost(key, winner, now);
  }

  #ownerAt(index: number): ClaimOwner | null {
    if (index === -1) return null;
    const node = this.#table.node(index);
    if (node === this.#self.node) return this.#self;
    const incarnation = this.#table.incarnation(index);
    return { node, incarnation };
  }

  /** A peer's batch or snapshot. */
  receive(now: number, from: ClaimOwner, claims: ClaimWords): void {
    for (let index = claims.start; index < claims.end; index++) {
      this.#receiveOne(now, from, claims.words, index * wordsPerClaim);
    }
  }

  #receiveOne(now: number, from: ClaimOwner, words: Uint32Array, at: number): void {
    const high = words[at]!;
    const low = words[at + 1]!;
    const lifetimeMilliseconds = words[at + 2]!;
    const index = this.#table.find(now, high, low);
    const holder = index === -1 ? -1 : this.#table.node(index);
    if (lifetimeMilliseconds === 0) {
      if (holder === from.node) this.#table.remove(index);
      return;
    }
    if (holder !== -1 && holder !== from.node && this.#isLive(holder, index)) {
      this.#conflicts++;
      if (rendezvousWinner(high, low, [holder, from.node]) === holder) {
        const winner = this.#ownerAt(index)!;
        this.#user.onPeersConflict({ high, low, winner, loser: from.node }, now);
        return;
      }
      const key = this.#table.key(index);
      this.#table.put(now, high, low, { ...from, lifetimeMilliseconds, key: null });
      if (key === null) {
        this.#user.onPeersConflict({ high, low, winner: from, loser: holder }, now);
      } else {
        this.#lost++;
        this.#user.onClaimLost(key, from, now);
      }
      return;
    }
    this.#table.put(now, high, low, { ...from, lifetimeMilliseconds, key: null });
  }

  #isLive(node: number, index: number): boolean {
    if (node === this.#self.node) return true;
    return this.#user.liveIncarnation(node) === this.#table.incarnation(index);
  }

  /** All claims of this node that `isWanted` in frames' portions, for a peer that has just come up. */
  snapshot(
    now: number,
    isWanted: (high: number, low: number) => boolean,
    send: (claims: ClaimWords) => void,
  ): void {
    let portion = new ClaimBatch();
    this.#table.eachOf(now, this.#self.node, (high, low, lifetime) => {
      if (!isWanted(high, low)) return;
      portion.add(high, low, lifetime);
      if (portion.count < claimsOfFrameMax) return;
      send({ words: portion.words, start: 0, end: portion.count });
      portion = new ClaimBatch();
    });
    if (portion.count > 0) send({ words: portion.words, start: 0, end: portion.count });
  }
}
