/**
 * This node's vote on who holds each sharing tag, and the messages about it. A vote is a promise for the time of a
 * lease: until it ends nobody else gets one, unless the holder's process is proved dead. Epochs only grow: a
 * claim with one that is not higher than what was seen before gets no vote. A node that has just started has forgotten what it promised, so it
 * votes for nobody but those who hold their tag already until every such promise has ended.
 */

import type { ClaimOwner } from '#cluster/claim-directory.ts';
import { struct, text, u8, u32, u64 } from '#util/codec.ts';

/** Numbers on the wire. `taken` is the denial of the holder itself. */
export const tagMessages = { claim: 1, renew: 2, grant: 3, deny: 4, release: 5, yield: 6, taken: 7 } as const;

/** `epoch`, `holder` and `remaining` (ms of its lease) of a denial say who has the vote. */
export interface TagMessage {
  readonly kind: number;
  readonly tag: string;
  readonly epoch: number;
  /** Of the claimant; the answers repeat it. */
  readonly round: number;
  readonly holder: number;
  readonly remaining: number;
}

export const tagMessageCodec = struct<TagMessage>({
  kind: u8,
  tag: text,
  epoch: u64,
  round: u32,
  holder: u32,
  remaining: u32,
});

export interface TagPromise {
  readonly holder: ClaimOwner;
  readonly epoch: number;
  /** ms of this node's clock. */
  readonly until: number;
}

export interface TagVoteParts {
  readonly leaseMilliseconds: number;
  /** Before this time promises of a former life may be in force. */
  readonly votesFrom: number;
  /** The process with that incarnation does not exist any more, whatever the network says. */
  isProvedDead(now: number, holder: ClaimOwner): boolean;
}

/** More than any script names; beyond it nobody gets a vote. */
const tagsMax = 1000;

export class TagVotes {
  readonly #parts: TagVoteParts;
  readonly #promises = new Map<string, TagPromise>();
  readonly #epochs = new Map<string, number>();

  constructor(parts: TagVoteParts) {
    this.#parts = parts;
  }

  /** Highest epoch seen, 0 when the tag was never held. */
  epochOf(tag: string): number {
    return this.#epochs.get(tag) ?? 0;
  }

  note(tag: string, epoch: number): void {
    if (epoch > this.epochOf(tag) && (this.#epochs.has(tag) || this.#epochs.size < tagsMax))
      this.#epochs.set(tag, epoch);
  }

  /** Whom the vote is promised to now. */
  promiseOf(now: number, tag: string): TagPromise | null {
    const promise = this.#promises.get(tag);
    if (promise === undefined) return null;
    if (now < promise.until && !this.#parts.isProvedDead(now, promise.holder)) return promise;
    return null;
  }

  /** Null: granted, for the time of a lease from now. */
  ask(now: number, claimant: ClaimOwner, claim: TagMessage): 'granted' | TagPromise | 'too early' {
    const { tag, epoch } = claim;
    const isRenewal = claim.kind === tagMessages.renew;
    const promise = this.promiseOf(now, tag);
    if (promise !== null && !isSame(promise.holder, claimant)) return promise;
    // Who holds it may go on although others have tried to get it since.
    if (!isRenewal && epoch <= this.epochOf(tag))
      return { holder: claimant, epoch: this.epochOf(tag), until: now };
    if (now < this.#parts.votesFrom && !isRenewal) return 'too early';
    if (!this.#promises.has(tag) && this.#promises.size >= tagsMax) return 'too early';
    this.note(tag, epoch);
    this.#promises.set(tag, { holder: claimant, epoch, until: now + this.#parts.leaseMilliseconds });
    return 'granted';
  }

  /** The holder gives its tag up. */
  release(holder: ClaimOwner, tag: string): void {
    const promise = this.#promises.get(tag);
    if (promise !== undefined && isSame(promise.holder, holder)) this.#promises.delete(tag);
  }
}

function isSame(left: ClaimOwner, right: ClaimOwner): boolean {
  return left.node === right.node && left.incarnation === right.incarnation;
}
