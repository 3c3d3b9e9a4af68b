/** What nodes tell each other of dialogs: small binary messages on one channel of the cluster link. */

import type { DialogRecord } from '#dialog/dialog.ts';
import {
  type ByteReader,
  boolean,
  type Codec,
  decode,
  encode,
  list,
  struct,
  text,
  u8,
  u32,
} from '#util/codec.ts';

export const deltaKinds = { record: 1, state: 2, end: 3, snapshotBegin: 4, snapshotEnd: 5 } as const;

export interface StateChange {
  readonly id: string;
  readonly state: number;
  readonly toTag: string;
  readonly start: number;
}

export interface DialogEnd {
  readonly id: string;
  readonly reason: string;
}

export type DialogDelta =
  | { readonly kind: 'record'; readonly body: DialogRecord }
  | { readonly kind: 'state'; readonly body: StateChange }
  | { readonly kind: 'end'; readonly body: DialogEnd }
  | { readonly kind: 'snapshotBegin' | 'snapshotEnd'; readonly body: null };

/** A dialog in more profiles than this is a script gone wrong. */
const profilesMax = 256;

const recordCodec = struct<DialogRecord>({
  id: text,
  owner: u32,
  incarnation: u32,
  state: u8,
  callId: text,
  fromTag: text,
  toTag: text,
  fromUri: text,
  toUri: text,
  callerContact: text,
  start: u32,
  lifetime: u32,
  profiles: list(struct({ profile: text, value: text, hasValue: boolean }), profilesMax),
});

const stateCodec = struct<StateChange>({ id: text, state: u8, toTag: text, start: u32 });
const endCodec = struct<DialogEnd>({ id: text, reason: text });
const nothing: Codec<null> = { size: () => 0, write: (_value, _bytes, offset) => offset, read: () => null };

const bodies = {
  record: recordCodec,
  state: stateCodec,
  end: endCodec,
  snapshotBegin: nothing,
  snapshotEnd: nothing,
} as const;

const deltaCodec: Codec<DialogDelta> = {
  size: (delta) => 1 + (bodies[delta.kind] as Codec<unknown>).size(delta.body),
  write: (delta, bytes, offset) =>
    (bodies[delta.kind] as Codec<unknown>).write(
      delta.body,
      bytes,
      u8.write(deltaKinds[delta.kind], bytes, offset),
    ),
  read: (reader: ByteReader) => {
    const number = u8.read(reader);
    const entry = Object.entries(deltaKinds).find(([, value]) => value === number);
    if (entry === undefined) {
      reader.fail();
      return { kind: 'snapshotEnd', body: null };
    }
    const kind = entry[0] as DialogDelta['kind'];
    return { kind, body: bodies[kind].read(reader) } as DialogDelta;
  },
};

export function encodeDelta(delta: DialogDelta): Uint8Array {
  return encode(deltaCodec, delta);
}

/** Null when the bytes are no delta that this version knows. */
export function decodeDelta(bytes: Uint8Array): DialogDelta | null {
  return decode(deltaCodec, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}
