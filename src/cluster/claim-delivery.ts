/**
 * When the claims of this node go to the peers, or to the home of each: in batches, earlier with any frame that leaves
 * for a peer anyway, and as a snapshot to a peer that has just come up.
 */

import { ClaimBatch, type ClaimWords, claimsCodec, wordsPerClaim } from '#cluster/claim-batch.ts';
import type { ClaimDirectory } from '#cluster/claim-directory.ts';
import type { ClaimHomes } from '#cluster/claim-homes.ts';
import { frameTypes } from '#cluster/frame.ts';
import type { FramePriority } from '#cluster/frame-sender.ts';
import type { Outbox } from '#cluster/outbox.ts';
import type { Peer } from '#cluster/peer.ts';
import type { PeerTable } from '#cluster/peer-table.ts';
import type { Timer, TimerQueue, TimerTarget } from '#util/timer-queue.ts';

export interface ClaimDeliveryParts {
  readonly timers: TimerQueue;
  readonly peers: PeerTable;
  readonly outbox: Outbox;
  readonly claims: ClaimDirectory;
  /** Null: every peer is told everything. */
  readonly homes: ClaimHomes | null;
}

export class ClaimDelivery implements TimerTarget {
  readonly #parts: ClaimDeliveryParts;
  readonly #batchMilliseconds: number;
  #timer: Timer | null = null;
  #areDue = false;

  /** `batchMilliseconds`: how long claims wait for company; 0 = until the end of the turn. */
  constructor(parts: ClaimDeliveryParts, batchMilliseconds: number) {
    this.#parts = parts;
    this.#batchMilliseconds = batchMilliseconds;
  }

  /** There is a claim in the batch, or a patient frame in the outbox; `urgent`: the batch is full. */
  wait(now: number, urgent: boolean): void {
    if (urgent || this.#batchMilliseconds === 0) this.hurry();
    else this.#timer ??= this.#parts.timers.start(now, this.#batchMilliseconds, this, 0);
  }

  /** The batch goes out when this turn ends. */
  hurry(): void {
    this.#areDue = true;
    this.#parts.outbox.hurry();
  }

  stop(): void {
    this.#parts.timers.stop(this.#timer);
    this.#timer = null;
  }

  onTimer(): void {
    this.#timer = null;
    this.hurry();
  }

  onTurnEnd(now: number): void {
    if (!this.#areDue) return;
    this.#areDue = false;
    for (const peer of this.#parts.peers.all) {
      if (peer.isReached) this.tell(peer, now);
      peer.claimsTold = 0;
    }
    this.#parts.claims.batch.clear();
  }

  /** What the peer has not been told of the batch. */
  tell(peer: Peer, now: number): void {
    const { words, count } = this.#parts.claims.batch;
    if (peer.claimsTold >= count) return;
    const start = peer.claimsTold;
    peer.claimsTold = count;
    const portion = this.#forHome(peer, { words, start, end: count });
    if (portion.end > portion.start) this.#send(now, peer, portion, 'urgent');
  }

  /** All live claims of this node. */
  tellAll(peer: Peer, now: number): void {
    const { claims } = this.#parts;
    peer.claimsTold = claims.batch.count;
    const isWanted = (high: number, low: number): boolean => this.#isHome(peer, high, low);
    claims.snapshot(now, isWanted, (portion) => this.#send(now, peer, portion, 'bulk'));
  }

  /** Claims whose home was `lost` have another one now. */
  tellNewHomes(lost: number, now: number): void {
    const { claims, homes, peers } = this.#parts;
    if (homes === null) return;
    for (const peer of peers.all) {
      if (!peer.isReached) continue;
      const isWanted = (high: number, low: number): boolean =>
        this.#isHome(peer, high, low) && homes.homeOf(high, low, lost) === lost;
      claims.snapshot(now, isWanted, (portion) => this.#send(now, peer, portion, 'bulk'));
    }
  }

  #isHome(peer: Peer, high: number, low: number): boolean {
    const { homes } = this.#parts;
    return homes === null || homes.homeOf(high, low) === peer.id;
  }

  #forHome(peer: Peer, claims: ClaimWords): ClaimWords {
    if (this.#parts.homes === null) return claims;
    const kept = new ClaimBatch();
    for (let index = claims.start; index < claims.end; index++) {
      const at = index * wordsPerClaim;
      const [high, low, lifetime] = [claims.words[at]!, claims.words[at + 1]!, claims.words[at + 2]!];
      if (this.#isHome(peer, high, low)) kept.add(high, low, lifetime);
    }
    return { words: kept.words, start: 0, end: kept.count };
  }

  #send(now: number, peer: Peer, body: ClaimWords, priority: FramePriority): void {
    this.#parts.outbox.send(now, peer.id, { type: frameTypes.claims, codec: claimsCodec, body, priority });
  }
}
