/** Where a message came from and where it leaves. */

import type { MessageContext } from '#module/context.ts';
import { findSocket } from '#modules/core/functions-socket.ts';
import { plain, type Variable } from '#modules/core/variable-declaration.ts';
import type { Value } from '#script/value.ts';
import { type LocalSocket, socketName } from '#util/socket-address.ts';

function familyName(address: string): string {
  return address.includes(':') ? 'INET6' : 'INET';
}

const fields: Readonly<Record<string, (socket: LocalSocket) => Value>> = {
  ip: (socket) => socket.address,
  port: (socket) => socket.port,
  proto: (socket) => socket.protocol,
  advertised_ip: (socket) => socket.advertisedAddress,
  advertised_port: (socket) => socket.advertisedPort,
  tag: (socket) => (socket.tag === '' ? null : socket.tag),
  anycast: (socket) => (socket.anycast ? 1 : 0),
  af: (socket) => familyName(socket.address),
};

function readSocket(socket: LocalSocket | null, field: string | null): Value {
  if (field === 'forced') return socket === null ? 0 : 1;
  if (socket === null) return null;
  return field === null ? socketName(socket) : (fields[field]?.(socket) ?? null);
}

/** `$socket_out` and the older `$fs`. */
function sendSocket(names: readonly string[], inner: 'none' | 'optional'): Variable {
  return {
    names,
    inner,
    help: 'Socket that the message is forced to leave from; NULL: chosen by the destination.',
    read: (_core, context, field) => readSocket(context.sendSocket, field),
    write: (core, context, value) => {
      context.sendSocket = value === null ? null : findSocket(core.host, String(value));
    },
  };
}

const address = (context: MessageContext): Value => context.source.address;
const protocol = (context: MessageContext): Value => context.source.socket.protocol;

export const socketVariables: readonly Variable[] = [
  plain(['si', 'src_ip'], 'Address that the message came from.', address),
  plain(['sp', 'src_port'], 'Port that the message came from.', (context) => context.source.port),
  {
    names: ['socket_in'],
    inner: 'optional',
    help: 'Socket that received the message; with a field (ip, port, proto, advertised_ip, tag…) a part of it.',
    read: (_core, context, field) => readSocket(context.source.socket, field),
  },
  sendSocket(['socket_out'], 'optional'),
  sendSocket(['fs'], 'none'),
  plain(['Ri'], 'Address that received the message.', (context) => context.source.socket.address),
  plain(['Rp'], 'Port that received the message.', (context) => context.source.socket.port),
  plain(['proto', 'pr'], 'Protocol that the message came by.', protocol),
  plain(['af'], 'Address family of the source: INET or INET6.', (context) =>
    familyName(context.source.address),
  ),
];
