/**
 * How a node that begins learns what the cluster knows: it asks one peer for piece after piece, the next one only when
 * the last has come, so that neither side's queues grow. What changes meanwhile comes from every peer as it happens.
 * When the donor dies, the next one goes on at the same place.
 */

import type { BucketMessage } from '#cluster/replica-message.ts';

export interface SnapshotPort {
  livePeers(): readonly number[];
  ask(node: number, bucket: number): boolean;
  /** Once. `fromPeer`: false when nobody had one. */
  onComplete(fromPeer: boolean): void;
}

/** A cluster in which every node begins at once: after this time nobody is waited for. */
const donorMilliseconds = 2000;
/** A piece is a few milliseconds of work. */
const pieceMilliseconds = 2000;

export class Snapshot {
  readonly #bucketsCount: number;
  readonly #port: SnapshotPort;
  readonly #refused = new Set<number>();
  #isComplete = false;
  #donor: number | null = null;
  #next = 0;
  #askedAt = 0;
  #begun: number | null = null;

  constructor(bucketsCount: number, port: SnapshotPort) {
    this.#bucketsCount = bucketsCount;
    this.#port = port;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  finish(fromPeer: boolean): void {
    if (this.#isComplete) return;
    this.#isComplete = true;
    this.#donor = null;
    this.#port.onComplete(fromPeer);
  }

  onPeerUp(node: number, now: number): void {
    this.#refused.delete(node);
    if (!this.#isComplete && this.#donor === null) this.#ask(node, now);
  }

  onPeerDown(node: number, now: number): void {
    if (node === this.#donor) this.#choose(now);
  }

  expects(from: number, bucket: number): boolean {
    return !this.#isComplete && from === this.#donor && bucket === this.#next;
  }

  /** A part of the piece that was asked for. */
  onPart(message: BucketMessage<unknown>, now: number): void {
    this.#askedAt = now;
    if (!message.isSynchronised) {
      this.#refused.add(this.#donor!);
      this.#choose(now);
      return;
    }
    if (message.next === null) return;
    this.#next = message.next;
    if (this.#next >= this.#bucketsCount) this.finish(true);
    else this.#ask(this.#donor!, now);
  }

  tick(now: number): void {
    if (this.#isComplete) return;
    this.#begun ??= now;
    if (this.#donor !== null) {
      if (now - this.#askedAt <= pieceMilliseconds) return;
      this.#refused.add(this.#donor);
      this.#choose(now);
      return;
    }
    if (now - this.#begun >= donorMilliseconds) {
      this.finish(false);
      return;
    }
    // Those that knew nothing a moment ago may have finished in the meantime.
    this.#refused.clear();
    this.#choose(now);
  }

  #choose(now: number): void {
    this.#donor = null;
    const donor = this.#port.livePeers().find((node) => !this.#refused.has(node));
    if (donor !== undefined) this.#ask(donor, now);
  }

  #ask(donor: number, now: number): void {
    this.#donor = donor;
    this.#askedAt = now;
    this.#port.ask(donor, this.#next);
  }
}
