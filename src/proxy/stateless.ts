/** Forwarding without a transaction (RFC 3261 16.11): the ACK to a 2xx, and responses whose owner is gone. */

import { createHash } from 'node:crypto';
import { type ForwardedRequest, forwardedRequest, removeTopVia } from '#proxy/forwarding.ts';
import { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { toBytes } from '#sip/serialize.ts';
import { parseVia } from '#sip/via.ts';
import { Failure } from '#util/failure.ts';

/** Marks branches that belong to no transaction: `z9hG4bK0-<hash>`. */
const lead = 'z9hG4bK0-';

/** Same branch for every copy of the request, as 16.11 demands: computed from the received one. */
export function statelessBranch(request: SipMessage): string {
  const via = request.topVia;
  const identity = `${via.branch} ${via.host}:${via.port} ${request.callId} ${request.cseqNumber} ${request.fromTag}`;
  return lead + createHash('sha1').update(identity, 'latin1').digest().toString('base64url', 0, 9);
}

export function forwardRequestStatelessly(
  request: SipMessage,
  parts: Omit<ForwardedRequest, 'branch'>,
): string | Failure {
  if (request.maxForwards === 0) {
    return new Failure('PROXY_HOPS_EXHAUSTED', `${request.method} ${request.callId}: Max-Forwards is 0`);
  }
  return forwardedRequest(request, { ...parts, branch: statelessBranch(request) });
}

export interface StatelessResponse {
  readonly bytes: Buffer;
  readonly address: string;
  readonly port: number;
}

/** A Failure when there is no second Via, or it cannot be read. */
export function forwardResponseStatelessly(response: SipMessage): StatelessResponse | Failure {
  const next = parseVia(response.values(headerNames.via)[1] ?? '');
  if (next === null)
    return new Failure('PROXY_VIA_MISSING', `${response.callId}: the response has no second Via`);
  const edits = new MessageEdits();
  removeTopVia(response, edits);
  // RFC 3261 18.2.2, RFC 3581 4: received and rport say where the request really came from.
  const port = Number(next.rport ?? '') || next.port || 5060;
  return { bytes: toBytes(edits.apply(response.text)), address: next.received ?? next.host, port };
}
