/** The running timers of one transaction, at most two at a time, and their durations (RFC 3261 Table 4). */

import type { ClientState, ServerState, TimerName } from '#transaction/machine.ts';
import { longTimeout, timerDMillisecondsMin } from '#transaction/settings.ts';
import type { TransactionTable } from '#transaction/table.ts';
import type { Timer, TimerTarget } from '#util/timer-queue.ts';

export interface TimedTransaction {
  expire(now: number, timer: TimerName): void;
}

/** Number of a timer in the queue = its place here. */
const names: readonly TimerName[] = ['A', 'B', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M'];
const kinds = Object.fromEntries(names.map((name, kind) => [name, kind])) as Readonly<
  Record<TimerName, number>
>;

export class TransactionTimers implements TimerTarget {
  readonly #table: TransactionTable;
  readonly #transaction: TimedTransaction;
  /** Timer B and F. */
  readonly #finalResponseMilliseconds: number;
  #first: Timer | null = null;
  #second: Timer | null = null;
  /** Interval of the retransmission timer that runs (A, E, G), ms; 0 before the first. */
  #interval = 0;
  /** How often the retransmission timer has fired. */
  repetition = 0;

  constructor(table: TransactionTable, transaction: TimedTransaction, finalResponseMilliseconds: number) {
    this.#table = table;
    this.#transaction = transaction;
    this.#finalResponseMilliseconds = finalResponseMilliseconds;
  }

  start(now: number, timers: readonly TimerName[], state: ClientState | ServerState): void {
    for (const name of timers) {
      const timer = this.#table.timers.start(now, this.#duration(name, state), this, kinds[name]);
      if (this.#first === null) this.#first = timer;
      else this.#second = timer;
    }
  }

  /** Stops what runs, but for the timers named. */
  stopAll(keep: readonly TimerName[]): void {
    if (this.#first !== null && !keep.includes(names[this.#first.kind]!)) {
      this.#table.timers.stop(this.#first);
      this.#first = null;
    }
    if (this.#second !== null && !keep.includes(names[this.#second.kind]!)) {
      this.#table.timers.stop(this.#second);
      this.#second = null;
    }
  }

  onTimer(kind: number, now: number): void {
    if (this.#first !== null && !this.#first.running) this.#first = null;
    if (this.#second !== null && !this.#second.running) this.#second = null;
    this.#transaction.expire(now, names[kind]!);
  }

  #duration(name: TimerName, state: ClientState | ServerState): number {
    const { settings } = this.#table;
    switch (name) {
      case 'A':
        // RFC 3261 17.1.1.2: doubles without a bound; Timer B ends it.
        return this.#next(Infinity);
      case 'E':
        // RFC 3261 17.1.2.2: in Proceeding the interval is T2.
        return state === 'proceeding' ? this.#slow() : this.#next(settings.t2);
      case 'G':
        return this.#next(settings.t2);
      case 'B':
      case 'F':
        return this.#finalResponseMilliseconds;
      case 'D':
        return Math.max(timerDMillisecondsMin, longTimeout(settings));
      case 'I':
      case 'K':
        return settings.t4;
      case 'H':
      case 'J':
      case 'L':
      case 'M':
        return longTimeout(settings);
    }
  }

  #next(longest: number): number {
    if (this.#interval === 0) this.#interval = this.#table.settings.t1;
    else {
      this.#interval = Math.min(this.#interval * 2, longest);
      this.repetition++;
    }
    return this.#interval;
  }

  #slow(): number {
    this.repetition++;
    this.#interval = this.#table.settings.t2;
    return this.#interval;
  }
}
