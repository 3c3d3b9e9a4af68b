/**
 * Forwarding without a transaction (RFC 3261 16.11): the ACK to a 2xx, and responses whose owner is gone. Whether a
 * response may be forwarded so (RFC 6026 7.3: not one that is a stranger's) is for the caller to know.
 */

import { receivedBreadth } from '#proxy/breadth.ts';
import {
  type ForwardedRequest,
  forwardedRequest,
  isHopLimitReached,
  removeTopVia,
} from '#proxy/forwarding.ts';
import { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { toBytes } from '#sip/serialize.ts';
import { parseVia } from '#sip/via.ts';
import { Failure } from '#util/failure.ts';
import { bracketed, parseIp } from '#util/ip-address.ts';
import { ShortMac } from '#util/short-mac.ts';

/** Marks branches that belong to no transaction: `z9hG4bK0-<hash>`. */
const lead = 'z9hG4bK0-';
/** Not a secret: every node must write the same branch. 64 bits are unique enough among the requests of one hop. */
const identityHash = new ShortMac(Buffer.from('anyvia stateless'));
const defaultSipPort = 5060;
/** RFC 3261 25.1: as a host name is written. */
const hostName = /^(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*\.?$/i;

/** Same branch for every copy of the request, as 16.11 demands: computed from the received one. */
export function statelessBranch(request: SipMessage): string {
  const via = request.topVia;
  const identity = `${via.branch} ${via.host}:${via.port} ${request.callId} ${request.cseqNumber} ${request.fromTag}`;
  return lead + identityHash.of(identity);
}

export function forwardRequestStatelessly(
  request: SipMessage,
  parts: Omit<ForwardedRequest, 'branch' | 'breadth'>,
): string | Failure {
  if (isHopLimitReached(request, parts.edits)) {
    return new Failure('PROXY_HOPS_EXHAUSTED', `${request.method} ${request.callId}: Max-Forwards is 0`);
  }
  // RFC 5393 5.3.3: one branch takes all there is; an ACK and a CANCEL carry no Max-Breadth.
  const isWhole = request.method === 'ACK' || request.method === 'CANCEL';
  const breadth = isWhole ? 0 : receivedBreadth(request);
  return forwardedRequest(request, { ...parts, branch: statelessBranch(request), breadth });
}

export interface StatelessResponse {
  readonly bytes: Buffer;
  /** IP text without brackets, or a name. */
  readonly address: string;
  /** 0: a name without a port, whose service is to be looked for. */
  readonly port: number;
  readonly isName: boolean;
  /** As the Via has it: `udp`, `tcp`… */
  readonly transport: string;
}

/** Where it goes, as a URI. */
export function responseUri({ address, port, transport }: StatelessResponse): string {
  return `sip:${bracketed(address)}${port === 0 ? '' : `:${port}`};transport=${transport}`;
}

/** A Failure when there is no second Via, or it names no address that could be sent to. */
export function forwardResponseStatelessly(response: SipMessage): StatelessResponse | Failure {
  const next = parseVia(response.values(headerNames.via)[1] ?? '');
  if (next === null)
    return new Failure('PROXY_VIA_MISSING', `${response.callId}: the response has no second Via`);
  // RFC 3261 18.2.2, RFC 3581 4: received and rport say where the request really came from.
  const address = next.received ?? next.host;
  const bytes = parseIp(address);
  // RFC 3263 5: a sent-by with a name is looked for as the server of a request is, by its transport.
  const isName = bytes === null && hostName.test(address);
  const port = portNumber(next.rport) || next.port || (isName ? 0 : defaultSipPort);
  if (!isName && (bytes === null || !isUnicast(bytes))) {
    return new Failure('PROXY_VIA_UNROUTABLE', `${response.callId}: the second Via leads to "${address}"`);
  }
  const edits = new MessageEdits();
  removeTopVia(response, edits);
  const transport = next.protocol === 'UDP' ? 'udp' : next.protocol.toLowerCase();
  return { bytes: toBytes(edits.apply(response.text)), address, port, transport, isName };
}

/** RFC 4475 3.3.10: nothing goes to everybody because a Via says so; nor to nobody. */
function isUnicast(address: Uint8Array): boolean {
  const [first = 0] = address;
  if (address.length === 16) return first !== 0xff && address.some((byte) => byte !== 0);
  return first !== 0 && first < 224;
}

/** 0 when the text is no port. */
function portNumber(text: string | null): number {
  const port = Number(text ?? 0);
  return Number.isInteger(port) && port > 0 && port <= 65_535 ? port : 0;
}
