/**
 * Sharing tags (OpenSIPS's name for duties that one node has at a time) as leases with epochs. A tag is active on a node
 * for as long as a majority of the members has granted it, nine tenths of a lease from when it asked; it renews four
 * times per lease. So two nodes never have it at once, however the network is parted, and a holder that is cut off or
 * stands still loses it by time alone. A tag without a holder goes to those that name it in their scripts, in order.
 */

import type { ChannelSubscriber } from '#cluster/channels.ts';
import type { ClaimOwner } from '#cluster/claim-directory.ts';
import {
  type TagMessage,
  type TagVoteParts,
  TagVotes,
  tagMessageCodec,
  tagMessages,
} from '#cluster/sharing-tag-vote.ts';
import { decode, encode } from '#util/codec.ts';
import type { TimerQueue, TimerTarget } from '#util/timer-queue.ts';

export interface Electorate {
  /** Members that are enabled and not dead, this node among them; empty when it is none itself. */
  readonly voters: readonly number[];
  /** Those of them that are reached, without this node. */
  readonly reached: readonly number[];
}

export interface SharingTagsParts {
  readonly self: ClaimOwner;
  readonly timers: TimerQueue;
  readonly startedAt: number;
  readonly leaseMilliseconds: number;
  /** `reachable`: those who are reached are all that count; two parts of a cluster then have two holders. */
  readonly quorum: 'majority' | 'reachable';
  /** The dead count as voters until they are dead for that long. */
  electorate(now: number, milliseconds: number): Electorate;
  incarnationOf(node: number): number | null;
  readonly isProvedDead: TagVoteParts['isProvedDead'];
  send(node: number, body: Uint8Array): void;
  onChange(tag: string, isActive: boolean, epoch: number, reason: string): void;
}

export interface SharingTagView {
  readonly tag: string;
  readonly isActive: boolean;
  readonly epoch: number;
  /** Node that this one believes to hold it, 0 = nobody. */
  readonly holder: number;
}

/** A refused connection proves a death for as long as this (`ClusterNode.electorate`). */
export const proofMilliseconds = 3000;
const tickMilliseconds = 250;
const renewalsPerLease = 4;
/** Clocks of two machines may differ by this in their speed. */
const ownShare = 0.9;
/** A claim that has no majority by then is given up. */
const roundMilliseconds = 1000;
/** Between candidates, so that the first has the votes before the second asks. */
const rankMilliseconds = 500;
/** An operator's command is tried for so long. */
const wantedMilliseconds = 5000;

class Tag {
  readonly name: string;
  /** `=active` in the script: comes first when nobody holds it. */
  isPreferred: boolean;
  phase: 'backup' | 'claiming' | 'active' = 'backup';
  epoch = 0;
  leaseUntil = 0;
  round = 0;
  askedAt = 0;
  grants = new Set<number>();
  denials = new Set<number>();
  /** Since when nobody is known to hold it, -1: somebody does. */
  freeSince = -1;
  notBefore = 0;
  wantedUntil = -Infinity;

  constructor(name: string, isPreferred: boolean) {
    this.name = name;
    this.isPreferred = isPreferred;
  }
}

export class SharingTags implements ChannelSubscriber, TimerTarget {
  readonly #parts: SharingTagsParts;
  readonly #votes: TagVotes;
  readonly #votesFrom: number;
  readonly #tags = new Map<string, Tag>();
  #isWilling = true;
  #isTicking = false;

