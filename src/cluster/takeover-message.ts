/** What nodes tell each other for takeover: small binary messages on one channel of the cluster link. */

import type { ClaimOwner } from '#cluster/claim-directory.ts';
import {
  type ByteReader,
  bytes,
  type Codec,
  decode,
  encode,
  latin1,
  list,
  nothing,
  struct,
  u8,
  u32,
} from '#util/codec.ts';

export interface Checkpoint {
  /** The owner's own number for this work. */
  readonly id: number;
  /** By which others look for it. */
  readonly key: string;
  readonly body: Uint8Array;
}

export const takeoverKinds = {
  successor: 1,
  checkpoint: 2,
  ended: 3,
  forget: 4,
  adopted: 5,
  yielded: 6,
  heir: 7,
  again: 8,
} as const;

export type TakeoverMessage =
  /** "Node so-and-so holds my checkpoints." */
  | { readonly kind: 'successor'; readonly body: number }
  | { readonly kind: 'checkpoint'; readonly body: Checkpoint }
  | { readonly kind: 'ended'; readonly body: readonly number[] }
  /** "You are not my successor any more." */
  | { readonly kind: 'forget'; readonly body: null }
  /** "You were taken for dead: this work of yours is mine." */
  | { readonly kind: 'adopted'; readonly body: readonly number[] }
  /** "I go on with the work of that life of a node." */
  | { readonly kind: 'heir'; readonly body: ClaimOwner }
  /** "We had lost each other: give me all of it once more." */
  | { readonly kind: 'again'; readonly body: null }
  /** "I have let go of it." */
  | { readonly kind: 'yielded'; readonly body: null };

/** As many as fit a frame. */
const idsMax = 65_536;
const ids = list(u32, idsMax);

const codecs: { readonly [Kind in TakeoverMessage['kind']]: Codec<never> } = {
  successor: u32,
  checkpoint: struct<Checkpoint>({ id: u32, key: latin1, body: bytes }),
  ended: ids,
  forget: nothing,
  adopted: ids,
  yielded: nothing,
  again: nothing,
  heir: struct<ClaimOwner>({ node: u32, incarnation: u32 }),
} as never;

const names = Object.keys(takeoverKinds) as TakeoverMessage['kind'][];

const messageCodec: Codec<TakeoverMessage | null> = {
  size: (message) => 1 + codecs[message!.kind].size(message!.body as never),
  write: (message, target, offset) => {
    const at = u8.write(takeoverKinds[message!.kind], target, offset);
    return codecs[message!.kind].write(message!.body as never, target, at);
  },
  read: (reader: ByteReader) => {
    const number = u8.read(reader);
    const kind = names.find((name) => takeoverKinds[name] === number);
    if (kind === undefined) {
      reader.fail();
      return null;
    }
    return { kind, body: codecs[kind].read(reader) } as TakeoverMessage;
  },
};

export function encodeTakeover(message: TakeoverMessage): Buffer {
  return encode(messageCodec, message);
}

/** Null when the bytes are none of ours. Bodies of checkpoints are views of `body`. */
export function decodeTakeover(body: Uint8Array): TakeoverMessage | null {
  return decode(messageCodec, Buffer.from(body.buffer, body.byteOffset, body.length));
}
