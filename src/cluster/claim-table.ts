/**
 * Who has claimed which key, for all nodes: a hash table in typed arrays, because hundreds of thousands of claims come
 * and go while calls run and none may leave garbage behind. Expiry is a wheel of one-second lists, so each entry is
 * touched twice. Bounded: when full, what would expire first makes room.
 */

import { assert } from '#util/assert.ts';

/** Seconds on the wheel; a lifetime must be shorter. A power of two. */
const wheelSeconds = 1024;
export const lifetimeMillisecondsMax = (wheelSeconds - 2) * 1000;

const firstCapacity = 1024;
const none = -1;

interface Columns {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  readonly node: Uint32Array;
  /** Incarnations are start counters; the whole number stands here. */
  readonly incarnation: Float64Array;
  readonly second: Float64Array;
  /** Next in the bucket, or next free. */
  readonly chain: Int32Array;
  readonly later: Int32Array;
  readonly earlier: Int32Array;
}

export interface ClaimRecord {
  readonly node: number;
  readonly incarnation: number;
  readonly lifetimeMilliseconds: number;
  /** The text behind the hash, for our own claims; null for those of peers, whose text is not known. */
  readonly key: string | null;
}

export class ClaimTable {
  readonly #claimsMax: number;
  #columns: Columns = columnsOf(0);
  #keys: (string | null)[] = [];
  #buckets: Int32Array = new Int32Array(0);
  #free = none;
  #size = 0;
  #evicted = 0;
  readonly #wheelFirst = new Int32Array(wheelSeconds).fill(none);
  readonly #wheelLast = new Int32Array(wheelSeconds).fill(none);
  /** Everything up to this second has been removed. */
  #second = -1;

  constructor(claimsMax: number) {
    this.#claimsMax = claimsMax;
  }

  get size(): number {
    return this.#size;
  }

