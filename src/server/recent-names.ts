/** Names remembered for a while; bounded, the oldest goes first. */

import { dropOldest } from '#util/oldest.ts';

/** How long a place that took no connection is left alone: phones do not learn TCP overnight, but they are restarted. */
const rememberedMillisecondsDefault = 600_000;
const namesMax = 10_000;

export class RecentNames {
  /** Name to when it was added, oldest first. */
  readonly #names = new Map<string, number>();
  readonly #milliseconds: number;

  constructor(milliseconds = rememberedMillisecondsDefault) {
    this.#milliseconds = milliseconds;
  }

  add(name: string, now: number): void {
    this.#names.delete(name);
    if (this.#names.size >= namesMax) dropOldest(this.#names);
    this.#names.set(name, now);
  }

  has(name: string, now: number): boolean {
    const added = this.#names.get(name);
    if (added === undefined) return false;
    if (now - added < this.#milliseconds) return true;
    this.#names.delete(name);
    return false;
  }
}
