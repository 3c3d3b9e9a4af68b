/**
 * Timers as data. Timers of equal duration expire in the order in which they were started, so each duration has one
 * FIFO; starting and stopping are O(1), and looking for what is due costs one comparison per distinct duration.
 * There are about a dozen of these in a SIP proxy. Nothing here reads a clock: `now` is an argument.
 */

import { assert } from '#util/assert.ts';

export interface TimerTarget {
  /** Called once when the timer is due. `kind` is the number given to `start`; `now` in ms, monotonic. */
  onTimer(kind: number, now: number): void;
  /** True: after a standstill of the process it waits until what happened meanwhile is known. */
  readonly isPatient?: boolean;
}

/** Distinct durations in use at once. A script may name its own time-outs; a leak of durations is a bug. */
const durationsMax = 10_000;

/** 10 ms of T1: far less than a packet's time may vary. */
const latenessPart = 0.02;
/** Enough for ten wake-ups a second at most, and nobody sees it. */
const latenessMilliseconds = 100;

export class Timer {
  readonly target: TimerTarget;
  readonly kind: number;
  /** @internal */ due: number;
  /** @internal */ list: TimerList | null = null;
  /** @internal */ previous: Timer | null = null;
  /** @internal */ next: Timer | null = null;

  constructor(target: TimerTarget, kind: number, due: number) {
    this.target = target;
    this.kind = kind;
    this.due = due;
  }

  /** True from `start` until it fired or was stopped. */
  get running(): boolean {
    return this.list !== null;
  }
}

class TimerList {
  first: Timer | null = null;
  last: Timer | null = null;
}

export class TimerQueue {
  readonly #lists = new Map<number, TimerList>();
  /** How long patient targets have to wait, ms; 0 = they need not. */
  patience: ((now: number) => number) | null = null;
  #running = 0;

  /** How many timers are running. */
  get size(): number {
    return this.#running;
  }

  /** Starts a timer that is due `delay` ms after `now`. */
  start(now: number, delay: number, target: TimerTarget, kind: number): Timer {
    assert(delay >= 0, `a timer of ${delay} ms`);
    const timer = new Timer(target, kind, now + delay);
    this.#append(timer, delay);
    return timer;
  }

  #append(timer: Timer, delay: number): void {
    let list = this.#lists.get(delay);
    if (list === undefined) {
      this.#dropEmptyLists();
      assert(this.#lists.size < durationsMax, 'too many distinct timer durations');
      list = new TimerList();
      this.#lists.set(delay, list);
    }
    timer.list = list;
    timer.previous = list.last;
    if (list.last === null) list.first = timer;
    else list.last.next = timer;
    list.last = timer;
    this.#running++;
  }

  /** Stops the timer; stopping one that fired or was stopped before does nothing. */
  stop(timer: Timer | null): void {
    if (timer === null || timer.list === null) return;
    const list = timer.list;
    if (timer.previous === null) list.first = timer.next;
    else timer.previous.next = timer.next;
    if (timer.next === null) list.last = timer.previous;
    else timer.next.previous = timer.previous;
    timer.list = null;
    timer.previous = null;
    timer.next = null;
    this.#running--;
  }

  /** When the next timer is due, in ms of the monotonic clock; Infinity when none runs. */
  nextDue(): number {
    let due = Infinity;
    for (const list of this.#lists.values()) {
      if (list.first !== null && list.first.due < due) due = list.first.due;
    }
    return due;
  }

  /**
   * When to look again at the latest, if each timer may be late by a fiftieth of its duration: timers that end within
   * a short while of each other then cost one wake-up of the process, and not one each.
   */
  nextAlarm(): number {
    let alarm = Infinity;
    for (const [delay, list] of this.#lists) {
      if (list.first === null) continue;
      const latest = list.first.due + Math.min(delay * latenessPart, latenessMilliseconds);
      if (latest < alarm) alarm = latest;
    }
    return alarm;
  }

  /** Fires everything due at `now`, earliest first. Timers started by a firing one are honoured too. */
  advance(now: number): void {
    const wait = this.patience?.(now) ?? 0;
    for (;;) {
      let earliest: Timer | null = null;
      for (const list of this.#lists.values()) {
        const first = list.first;
        if (first !== null && first.due <= now && (earliest === null || first.due < earliest.due)) {
          earliest = first;
        }
      }
      if (earliest === null) return;
      this.stop(earliest);
      if (wait > 0 && earliest.target.isPatient === true) {
        earliest.due = now + wait;
        this.#append(earliest, wait);
        continue;
      }
      earliest.target.onTimer(earliest.kind, now);
    }
  }

  #dropEmptyLists(): void {
    if (this.#lists.size < 64) return;
    for (const [delay, list] of this.#lists) {
      if (list.first === null) this.#lists.delete(delay);
    }
  }
}