  constructor(parts: SharingTagsParts) {
    this.#parts = parts;
    const { leaseMilliseconds, startedAt, isProvedDead } = parts;
    this.#votesFrom = startedAt + leaseMilliseconds + proofMilliseconds;
    this.#votes = new TagVotes({
      leaseMilliseconds,
      votesFrom: this.#votesFrom,
      isProvedDead: (now, holder) => isProvedDead(now, holder),
    });
  }

  /** A tag that this node may hold. */
  declare(now: number, name: string, isPreferred = false): void {
    const known = this.#tags.get(name);
    if (known !== undefined) known.isPreferred ||= isPreferred;
    else this.#tags.set(name, new Tag(name, isPreferred));
    if (this.#isTicking) return;
    this.#isTicking = true;
    this.#parts.timers.start(now, tickMilliseconds, this, 0);
  }

  /** True at this very moment: a process that stood still may ask before any timer has run. */
  isActive(now: number, name: string): boolean {
    const tag = this.#tags.get(name);
    return tag !== undefined && tag.phase === 'active' && now < tag.leaseUntil;
  }

  /** Asks whoever holds it to let go, and claims it; what comes of it is told by `onChange`. */
  activate(now: number, name: string): void {
    if (this.isActive(now, name)) return;
    this.declare(now, name);
    const tag = this.#tags.get(name)!;
    tag.wantedUntil = now + wantedMilliseconds;
    tag.notBefore = now;
    this.#tellAll(now, tag, tagMessages.yield);
    this.#consider(now, tag);
  }

  /** False: gives up what it has, and claims nothing: the node is about to stop. */
  setWilling(now: number, isWilling: boolean): void {
    this.#isWilling = isWilling;
    if (isWilling) return;
    for (const tag of this.#tags.values()) this.#giveUp(now, tag, 'this node takes no new work');
  }

  view(now: number): SharingTagView[] {
    return [...this.#tags.values()].map((tag) => ({
      tag: tag.name,
      isActive: this.isActive(now, tag.name),
      epoch: this.#votes.epochOf(tag.name),
      holder: this.#votes.promiseOf(now, tag.name)?.holder.node ?? 0,
    }));
  }

  onTimer(_kind: number, now: number): void {
    this.#parts.timers.start(now, tickMilliseconds, this, 0);
    for (const tag of this.#tags.values()) this.#tick(now, tag);
  }

  // ── of the holder and the candidate ───────────────────────────────────────────────────────────────────────────

  #tick(now: number, tag: Tag): void {
    if (tag.phase === 'active') {
      const isOver = now >= tag.leaseUntil;
      if (isOver) this.#giveUp(now, tag, 'no majority renewed its lease in time');
      else if (now - tag.askedAt >= this.#parts.leaseMilliseconds / renewalsPerLease)
        this.#ask(now, tag, tagMessages.renew);
    } else if (tag.phase === 'claiming') {
      if (now - tag.askedAt >= roundMilliseconds) this.#giveUp(now, tag, '');
    } else {
      this.#consider(now, tag);
    }
  }

  /** Claims the tag when it is free and this node's turn has come. */
  #consider(now: number, tag: Tag): void {
    const promise = this.#votes.promiseOf(now, tag.name);
    if (promise !== null) {
      tag.freeSince = -1;
      return;
    }
    if (tag.freeSince === -1) tag.freeSince = now;
    const isWanted = now < tag.wantedUntil;
    // One that was never active waits for somebody to say where it belongs.
    const isDue = isWanted || tag.isPreferred || this.#votes.epochOf(tag.name) > 0;
    const from = Math.max(tag.freeSince + this.#rankOf(now, tag, isWanted) * rankMilliseconds, tag.notBefore);
    if (!this.#isWilling || !isDue || now < from || now < this.#votesFrom) return;
    if (!this.#canWin(now, new Set())) return;
    tag.epoch = Math.max(this.#votes.epochOf(tag.name) + 1, this.#parts.self.incarnation);
    tag.phase = 'claiming';
    this.#ask(now, tag, tagMessages.claim);
  }

  #rankOf(now: number, tag: Tag, isWanted: boolean): number {
    if (isWanted) return 0;
    const { node } = this.#parts.self;
    const { reached } = this.#parts.electorate(now, 0);
    const lower = reached.filter((other) => other < node).length;
    return (tag.isPreferred ? 0 : 1 + reached.length) + lower;
  }

  #ask(now: number, tag: Tag, kind: number): void {
    const { self } = this.#parts;
    tag.round = (tag.round + 1) >>> 0;
    tag.askedAt = now;
    tag.grants = new Set();
    tag.denials = new Set();
    const message = this.#message(tag, kind);
    if (this.#votes.ask(now, self, message) === 'granted') tag.grants.add(self.node);
    this.#tellAll(now, tag, kind);
    this.#count(now, tag);
  }

  #count(now: number, tag: Tag): void {
    const isNew = tag.phase === 'claiming';
    if (tag.phase === 'backup' || !this.#isQuorum(now, tag.grants, isNew)) return;
    tag.leaseUntil = tag.askedAt + this.#parts.leaseMilliseconds * ownShare;
    if (tag.phase === 'active' || now >= tag.leaseUntil) return;
    tag.phase = 'active';
    tag.wantedUntil = -Infinity;
    this.#parts.onChange(tag.name, true, tag.epoch, '');
  }

  /**
   * More than half; of exactly half, the half with the lowest id. To a new holder the promises of those who have just
   * died count: they may be what the former one still relies on.
   */
  #isQuorum(now: number, grants: ReadonlySet<number>, isNew: boolean): boolean {
    const { self, quorum, leaseMilliseconds } = this.#parts;
    const { voters, reached } = this.#parts.electorate(now, isNew ? leaseMilliseconds : 0);
    const counted = quorum === 'majority' || voters.length === 0 ? voters : [self.node, ...reached];
    const granted = counted.filter((node) => grants.has(node)).length;
    if (granted * 2 !== counted.length) return granted * 2 > counted.length;
    return granted > 0 && grants.has(Math.min(...counted));
  }

  /** `reason` '': it was only claimed. */
  #giveUp(now: number, tag: Tag, reason: string): void {
    if (tag.phase === 'backup') return;
    const wasActive = tag.phase === 'active';
    tag.phase = 'backup';
    tag.freeSince = -1;
    tag.notBefore = now + rankMilliseconds * (1 + this.#rankOf(now, tag, false));
    this.#votes.release(this.#parts.self, tag.name);
    this.#tellAll(now, tag, tagMessages.release);
    if (wasActive) this.#parts.onChange(tag.name, false, tag.epoch, reason);
  }

  #message(tag: Tag, kind: number): TagMessage {
    return { kind, tag: tag.name, epoch: tag.epoch, round: tag.round, holder: 0, remaining: 0 };
  }

  #tellAll(now: number, tag: Tag, kind: number): void {
    const body = encode(tagMessageCodec, this.#message(tag, kind));
    for (const node of this.#parts.electorate(now, 0).reached) this.#parts.send(node, body);
  }

  // ── messages ──────────────────────────────────────────────────────────────────────────────────────────────────

  onMessage(from: number, body: Uint8Array, now: number): void {
    const message = decode(tagMessageCodec, Buffer.from(body));
    const incarnation = this.#parts.incarnationOf(from);
    if (message === null || incarnation === null) return;
    const peer: ClaimOwner = { node: from, incarnation };
    const { kind } = message;
    if (kind === tagMessages.claim || kind === tagMessages.renew) this.#answer(now, peer, message);
    else if (kind === tagMessages.release) this.#votes.release(peer, message.tag);
    else if (kind === tagMessages.yield) this.#yield(now, peer, message.tag);
    else this.#onAnswer(now, from, message);
  }

  #answer(now: number, peer: ClaimOwner, claim: TagMessage): void {
    const vote = this.#votes.ask(now, peer, claim);
    const { tag, round } = claim;
    let answer: TagMessage = { ...claim, kind: tagMessages.grant };
    if (vote === 'too early') {
      const remaining = Math.max(0, Math.ceil(this.#votesFrom - now));
      answer = { kind: tagMessages.deny, tag, round, epoch: this.#votes.epochOf(tag), holder: 0, remaining };
    } else if (vote !== 'granted') {
      const remaining = Math.max(0, Math.ceil(vote.until - now));
      const holder = vote.holder.node;
      const isOurs = holder === this.#parts.self.node && this.isActive(now, tag);
      const kind = isOurs ? tagMessages.taken : tagMessages.deny;
      answer = { kind, tag, round, epoch: vote.epoch, holder, remaining };
    }
    this.#parts.send(peer.node, encode(tagMessageCodec, answer));
  }

  #onAnswer(now: number, from: number, answer: TagMessage): void {
    const tag = this.#tags.get(answer.tag);
    if (tag === undefined) return;
    const isDenial = answer.kind !== tagMessages.grant;
    if (isDenial) this.#votes.note(tag.name, answer.epoch);
    if (tag.phase === 'backup' || answer.round !== tag.round) return;
    if (!isDenial) {
      tag.grants.add(from);
      this.#count(now, tag);
      return;
    }
    // Where two parts of a cluster had a holder each, the later epoch stays, of equal ones the lower node.
    const isLater =
      answer.epoch > tag.epoch || (answer.epoch === tag.epoch && answer.holder < this.#parts.self.node);
    if (tag.phase === 'active' && answer.kind === tagMessages.taken && isLater)
      this.#giveUp(now, tag, `node [${answer.holder}] has a later epoch of it`);
    tag.denials.add(from);
    if (tag.phase === 'claiming' && !this.#canWin(now, tag.denials)) this.#giveUp(now, tag, '');
  }

  /** One denial of many ends nothing; one of two does. */
  #canWin(now: number, denials: ReadonlySet<number>): boolean {
    const { voters, reached } = this.#parts.electorate(now, 0);
    const hoped = [this.#parts.self.node, ...reached].filter((node) => !denials.has(node));
    return voters.length > 0 && this.#isQuorum(now, new Set(hoped), true);
  }

  #yield(now: number, peer: ClaimOwner, name: string): void {
    const tag = this.#tags.get(name);
    if (tag === undefined) return;
    this.#giveUp(now, tag, `node [${peer.node}] was told to take it`);
    tag.wantedUntil = -Infinity;
    tag.notBefore = now + wantedMilliseconds;
  }

  onPeerUp(): void {}

  onPeerDown(): void {}
}
