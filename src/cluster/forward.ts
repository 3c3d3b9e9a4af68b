/**
 * A SIP datagram on its way to the node that owns it: the raw bytes as the network brought them, and what the owner
 * needs to treat them as its own. The cluster does not look inside. A datagram that came over a link is never
 * forwarded again; the receiver sees `from` and keeps to that.
 */

import { type ByteReader, bytes, type Codec, text, u8, u16 } from '#util/codec.ts';

/** Numbers on the wire. */
export const forwardKinds = { reply: 1, request: 2, cancel: 3, ack: 4 } as const;
export type ForwardKind = keyof typeof forwardKinds;
export const forwardKindNames = Object.keys(forwardKinds) as readonly ForwardKind[];

export interface ForwardedDatagram {
  readonly kind: ForwardKind;
  /** As received. What a callback gets is a view of the link's buffer: valid during the callback. */
  readonly bytes: Uint8Array;
  /** Who sent it to the cluster: IP text without brackets. */
  readonly sourceAddress: string;
  readonly sourcePort: number;
  /** The socket that received it: its tag, or `udp:IP:PORT`, which the owner finds among its own. */
  readonly socket: string;
  /** When it came from the network, in ms of the clock of whoever holds this object. */
  readonly receivedAt: number;
}

/** On the wire the time is an age: clocks of two nodes have nothing to do with each other. */
interface WireDatagram extends ForwardedDatagram {
  readonly ageMilliseconds: number;
}

const ageMax = 0xffff;

export const forwardCodec: Codec<WireDatagram> = {
  size: (value) =>
    1 + 2 + 2 + text.size(value.sourceAddress) + text.size(value.socket) + bytes.size(value.bytes),
  write: (value, target, offset) => {
    let at = u8.write(forwardKinds[value.kind], target, offset);
    at = u16.write(value.ageMilliseconds, target, at);
    at = u16.write(value.sourcePort, target, at);
    at = text.write(value.sourceAddress, target, at);
    at = text.write(value.socket, target, at);
    return bytes.write(value.bytes, target, at);
  },
  read: (reader) => readDatagram(reader),
};

export function withAge(datagram: ForwardedDatagram, now: number): WireDatagram {
  const age = Math.max(0, Math.min(ageMax, Math.trunc(now - datagram.receivedAt)));
  return { ...datagram, ageMilliseconds: age };
}

/** The datagram as it stands on this node's clock. */
export function withReceiveTime(wire: WireDatagram, now: number): ForwardedDatagram {
  return {
    kind: wire.kind,
    bytes: wire.bytes,
    sourceAddress: wire.sourceAddress,
    sourcePort: wire.sourcePort,
    socket: wire.socket,
    receivedAt: now - wire.ageMilliseconds,
  };
}

function readDatagram(reader: ByteReader): WireDatagram {
  const number = u8.read(reader);
  const kind = forwardKindNames.find((name) => forwardKinds[name] === number);
  if (kind === undefined) reader.fail();
  const ageMilliseconds = u16.read(reader);
  const sourcePort = u16.read(reader);
  const sourceAddress = text.read(reader);
  const socket = text.read(reader);
  return {
    kind: kind ?? 'reply',
    bytes: bytes.read(reader),
    sourceAddress,
    sourcePort,
    socket,
    receivedAt: 0,
    ageMilliseconds,
  };
}
