/** A binding with its address, as nodes tell it to each other. */

import { type Binding, bindingId, type FlagTexts } from '#registrar/binding.ts';
import { type ByteReader, boolean, type Codec, f64, struct, text, u32 } from '#util/codec.ts';
import type { TextPool } from '#util/text-pool.ts';

/** A version with the address that it belongs to. */
export interface LocationRecord {
  readonly address: string;
  readonly binding: Binding;
}

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

export function locationRecordCodec(flags: FlagTexts, pool: TextPool): Codec<LocationRecord> {
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
