/**
 * 2xx responses to INVITEs that were passed on to the caller because their owner was out of reach (orphans.ts). It may
 * only be cut off: when it is reached again it gets them too, before it gives up calls that have long been answered.
 * Bounded in number, and in time: as long as a callee repeats a 2xx (RFC 3261 13.3.1.4).
 */

import type { ClaimOwner } from '#cluster/claim-directory.ts';
import type { Counter, Statistics } from '#module/statistics.ts';
import type { ReadArrival } from '#server/receive.ts';
import type { TimerQueue, TimerTarget } from '#util/timer-queue.ts';

/** 64 T1. */
const keptMilliseconds = 32_000;
/** 300 calls per second, each answered while its owner is away. Some 1 kB each. */
const keptMax = 10_000;
/** Between two looks at whether an owner is there again; owners wait for longer before they give a call up. */
const lookMilliseconds = 100;

export interface AnswersUser {
  isReached(now: number, owner: ClaimOwner): boolean;
  /** Hands it to its owner, who is reached. */
  deliver(now: number, owner: ClaimOwner, arrival: ReadArrival): void;
}

interface PassedAnswer {
  readonly owner: ClaimOwner;
  readonly arrival: ReadArrival;
  readonly since: number;
}

export class PassedAnswers implements TimerTarget {
  readonly #timers: TimerQueue;
  readonly #user: AnswersUser;
  readonly #delivered: Counter;
  readonly #dropped: Counter;
  /** By the branch, oldest first: a callee repeats its answer. */
  readonly #kept = new Map<string, PassedAnswer>();
  #isWaiting = false;

  constructor(timers: TimerQueue, statistics: Statistics, user: AnswersUser) {
    this.#timers = timers;
    this.#user = user;
    this.#delivered = statistics.counter('tm', 'passed_answers_delivered');
    this.#dropped = statistics.counter('tm', 'passed_answers_dropped');
    statistics.gauge('tm', 'passed_answers', () => this.#kept.size);
  }

  /** `branch`: of its top Via. The datagram is copied. */
  keep(now: number, owner: ClaimOwner, branch: string, arrival: ReadArrival): void {
    if (this.#kept.has(branch)) return;
    if (this.#kept.size >= keptMax) {
      this.#dropped.value++;
      return;
    }
    const copy = { ...arrival, bytes: Uint8Array.from(arrival.bytes) };
    this.#kept.set(branch, { owner, arrival: copy, since: now });
    this.#wait(now);
  }

  onTimer(_kind: number, now: number): void {
    this.#isWaiting = false;
    for (const [branch, { owner, arrival, since }] of this.#kept) {
      const isReached = this.#user.isReached(now, owner);
      if (!isReached && now - since < keptMilliseconds) continue;
      this.#kept.delete(branch);
      if (!isReached) continue;
      this.#delivered.value++;
      this.#user.deliver(now, owner, arrival);
    }
    this.#wait(now);
  }

  #wait(now: number): void {
    if (this.#isWaiting || this.#kept.size === 0) return;
    this.#isWaiting = true;
    this.#timers.start(now, lookMilliseconds, this, 0);
  }
}
