/**
 * Takeover (design 4.4): each node gives what another would need to go on with its unfinished work, as opaque
 * checkpoints, to one successor, and says to all who that is. When the node's life is over, the successor adopts what it
 * holds. Fencing: only the successor adopts, only a life that is over; a node that was merely frozen or cut off is told
 * what was adopted and lets go of it in silence. What the bodies mean is the user's business.
 */

import { CheckpointStore } from '#cluster/checkpoint-store.ts';
import type { ClaimOwner } from '#cluster/claim-directory.ts';
import { rank } from '#cluster/ownership.ts';
import { type Checkpoint, decodeTakeover, encodeTakeover } from '#cluster/takeover-message.ts';
import { dropOldest } from '#util/oldest.ts';
import type { TimerQueue, TimerTarget } from '#util/timer-queue.ts';

/**
 * `unsure`: its link was lost a moment ago, and no peer has said yet whether it reaches the node. `unseen`: this node is
 * the one that was cut off, so it cannot tell.
 */
export type Life = 'here' | 'unsure' | 'unseen' | 'over';

export interface TakeoverUser {
  /** What the successor needs for this work; null when it is over already. */
  write(id: number): { readonly key: string; readonly body: Uint8Array } | null;
  /** Ids of all work under way. */
  ids(): Iterable<number>;
  /** Go on with the work of a dead node; false when the body cannot be used. `origin` tells it from other work. */
  adopt(now: number, origin: ClaimOwner, checkpoint: Checkpoint): boolean;
  /** A peer has adopted this work of ours: forget it in silence. False: it was over before. */
  yield(now: number, id: number): boolean;
  /** What was adopted had ended before, without our knowing: forget it in silence. */
  drop(now: number, origin: ClaimOwner, id: number): void;
  /** What was adopted is ours alone now: claim it (again). */
  claimAdopted(now: number, origin: ClaimOwner): void;
}

export interface TakeoverParts {
  readonly timers: TimerQueue;
  readonly self: ClaimOwner;
  livePeers(): readonly number[];
  /** `isPatient`: leaves with the next frame to that node, and within the time that claims may wait. */
  send(node: number, body: Uint8Array, isPatient?: boolean): boolean;
  lifeOf(now: number, node: number, incarnation: number): Life;
  /** How long changes wait for company, ms: work that is over by then is never sent. */
  readonly batchMilliseconds: number;
  readonly user: TakeoverUser;
  /** For the log. */
  onAdopted(origin: ClaimOwner, count: number): void;
}

interface Successor {
  readonly incarnation: number;
  readonly node: number;
}

const timerKinds = { batch: 0, watch: 1 } as const;
/** Between two looks at a node whose fate is not clear. */
const watchMilliseconds = 50;
/** Deaths remembered: their work is over within minutes. */
const livesMax = 256;
/** Ids in one message. */
const idsMax = 4096;

export class Takeover implements TimerTarget {
  readonly #parts: TakeoverParts;
  readonly #store = new CheckpointStore();
  /** Whom each node has chosen. */
  readonly #successors = new Map<number, Successor>();
  readonly #incarnations = new Map<number, number>();
  /** Who goes on with the work of which life, as told by those who do; oldest first. */
  readonly #heirs = new Map<string, number>();
  /** Lives that this node has adopted, with the ids of the work. */
  readonly #adopted = new Map<string, { readonly origin: ClaimOwner; readonly ids: number[] }>();
  /** Peers whose fate is not clear. */
  readonly #watched = new Map<number, number>();
  readonly #changed = new Set<number>();
  /** Of what the successor has been told; what it never heard of need not be taken back. */
  readonly #told = new Set<number>();
  #successor = 0;
  #isWaiting = false;
  #isWatching = false;
  /** The successor that this node's work went to, once a peer adopted it. */
  heir = 0;
  readonly counters = { sent: 0, ended: 0, adopted: 0, unusable: 0, yielded: 0, withheld: 0, dropped: 0 };

  constructor(parts: TakeoverParts) {
    this.#parts = parts;
  }

  /** Node that holds this node's checkpoints, 0 = none. */
  get successor(): number {
    return this.#successor;
  }

  /** Checkpoints of others held here. */
  get held(): number {
    return this.#store.size;
  }

