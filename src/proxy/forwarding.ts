/** The texts that a proxy sends on: RFC 3261 16.6 (requests) and 16.7 steps 3 and 9 (responses). */

import type { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { splitList } from '#sip/name-address.ts';
import { stampVia } from '#sip/response.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import type { Flow } from '#util/socket-address.ts';

export interface ForwardedRequest {
  readonly requestUri: string;
  readonly flow: Flow;
  /** Where the request came from: its top Via gets `received` and `rport` by it. */
  readonly source: Flow;
  /** The script's changes; the via stamp and Max-Forwards are added to them here. */
  readonly edits: MessageEdits;
  /** Header lines to stand behind our Via, each ending in CRLF. */
  readonly headers: string;
  /** More of them, that the ACK and the CANCEL carry as well. */
  readonly commonHeaders?: string;
  readonly branch: string;
  /** `;cid=1` or ''. */
  readonly viaParameter: string;
  /** RFC 5393 5: this branch's part of Max-Breadth; 0 leaves the header field as it is. */
  readonly breadth: number;
}

/** RFC 3261 20.22: put in where the request has none. */
const defaultMaxForwards = 70;

/** RFC 3261 16.6 step 1: a copy, in which nothing is changed that the clause does not name. */
export function forwardedRequest(request: SipMessage, parts: ForwardedRequest): string {
  const { edits, flow } = parts;
  // RFC 3261 18.2.1 and RFC 3581 4: the receiver's marks on the sender's Via.
  const line = request.find(headerNames.via);
  const value = request.value(line);
  const stamped = stampVia(request, value, parts.source);
  const start = request.valueStart(line);
  const end = request.valueEnd(line);
  if (stamped !== value && !edits.touches(start, end)) edits.replace(start, end, stamped);
  decrementMaxForwards(request, edits);
  if (parts.breadth > 0) writeBreadth(request, edits, parts.breadth);
  // RFC 3261 16.6 step 9, 18.3: a stream has no other end of the message.
  if (flow.socket.protocol !== 'udp' && request.find(headerNames.contentLength) === -1)
    edits.insert(request.headersEnd, `Content-Length: ${request.body.length}\r\n`);
  // RFC 3261 16.6 steps 2 and 8: the Request-URI of this target, and a Via of ours with a branch of its own.
  const { advertisedAddress, advertisedPort, protocol } = flow.socket;
  const transport = protocol === 'udp' ? 'UDP' : protocol.toUpperCase();
  // RFC 3261 18.1.1: sent-by is the socket that it leaves from. RFC 3581 3: rport is asked for.
  return (
    `${request.method} ${allowedRequestUri(parts.requestUri)} SIP/2.0\r\n` +
    `Via: SIP/2.0/${transport} ${bracketed(advertisedAddress)}:${advertisedPort};branch=${parts.branch};rport` +
    `${parts.viaParameter}\r\n${parts.headers}${parts.commonHeaders ?? ''}${edits.apply(request.text, request.startLineEnd)}`
  );
}

/** RFC 3261 16.6 step 2 and 19.1.1: headers and a method may stand in a Contact, but not in a Request-URI. */
function allowedRequestUri(text: string): string {
  if (!text.includes('?') && !text.includes(';method=')) return text;
  const uri = parseUri(text);
  if (isFailure(uri)) return text;
  if (uri.headers === '' && uri.parameter('method') === null) return text;
  return uri.with({ parameters: uri.parameters.replace(/;method=[^;]*/gi, ''), headers: '' });
}

/** RFC 3261 16.6 step 3, unless the script (mf_process_maxfwd_header) did it already. */
function decrementMaxForwards(request: SipMessage, edits: MessageEdits): void {
  const line = request.find(headerNames.maxForwards);
  if (line === -1) {
    const offset = request.lineEnd(request.find(headerNames.via));
    if (!edits.insertsAt(offset, 'Max-Forwards'))
      edits.insert(offset, `Max-Forwards: ${defaultMaxForwards}\r\n`);
    return;
  }
  const start = request.valueStart(line);
  const end = request.valueEnd(line);
  if (!edits.touches(start, end)) edits.replace(start, end, String(Math.max(0, request.maxForwards - 1)));
}

/** RFC 5393 5.3.3: never more than came in; 60 where nothing came. */
function writeBreadth(request: SipMessage, edits: MessageEdits, breadth: number): void {
  const line = request.find(headerNames.maxBreadth);
  if (line === -1) {
    edits.insert(request.lineEnd(request.find(headerNames.via)), `Max-Breadth: ${breadth}\r\n`);
    return;
  }
  const start = request.valueStart(line);
  const end = request.valueEnd(line);
  if (!edits.touches(start, end)) edits.overwrite(start, end, String(breadth));
}

/** RFC 3261 16.3 step 3: the request may go no further. A script that decremented the field has seen to that itself. */
export function isHopLimitReached(request: SipMessage, edits: MessageEdits): boolean {
  if (request.maxForwards !== 0) return false;
  const line = request.find(headerNames.maxForwards);
  return !edits.touches(request.valueStart(line), request.valueEnd(line));
}

/** RFC 3261 16.7 step 3: a response with no Via but ours was meant for us and goes nowhere. */
export function hasNextVia(response: SipMessage): boolean {
  const line = response.find(headerNames.via);
  if (response.find(headerNames.via, line + 1) !== -1) return true;
  const value = response.value(line);
  return value.includes(',') && splitList(value).length > 1;
}

/** Takes our Via off a response (16.7 step 3). */
export function removeTopVia(response: SipMessage, edits: MessageEdits): void {
  const line = response.find(headerNames.via);
  const start = response.valueStart(line);
  const raw = response.text.slice(start, response.valueEnd(line));
  const elements = raw.includes(',') ? splitList(raw) : null;
  if (elements === null || elements.length === 1)
    edits.remove(response.lineStart(line), response.lineEnd(line));
  else edits.remove(start, start + elements[1]!.start);
}
