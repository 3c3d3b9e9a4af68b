/**
 * Which nonce counts were used (RFC 7616 3.4, nc): each count once. Packets of one client may overtake each other on
 * their way to different nodes, so counts a little below the highest are good too, as in the window of RFC 4303 3.4.3.
 * A nonce used without nc is used up. Bounded: when full, the oldest entry goes and is counted by its caller.
 */

import { dropOldest } from '#util/oldest.ts';

/** How far behind the highest a count may come. */
const windowCounts = 32;

interface Use {
  highest: number;
  /** Bit n: highest - n was seen. */
  seen: number;
  readonly until: number;
}

export class NonceWindow {
  readonly #uses = new Map<string, Use>();
  readonly #usesMax: number;
  /** Entries that made room while their nonces were still good. */
  forgotten = 0;

  constructor(usesMax: number) {
    this.#usesMax = usesMax;
  }

  get size(): number {
    return this.#uses.size;
  }

  /**
   * True when this count of this nonce is used for the first time. `count` 0: the client counts nothing.
   * `until`: ms, monotonic; later the nonce is refused by its age, and is forgotten here.
   */
  use(nonce: string, count: number, until: number, now: number): boolean {
    const known = this.#uses.get(nonce);
    if (known === undefined) {
      this.#makeRoom(now);
      const highest = count === 0 ? Number.POSITIVE_INFINITY : count;
      this.#uses.set(nonce, { highest, seen: 1, until });
      return true;
    }
    if (count === 0) return false;
    if (count > known.highest) {
      const ahead = count - known.highest;
      known.seen = ahead >= windowCounts ? 1 : (known.seen << ahead) | 1;
      known.highest = count;
      return true;
    }
    const behind = known.highest - count;
    if (behind >= windowCounts) return false;
    const bit = 1 << behind;
    if ((known.seen & bit) !== 0) return false;
    known.seen |= bit;
    return true;
  }

  /** In the order in which they were first used, which is nearly that in which they end. */
  expire(now: number): void {
    for (const [nonce, use] of this.#uses) {
      if (use.until > now) return;
      this.#uses.delete(nonce);
    }
  }

  #makeRoom(now: number): void {
    if (this.#uses.size < this.#usesMax) return;
    this.expire(now);
    if (this.#uses.size < this.#usesMax) return;
    dropOldest(this.#uses);
    this.forgotten++;
  }
}
