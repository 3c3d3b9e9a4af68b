/**
 * Pings that are SIP requests. The branch says which node pinged which contact, so that the answer finds its way when
 * another node of the anycast address receives it.
 */

import { buildRequest } from '#sip/request.ts';
import { bracketed } from '#util/ip-address.ts';
import type { LocalSocket } from '#util/socket-address.ts';

/** Our own: no transaction has such a branch. */
const branchLead = 'z9hG4bKping.';

export interface PingMark {
  readonly node: number;
  /** The binding's id. */
  readonly idHigh: number;
  readonly idLow: number;
  /** Start of the node and number of the round. */
  readonly mark: string;
}

export interface PingParts {
  readonly method: string;
  readonly from: string;
  /** Contact URI. */
  readonly uri: string;
  /** Route values, '' for none. */
  readonly path: string;
  readonly socket: LocalSocket;
  readonly mark: PingMark;
}

export function pingBranch({ node, idHigh, idLow, mark }: PingMark): string {
  return `${branchLead}${node}.${idHigh.toString(36)}.${(idLow >>> 0).toString(36)}.${mark}`;
}

/** Null when it is the branch of something else. */
export function readPingBranch(branch: string): PingMark | null {
  if (!branch.startsWith(branchLead)) return null;
  const [node, high, low, ...mark] = branch.slice(branchLead.length).split('.');
  if (mark.length === 0) return null;
  const numbers = [Number(node), Number.parseInt(high!, 36), Number.parseInt(low!, 36)];
  if (!numbers.every(Number.isSafeInteger)) return null;
  return { node: numbers[0]!, idHigh: numbers[1]!, idLow: numbers[2]! | 0, mark: mark.join('.') };
}

export function pingRequest({ method, from, uri, path, socket, mark }: PingParts): string {
  const host = bracketed(socket.advertisedAddress);
  const branch = pingBranch(mark);
  const tag = branch.slice(branchLead.length);
  return buildRequest({
    method,
    uri,
    via: `SIP/2.0/${socket.protocol.toUpperCase()} ${host}:${socket.advertisedPort};rport;branch=${branch}`,
    from: `<${from}>;tag=${tag}`,
    to: `<${uri}>`,
    callId: `ping-${tag}@${host}`,
    cseq: 1,
    headers: `Max-Forwards: 70\r\n${path === '' ? '' : `Route: ${path}\r\n`}`,
    body: '',
  });
}
