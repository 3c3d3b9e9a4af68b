/**
 * What nodes tell each other of a table that all of them hold; the codec of its records is the table's own affair. The
 * numbers are written out and never used again for something else.
 */

import {
  type ByteReader,
  boolean,
  type Codec,
  decode,
  encode,
  f64,
  list,
  optional,
  struct,
  u8,
  u16,
  u32,
} from '#util/codec.ts';

/** What a digest leaves out: versions on which peers may differ for a moment. Unix milliseconds. */
export interface DigestWindow {
  /** Records that expire before this do not count, in tables whose records expire by themselves. */
  readonly expiresAfter: number;
  /** Versions later than this do not count. */
  readonly changedUntil: number;
}

export interface Digest {
  readonly high: number;
  readonly low: number;
}

/** New versions, at the moment they are made or when a peer turned out to lack them. */
export interface ChangesMessage<Item> {
  readonly kind: 'changes';
  readonly records: readonly Item[];
}

/** Asks for all versions of a bucket; in a snapshot of as many buckets as fit, from that one on. */
export interface AskMessage {
  readonly kind: 'ask';
  readonly bucket: number;
  readonly forSnapshot: boolean;
}

/** Part of the answer to `ask`. */
export interface BucketMessage<Item> {
  readonly kind: 'bucket';
  /** As asked. */
  readonly bucket: number;
  readonly forSnapshot: boolean;
  /** False: this node has only just begun and knows nothing for certain. */
  readonly isSynchronised: boolean;
  /** First bucket that is not in the answer. Null: more of the same answer follows. */
  readonly next: number | null;
  readonly records: readonly Item[];
}

/** Fingerprints of buckets, from `first` on. */
export interface DigestsMessage extends DigestWindow {
  readonly kind: 'digests';
  readonly first: number;
  readonly digests: readonly Digest[];
}

export type ReplicaMessage<Item> = ChangesMessage<Item> | AskMessage | BucketMessage<Item> | DigestsMessage;

type Kind = ReplicaMessage<unknown>['kind'];

/** A message holds some 64 kB of them. */
const recordsMax = 20_000;

const kindNumbers = { changes: 1, ask: 2, bucket: 3, digests: 4 } as const;
const kindNames: readonly (Kind | undefined)[] = [undefined, 'changes', 'ask', 'bucket', 'digests'];

export class ReplicaCodec<Item> {
  readonly #record: Codec<Item>;
  readonly #bucketsCount: number;
  readonly #kinds: Readonly<Record<Kind, Codec<ReplicaMessage<Item>>>>;

  constructor(record: Codec<Item>, bucketsCount: number) {
    this.#record = record;
    this.#bucketsCount = bucketsCount;
    const records = list(record, recordsMax);
    const ask = struct<AskMessage>({ kind: constant('ask'), bucket: u16, forSnapshot: boolean });
    const bucket = struct<BucketMessage<Item>>({
      kind: constant('bucket'),
      bucket: u16,
      forSnapshot: boolean,
      isSynchronised: boolean,
      next: optional(u16),
      records,
    });
    const digests = struct<DigestsMessage>({
      kind: constant('digests'),
      first: u16,
      expiresAfter: f64,
      changedUntil: f64,
      digests: list(struct<Digest>({ high: u32, low: u32 }), bucketsCount),
    });
    this.#kinds = {
      changes: tagged('changes', struct<ChangesMessage<Item>>({ kind: constant('changes'), records })),
      ask: tagged('ask', ask),
      bucket: tagged('bucket', bucket),
      digests: tagged('digests', digests),
    };
  }

  /** Bytes of one record in a message. */
  size(record: Item): number {
    return this.#record.size(record);
  }

  encode(message: ReplicaMessage<Item>): Uint8Array {
    return encode(this.#kinds[message.kind], message);
  }

  /** Null when the bytes are no message of these. */
  decode(bytes: Uint8Array): ReplicaMessage<Item> | null {
    const kind = kindNames[bytes[0] ?? 0];
    if (kind === undefined) return null;
    const message = decode(this.#kinds[kind], Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    if (message === null) return null;
    const inRange =
      message.kind === 'changes' ||
      (message.kind === 'digests'
        ? message.first + message.digests.length <= this.#bucketsCount
        : message.bucket < this.#bucketsCount);
    return inRange ? message : null;
  }
}

/** Takes no room: the number in front of the message says it. */
function constant<Value>(value: Value): Codec<Value> {
  return { size: () => 0, write: (_value, _target, offset) => offset, read: () => value };
}

/** Chosen by `kind`, a codec meets its own messages alone. */
function tagged<Item, Message extends ReplicaMessage<Item>>(
  kind: Kind,
  body: Codec<Message>,
): Codec<ReplicaMessage<Item>> {
  const own = body as unknown as Codec<ReplicaMessage<Item>>;
  return {
    size: (value) => 1 + own.size(value),
    write: (value, target, offset) => own.write(value, target, u8.write(kindNumbers[kind], target, offset)),
    read: (reader: ByteReader) => {
      u8.read(reader);
      return own.read(reader);
    },
  };
}
