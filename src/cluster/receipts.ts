/**
 * Receipts: have the peers handled what was sent to them so far? Frames of shared state reach a peer in the order in
 * which they were sent, so a peer that answers a question has taken everything before it. Who asks is told once: when
 * every peer that was up has answered or gone down, or when the time is over. Nothing is repeated: what a peer missed
 * is found by the comparison of the tables.
 */

import { boolean, decode, encode, struct, u32 } from '#util/codec.ts';
import type { Timer, TimerQueue, TimerTarget } from '#util/timer-queue.ts';

export interface ReceiptPort {
  livePeers(): readonly number[];
  /** By the way that the state itself takes. False when the peer is down or its queue full. */
  send(node: number, body: Uint8Array): boolean;
}

export interface ReceiptOptions {
  readonly port: ReceiptPort;
  readonly timers: TimerQueue;
  readonly timeoutMilliseconds: number;
}

/** One per request that waits: as many as come in the time of a timeout, many times over. */
const openMax = 10_000;

const receiptCodec = struct<{ readonly isAnswer: boolean; readonly number: number }>({
  isAnswer: boolean,
  number: u32,
});

class OpenReceipt implements TimerTarget {
  readonly peers: Set<number>;
  readonly done: () => void;
  readonly #expire: () => void;
  timer: Timer | null = null;

  constructor(peers: Set<number>, done: () => void, expire: () => void) {
    this.peers = peers;
    this.done = done;
    this.#expire = expire;
  }

  onTimer(): void {
    this.#expire();
  }
}

export class Receipts {
  readonly counters = { asked: 0, unanswered: 0, unreadable: 0 };
  readonly #options: ReceiptOptions;
  readonly #open = new Map<number, OpenReceipt>();
  #lastNumber = 0;

  constructor(options: ReceiptOptions) {
    this.#options = options;
  }

  /** Questions that are not answered yet. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Calls `done` when the peers have what was sent before, false when there is nobody to wait for: then it is not
   * called. `now`: ms, monotonic.
   */
  ask(now: number, done: () => void): boolean {
    const { port, timers, timeoutMilliseconds } = this.#options;
    const live = port.livePeers();
    if (live.length === 0 || timeoutMilliseconds === 0) return false;
    if (this.#open.size >= openMax) {
      this.counters.unanswered++;
      return false;
    }
    this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    const number = this.#lastNumber;
    const body = encode(receiptCodec, { isAnswer: false, number });
    const asked = live.filter((node) => port.send(node, body));
    // A peer with a full queue, or none at all, will find what it missed by comparing.
    if (asked.length < live.length) this.counters.unanswered++;
    if (asked.length === 0) return false;
    this.counters.asked++;
    const open = new OpenReceipt(new Set(asked), done, () => this.#expire(number));
    open.timer = timers.start(now, timeoutMilliseconds, open, 0);
    this.#open.set(number, open);
    return true;
  }

  onMessage(from: number, body: Uint8Array): void {
    const message = decode(receiptCodec, Buffer.from(body.buffer, body.byteOffset, body.length));
    if (message === null) {
      this.counters.unreadable++;
      return;
    }
    if (message.isAnswer) this.#settle(message.number, from);
    else this.#options.port.send(from, encode(receiptCodec, { isAnswer: true, number: message.number }));
  }

  /** It takes the state from others when it is back. */
  onPeerDown(node: number): void {
    for (const number of this.#open.keys()) this.#settle(number, node);
  }

  #settle(number: number, node: number): void {
    const open = this.#open.get(number);
    if (open === undefined || !open.peers.delete(node) || open.peers.size > 0) return;
    this.#options.timers.stop(open.timer);
    this.#open.delete(number);
    open.done();
  }

  #expire(number: number): void {
    const open = this.#open.get(number);
    if (open === undefined) return;
    this.counters.unanswered++;
    this.#open.delete(number);
    open.done();
  }
}
