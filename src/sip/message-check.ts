/**
 * What every message must have before anything is done with it (RFC 3261 8.1.1, 16.3 step 1, 18.3, 20.x). Left to
 * those who use them: header fields that a proxy need not understand (RFC 3261 16.3).
 */

import { type HeaderName, headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { splitList } from '#sip/name-address.ts';
import { ParseFailure } from '#sip/parse-failure.ts';
import type { StartLine } from '#sip/start-line.ts';
import { sliceTrimmed } from '#sip/token.ts';
import { parseVia } from '#sip/via.ts';

/** The first header line that cannot be read. */
export interface LineProblem {
  readonly problem: string;
  readonly problemStatus: number;
}

/** RFC 3261 7.3.1: only lists may come in several lines. */
const singleHeaders: readonly (readonly [HeaderName, string])[] = [
  [headerNames.from, 'From'],
  [headerNames.to, 'To'],
  [headerNames.callId, 'Call-ID'],
  [headerNames.cseq, 'CSeq'],
  [headerNames.maxForwards, 'Max-Forwards'],
  [headerNames.contentLength, 'Content-Length'],
  [headerNames.contentType, 'Content-Type'],
];
const singleBits = singleHeaders.reduce((bits, [header]) => bits | (1 << header), 0);

/** Null when all is well. `repeated`: bit `1 << header` for each header that more than one line has. */
export function checkMessage(
  message: SipMessage,
  start: StartLine,
  repeated: number,
  line: LineProblem | null,
): ParseFailure | null {
  if (start.problem !== '') return refuse(message, start.problem, start.problemStatus);
  if (line !== null) return refuse(message, line.problem, line.problemStatus);
  if ((repeated & singleBits) !== 0) return refuse(message, repeatedHeader(repeated));
  const missing = missingHeader(message);
  if (missing !== '') return refuse(message, `Missing or Invalid ${missing}`);
  if (message.isRequest && message.cseqMethod !== message.method) {
    // RFC 3261 8.1.1.5
    return refuse(message, 'CSeq Method Differs');
  }
  // RFC 3261 18.3: a datagram shorter than its Content-Length is an error.
  const length = message.contentLength;
  if (length !== -1 && !(length >= 0 && message.bodyStart + length <= message.text.length))
    return refuse(message, 'Invalid Content-Length');
  return null;
}

function missingHeader(message: SipMessage): string {
  const via = message.topVia;
  if (via.host === '' || via.parameters.includes(';;')) return 'Via';
  if (message.hasViaList && !isViaListValid(message)) return 'Via';
  if (message.from.uri === '') return 'From';
  if (message.to.uri === '') return 'To';
  if (message.callId === '') return 'Call-ID';
  return message.cseqNumber < 0 ? 'CSeq' : '';
}

/** The elements behind the first one of the top line: they will be the top when ours is gone. */
function isViaListValid(message: SipMessage): boolean {
  const value = message.firstValue(headerNames.via);
  return splitList(value).every(({ start, end }) => parseVia(sliceTrimmed(value, start, end)) !== null);
}

function repeatedHeader(repeated: number): string {
  const found = singleHeaders.find(([header]) => (repeated & (1 << header)) !== 0)!;
  return `More Than One ${found[1]}`;
}

function refuse(message: SipMessage, reason: string, status = 400): ParseFailure {
  const code = 'SIP_MESSAGE_INVALID';
  if (!message.isRequest) return new ParseFailure(code, reason, { isResponse: true });
  // Without a Via that names a host the sender could not tell what the answer belongs to.
  if (message.topVia.host === '') return new ParseFailure(code, reason, { status });
  return new ParseFailure(code, reason, { status, partial: message });
}
