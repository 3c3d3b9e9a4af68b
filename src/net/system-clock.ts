/** The machine's clock, and the one timer of the event loop that drives a {@link TimerQueue}. */

import { performance } from 'node:perf_hooks';
import type { Clock } from '#util/clock.ts';
import type { TimerQueue } from '#util/timer-queue.ts';

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
};

/**
 * Keeps one `setTimeout` armed for the earliest timer. It is asked after each event (`rearm`): most timers of a call
 * are stopped long before they are due, so a stale alarm now and then is cheaper than an exact one each time.
 */
export class TimerDriver {
  readonly #timers: TimerQueue;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  #armedFor = Infinity;
  #alarm: NodeJS.Timeout | null = null;

  constructor(timers: TimerQueue, clock: Clock, onError: (error: unknown) => void) {
    this.#timers = timers;
    this.#clock = clock;
    this.#onError = onError;
  }

  rearm(): void {
    const due = this.#timers.nextAlarm();
    if (due >= this.#armedFor) return;
    if (this.#alarm !== null) clearTimeout(this.#alarm);
    this.#armedFor = due;
    const delay = Math.max(1, Math.ceil(due - this.#clock.monotonic()));
    this.#alarm = setTimeout(() => this.#fire(), Math.min(delay, 60_000));
  }

  stop(): void {
    if (this.#alarm !== null) clearTimeout(this.#alarm);
    this.#alarm = null;
    this.#armedFor = Infinity;
  }

  #fire(): void {
    this.#alarm = null;
    this.#armedFor = Infinity;
    try {
      this.#timers.advance(this.#clock.monotonic());
    } catch (error) {
      // A broken invariant in one timer's work must not stop the others: what is still due fires on the next turn.
      this.#onError(error);
    }
    this.rearm();
  }
}
