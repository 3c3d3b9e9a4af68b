/** Responses made here (RFC 3261 8.2.6). */

import { type HeaderName, headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { firstElement } from '#sip/name-address.ts';
import { replaceParameter } from '#sip/parameters.ts';
import { formatIp, parseIp } from '#util/ip-address.ts';

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
  // A request that lacks what every request must have is answered with what it has.
  if (to !== '') text += `To: ${to}${needsTag(request, parts) ? `;tag=${parts.toTag}` : ''}\r\n`;
  if (request.callId !== '') text += `Call-ID: ${request.callId}\r\n`;
  text += copyLines(request, headerNames.cseq, 'CSeq');
  // RFC 3261 8.2.6.1: a 100 carries the Timestamp of the request.
  if (status === 100) text += copyLines(request, headerNames.timestamp, 'Timestamp');
  text += parts.headers;
  const body = parts.body ?? '';
  if (body !== '') text += `Content-Type: ${parts.contentType ?? 'application/sdp'}\r\n`;
  return `${text}Content-Length: ${body.length}\r\n\r\n${body}`;
}

function needsTag(request: SipMessage, parts: ResponseParts): boolean {
  return parts.toTag !== '' && request.toTag === '';
}

function copyLines(message: SipMessage, header: HeaderName, name: string): string {
  let text = '';
  for (let line = message.find(header); line !== -1; line = message.find(header, line + 1)) {
    text += `${name}: ${message.value(line)}\r\n`;
  }
  return text;
}

/**
 * The top Via value with what the receiver knows: RFC 3261 18.2.1 (`received` when the host differs), RFC 3581 4
 * (`rport` filled in and `received` added when the sender asked for it). A `received` that says something else is a
 * lie or an old one: it would lead the response astray.
 */
export function stampVia(
  request: SipMessage,
  value: string,
  received: { readonly address: string; readonly port: number },
): string {
  const via = request.topVia;
  const { address } = received;
  const asked = via.rport !== null;
  const isSame = via.host === address || (via.host.includes(':') && isSameIp(via.host, address));
  if (!asked && isSame && via.received === null) return value;
  const first = firstElement(value);
  let top = first;
  if (via.received !== null) top = replaceParameter(top, 'received', address);
  else if (asked || !isSame) top = `${withoutSemicolon(top)};received=${address}`;
  if (via.rport === '') top = replaceParameter(top, 'rport', String(received.port));
  return top === first ? value : top + value.slice(value.indexOf(first) + first.length);
}

/** Some phones end their Via with a semicolon: another one behind it would make the list of parameters invalid. */
function withoutSemicolon(value: string): string {
  let end = value.length;
  while (value.charCodeAt(end - 1) === 59 || value.charCodeAt(end - 1) === 32) end--;
  return value.slice(0, end);
}

/** IPv6 has several spellings for one address. */
function isSameIp(first: string, second: string): boolean {
  const one = parseIp(first);
  const other = parseIp(second);
  return one !== null && other !== null && formatIp(one) === formatIp(other);
}
