/**
 * May this request be forwarded at all? RFC 3261 16.3 in its order: scheme, hops, loop, Proxy-Require. Syntax was
 * checked by the parser, and who may call is the script's affair.
 */

import { isHopLimitReached } from '#proxy/forwarding.ts';
import { hasLooped } from '#proxy/loop-detection.ts';
import type { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import type { BranchCodec } from '#transaction/branch.ts';

export interface Refusal {
  readonly status: number;
  /** Header lines of the answer, each ending in CRLF. */
  readonly headers: string;
}

export interface ValidationRules {
  /** Null: loops are left to Max-Forwards. */
  readonly loops: { readonly hash: number; readonly branches: BranchCodec } | null;
  /** Option tags of Proxy-Require that need not be refused, lower case. */
  readonly understoodOptions: readonly string[];
}

/** RFC 3261 11.2, for the OPTIONS that this hop was asked about. */
const ownCapabilities =
  'Accept: application/sdp\r\nAccept-Encoding: identity\r\nAccept-Language: en\r\nSupported: path\r\n';

/** `requestUri` and `edits` are the script's; null: it may. */
export function refusalOf(
  request: SipMessage,
  requestUri: string,
  edits: MessageEdits,
  rules: ValidationRules,
): Refusal | null {
  // RFC 3261 16.3 step 2: a scheme that nobody here can route by.
  if (!isSchemeUnderstood(requestUri)) return { status: 416, headers: '' };
  if (isHopLimitReached(request, edits)) {
    // RFC 3261 16.3 step 3: an OPTIONS that may go no further is about this element (section 11).
    return request.method === 'OPTIONS'
      ? { status: 200, headers: ownCapabilities }
      : { status: 483, headers: '' };
  }
  // RFC 3261 16.3 step 4
  if (rules.loops !== null && hasLooped(request, rules.loops.hash, rules.loops.branches))
    return { status: 482, headers: '' };
  const foreign = optionsNotUnderstood(request, edits, rules.understoodOptions);
  // RFC 3261 16.3 step 5
  return foreign === '' ? null : { status: 420, headers: `Unsupported: ${foreign}\r\n` };
}

/** sip, sips and tel; what has no scheme at all is no better. */
export function isSchemeUnderstood(uri: string): boolean {
  if (uri.startsWith('sip:')) return true;
  const scheme = uri.slice(0, uri.indexOf(':')).toLowerCase();
  return scheme === 'sip' || scheme === 'sips' || scheme === 'tel';
}

/** The option tags of Proxy-Require that are left, separated by commas. A script that takes a line out has seen to it. */
function optionsNotUnderstood(
  request: SipMessage,
  edits: MessageEdits,
  understood: readonly string[],
): string {
  const header = headerNames.proxyRequire;
  let line = request.find(header);
  if (line === -1 || request.method === 'ACK' || request.method === 'CANCEL') return '';
  const foreign: string[] = [];
  for (; line !== -1; line = request.find(header, line + 1)) {
    if (edits.touches(request.valueStart(line), request.valueEnd(line))) continue;
    for (const option of request.value(line).split(',')) {
      const name = option.trim();
      if (name !== '' && !understood.includes(name.toLowerCase())) foreign.push(name);
    }
  }
  return foreign.join(', ');
}
