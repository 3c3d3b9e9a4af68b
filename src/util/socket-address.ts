/** Where a datagram came from or goes to. Plain data; the sockets themselves live in `net`. */

import { bracketed } from '#util/ip-address.ts';

/** A socket this node is bound to. One object per listener, compared by identity. */
export interface LocalSocket {
  /** Position in the list of listeners, from 0. */
  readonly index: number;
  readonly protocol: 'udp' | 'tcp' | 'tls';
  /** IP text without brackets. */
  readonly address: string;
  readonly port: number;
  /** What Via and Record-Route say instead of `address` and `port` (`as host:port`); equal to them by default. */
  readonly advertisedAddress: string;
  readonly advertisedPort: number;
  /** True when other nodes own the same address: replies to what leaves here may reach any of them. */
  readonly anycast: boolean;
  /** Name that is equal on all nodes for sockets that correspond (`tag NAME`); '' without one. */
  readonly tag: string;
  /** The peer that has this socket; absent: this node does. */
  readonly node?: number;
}

/** One end-to-end path of a datagram: our socket and the other side's address. */
export interface Flow {
  readonly socket: LocalSocket;
  /** IP text of the other side, without brackets. */
  readonly address: string;
  readonly port: number;
}

/** True when messages are sent over connections (RFC 3261 17: a reliable transport). */
export function isStream(socket: LocalSocket): boolean {
  return socket.protocol !== 'udp';
}

/** What peers call it: its tag, which corresponding sockets share; a connection ends at one node's socket alone. */
export function sharedName(socket: LocalSocket): string {
  return socket.tag === '' || isStream(socket) ? socketName(socket) : socket.tag;
}

/** `udp:IP:PORT`, IPv6 in brackets: the form that scripts and `$socket_in` use. */
export function socketName(socket: LocalSocket): string {
  return `${socket.protocol}:${bracketed(socket.address)}:${socket.port}`;
}
