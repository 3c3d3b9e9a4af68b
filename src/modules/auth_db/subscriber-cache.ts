/** Rows that were asked for lately: a phone that registers and calls asks for the same one again and again. */

import type { TableRow } from '#module/services.ts';
import { dropOldest } from '#util/oldest.ts';

/** Some 500 bytes each. */
const rowsMax = 100_000;

export class SubscriberCache {
  readonly #rows = new Map<string, { readonly row: TableRow; readonly until: number }>();
  readonly #lifetime: number;

  /** 0 keeps nothing. */
  constructor(lifetimeMilliseconds: number) {
    this.#lifetime = lifetimeMilliseconds;
  }

  get size(): number {
    return this.#rows.size;
  }

  find(key: string, now: number): TableRow | null {
    const known = this.#rows.get(key);
    if (known === undefined) return null;
    if (known.until > now) return known.row;
    this.#rows.delete(key);
    return null;
  }

  /** The oldest makes room. */
  keep(key: string, row: TableRow, now: number): void {
    if (this.#lifetime === 0) return;
    this.#rows.delete(key);
    if (this.#rows.size >= rowsMax) dropOldest(this.#rows);
    this.#rows.set(key, { row, until: now + this.#lifetime });
  }

  forget(key: string): void {
    this.#rows.delete(key);
  }

  /** Kept rows end in the order in which they were kept. */
  expire(now: number): void {
    for (const [key, { until }] of this.#rows) {
      if (until > now) return;
      this.#rows.delete(key);
    }
  }

  clear(): number {
    const count = this.#rows.size;
    this.#rows.clear();
    return count;
  }
}
