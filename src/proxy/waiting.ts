/**
 * What a proxied request waits for besides its branches: the moment for the 100 of RFC 4320, and branches that somebody
 * else will add. Its timers are stopped as soon as the caller has its final response.
 */

import { slowMilliseconds, type TransactionSettings } from '#transaction/settings.ts';
import type { Timer, TimerQueue, TimerTarget } from '#util/timer-queue.ts';

export interface WaitingOwner {
  /** RFC 4320 4.1: by now a 100 is due. */
  onTryingDue(now: number): void;
  /** No more branches came in time. */
  onExpectationOver(now: number): void;
}

const kinds = { trying: 0, newBranches: 1 } as const;

export class Waiting implements TimerTarget {
  readonly #queue: TimerQueue;
  readonly #owner: WaitingOwner;
  #trying: Timer | null = null;
  #newBranches: Timer | null = null;
  /** Branches that somebody else will add. */
  expected = 0;

  constructor(queue: TimerQueue, owner: WaitingOwner) {
    this.#queue = queue;
    this.#owner = owner;
  }

  /** RFC 4320 4.1: no 100 to a request that is no INVITE before the caller repeats it every T2. */
  startTrying(now: number, settings: TransactionSettings): void {
    this.#trying ??= this.#queue.start(now, slowMilliseconds(settings), this, kinds.trying);
  }

  expect(now: number, count: number, milliseconds: number): void {
    this.expectNoMore();
    this.expected = count;
    this.#newBranches = this.#queue.start(now, milliseconds, this, kinds.newBranches);
  }

  expectNoMore(): void {
    this.expected = 0;
    this.#queue.stop(this.#newBranches);
    this.#newBranches = null;
  }

  stop(): void {
    this.expectNoMore();
    this.#queue.stop(this.#trying);
    this.#trying = null;
  }

  onTimer(kind: number, now: number): void {
    if (kind === kinds.trying) this.#owner.onTryingDue(now);
    else this.#owner.onExpectationOver(now);
  }
}
