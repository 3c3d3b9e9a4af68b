/**
 * Addresses of record and their bindings, in memory. Of two versions of a binding the later one wins, whatever order
 * they come in (see binding.ts), so tables that have seen the same versions are equal. The addresses lie in buckets,
 * so that sweeps, comparisons with peers and snapshots can be done a piece at a time.
 */

import { type Binding, isAtLeast } from '#registrar/binding.ts';

/** Some 1,000 bytes each. */
const bindingsMax = 1_000_000;
/** A UA has a handful of devices; more under one address is an attack or a mistake. */
export const bindingsOfAddressMax = 64;
/** Removals that are remembered: those of an hour in which every binding is removed 30 times a second. */
const removalsMax = 100_000;
/** 100,000 addresses make 100 per bucket: some 30 kB to send when one differs. */
export const bucketsCount = 1024;

export interface Digest {
  readonly high: number;
  readonly low: number;
}

/** What a digest leaves out: versions on which peers may differ for a moment. Unix milliseconds. */
export interface DigestWindow {
  /** Bindings that expire before this do not count. */
  readonly expiresAfter: number;
  /** Versions later than this do not count. */
  readonly changedUntil: number;
}

export type RecordVisitor = (address: string, binding: Binding) => void;

export class LocationTable {
  readonly #buckets: Map<string, readonly Binding[]>[] = Array.from(
    { length: bucketsCount },
    () => new Map(),
  );
  readonly #bindingsMax: number;
  #bindings = 0;
  #addresses = 0;
  #removals = 0;
  /** Removals that were forgotten before their time, because there were too many. */
  forgotten = 0;

  constructor(limit = bindingsMax) {
    this.#bindingsMax = limit;
  }

  /** Contacts. */
  get size(): number {
    return this.#bindings;
  }

  /** Addresses of record that have contacts. */
  get addresses(): number {
    return this.#addresses;
  }

  get removals(): number {
    return this.#removals;
  }

  get isFull(): boolean {
    return this.#bindings >= this.#bindingsMax;
  }

  /** Every address that has bindings, with them. */
  *all(): IterableIterator<[string, readonly Binding[]]> {
    for (const bucket of this.#buckets) {
      for (const [address, versions] of bucket) {
        const bindings = versions.filter(isBound);
        if (bindings.length > 0) yield [address, bindings];
      }
    }
  }

  /** Bindings that are valid at `wall`, best q first, then the latest. */
  lookup(address: string, wall: number): Binding[] {
    const bindings = this.#versions(address).filter((binding) => isBound(binding) && binding.expires > wall);
    return bindings.length < 2 ? bindings : bindings.sort((a, b) => b.q - a.q || b.changed - a.changed);
  }

  /** The latest version under this key, a removal included; null when nothing is known. */
  version(address: string, key: string): Binding | null {
    for (const binding of this.#versions(address)) if (binding.key === key) return binding;
    return null;
  }

  /** All versions of an address, removals included. */
  versions(address: string): readonly Binding[] {
    return this.#versions(address);
  }

  /** False when this version, or a later one, is known already. `wall`: what is over by then is not taken. */
  apply(address: string, binding: Binding, wall: number): boolean {
    const bucket = this.#bucket(address);
    const versions = bucket.get(address);
    const index = versions === undefined ? -1 : versions.findIndex((known) => known.key === binding.key);
    const known = index === -1 ? null : versions![index]!;
    if (known !== null && isAtLeast(known, binding)) return false;
    if (binding.expires <= wall) {
      // It would be dropped by the next sweep; the older version goes with it.
      if (known !== null) this.#replace(address, bucket, without(versions!, index));
      return known !== null;
    }
    if (binding.removed && known?.removed !== true && this.#removals >= removalsMax) this.#forgetRemovals();
    const left = bucket.get(address) ?? noVersions;
    const place = left.findIndex((other) => other.key === binding.key);
    this.#replace(address, bucket, place === -1 ? [...left, binding] : left.with(place, binding));
    return true;
  }

  /** Drops what is over from `count` buckets; `onExpired` sees the bindings, not the removals. */
  expire(first: number, count: number, wall: number, onExpired: RecordVisitor): void {
    for (let index = first; index < first + count; index++) {
      const bucket = this.#buckets[index % bucketsCount]!;
      for (const [address, versions] of bucket) {
        if (versions.every((binding) => binding.expires > wall)) continue;
        for (const binding of versions) {
          if (isBound(binding) && binding.expires <= wall) onExpired(address, binding);
        }
        this.#replace(
          address,
          bucket,
          versions.filter((binding) => binding.expires > wall),
        );
      }
    }
  }

  /** Every version of a bucket, removals included. The table must not be changed meanwhile. */
  visit(bucket: number, visitor: RecordVisitor): void {
    for (const [address, versions] of this.#buckets[bucket]!) {
      for (const binding of versions) visitor(address, binding);
    }
  }

  /** Equal for equal bindings, whatever order they came in. Removals do not count: peers forget them at will. */
  digest(bucket: number, window: DigestWindow): Digest {
    let high = 0;
    let low = 0;
    for (const versions of this.#buckets[bucket]!.values()) {
      for (const binding of versions) {
        if (binding.removed || binding.expires <= window.expiresAfter) continue;
        if (binding.changed > window.changedUntil) continue;
        high ^= mix(binding.idHigh, binding, 0x9e37_79b1);
        low ^= mix(binding.idLow, binding, 0x85eb_ca77);
      }
    }
    return { high: high >>> 0, low: low >>> 0 };
  }

  #bucket(address: string): Map<string, readonly Binding[]> {
    return this.#buckets[bucketOf(address)]!;
  }

  #versions(address: string): readonly Binding[] {
    return this.#bucket(address).get(address) ?? noVersions;
  }

  #replace(address: string, bucket: Map<string, readonly Binding[]>, versions: readonly Binding[]): void {
    const before = bucket.get(address) ?? noVersions;
    const boundBefore = before.filter(isBound).length;
    const boundAfter = versions.filter(isBound).length;
    this.#bindings += boundAfter - boundBefore;
    this.#removals += versions.length - boundAfter - (before.length - boundBefore);
    this.#addresses += Math.sign(boundAfter) - Math.sign(boundBefore);
    if (versions.length === 0) bucket.delete(address);
    else bucket.set(address, versions);
  }

  /** Too many: those of the fullest memory go, a bucket at a time, until a tenth is free again. */
  #forgetRemovals(): void {
    for (const bucket of this.#buckets) {
      if (this.#removals < removalsMax * 0.9) return;
      for (const [address, versions] of bucket) {
        const bound = versions.filter(isBound);
        this.forgotten += versions.length - bound.length;
        if (bound.length < versions.length) this.#replace(address, bucket, bound);
      }
    }
  }
}

const noVersions: readonly Binding[] = [];

function isBound(binding: Binding): boolean {
  return !binding.removed;
}

function without(versions: readonly Binding[], index: number): readonly Binding[] {
  return versions.filter((_binding, position) => position !== index);
}

/** FNV-1a; equal on every node. */
export function bucketOf(address: string): number {
  let hash = 0x811c_9dc5;
  for (let position = 0; position < address.length; position++) {
    hash = Math.imul(hash ^ address.charCodeAt(position), 0x0100_0193);
  }
  return (hash ^ (hash >>> 15)) & (bucketsCount - 1);
}

/** One word of a version's fingerprint: id, time and node well mixed (the steps of MurmurHash3). */
function mix(id: number, binding: Binding, seed: number): number {
  const { changed, node } = binding;
  const upper = Math.floor(changed / 0x1_0000_0000);
  let word = mixIn(id ^ seed, changed - upper * 0x1_0000_0000);
  word = mixIn(word, upper);
  return mixIn(word, node);
}

function mixIn(word: number, part: number): number {
  let mixed = Math.imul(word ^ part, 0xcc9e_2d51);
  mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b87_3593);
  return mixed ^ (mixed >>> 13);
}
