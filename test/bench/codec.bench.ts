/** Frames between nodes: a datagram handed over, and a claim. */

import { forwardCodec, withAge } from '#cluster/forward.ts';
import { KeyedHash } from '#cluster/keyed-hash.ts';
import { ByteReader } from '#util/codec.ts';
import type { MicroCase } from './micro.ts';

export function codecCases(): MicroCase[] {
  const datagram = {
    kind: 'reply',
    bytes: Buffer.alloc(600, 'x'),
    sourceAddress: '198.51.100.7',
    sourcePort: 5060,
    socket: 'udp:192.0.2.1:5060',
    receivedAt: 1000,
  } as const;
  const target = Buffer.alloc(forwardCodec.size(withAge(datagram, 1001)));
  forwardCodec.write(withAge(datagram, 1001), target, 0);
  const reader = new ByteReader();
  const hash = new KeyedHash(Buffer.from('0123456789abcdef'));
  return [
    {
      name: 'write a forwarded datagram of 600 bytes into a frame',
      run: (times) => {
        for (let index = 0; index < times; index++) {
          const wire = withAge(datagram, 1001);
          forwardCodec.size(wire);
          forwardCodec.write(wire, target, 0);
        }
      },
    },
    {
      name: 'read it again',
      run: (times) => {
        for (let index = 0; index < times; index++) forwardCodec.read(reader.reset(target));
      },
    },
    {
      name: 'hash the key of a claim',
      run: (times) => {
        for (let index = 0; index < times; index++) hash.hash(`z9hG4bK${index} 192.0.2.1:5060 INVITE`);
      },
    },
  ];
}
