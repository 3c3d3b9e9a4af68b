/**
 * Datagrams whose owner may be dead or only out of sight: for the fraction of a second until that is known they are
 * kept, instead of being lost or dealt with by somebody who must not. Bounded in number and in time: a sender repeats
 * its message after T1, so what is older is of no use.
 */

import type { Counter, Statistics } from '#module/statistics.ts';
import type { Arrival } from '#server/receive.ts';
import type { TimerQueue, TimerTarget } from '#util/timer-queue.ts';

/** Between two attempts. */
const pauseMilliseconds = 50;
/** The time in which peers agree on a lost link (0.3 s), and some more. */
const heldMillisecondsMax = 500;
/** After a standstill: as long as that is waited for at most (freeze-watch.ts), and some more. */
const lateMillisecondsMax = 2500;
/** Some 10 MB of datagrams: a full receive queue after a standstill. */
const heldMax = 10_000;

export class HeldArrivals implements TimerTarget {
  readonly #timers: TimerQueue;
  readonly #receive: (arrival: Arrival) => void;
  #held: Arrival[] = [];
  #isWaiting = false;
  readonly #count: Counter;
  readonly #dropped: Counter;

  constructor(timers: TimerQueue, statistics: Statistics, receive: (arrival: Arrival) => void) {
    this.#timers = timers;
    this.#receive = receive;
    this.#count = statistics.counter('tm', 'held_messages');
    this.#dropped = statistics.counter('tm', 'held_dropped');
  }

  /** It is received again a little later; dropped when it has waited for too long, or too many do. */
  hold(now: number, arrival: Arrival): void {
    const heldSince = arrival.heldSince ?? now;
    const millisecondsMax = arrival.isLate === true ? lateMillisecondsMax : heldMillisecondsMax;
    if (this.#held.length >= heldMax || now - heldSince >= millisecondsMax) {
      this.#dropped.value++;
      return;
    }
    if (arrival.heldSince === undefined) {
      this.#count.value++;
      this.#held.push({ ...arrival, bytes: Uint8Array.from(arrival.bytes), heldSince });
    } else this.#held.push(arrival);
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#timers.start(now, pauseMilliseconds, this, 0);
  }

  onTimer(): void {
    this.#isWaiting = false;
    const held = this.#held;
    this.#held = [];
    // What waited long came in any order: a final response that is here already lets nobody hear of ringing.
    for (const arrival of held) if (!isProvisional(arrival)) this.#receive(arrival);
    for (const arrival of held) if (isProvisional(arrival)) this.#receive(arrival);
  }
}

const provisionalStart = Buffer.from('SIP/2.0 1');

function isProvisional({ bytes }: Arrival): boolean {
  return provisionalStart.equals(bytes.subarray(0, provisionalStart.length));
}
