/**
 * Buckets that differ from a peer's, mended one after the other: we take the peer's versions, keep the later of each
 * two, and send back those of ours that the peer lacks.
 */

import { type Binding, isAtLeast } from '#registrar/binding.ts';
import type { LocationTable } from '#registrar/location-table.ts';
import type { LocationRecord } from '#registrar/replica-message.ts';

export interface RepairPort {
  ask(node: number, bucket: number): boolean;
  push(node: number, records: readonly LocationRecord[]): void;
}

interface Place {
  readonly node: number;
  readonly bucket: number;
}

/** Without an answer for so long, the next comparison finds the bucket again. */
const answerMilliseconds = 2000;

export class BucketRepair {
  readonly #table: LocationTable;
  readonly #port: RepairPort;
  /** At most every bucket once per peer. */
  readonly #waiting = new Map<string, Place>();
  #current: Place | null = null;
  #askedAt = 0;
  #theirs = new Map<string, Binding>();

  constructor(table: LocationTable, port: RepairPort) {
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

  onPart(records: readonly LocationRecord[]): void {
    for (const { address, binding } of records) this.#theirs.set(`${address}\0${binding.key}`, binding);
  }

  /** The last part is here. Returns how many versions the peer lacked. */
  finish(wall: number, now: number): number {
    const { node, bucket } = this.#current!;
    const lacking: LocationRecord[] = [];
    this.#table.visit(bucket, (address, binding) => {
      const theirs = this.#theirs.get(`${address}\0${binding.key}`);
      if (theirs !== undefined && isAtLeast(theirs, binding)) return;
      if (binding.expires > wall) lacking.push({ address, binding });
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
