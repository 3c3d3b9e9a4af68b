/** What nodes tell each other of dialogs: small binary messages on one channel of the cluster link. */

import type { DialogRecord, Leg } from '#dialog/dialog.ts';
import {
  type ByteReader,
  boolean,
  type Codec,
  decode,
  encode,
  list,
  longText,
  struct,
  text,
  u8,
  u32,
} from '#util/codec.ts';

export const deltaKinds = {
  record: 1,
  state: 2,
  end: 3,
  snapshotBegin: 4,
  snapshotEnd: 5,
  closed: 6,
} as const;

export interface StateChange {
  readonly id: string;
  readonly state: number;
  readonly toTag: string;
  readonly start: number;
  readonly callee: Leg;
}

export interface DialogEnd {
  readonly id: string;
  readonly reason: string;
}

/** What its end asked for is done. */
export interface DialogClosed {
  readonly id: string;
}

export type DialogDelta =
  | { readonly kind: 'record'; readonly body: DialogRecord }
  | { readonly kind: 'state'; readonly body: StateChange }
  | { readonly kind: 'end'; readonly body: DialogEnd }
  | { readonly kind: 'closed'; readonly body: DialogClosed }
  | { readonly kind: 'snapshotBegin' | 'snapshotEnd'; readonly body: null };

/** A dialog in more profiles than this is a script gone wrong. */
const profilesMax = 256;
/** So is one with more variables. */
export const valuesMax = 256;

const leg = struct<Leg>({ contact: longText, routeSet: longText, cseq: u32 });

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
  version: u32,
  editor: u32,
  caller: leg,
  callee: leg,
  duties: u32,
  flags: text,
  values: list(struct({ name: longText, isNumber: boolean, text: longText }), valuesMax),
  kept: list(struct({ name: text, text: longText }), valuesMax),
});

const stateCodec = struct<StateChange>({ id: text, state: u8, toTag: text, start: u32, callee: leg });
const endCodec = struct<DialogEnd>({ id: text, reason: text });
const closedCodec = struct<DialogClosed>({ id: text });
const nothing: Codec<null> = { size: () => 0, write: (_value, _bytes, offset) => offset, read: () => null };

const bodies = {
  record: recordCodec,
  state: stateCodec,
  end: endCodec,
  closed: closedCodec,
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
