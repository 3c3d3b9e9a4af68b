/**
 * What RFC 3261 16.4 does to a request before anything is decided. Own Route header fields and strict routers are the
 * affair of `loose_route`; here is the rest, which scripts have no word for.
 */

import { listParameters } from '#sip/parameters.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';
import type { LocalSocket } from '#util/socket-address.ts';

const defaultSipPort = 5060;

/**
 * RFC 3261 16.4: a maddr that names us brought the request here and has done its work. When the request came by the
 * port and transport that the URI says, maddr goes, and with it a port or transport that is not the default.
 */
export function withoutOwnMaddr(
  requestUri: string,
  socket: LocalSocket,
  isMyself: (host: string, port: number) => boolean,
): string {
  if (!requestUri.includes('maddr=')) return requestUri;
  const uri = parseUri(requestUri);
  if (isFailure(uri)) return requestUri;
  const maddr = uri.parameter('maddr');
  const port = uri.port === 0 ? defaultSipPort : uri.port;
  const transport = uri.parameter('transport')?.toLowerCase() ?? 'udp';
  if (maddr === null || transport !== socket.protocol || port !== socket.port) return requestUri;
  if (!isMyself(maddr.replace(/^\[(.*)\]$/, '$1'), port)) return requestUri;
  const parameters = listParameters(uri.parameters)
    .filter(({ name }) => !['maddr', 'transport'].includes(name.toLowerCase()))
    .map(({ name, value }) => `;${name}${value === null ? '' : `=${value}`}`)
    .join('');
  return uri.with({ port: 0, parameters });
}
