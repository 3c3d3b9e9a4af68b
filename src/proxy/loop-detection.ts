/**
 * Loop detection (RFC 5393 4.2): the branch of every request sent on carries a hash of what decided where it went. A
 * request that comes back with the same hash would be sent the same way for ever. Scripts decide by the sender's
 * address too, so that is part of the hash: a loop is found on its second lap, and a server that sends a request back
 * unchanged (a spiral through an application server) is not taken for one.
 */

import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { parseVia } from '#sip/via.ts';
import { type BranchCodec, branchLead } from '#transaction/branch.ts';
import type { Flow } from '#util/socket-address.ts';

const offsetBasis = 0x811c9dc5;
const prime = 0x01000193;

/** RFC 5393 4.2.2: every field that decides where the request goes; not the method, nor what each hop changes. 1…2^32-1. */
export function routingHash(request: SipMessage, source: Flow): number {
  let hash = mix(offsetBasis, request.requestUri);
  hash = mix(hash, request.fromTag);
  hash = mix(hash, request.toTag);
  hash = mix(hash, request.callId);
  hash = mix(hash, source.address);
  hash = Math.imul(hash ^ request.cseqNumber, prime);
  for (let line = 0; line < request.lineCount; line++) {
    const header = request.lineHeader(line);
    if (
      header === headerNames.route ||
      header === headerNames.proxyRequire ||
      header === headerNames.proxyAuthorization
    )
      hash = mix(hash, request.value(line));
  }
  return hash >>> 0 || 1;
}

/** FNV-1a */
function mix(start: number, text: string): number {
  let hash = start;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), prime);
  return Math.imul(hash ^ 0x1ff, prime);
}

/** RFC 3261 16.3 step 4: true when the request was here before, on any node of ours, and would go the same way again. */
export function hasLooped(request: SipMessage, hash: number, branches: BranchCodec): boolean {
  // Nearly no request carries a branch of ours: one search settles that.
  if (!request.text.includes(branchLead)) return false;
  return request.values(headerNames.via).some((value) => {
    const branch = parseVia(value)?.branch ?? '';
    return branches.read(branch)?.loop === hash && branches.verify(branch);
  });
}
