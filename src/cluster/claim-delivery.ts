/**
 * When the claims of this node go to the peers: in batches, earlier with any frame that leaves for a peer anyway, and
 * as a snapshot to a peer that has just come up.
 */

import { type ClaimWords, claimsCodec } from '#cluster/claim-batch.ts';
import type { ClaimDirectory } from '#cluster/claim-directory.ts';
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
    this.#send(now, peer, { words, start, end: count }, 'urgent');
  }

  /** All live claims of this node. */
  tellAll(peer: Peer, now: number): void {
    const { claims } = this.#parts;
    peer.claimsTold = claims.batch.count;
    claims.snapshot(now, (portion) => this.#send(now, peer, portion, 'bulk'));
  }

  #send(now: number, peer: Peer, body: ClaimWords, priority: FramePriority): void {
    this.#parts.outbox.send(now, peer.id, { type: frameTypes.claims, codec: claimsCodec, body, priority });
  }
}