  // ── our own work ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Work began, or its checkpoint is not true any more. */
  change(now: number, id: number): void {
    if (this.#successor === 0) return;
    this.#changed.add(id);
    this.#wait(now);
  }

  end(id: number): void {
    this.#changed.delete(id);
    if (!this.#told.delete(id)) return;
    // With the news of the dialog, which leaves at once: else a node that dies right after it answered a call would
    // leave a copy behind, of which a successor lets the caller hear it ring again.
    this.counters.ended++;
    this.#send({ kind: 'ended', body: [id] }, this.#successor, true);
  }

  #wait(now: number): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#parts.timers.start(now, this.#parts.batchMilliseconds, this, timerKinds.batch);
  }

  onTimer(kind: number, now: number): void {
    if (kind === timerKinds.batch) {
      this.#isWaiting = false;
      this.#flush();
    } else {
      this.#isWatching = false;
      this.#look(now);
    }
  }

  #flush(): void {
    const { user } = this.#parts;
    const ended: number[] = [];
    for (const id of this.#changed) {
      const checkpoint = user.write(id);
      if (checkpoint !== null) this.#tell({ id, ...checkpoint });
      else if (this.#told.delete(id)) ended.push(id);
    }
    this.#changed.clear();
    this.counters.ended += ended.length;
    for (let from = 0; from < ended.length; from += idsMax)
      this.#send({ kind: 'ended', body: ended.slice(from, from + idsMax) });
  }

  #tell(checkpoint: Checkpoint): void {
    if (!this.#send({ kind: 'checkpoint', body: checkpoint })) return;
    this.#told.add(checkpoint.id);
    this.counters.sent++;
  }

  #send(message: Parameters<typeof encodeTakeover>[0], node = this.#successor, isPatient = false): boolean {
    if (node !== 0 && this.#parts.send(node, encodeTakeover(message), isPatient)) return true;
    this.counters.dropped++;
    return false;
  }

  /** The best of the live peers for this node. When it changes, it gets everything, and the former one forgets. */
  #choose(now: number): void {
    const { self, livePeers } = this.#parts;
    const best = rank(`takeover ${self.node}`, livePeers())[0] ?? 0;
    if (best === this.#successor) return;
    const former = this.#successor;
    this.#successor = best;
    this.#told.clear();
    this.#giveAll(now);
    for (const node of livePeers()) this.#introduce(node);
    if (former !== 0 && livePeers().includes(former)) this.#send({ kind: 'forget', body: null }, former);
  }

  #giveAll(now: number): void {
    for (const id of this.#parts.user.ids()) this.#changed.add(id);
    if (this.#changed.size > 0) this.#wait(now);
  }

  #introduce(node: number): void {
    this.#send({ kind: 'successor', body: this.#successor }, node);
  }

  // ── work of others ────────────────────────────────────────────────────────────────────────────────────────────

  /** Who goes on with the work of that life; 0 when it is not known. */
  successorOf(node: number, incarnation: number): number {
    const heir = this.#heirs.get(lifeName(node, incarnation));
    if (heir !== undefined) return heir;
    const successor = this.#successors.get(node);
    return successor?.incarnation === incarnation ? successor.node : 0;
  }

  /** True when the work with this key would be ours if its owner died, or is to be ours in a moment. */
  holds(key: string): boolean {
    return this.#store.hasKey(key);
  }

  /** Adopts now what can be adopted, before the next look would. */
  settle(now: number): void {
    if (this.#watched.size > 0) this.#look(now);
  }

  onMessage(from: number, body: Uint8Array, now: number): void {
    const message = decodeTakeover(body);
    if (message === null) return;
    const incarnation = this.#incarnations.get(from) ?? 0;
    switch (message.kind) {
      case 'successor':
        this.#successors.set(from, { incarnation, node: message.body });
        return;
      case 'checkpoint':
        if (!this.#store.put(from, incarnation, message.body)) this.counters.dropped++;
        return;
      case 'ended':
        this.#onEnded(now, { node: from, incarnation }, message.body);
        return;
      case 'forget':
        this.#store.takeAll(from, incarnation);
        return;
      case 'heir':
        this.#learnHeir(message.body, from);
        this.#dropCopies(now, message.body);
        return;
      case 'again':
        if (from === this.#successor) this.#giveAll(now);
        return;
      case 'adopted':
        this.#onAdopted(now, from, message.body);
        return;
      default:
        this.#onYielded(now, from, incarnation);
    }
  }

  onPeerUp(node: number, incarnation: number, now: number): void {
    const former = this.#incarnations.get(node);
    this.#incarnations.set(node, incarnation);
    this.#watched.delete(node);
    if (former !== undefined && former !== incarnation) {
      this.#adoptAll(now, node, former);
    } else {
      this.#heirs.delete(lifeName(node, incarnation));
      // What it gave before the link was lost may have ended since.
      this.#store.takeAll(node, incarnation);
      if (this.#successors.get(node)?.node === this.#parts.self.node)
        this.#send({ kind: 'again', body: null }, node);
      this.#claimBack(node, incarnation);
    }
    this.#choose(now);
    this.#introduce(node);
    for (const { origin } of this.#adopted.values()) this.#send({ kind: 'heir', body: origin }, node);
  }

  onPeerDown(node: number, now: number): void {
    const incarnation = this.#incarnations.get(node);
    if (incarnation !== undefined) this.#watched.set(node, incarnation);
    this.#choose(now);
    this.#look(now);
  }

  #look(now: number): void {
    for (const [node, incarnation] of this.#watched) {
      const life = this.#parts.lifeOf(now, node, incarnation);
      if (life === 'unsure') continue;
      this.#watched.delete(node);
      if (life === 'over') this.#adoptAll(now, node, incarnation);
      // It has another successor by now, on its side: these copies age, and must not be used later.
      else if (life === 'unseen') this.counters.withheld += this.#store.takeAll(node, incarnation).length;
    }
    if (this.#watched.size === 0 || this.#isWatching) return;
    this.#isWatching = true;
    this.#parts.timers.start(now, watchMilliseconds, this, timerKinds.watch);
  }

  #adoptAll(now: number, node: number, incarnation: number): void {
    const origin = { node, incarnation };
    const checkpoints = this.#store.takeAll(node, incarnation);
    const heir = this.#heirs.get(lifeName(node, incarnation)) ?? 0;
    // Two had copies: the first who says so goes on.
    if (this.#parts.livePeers().includes(heir)) {
      this.counters.withheld += checkpoints.length;
      return;
    }
    const ids: number[] = [];
    for (const checkpoint of checkpoints) {
      if (this.#parts.user.adopt(now, origin, checkpoint)) ids.push(checkpoint.id);
      else this.counters.unusable++;
    }
    this.counters.adopted += ids.length;
    if (ids.length === 0) return;
    this.#adopted.set(lifeName(node, incarnation), { origin, ids });
    this.#learnHeir(origin, this.#parts.self.node);
    if (this.#adopted.size > livesMax) dropOldest(this.#adopted);
    for (const peer of this.#parts.livePeers()) this.#send({ kind: 'heir', body: origin }, peer);
    this.#parts.onAdopted(origin, ids.length);
  }

  /** Another goes on with that life: our copies of it are old. A life that came back gives anew. */
  #dropCopies(now: number, { node, incarnation }: ClaimOwner): void {
    if (this.#parts.lifeOf(now, node, incarnation) !== 'here') this.#store.takeAll(node, incarnation);
  }

  #learnHeir({ node, incarnation }: ClaimOwner, heir: number): void {
    this.#heirs.set(lifeName(node, incarnation), heir);
    if (this.#heirs.size > livesMax) dropOldest(this.#heirs);
  }

  /** A node that we took for dead is the same as before: it must know what is not its own any more. */
  #claimBack(node: number, incarnation: number): void {
    const adopted = this.#adopted.get(lifeName(node, incarnation));
    if (adopted === undefined) return;
    for (let from = 0; from < adopted.ids.length; from += idsMax)
      this.#send({ kind: 'adopted', body: adopted.ids.slice(from, from + idsMax) }, node);
  }

  #onAdopted(now: number, from: number, ids: readonly number[]): void {
    this.heir = from;
    const over: number[] = [];
    for (const id of ids) {
      this.#told.delete(id);
      this.#changed.delete(id);
      if (!this.#parts.user.yield(now, id)) over.push(id);
    }
    this.counters.yielded += ids.length - over.length;
    if (over.length > 0) this.#send({ kind: 'ended', body: over }, from);
    this.#send({ kind: 'yielded', body: null }, from);
  }

  /** Of a copy; or, when the news of it was lost on a broken link, of what was adopted by mistake. */
  #onEnded(now: number, origin: ClaimOwner, ids: readonly number[]): void {
    const adopted = this.#adopted.has(lifeName(origin.node, origin.incarnation));
    for (const id of ids) {
      this.#store.remove(origin.node, origin.incarnation, id);
      if (adopted) this.#parts.user.drop(now, origin, id);
    }
  }

  #onYielded(now: number, from: number, incarnation: number): void {
    const adopted = this.#adopted.get(lifeName(from, incarnation));
    if (adopted !== undefined) this.#parts.user.claimAdopted(now, adopted.origin);
  }
}

function lifeName(node: number, incarnation: number): string {
  return `${node}.${incarnation}`;
}
