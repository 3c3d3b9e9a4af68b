/**
 * Addresses of record and their bindings, in memory. Every change carries its time and node: of two changes the later
 * one wins on every node, in whatever order they arrive. A removal is remembered for a while for the same reason.
 */

import type { Binding } from '#registrar/binding.ts';
import { equalUris } from '#sip/uri.ts';

/** Some 600 bytes each. */
const bindingsMax = 1_000_000;
/** A UA has a handful of devices; more under one address is an attack or a mistake. */
export const bindingsOfAddressMax = 64;
/** A removal is remembered this long: a delta is never that late. */
const removalMilliseconds = 60_000;

interface Removal {
  readonly changed: number;
  readonly until: number;
}

export class LocationTable {
  readonly #bindings = new Map<string, Binding[]>();
  readonly #removals = new Map<string, Removal>();
  #count = 0;

  /** Contacts. */
  get size(): number {
    return this.#count;
  }

  /** Addresses of record. */
  get addresses(): number {
    return this.#bindings.size;
  }

  get isFull(): boolean {
    return this.#count >= bindingsMax;
  }

  all(): IterableIterator<[string, readonly Binding[]]> {
    return this.#bindings.entries();
  }

  /** Bindings that are valid at `wall`, best q first, then the latest. */
  lookup(address: string, wall: number): Binding[] {
    const bindings = (this.#bindings.get(address) ?? []).filter((binding) => binding.expires > wall);
    return bindings.sort((a, b) => b.q - a.q || b.changed - a.changed);
  }

  find(address: string, uri: string): Binding | null {
    return this.#bindings.get(address)?.find((binding) => equalUris(binding.uri, uri)) ?? null;
  }

  /** False when something later is known of this Contact. */
  put(address: string, binding: Binding): boolean {
    const removal = this.#removals.get(`${address} ${binding.uri}`);
    if (removal !== undefined && removal.changed >= binding.changed) return false;
    const bindings = this.#bindings.get(address) ?? [];
    const index = bindings.findIndex((known) => equalUris(known.uri, binding.uri));
    const known = bindings[index];
    if (known !== undefined && isLater(known, binding)) return false;
    if (known === undefined) {
      bindings.push(binding);
      this.#count++;
    } else bindings[index] = binding;
    this.#bindings.set(address, bindings);
    return true;
  }

  /** `changed`: when it was removed, unix milliseconds. False when it was unknown or changed later. */
  remove(address: string, uri: string, changed: number): boolean {
    this.#removals.set(`${address} ${uri}`, { changed, until: changed + removalMilliseconds });
    const bindings = this.#bindings.get(address);
    const index = bindings?.findIndex((known) => equalUris(known.uri, uri)) ?? -1;
    if (bindings === undefined || index === -1 || bindings[index]!.changed > changed) return false;
    bindings.splice(index, 1);
    this.#count--;
    if (bindings.length === 0) this.#bindings.delete(address);
    return true;
  }

  /** Drops what is over; returns how many. */
  expire(wall: number): number {
    let dropped = 0;
    for (const [address, bindings] of this.#bindings) {
      if (bindings.every((binding) => binding.expires > wall)) continue;
      const valid = bindings.filter((binding) => binding.expires > wall);
      dropped += bindings.length - valid.length;
      if (valid.length === 0) this.#bindings.delete(address);
      else this.#bindings.set(address, valid);
    }
    this.#count -= dropped;
    for (const [key, removal] of this.#removals) if (removal.until < wall) this.#removals.delete(key);
    return dropped;
  }
}

function isLater(known: Binding, other: Binding): boolean {
  return known.changed > other.changed || (known.changed === other.changed && known.node > other.node);
}
