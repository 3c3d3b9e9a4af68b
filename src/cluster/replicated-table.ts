/**
 * A table that every node of a cluster holds, as the replica engine sees it. Its records are versions: of two versions
 * under one key the later wins on every node, in whatever order they arrive, and what is gone is a version too. The
 * records lie in buckets, so that they can be compared and sent a piece at a time.
 */

import type { Digest, DigestWindow } from '#cluster/replica-message.ts';

export interface ReplicatedTable<Item> {
  readonly bucketsCount: number;
  keyOf(record: Item): string;
  /** True when `known` must not be replaced by `other`: it is later, or the very same version. */
  isAtLeast(known: Item, other: Item): boolean;
  /** False: it is over, and nobody needs to hear of it any more. `wall`: unix milliseconds. */
  isCurrent(record: Item, wall: number): boolean;
  /** A version that a peer made; true when it is new here. */
  take(record: Item, from: number): boolean;
  /** Every version of a bucket, those of what is gone included. The table does not change meanwhile. */
  visit(bucket: number, visitor: (record: Item) => void): void;
  /** Equal for equal records, whatever order they came in. What is gone does not count: peers forget it at will. */
  digest(bucket: number, window: DigestWindow): Digest;
}
