/** The running timers of one transaction, at most two at a time, and their durations (RFC 3261 Table 4). */

import type { ClientState, ServerState, TimerName } from '#transaction/machine.ts';
import { longTimeout, timerDMillisecondsMin } from '#transaction/settings.ts';
import type { TransactionTable } from '#transaction/table.ts';
import type { Flow } from '#util/socket-address.ts';
import type { Timer, TimerTarget } from '#util/timer-queue.ts';

export interface TimedTransaction {
  expire(now: number, timer: TimerName): void;
}

/** Number of a timer in the queue = its place here. */
const names: readonly TimerName[] = ['A', 'B', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M'];
const kinds = Object.fromEntries(names.map((name, kind) => [name, kind])) as Readonly<
  Record<TimerName, number>
>;

function isRepeating(name: TimerName): boolean {
  return name === 'A' || name === 'E' || name === 'G';
}

export class TransactionTimers implements TimerTarget {
  readonly #table: TransactionTable;
  readonly #transaction: TimedTransaction;
  /** Timer B and F. */
  readonly #finalResponseMilliseconds: number;
  /** RFC 3261 17: over a reliable transport nothing is repeated, and nothing repeated is waited for. */
  readonly #isReliable: boolean;
  #first: Timer | null = null;
  #second: Timer | null = null;
  /** Interval of the retransmission timer that runs (A, E, G), ms; 0 before the first. */
  #interval = 0;
  /** How often the retransmission timer has fired. */
  repetition = 0;
  /** A peer may have adopted the transaction while this process stood still. */
  readonly isPatient = true;

  constructor(
    table: TransactionTable,
    transaction: TimedTransaction,
    flow: Flow,
    finalResponseMilliseconds: number,
  ) {
    this.#table = table;
    this.#transaction = transaction;
    this.#isReliable = flow.socket.protocol !== 'udp';
    this.#finalResponseMilliseconds = finalResponseMilliseconds;
  }

  start(now: number, timers: readonly TimerName[], state: ClientState | ServerState): void {
    for (const name of timers) if (!isRepeating(name)) this.#begin(now, this.#duration(name, state), name);
    // RFC 3261 17.1.1.2, 17.1.2.2, 17.2.1: Timers A, E and G repeat messages over unreliable transports only.
    if (this.#isReliable) return;
    for (const name of timers) {
      if (!isRepeating(name)) continue;
      const duration = this.#duration(name, state);
      // Nothing is repeated at the moment of giving up.
      if (!this.#isOverBy(now + duration)) this.#begin(now, duration, name);
    }
  }

  #begin(now: number, duration: number, name: TimerName): void {
    const timer = this.#table.timers.start(now, duration, this, kinds[name]);
    if (this.#first === null) this.#first = timer;
    else this.#second = timer;
  }

  /** Is Timer B, F or H due by then? */
  #isOverBy(time: number): boolean {
    const last = this.#first ?? this.#second;
    return last !== null && last.due <= time;
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
    const name = names[kind]!;
    const pause = name === 'B' || name === 'F' ? this.#table.cutOffPause(now) : 0;
    if (pause > 0) this.#postpone(now, pause, name === 'B' ? 'A' : 'E', name);
    else this.#transaction.expire(now, name);
  }

  /** The request is repeated once in that time, too: somebody may hear the answer by then. */
  #postpone(now: number, milliseconds: number, repeating: TimerName, ending: TimerName): void {
    const isQuiet = this.#first === null && this.#second === null && !this.#isReliable;
    this.#begin(now, milliseconds, ending);
    if (isQuiet) this.#transaction.expire(now, repeating);
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
        return this.#linger(Math.max(timerDMillisecondsMin, longTimeout(settings)));
      case 'I':
      case 'K':
        return this.#linger(settings.t4);
      case 'J':
        return this.#linger(longTimeout(settings));
      case 'H':
      case 'L':
      case 'M':
        return longTimeout(settings);
    }
  }

  /** RFC 3261 17.1.1.2, 17.1.2.2, 17.2.1, 17.2.2: Timers D, I, J and K are zero over reliable transports. */
  #linger(unreliable: number): number {
    if (this.#isReliable) return 0;
    const { linger } = this.#table.settings;
    return linger === 0 ? unreliable : linger;
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
