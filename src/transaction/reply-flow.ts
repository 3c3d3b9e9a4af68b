/**
 * Where the response to a request goes (RFC 3261 18.2.2, RFC 3581 4). Left out on purpose: the maddr of a Via, which
 * would let anybody have our responses sent to a third party; multicast has no place on a shared address.
 */

import type { SipMessage } from '#sip/message.ts';
import type { Flow } from '#util/socket-address.ts';

const defaultSipPort = 5060;

export function replyFlow(request: SipMessage, source: Flow): Flow {
  // RFC 3261 18.2.2: over a stream, the connection that the request came by.
  if (source.socket.protocol !== 'udp') return source;
  const via = request.topVia;
  // RFC 3581 4: the source port, when the sender asked for it.
  if (via.rport !== null) return source;
  // RFC 3261 18.2.2: else the port of sent-by at the address that the request came from.
  const port = via.port === 0 ? defaultSipPort : via.port;
  return port === source.port ? source : { socket: source.socket, address: source.address, port };
}
