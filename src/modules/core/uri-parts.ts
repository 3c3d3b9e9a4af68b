/**
 * Parts of a URI text without reading all of it: `$rU`, `$fd` and their like are asked for in every message, and one
 * slice is all they need. What is written goes through the full grammar of `sip/uri.ts`.
 */

import { parseUri, type SipUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

const at = 64;
const colon = 58;
const semicolon = 59;
const question = 63;

/** Without the password; the number of a tel URI. Null when there is none. */
export function userOf(uri: string): string | null {
  const start = uri.indexOf(':') + 1;
  if (start === 0) return null;
  const isTel = start === 4 && (uri.charCodeAt(0) | 32) === 116;
  for (let position = start, end = -1; position < uri.length; position++) {
    const code = uri.charCodeAt(position);
    if (code === colon && end === -1) end = position;
    else if (code === at) return position === start ? null : uri.slice(start, end === -1 ? position : end);
    else if (isTel && code === semicolon) return uri.slice(start, position);
  }
  return isTel ? uri.slice(start) : null;
}

/** IPv6 with its brackets, so that it can stand in a new URI. Null when there is none. */
export function hostOf(uri: string): string | null {
  const begin = uri.indexOf(':') + 1;
  if (begin === 0) return null;
  const start = Math.max(uri.indexOf('@', begin) + 1, begin);
  let end = start;
  if (uri.charCodeAt(start) === 91) {
    end = uri.indexOf(']', start) + 1;
    return end === 0 ? null : uri.slice(start, end);
  }
  while (end < uri.length) {
    const code = uri.charCodeAt(end);
    if (code === colon || code === semicolon || code === question) break;
    end++;
  }
  return end === start ? null : uri.slice(start, end);
}

/** Null when it cannot be read. */
export function readUri(text: string): SipUri | null {
  const uri = parseUri(text);
  return isFailure(uri) ? null : uri;
}

/** The port that is meant: RFC 3261 19.1.2 (5061 for TLS and sips). */
export function portOf(uri: SipUri): number {
  if (uri.port !== 0) return uri.port;
  const isSecure = uri.scheme === 'sips' || uri.parameter('transport')?.toLowerCase() === 'tls';
  return isSecure ? 5061 : 5060;
}

export function protocolOf(uri: SipUri): string {
  const transport = uri.parameter('transport');
  if (transport !== null && transport !== '') return transport;
  return uri.scheme === 'sips' ? 'tls' : 'udp';
}

export function withoutBrackets(host: string): string {
  return host.charCodeAt(0) === 91 && host.endsWith(']') ? host.slice(1, -1) : host;
}
