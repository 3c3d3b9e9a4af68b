/** What nodes tell each other of bindings: a change or a removal of one Contact. */

import type { Binding } from '#registrar/binding.ts';
import { boolean, decode, encode, f64, struct, text, u32 } from '#util/codec.ts';

export interface LocationDelta extends Binding {
  readonly address: string;
  readonly removed: boolean;
}

const deltaCodec = struct<LocationDelta>({
  address: text,
  removed: boolean,
  uri: text,
  parameters: text,
  received: text,
  path: text,
  q: f64,
  callId: text,
  cseq: u32,
  userAgent: text,
  expires: f64,
  flags: u32,
  changed: f64,
  node: u32,
});

export function encodeLocationDelta(delta: LocationDelta): Uint8Array {
  return encode(deltaCodec, delta);
}

/** Null when the bytes are none. */
export function decodeLocationDelta(bytes: Uint8Array): LocationDelta | null {
  return decode(deltaCodec, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}
