/** Requests made here: the CANCEL and the hop-by-hop ACK of a request we sent, and requests of our own. */

import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { firstElement } from '#sip/name-address.ts';

export interface RequestParts {
  readonly method: string;
  readonly uri: string;
  /** Value of the only Via. */
  readonly via: string;
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: number;
  /** Header lines, each ending in CRLF. */
  readonly headers: string;
  readonly body: string;
}

export function buildRequest(parts: RequestParts): string {
  return (
    `${parts.method} ${parts.uri} SIP/2.0\r\nVia: ${parts.via}\r\nFrom: ${parts.from}\r\nTo: ${parts.to}\r\n` +
    `Call-ID: ${parts.callId}\r\nCSeq: ${parts.cseq} ${parts.method}\r\n${parts.headers}` +
    `Content-Length: ${parts.body.length}\r\n\r\n${parts.body}`
  );
}

/** RFC 3261 9.1: same Request-URI, top Via, From, To, Call-ID, CSeq number and Route as the INVITE we sent. */
export function buildCancel(sent: SipMessage, extraHeaders = ''): string {
  return buildRequest({
    ...sameDialogParts(sent, 'CANCEL', extraHeaders),
    to: sent.firstValue(headerNames.to),
  });
}

/** RFC 3261 17.1.1.3: as the INVITE we sent, with the To of the response. */
export function buildAck(sent: SipMessage, response: SipMessage, extraHeaders = ''): string {
  return buildRequest({
    ...sameDialogParts(sent, 'ACK', extraHeaders),
    to: response.firstValue(headerNames.to),
  });
}

function sameDialogParts(sent: SipMessage, method: string, extraHeaders: string): Omit<RequestParts, 'to'> {
  let headers = 'Max-Forwards: 70\r\n';
  for (let line = sent.find(headerNames.route); line !== -1; line = sent.find(headerNames.route, line + 1)) {
    headers += `Route: ${sent.value(line)}\r\n`;
  }
  return {
    method,
    uri: sent.requestUri,
    via: topViaValue(sent),
    from: sent.firstValue(headerNames.from),
    callId: sent.callId,
    cseq: sent.cseqNumber,
    headers: headers + extraHeaders,
    body: '',
  };
}

/** The first Via element as written. */
export function topViaValue(message: SipMessage): string {
  return firstElement(message.firstValue(headerNames.via));
}
