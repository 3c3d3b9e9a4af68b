/**
 * How often sources send, as a tree by parts of their addresses: a part gets children only when it is busy itself, so
 * that a flood from made-up addresses fills counters of networks and not memory with addresses. IPv4 is counted byte by
 * byte, IPv6 by /32, /48, /64 and address. A source is blocked while it sends more than so many requests per unit of
 * time, and free again after a unit in which it did not.
 */

import { formatIp } from '#util/ip-address.ts';

/** Some 200 bytes each: 20 MB at most. */
const nodesMax = 100_000;
const levels4 = [1, 2, 3, 4];
const levels6 = [4, 6, 8, 16];

class SourceNode {
  readonly parent: SourceNode | null;
  readonly key: string;
  readonly children = new Map<string, SourceNode>();
  /** Requests in this unit and in the last one. */
  current = 0;
  previous = 0;
  isBlocked = false;
  /** ms, monotonic, of the last request. */
  seen = 0;

  constructor(parent: SourceNode | null, key: string) {
    this.parent = parent;
    this.key = key;
  }
}

export interface SourceEntry {
  readonly address: string;
  readonly current: number;
  readonly previous: number;
  readonly isBlocked: boolean;
}

export type Verdict = 'free' | 'detected' | 'blocked';

export class SourceTree {
  readonly #root = new SourceNode(null, '');
  /** Whole addresses, by text: what can be blocked. */
  readonly #leaves = new Map<string, SourceNode>();
  readonly #requestsMax: number;
  readonly #keptMilliseconds: number;
  #nodes = 0;
  #blocked = 0;
  /** Requests that were not counted because the tree was full. */
  uncounted = 0;

  /** A source may send `requestsMax` per unit. An idle one is kept for `keptMilliseconds`. */
  constructor(requestsMax: number, keptMilliseconds: number) {
    this.#requestsMax = requestsMax;
    this.#keptMilliseconds = keptMilliseconds;
  }

  get size(): number {
    return this.#nodes;
  }

  get blocked(): number {
    return this.#blocked;
  }

  /** One request of this source, 4 or 16 bytes. */
  count(address: Uint8Array, now: number): Verdict {
    const levels = address.length === 4 ? levels4 : levels6;
    const busy = Math.max(1, this.#requestsMax >> 2);
    let node = this.#root;
    for (const [index, end] of levels.entries()) {
      const key = keyOf(address, end);
      let child = node.children.get(key);
      if (child === undefined) {
        const isQuiet = index > 0 && node.current < busy && node.previous < busy;
        if (isQuiet) return 'free';
        const added = this.#add(node, key);
        if (added === null) return 'free';
        child = added;
        if (index === levels.length - 1) this.#leaves.set(formatIp(address), child);
      }
      child.current++;
      child.seen = now;
      node = child;
    }
    if (node.isBlocked) return 'blocked';
    if (node.current <= this.#requestsMax) return 'free';
    node.isBlocked = true;
    this.#blocked++;
    return 'detected';
  }

  /** A new unit of time begins. Gives the addresses that are free again. */
  turn(now: number): string[] {
    const freed: string[] = [];
    for (const [address, leaf] of this.#leaves) {
      if (!leaf.isBlocked || leaf.current > this.#requestsMax) continue;
      leaf.isBlocked = false;
      this.#blocked--;
      freed.push(address);
    }
    this.#turn(this.#root, now);
    for (const [address, leaf] of this.#leaves) {
      if (leaf.parent?.children.get(leaf.key) !== leaf) this.#leaves.delete(address);
    }
    return freed;
  }

  /** Frees a source at once; false when it is not blocked. */
  free(address: Uint8Array): boolean {
    const leaf = this.#leaves.get(formatIp(address));
    if (leaf === undefined || !leaf.isBlocked) return false;
    leaf.isBlocked = false;
    leaf.current = 0;
    leaf.previous = 0;
    this.#blocked--;
    return true;
  }

  *list(): Iterable<SourceEntry> {
    for (const [address, { current, previous, isBlocked }] of this.#leaves)
      yield { address, current, previous, isBlocked };
  }

  #add(parent: SourceNode, key: string): SourceNode | null {
    if (this.#nodes >= nodesMax) {
      this.uncounted++;
      return null;
    }
    const node = new SourceNode(parent, key);
    parent.children.set(key, node);
    this.#nodes++;
    return node;
  }

  #turn(node: SourceNode, now: number): void {
    for (const child of node.children.values()) {
      this.#turn(child, now);
      child.previous = child.current;
      child.current = 0;
      const isIdle = child.children.size === 0 && !child.isBlocked && child.previous === 0;
      if (!isIdle || now - child.seen < this.#keptMilliseconds) continue;
      node.children.delete(child.key);
      this.#nodes--;
    }
  }
}

function keyOf(address: Uint8Array, end: number): string {
  return String.fromCharCode(...address.subarray(0, end));
}
