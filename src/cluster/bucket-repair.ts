/**
 * Buckets that differ from a peer's, mended one after the other: we take the peer's versions, keep the later of each
 * two, and send back those of ours that the peer lacks.
 */

import type { ReplicatedTable } from '#cluster/replicated-table.ts';

export interface RepairPort<Item> {
  ask(node: number, bucket: number): boolean;
  push(node: number, records: readonly Item[]): void;
}

interface Place {
  readonly node: number;
  readonly bucket: number;
}

/** Without an answer for so long, the next comparison finds the bucket again. */
const answerMilliseconds = 2000;

export class BucketRepair<Item> {
  readonly #table: ReplicatedTable<Item>;
  readonly #port: RepairPort<Item>;
  /** At most every bucket once per peer. */
  readonly #waiting = new Map<string, Place>();
  #current: Place | null = null;
  #askedAt = 0;
  #theirs = new Map<string, Item>();

  constructor(table: ReplicatedTable<Item>, port: RepairPort<Item>) {
    this.#table = table;
    this.#port = port;
  }

  get waiting(): number {
    return this.#waiting.size + (this.#current === null ? 0 : 1);
  }

  /** False when that bucket waits already. */
  add(node: number, bucket: number, now: number): boolean {
    const name = `${node} ${bucket}`;
    const isCurrent = this.#current?.node === node && this.#current.bucket === bucket;
    if (isCurrent || this.#waiting.has(name)) return false;
    this.#waiting.set(name, { node, bucket });
    if (this.#current === null) this.#begin(now);
    return true;
  }

  expects(from: number, bucket: number): boolean {
    return this.#current?.node === from && this.#current.bucket === bucket;
  }

  onPart(records: readonly Item[]): void {
    for (const record of records) this.#theirs.set(this.#table.keyOf(record), record);
  }

  /** The last part is here. Returns how many versions the peer lacked. */
  finish(wall: number, now: number): number {
    const { node, bucket } = this.#current!;
    const lacking: Item[] = [];
    this.#table.visit(bucket, (record) => {
      const theirs = this.#theirs.get(this.#table.keyOf(record));
      if (theirs !== undefined && this.#table.isAtLeast(theirs, record)) return;
      if (this.#table.isCurrent(record, wall)) lacking.push(record);
    });
    if (lacking.length > 0) this.#port.push(node, lacking);
    this.#begin(now);
    return lacking.length;
  }

  onPeerDown(node: number, now: number): void {
    for (const [name, place] of this.#waiting) if (place.node === node) this.#waiting.delete(name);
    if (this.#current?.node === node) this.#begin(now);
  }

  tick(now: number): void {
    if (this.#current !== null && now - this.#askedAt > answerMilliseconds) this.#begin(now);
  }

  /** The next bucket, if one waits. */
  #begin(now: number): void {
    this.#theirs = new Map();
    this.#current = null;
    for (const [name, place] of this.#waiting) {
      this.#waiting.delete(name);
      this.#askedAt = now;
      if (!this.#port.ask(place.node, place.bucket)) continue;
      this.#current = place;
      return;
    }
  }
}