  /** Claims that were pushed out before their time because the table was full. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Index of the entry, -1 when there is none. Valid until the next change. */
  find(now: number, high: number, low: number): number {
    this.expire(now);
    if (this.#size === 0) return none;
    let index = this.#buckets[low & (this.#buckets.length - 1)]!;
    const { high: highs, low: lows, chain } = this.#columns;
    while (index !== none && (lows[index] !== low || highs[index] !== high)) index = chain[index]!;
    return index;
  }

  node(index: number): number {
    return this.#columns.node[index]!;
  }

  incarnation(index: number): number {
    return this.#columns.incarnation[index]!;
  }

  key(index: number): string | null {
    return this.#keys[index]!;
  }

  /** Adds or replaces the claim of a key. */
  put(now: number, high: number, low: number, claim: ClaimRecord): void {
    const known = this.find(now, high, low);
    if (known !== none) this.#removeAt(known);
    if (this.#size >= this.#claimsMax) this.#evict();
    if (this.#free === none) this.#grow();
    const index = this.#free;
    const columns = this.#columns;
    this.#free = columns.chain[index]!;
    columns.high[index] = high;
    columns.low[index] = low;
    columns.node[index] = claim.node;
    columns.incarnation[index] = claim.incarnation;
    this.#keys[index] = claim.key;
    const bucket = low & (this.#buckets.length - 1);
    columns.chain[index] = this.#buckets[bucket]!;
    this.#buckets[bucket] = index;
    const lifetime = Math.min(claim.lifetimeMilliseconds, lifetimeMillisecondsMax);
    // Never on the second that has been swept already.
    this.#schedule(index, Math.max(Math.ceil((now + lifetime) / 1000), this.#second + 1));
    this.#size++;
  }

  remove(index: number): void {
    this.#removeAt(index);
  }

  /** Removes what has outlived its time. Cheap when nothing has. */
  expire(now: number): void {
    const second = Math.floor(now / 1000);
    if (second <= this.#second) return;
    const first = Math.max(this.#second + 1, second - wheelSeconds + 1);
    for (let passed = first; passed <= second && this.#size > 0; passed++) {
      const slot = passed & (wheelSeconds - 1);
      while (this.#wheelFirst[slot] !== none) this.#removeAt(this.#wheelFirst[slot]!);
    }
    this.#second = second;
  }

  /** Calls back for each live claim of `node`; the callback changes nothing here. */
  eachOf(
    now: number,
    node: number,
    visit: (high: number, low: number, lifetimeMilliseconds: number) => void,
  ): void {
    this.expire(now);
    const columns = this.#columns;
    for (let slot = 0; slot < wheelSeconds; slot++) {
      for (let index = this.#wheelFirst[slot]!; index !== none; index = columns.later[index]!) {
        if (columns.node[index] !== node) continue;
        visit(columns.high[index]!, columns.low[index]!, Math.ceil(columns.second[index]! * 1000 - now));
      }
    }
  }

  #schedule(index: number, second: number): void {
    const slot = second & (wheelSeconds - 1);
    const { later, earlier } = this.#columns;
    this.#columns.second[index] = second;
    const last = this.#wheelLast[slot]!;
    earlier[index] = last;
    later[index] = none;
    if (last === none) this.#wheelFirst[slot] = index;
    else later[last] = index;
    this.#wheelLast[slot] = index;
  }

  #removeAt(index: number): void {
    const columns = this.#columns;
    const bucket = columns.low[index]! & (this.#buckets.length - 1);
    if (this.#buckets[bucket] === index) {
      this.#buckets[bucket] = columns.chain[index]!;
    } else {
      let before = this.#buckets[bucket]!;
      while (columns.chain[before] !== index) before = columns.chain[before]!;
      columns.chain[before] = columns.chain[index]!;
    }
    const slot = columns.second[index]! & (wheelSeconds - 1);
    const earlier = columns.earlier[index]!;
    const later = columns.later[index]!;
    if (earlier === none) this.#wheelFirst[slot] = later;
    else columns.later[earlier] = later;
    if (later === none) this.#wheelLast[slot] = earlier;
    else columns.earlier[later] = earlier;
    this.#keys[index] = null;
    columns.chain[index] = this.#free;
    this.#free = index;
    this.#size--;
  }

  #evict(): void {
    for (let ahead = 1; ahead <= wheelSeconds; ahead++) {
      const first = this.#wheelFirst[(this.#second + ahead) & (wheelSeconds - 1)]!;
      if (first === none) continue;
      this.#removeAt(first);
      this.#evicted++;
      return;
    }
  }

  #grow(): void {
    const old = this.#columns;
    const before = old.high.length;
    const capacity = before === 0 ? firstCapacity : before * 2;
    assert(capacity <= Math.max(firstCapacity, this.#claimsMax * 2), 'the claim table grew beyond its limit');
    const columns = columnsOf(capacity);
    for (const name of Object.keys(columns) as (keyof Columns)[]) columns[name].set(old[name]);
    this.#columns = columns;
    for (let index = before; index < capacity; index++) {
      this.#keys.push(null);
      columns.chain[index] = index + 1 < capacity ? index + 1 : none;
    }
    this.#free = before;
    // All old entries are in use, or there would have been no need to grow.
    this.#buckets = new Int32Array(capacity).fill(none);
    for (let index = 0; index < before; index++) {
      const bucket = columns.low[index]! & (capacity - 1);
      columns.chain[index] = this.#buckets[bucket]!;
      this.#buckets[bucket] = index;
    }
  }
}

function columnsOf(capacity: number): Columns {
  return {
    high: new Uint32Array(capacity),
    low: new Uint32Array(capacity),
    node: new Uint32Array(capacity),
    incarnation: new Float64Array(capacity),
    second: new Float64Array(capacity),
    chain: new Int32Array(capacity),
    later: new Int32Array(capacity),
    earlier: new Int32Array(capacity),
  };
}
