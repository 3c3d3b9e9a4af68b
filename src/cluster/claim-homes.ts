/**
 * The second way to keep claims (design 4.2), for clusters too large to tell every node everything: a claim is told to
 * its home alone, the node that comes first for its hash among those that are reached. Who looks for an owner asks the
 * home, and for a while after nodes came or went, or when the home does not answer, everybody. A question for a new
 * request reserves it for who asks, so that copies that reach two nodes at once are told apart before anything is sent.
 */

import type { ClaimConflict, ClaimDirectory, ClaimOwner } from '#cluster/claim-directory.ts';
import { frameTypes } from '#cluster/frame.ts';
import type { FrameSender } from '#cluster/frame-sender.ts';
import { rendezvousWeight } from '#cluster/ownership.ts';
import type { PeerTable } from '#cluster/peer-table.ts';
import { boolean, struct, u32, u64 } from '#util/codec.ts';
import type { Timer, TimerQueue, TimerTarget } from '#util/timer-queue.ts';

/** `lifetime` in ms: a request that is new to who asks is reserved for it that long when nobody has it; 0 = not. */
export interface ClaimLookup {
  readonly id: number;
  readonly high: number;
  readonly low: number;
  readonly lifetime: number;
}
export const lookupCodec = struct<ClaimLookup>({ id: u32, high: u32, low: u32, lifetime: u32 });

/** `node` 0: nobody. `isSettled` false: nodes came or went a moment ago, and the home may not know all yet. */
export interface LookupAnswer {
  readonly id: number;
  readonly isSettled: boolean;
  readonly node: number;
  readonly incarnation: number;
}
export const lookupAnswerCodec = struct<LookupAnswer>({
  id: u32,
  isSettled: boolean,
  node: u32,
  incarnation: u64,
});

/** The home tells a node that another's claim of the same key wins. */
export interface LostClaim {
  readonly high: number;
  readonly low: number;
  readonly node: number;
  readonly incarnation: number;
}
export const lostClaimCodec = struct<LostClaim>({ high: u32, low: u32, node: u32, incarnation: u64 });

/** `isSure` false: the home does not know, or did not say in time. */
export type OwnerLocated = (owner: ClaimOwner | null, now: number, isSure: boolean) => void;

/** After nodes came or went: until every node has noticed, and has told its claims to their new homes. */
const settleMilliseconds = 1500;
/** Until the claim itself comes: a script may ask a database first. */
const reservationMilliseconds = 4000;
/** Questions open at once; beyond it everybody is asked instead, which has a limit of its own. */
const lookupsMax = 8192;

export interface ClaimHomesParts {
  readonly self: ClaimOwner;
  readonly timers: TimerQueue;
  readonly peers: PeerTable;
  readonly sender: FrameSender;
  readonly claims: ClaimDirectory;
  /** How long a home may take to answer, ms. */
  readonly waitMilliseconds: number;
}

class Lookup implements TimerTarget {
  readonly home: number;
  readonly done: OwnerLocated;
  readonly #expire: (now: number) => void;
  timer: Timer | null = null;

  constructor(home: number, done: OwnerLocated, expire: (now: number) => void) {
    this.home = home;
    this.done = done;
    this.#expire = expire;
  }

  onTimer(_kind: number, now: number): void {
    this.#expire(now);
  }
}

export class ClaimHomes {
  readonly #parts: ClaimHomesParts;
  readonly #open = new Map<number, Lookup>();
  #lastId = 0;
  #changedAt = -Infinity;
  asked = 0;
  unanswered = 0;

  constructor(parts: ClaimHomesParts) {
    this.#parts = parts;
  }

  get open(): number {
    return this.#open.size;
  }

  /** The home of a claim now; with `also`, as if that node were reached too. */
  homeOf(high: number, low: number, also = 0): number {
    const { self, peers } = this.#parts;
    let home = self.node;
    let lowest = rendezvousWeight(high, low, home);
    const consider = (node: number): void => {
      const weight = rendezvousWeight(high, low, node);
      if (weight > lowest || (weight === lowest && node > home)) return;
      home = node;
      lowest = weight;
    };
    for (const node of peers.live) consider(node);
    if (also !== 0) consider(also);
    return home;
  }

  /** A peer is reached, or is not any more. */
  onChange(now: number): void {
    this.#changedAt = now;
  }

  onNodeDown(now: number, node: number): void {
    for (const [id, lookup] of this.#open) if (lookup.home === node) this.#end(now, id, null, false);
  }

  /** Asks the home; `done` comes at once when that is this node, and exactly once. */
  locate(now: number, key: string, reserves: boolean, done: OwnerLocated): void {
    const { claims, self, sender, waitMilliseconds, timers } = this.#parts;
    const known = claims.owner(now, key);
    const { high, low } = claims.hashOf(key);
    const home = this.homeOf(high, low);
    if (known !== null || home === self.node) {
      done(known, now, known !== null || this.#isSettled(now));
      return;
    }
    this.#lastId = (this.#lastId + 1) >>> 0;
    const id = this.#lastId;
    const body: ClaimLookup = { id, high, low, lifetime: reserves ? reservationMilliseconds : 0 };
    const frame = { type: frameTypes.lookup, codec: lookupCodec, body, priority: 'urgent' } as const;
    if (this.#open.size >= lookupsMax || !sender.send(now, home, frame)) {
      done(null, now, false);
      return;
    }
    this.asked++;
    const lookup = new Lookup(home, done, (at) => {
      this.unanswered++;
      this.#end(at, id, null, false);
    });
    lookup.timer = timers.start(now, waitMilliseconds, lookup, 0);
    this.#open.set(id, lookup);
  }

  /** A peer takes this node for the home. */
  onLookup(now: number, from: ClaimOwner, { id, high, low, lifetime }: ClaimLookup): void {
    const { claims, sender } = this.#parts;
    const owner = claims.ownerOf(now, high, low);
    if (owner === null && lifetime > 0) claims.reserve(now, { high, low }, from, lifetime);
    const { node, incarnation } = owner ?? { node: 0, incarnation: 0 };
    const body: LookupAnswer = { id, isSettled: this.#isSettled(now), node, incarnation };
    const type = frameTypes.lookupAnswer;
    sender.send(now, from.node, { type, codec: lookupAnswerCodec, body, priority: 'urgent' });
  }

  onAnswer(now: number, from: number, answer: LookupAnswer): void {
    if (this.#open.get(answer.id)?.home !== from) return;
    const { node, incarnation } = answer;
    const isSure = node !== 0 || (answer.isSettled && this.#isSettled(now));
    this.#end(now, answer.id, node === 0 ? null : { node, incarnation }, isSure);
  }

  /** Tells a peer that its claim was not the one that wins. */
  tellLost(now: number, { high, low, winner, loser }: ClaimConflict): void {
    const body: LostClaim = { high, low, ...winner };
    const frame = { type: frameTypes.claimLost, codec: lostClaimCodec, body, priority: 'urgent' } as const;
    this.#parts.sender.send(now, loser, frame);
  }

  #isSettled(now: number): boolean {
    return now - this.#changedAt > settleMilliseconds && !this.#parts.claims.hasOtherSecret;
  }

  #end(now: number, id: number, owner: ClaimOwner | null, isSure: boolean): void {
    const lookup = this.#open.get(id);
    if (lookup === undefined) return;
    this.#open.delete(id);
    this.#parts.timers.stop(lookup.timer);
    lookup.done(owner, now, isSure);
  }
}
