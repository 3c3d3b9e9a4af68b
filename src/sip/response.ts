/** Responses made here (RFC 3261 8.2.6). */

import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { splitList } from '#sip/name-address.ts';

export interface ResponseParts {
  readonly status: number;
  readonly reason: string;
  /** Put behind To when the request's To has no tag; '' for none (a 100). */
  readonly toTag: string;
  /** Header lines, each ending in CRLF. */
  readonly headers: string;
  readonly body?: string;
  readonly contentType?: string;
  /** Where the request came from: the top Via gets `received` and `rport` by it. */
  readonly received?: { readonly address: string; readonly port: number };
}

/** The whole response as text. */
export function buildResponse(request: SipMessage, parts: ResponseParts): string {
  const { status } = parts;
  let text = `SIP/2.0 ${status} ${parts.reason}\r\n`;
  let isTop = true;
  for (
    let line = request.find(headerNames.via);
    line !== -1;
    line = request.find(headerNames.via, line + 1)
  ) {
    const value = request.value(line);
    text += `Via: ${isTop && parts.received !== undefined ? stampVia(request, value, parts.received) : value}\r\n`;
    isTop = false;
  }
  // RFC 3261 10.3: no Record-Route in any response to a REGISTER.
  const opensDialog = status > 100 && status < 300 && request.method !== 'REGISTER';
  if (opensDialog) text += copyLines(request, headerNames.recordRoute, 'Record-Route');
  text += copyLines(request, headerNames.from, 'From');
  const to = request.firstValue(headerNames.to);
  text += parts.toTag === '' || request.toTag !== '' ? `To: ${to}\r\n` : `To: ${to};tag=${parts.toTag}\r\n`;
  text += `Call-ID: ${request.callId}\r\nCSeq: ${request.firstValue(headerNames.cseq)}\r\n`;
  // RFC 3261 8.2.6.1: a 100 carries the Timestamp of the request.
  if (status === 100) text += copyLines(request, headerNames.timestamp, 'Timestamp');
  text += parts.headers;
  const body = parts.body ?? '';
  if (body !== '') text += `Content-Type: ${parts.contentType ?? 'application/sdp'}\r\n`;
  return `${text}Content-Length: ${body.length}\r\n\r\n${body}`;
}

function copyLines(message: SipMessage, header: 2 | 8 | 24, name: string): string {
  let text = '';
  for (let line = message.find(header); line !== -1; line = message.find(header, line + 1)) {
    text += `${name}: ${message.value(line)}\r\n`;
  }
  return text;
}

/**
 * The top Via value with what the receiver knows: RFC 3261 18.2.1 (`received` when the host differs), RFC 3581 4
 * (`rport` filled in and `received` added when the sender asked for it).
 */
export function stampVia(
  request: SipMessage,
  value: string,
  received: { readonly address: string; readonly port: number },
): string {
  const via = request.topVia;
  const asked = via.rport !== null;
  if (!asked && via.host === received.address) return value;
  const elements = value.includes(',') ? splitList(value) : null;
  const end = elements === null ? value.length : elements[0]!.end;
  let top = value.slice(0, end).trimEnd();
  const { address } = received;
  if (via.received === null) top += `;received=${address}`;
  if (asked && via.rport === '') top = top.replace(/;\s*rport\s*=?(?=;|$)/i, `;rport=${received.port}`);
  return top + value.slice(end);
}
