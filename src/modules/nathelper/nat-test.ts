/** The questions of `nat_uac_test`: does a message show that its sender sits behind an address translator? */

import { parseMask } from '#modules/nathelper/flag-mask.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { parseNameAddress } from '#sip/name-address.ts';
import { parseUri, type SipUri } from '#sip/uri.ts';
import { type Failure, isFailure } from '#util/failure.ts';
import { type IpNetwork, isInNetwork, parseIp, parseNetwork } from '#util/ip-address.ts';
import type { Flow } from '#util/socket-address.ts';

const bits: Readonly<Record<string, number>> = {
  'private-contact': 1,
  'diff-ip-src-via': 2,
  'private-via': 4,
  'private-sdp': 8,
  'diff-port-src-via': 16,
  'diff-ip-src-contact': 32,
  'diff-port-src-contact': 64,
  'carrier-grade-nat': 128,
};

/** A number or names divided by commas → bit mask. */
export function parseNatFlags(literal: string): number | Failure {
  return parseMask(literal, bits);
}

/** RFC 1918, RFC 4193 */
const privateNetworks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'].map(network);
/** RFC 6598 */
const sharedNetworks = ['100.64.0.0/10'].map(network);
const defaultSipPort = 5060;

function network(text: string): IpNetwork {
  return parseNetwork(text)!;
}

function isIn(host: string, networks: readonly IpNetwork[]): boolean {
  const address = parseIp(host);
  return address !== null && networks.some((candidate) => isInNetwork(address, candidate));
}

export function looksTranslated(message: SipMessage, source: Flow, mask: number): boolean {
  const via = message.topVia;
  if ((mask & 2) !== 0 && via.host !== source.address) return true;
  if ((mask & 4) !== 0 && isIn(via.host, privateNetworks)) return true;
  if ((mask & 16) !== 0 && (via.port || defaultSipPort) !== source.port) return true;
  if ((mask & (1 | 32 | 64 | 128)) !== 0 && contactLooksTranslated(message, source, mask)) return true;
  if ((mask & 128) !== 0 && isIn(via.host, sharedNetworks)) return true;
  if ((mask & (8 | 128)) === 0) return false;
  return mediaAddresses(message).some(
    (host) =>
      ((mask & 8) !== 0 && isIn(host, privateNetworks)) || ((mask & 128) !== 0 && isIn(host, sharedNetworks)),
  );
}

function contactLooksTranslated(message: SipMessage, source: Flow, mask: number): boolean {
  const contact = firstContact(message);
  if (contact === null) return false;
  if ((mask & 1) !== 0 && isIn(contact.host, privateNetworks)) return true;
  if ((mask & 32) !== 0 && contact.host !== source.address) return true;
  if ((mask & 64) !== 0 && (contact.port || defaultSipPort) !== source.port) return true;
  return (mask & 128) !== 0 && isIn(contact.host, sharedNetworks);
}

function firstContact(message: SipMessage): SipUri | null {
  const address = parseNameAddress(message.values(headerNames.contact)[0] ?? '');
  const uri = address === null ? null : parseUri(address.uri);
  return uri === null || isFailure(uri) ? null : uri;
}

/** RFC 4566 5.7: the addresses of the `c=` lines. */
function mediaAddresses(message: SipMessage): string[] {
  const body = message.body;
  if (!body.includes('c=IN ')) return [];
  return [...body.matchAll(/^c=IN IP[46] ([^\s/]+)/gm)].map((match) => match[1]!);
}
