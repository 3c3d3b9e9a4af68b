/** What nodes tell each other of bindings. The numbers are written out and never used again for something else. */

import { type Binding, bindingId, type FlagTexts } from '#registrar/binding.ts';
import { bucketsCount, type Digest } from '#registrar/location-table.ts';
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
  text,
  u8,
  u16,
  u32,
} from '#util/codec.ts';
import type { TextPool } from '#util/text-pool.ts';

/** A version with the address that it belongs to. */
export interface LocationRecord {
  readonly address: string;
  readonly binding: Binding;
}

/** New versions, at the moment they are made or when a peer turned out to lack them. */
export interface ChangesMessage {
  readonly kind: 'changes';
  readonly records: readonly LocationRecord[];
}

/** Asks for all versions of a bucket; in a snapshot of as many buckets as fit, from that one on. */
export interface AskMessage {
  readonly kind: 'ask';
  readonly bucket: number;
  readonly forSnapshot: boolean;
}

/** Part of the answer to `ask`. */
export interface BucketMessage {
  readonly kind: 'bucket';
  /** As asked. */
  readonly bucket: number;
  readonly forSnapshot: boolean;
  /** False: this node has only just begun and knows nothing for certain. */
  readonly isSynchronised: boolean;
  /** First bucket that is not in the answer. Null: more of the same answer follows. */
  readonly next: number | null;
  readonly records: readonly LocationRecord[];
}

/** Fingerprints of buckets, from `first` on. */
export interface DigestsMessage {
  readonly kind: 'digests';
  readonly first: number;
  readonly expiresAfter: number;
  readonly changedUntil: number;
  readonly digests: readonly Digest[];
}

export type ReplicaMessage = ChangesMessage | AskMessage | BucketMessage | DigestsMessage;

/** A message holds some 64 kB of them. */
const recordsMax = 20_000;

interface WireBinding extends Omit<Binding, 'idHigh' | 'idLow' | 'flags'> {
  readonly flags: string;
}

const wireCodec = struct<WireBinding>({
  key: text,
  removed: boolean,
  uri: text,
  parameters: text,
  received: text,
  path: text,
  q: f64,
  callId: text,
  cseq: u32,
  mark: f64,
  userAgent: text,
  socket: text,
  methods: u32,
  expires: f64,
  flags: text,
  changed: f64,
  node: u32,
});

export class ReplicaCodec {
  readonly #records: Codec<readonly LocationRecord[]>;
  readonly #record: Codec<LocationRecord>;
  readonly #kinds: Readonly<Record<ReplicaMessage['kind'], Codec<ReplicaMessage>>>;

  constructor(flags: FlagTexts, pool: TextPool) {
    this.#record = recordCodec(flags, pool);
    this.#records = list(this.#record, recordsMax);
    const records = this.#records;
    this.#kinds = {
      changes: ofUnion(struct<ChangesMessage>({ kind: constant('changes'), records })),
      ask: ofUnion(struct<AskMessage>({ kind: constant('ask'), bucket: u16, forSnapshot: boolean })),
      bucket: ofUnion(
        struct<BucketMessage>({
          kind: constant('bucket'),
          bucket: u16,
          forSnapshot: boolean,
          isSynchronised: boolean,
          next: optional(u16),
          records,
        }),
      ),
      digests: ofUnion(
        struct<DigestsMessage>({
          kind: constant('digests'),
          first: u16,
          expiresAfter: f64,
          changedUntil: f64,
          digests: list(struct<Digest>({ high: u32, low: u32 }), bucketsCount),
        }),
      ),
    };
  }

  /** Bytes of one record in a message. */
  size(record: LocationRecord): number {
    return this.#record.size(record);
  }

  encode(message: ReplicaMessage): Uint8Array {
    const body = this.#kinds[message.kind];
    return encode(tagged(kindNumbers[message.kind], body), message);
  }

  /** Null when the bytes are no message of these. */
  decode(bytes: Uint8Array): ReplicaMessage | null {
    const kind = kindNames[bytes[0] ?? 0];
    if (kind === undefined) return null;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const message = decode(this.#kinds[kind], buffer.subarray(1));
    if (message === null) return null;
    const inRange =
      message.kind === 'changes' ||
      (message.kind === 'digests'
        ? message.first + message.digests.length <= bucketsCount
        : message.bucket < bucketsCount);
    return inRange ? message : null;
  }
}

const kindNumbers = { changes: 1, ask: 2, bucket: 3, digests: 4 } as const;
const kindNames: readonly (ReplicaMessage['kind'] | undefined)[] = [
  undefined,
  'changes',
  'ask',
  'bucket',
  'digests',
];

/** Chosen by `kind`, a codec meets its own messages alone. */
function ofUnion<Message extends ReplicaMessage>(codec: Codec<Message>): Codec<ReplicaMessage> {
  return codec as unknown as Codec<ReplicaMessage>;
}

/** Takes no room: the number in front of the message says it. */
function constant<Value>(value: Value): Codec<Value> {
  return { size: () => 0, write: (_value, _target, offset) => offset, read: () => value };
}

function tagged<Value>(kind: number, body: Codec<Value>): Codec<Value> {
  return {
    size: (value) => 1 + body.size(value),
    write: (value, target, offset) => body.write(value, target, u8.write(kind, target, offset)),
    read: (reader) => body.read(reader),
  };
}

function recordCodec(flags: FlagTexts, pool: TextPool): Codec<LocationRecord> {
  const wire = ({ binding }: LocationRecord): WireBinding => ({
    ...binding,
    flags: flags.write(binding.flags),
  });
  return {
    size: (record) => text.size(record.address) + wireCodec.size(wire(record)),
    write: (record, target, offset) =>
      wireCodec.write(wire(record), target, text.write(record.address, target, offset)),
    read: (reader: ByteReader) => {
      const address = text.read(reader);
      const read = wireCodec.read(reader);
      return {
        address,
        binding: {
          key: read.key,
          ...bindingId(address, read.key),
          removed: read.removed,
          // Most bindings keep the URI they began with: one text for both.
          uri: read.uri === read.key ? read.key : read.uri,
          parameters: read.parameters,
          received: read.received,
          path: read.path,
          q: read.q,
          callId: read.callId,
          cseq: read.cseq,
          mark: read.mark,
          userAgent: pool.share(read.userAgent),
          socket: pool.share(read.socket),
          methods: read.methods,
          expires: read.expires,
          flags: flags.read(read.flags),
          changed: read.changed,
          node: read.node,
        },
      };
    },
  };
}
