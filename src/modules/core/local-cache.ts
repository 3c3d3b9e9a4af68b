/** The store behind `cache_store("local", …)`: keys and values of one process, each with an optional lifetime. */

import type { Value } from '#script/value.ts';
import { detach } from '#sip/serialize.ts';
import { dropOldest } from '#util/oldest.ts';

/** A script that stores one key per call and never removes it must not eat the machine. */
const entriesMax = 200_000;

interface Entry {
  value: string | number;
  /** ms, monotonic; Infinity = kept until removed. */
  readonly due: number;
}

export class LocalCache {
  readonly #entries = new Map<string, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  /** `lifetime` in seconds, 0 = for ever. The oldest entry makes room when the cache is full. */
  store(now: number, key: string, value: string | number, lifetime: number): void {
    this.#entries.delete(key);
    if (this.#entries.size >= entriesMax) this.#makeRoom(now);
    const kept = typeof value === 'string' ? detach(value) : value;
    const due = lifetime > 0 ? now + lifetime * 1000 : Infinity;
    this.#entries.set(detach(key), { value: kept, due });
  }

  fetch(now: number, key: string): Value {
    return this.#find(now, key)?.value ?? null;
  }

  remove(key: string): boolean {
    return this.#entries.delete(key);
  }

  /** The new value of a counter; null when the entry holds no number. An absent one counts from 0. */
  add(now: number, key: string, increment: number, lifetime: number): number | null {
    const entry = this.#find(now, key);
    if (entry === null) {
      this.store(now, key, increment, lifetime);
      return increment;
    }
    const current = Number(entry.value);
    if (!Number.isInteger(current)) return null;
    entry.value = current + increment;
    return entry.value;
  }

  #find(now: number, key: string): Entry | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    if (entry.due > now) return entry;
    this.#entries.delete(key);
    return null;
  }

  #makeRoom(now: number): void {
    for (const [key, entry] of this.#entries) if (entry.due <= now) this.#entries.delete(key);
    if (this.#entries.size >= entriesMax) dropOldest(this.#entries);
  }
}
