/** `host[:port]`, IPv6 in brackets (RFC 3261 25.1, RFC 5118). */

import { decimalOf, sliceTrimmed } from '#sip/token.ts';
import { parseIp } from '#util/ip-address.ts';

export interface HostPort {
  /** IPv6 without its brackets. */
  readonly host: string;
  /** 0 = absent. */
  readonly port: number;
}

const portMax = 65_535;

/** Null when the text is neither a host name nor an address, or the port no port. */
export function parseHostPort(text: string): HostPort | null {
  if (text.charCodeAt(0) === 91) {
    return parseReference(text);
  }
  const colon = text.indexOf(':');
  if (colon === -1) return isHost(text) ? { host: text, port: 0 } : null;
  const host = sliceTrimmed(text, 0, colon);
  const port = parsePort(text, colon);
  return port < 0 || !isHost(host) ? null : { host, port };
}

/** `[IPv6]:port`, blanks around the colon allowed (RFC 3261 25.1 COLON). */
function parseReference(text: string): HostPort | null {
  const close = text.indexOf(']');
  if (close < 2) return null;
  // RFC 5118 4.10: the grammar of RFC 3261 allowed three colons before an embedded IPv4 address.
  const host = text.slice(1, close).replace(':::', '::');
  if (!host.includes(':') || parseIp(host) === null) return null;
  let position = close + 1;
  while (text.charCodeAt(position) === 32 || text.charCodeAt(position) === 9) position++;
  const port = parsePort(text, position);
  return port < 0 ? null : { host, port };
}

/** `position` is where a colon stands; 0 when the text ends there, -1 when what follows is no port. */
function parsePort(text: string, position: number): number {
  if (position >= text.length) return 0;
  if (text.charCodeAt(position) !== 58) return -1;
  const port = decimalOf(sliceTrimmed(text, position + 1));
  return port > portMax ? -1 : port;
}

function isHost(text: string): boolean {
  if (text.length === 0) return false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    const isLetter = (code | 32) >= 97 && (code | 32) <= 122;
    const isDigit = code >= 48 && code <= 57;
    if (!isLetter && !isDigit && code !== 46 && code !== 45 && code !== 95) return false;
  }
  return true;
}
