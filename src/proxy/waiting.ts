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

/** RFC 3261 17.2.1: an INVITE that is not answered by then gets a 100. */
const tryingMilliseconds = 200;

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

  /** When a 100 is due to a request that is `isInvite`, unless there is another answer before. */
  startTrying(now: number, isInvite: boolean, settings: TransactionSettings): void {
    // RFC 4320 4.1: to others not before the caller repeats the request every T2.
    const delay = isInvite ? tryingMilliseconds : slowMilliseconds(settings);
    this.#trying ??= this.#queue.start(now, delay, this, kinds.trying);
  }

  /**
   * More branches will be added although all that there are may fail: nothing is concluded before `count` of them
   * came, or that time has passed.
   */
  expect(now: number, count: number, milliseconds: number): void {
    this.expectNoMore();
    this.expected = count;
    this.#newBranches = this.#queue.start(now, milliseconds, this, kinds.newBranches);
  }

  get isExpecting(): boolean {
    return this.expected > 0;
  }

  /** So many of them have been added. */
  noteArrived(count: number): void {
    this.expected = Math.max(0, this.expected - count);
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
