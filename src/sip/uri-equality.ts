/** When two URIs mean the same (RFC 3261 19.1.4, RFC 3966 5). */

import { canonicalName } from '#sip/header-name.ts';
import { listParameters } from '#sip/parameters.ts';
import { parseUri, type SipUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';
import { formatIp, parseIp } from '#util/ip-address.ts';

/** Parameters that make two URIs different when only one of them has it, even with their default value. */
const distinguishing = ['user', 'ttl', 'method', 'maddr', 'transport'];
/** RFC 2396 2.2: a reserved character and its escape are not the same. The percent sign stays, or escapes would arise. */
const keptEscaped = ';/?:@&=+$,%';

/** False when either is no SIP, SIPS or tel URI, unless the texts are equal. */
export function equalUris(first: string, second: string): boolean {
  if (first === second) return true;
  const a = parseUri(first);
  const b = parseUri(second);
  if (isFailure(a) || isFailure(b) || a.scheme !== b.scheme) return false;
  if (a.scheme === 'tel') return equalNumbers(a, b);
  // RFC 3261 19.1.4: the user part is case-sensitive, everything behind it is not.
  if (decode(a.user) !== decode(b.user) || decode(a.password) !== decode(b.password)) return false;
  if (canonicalHost(a.host) !== canonicalHost(b.host) || a.port !== b.port) return false;
  return equalParameters(a, b) && headersOf(a) === headersOf(b);
}

/** Escapes of characters that need none are resolved, the others get capital letters. */
function decode(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%[0-9a-fA-F]{2}/g, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return keptEscaped.includes(character) ? escaped.toUpperCase() : character;
  });
}

/** IPv6 has several spellings for one address (RFC 5952). */
function canonicalHost(host: string): string {
  const address = host.includes(':') ? parseIp(host) : null;
  return address === null ? host.toLowerCase() : formatIp(address);
}

function parametersOf(uri: SipUri): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const { name, value } of listParameters(uri.parameters)) {
    const key = decode(name).toLowerCase();
    if (!parameters.has(key)) parameters.set(key, decode(value ?? '').toLowerCase());
  }
  return parameters;
}

/** Those that both have must be equal, those that one has count only when they are distinguishing. */
function equalParameters(a: SipUri, b: SipUri): boolean {
  if (a.parameters === b.parameters) return true;
  const left = parametersOf(a);
  const right = parametersOf(b);
  for (const [name, value] of left) {
    const other = right.get(name);
    if (other === undefined ? distinguishing.includes(name) : other !== value) return false;
  }
  return !distinguishing.some((name) => right.has(name) && !left.has(name));
}

/** Never ignored; their order means nothing. Values are compared as they are: what they mean is their header's affair. */
function headersOf(uri: SipUri): string {
  if (uri.headers === '') return '';
  const headers = uri.headers.split('&').map((header) => {
    const equals = header.indexOf('=');
    const end = equals === -1 ? header.length : equals;
    return `${canonicalName(decode(header.slice(0, end)))}${decode(header.slice(end))}`;
  });
  return headers.sort().join('&');
}

/** RFC 3966 5: visual separators mean nothing, every parameter does. */
function equalNumbers(a: SipUri, b: SipUri): boolean {
  const digits = (uri: SipUri): string => uri.user.replace(/[-.()]/g, '').toLowerCase();
  if (digits(a) !== digits(b)) return false;
  const left = parametersOf(a);
  const right = parametersOf(b);
  return left.size === right.size && [...left].every(([name, value]) => right.get(name) === value);
}
