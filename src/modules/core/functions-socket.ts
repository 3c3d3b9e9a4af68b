/** How a message leaves: sending socket, rport. */

import { everyRoute, type FunctionDeclaration } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import { connectionService } from '#module/services.ts';
import type { CoreModule } from '#modules/core/core-module.ts';
import { parseHostPort } from '#sip/host-port.ts';
import type { LocalSocket } from '#util/socket-address.ts';

type Declaration = FunctionDeclaration<CoreModule>;

const defaultSipPort = 5060;

/** `proto:ip:port` or `ip:port`; the exact address first, then the advertised one. */
export function findSocket(host: ModuleHost, text: string): LocalSocket | null {
  const match = /^(udp|tcp|tls):/i.exec(text);
  const protocol = match === null ? null : match[1]!.toLowerCase();
  const address = parseHostPort(match === null ? text : text.slice(match[0].length));
  if (address === null) return null;
  const port = address.port === 0 ? defaultSipPort : address.port;
  const candidates = host.sockets.filter((socket) => protocol === null || socket.protocol === protocol);
  return (
    candidates.find((socket) => socket.address === address.host && socket.port === port) ??
    candidates.find(
      (socket) => socket.advertisedAddress === address.host && socket.advertisedPort === port,
    ) ??
    null
  );
}

export const socketFunctions: readonly Declaration[] = [
  {
    name: 'force_send_socket',
    routes: everyRoute,
    arguments: [{ name: 'socket', kind: 'string' }],
    help: 'Sends from this socket ("udp:ip:port").',
    call: (core, context, text: string | null) => {
      const socket = findSocket(core.host, text ?? '');
      if (socket === null) return -1;
      context.sendSocket = socket;
      return 1;
    },
  },
  {
    name: 'force_tcp_alias',
    routes: everyRoute,
    arguments: [{ name: 'port', kind: 'integer', optional: true }],
    help:
      'Requests to the address that this one came from, and to the port of its Via or this one, go over the ' +
      'connection that it came by (RFC 5923).',
    call: (core, context, port: number | null) => {
      const { port: sentBy } = context.message.topVia;
      const place = port ?? (sentBy === 0 ? defaultSipPort : sentBy);
      return core.host.optionalService(connectionService)?.addAlias(context.source, place) === true ? 1 : -1;
    },
  },
  {
    name: 'force_rport',
    routes: everyRoute,
    arguments: [],
    help: 'Replies go to the port that the request came from, as if it had asked for it (RFC 3581).',
    call: (_core, context) => {
      context.forceRport = true;
      return 1;
    },
  },
];
