/** Messages that simulated user agents write, and what they read from those that reach them (RFC 3261 8 and 12). */

import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { isFailure } from '#util/failure.ts';

export const t1 = 500;
export const t2 = 4000;
/** 64 × T1 */
export const longest = 64 * t1;

/** One side of a dialog as its user agent keeps it (RFC 3261 12). */
export interface DialogSide {
  readonly callId: string;
  readonly localUri: string;
  readonly localTag: string;
  readonly remoteUri: string;
  remoteTag: string;
  remoteTarget: string;
  routes: readonly string[];
  cseq: number;
}

export interface RequestParts {
  readonly method: string;
  readonly uri: string;
  readonly branch: string;
  readonly address: string;
  readonly cseq: number;
  /** Header lines with Contact, Route and whatever else, each ending in CRLF. */
  readonly headers: string;
}

export function requestText(dialog: DialogSide, parts: RequestParts): string {
  const toTag = dialog.remoteTag === '' ? '' : `;tag=${dialog.remoteTag}`;
  return (
    `${parts.method} ${parts.uri} SIP/2.0\r\nVia: SIP/2.0/UDP ${parts.address};branch=${parts.branch}\r\n` +
    `From: <${dialog.localUri}>;tag=${dialog.localTag}\r\nTo: <${dialog.remoteUri}>${toTag}\r\n` +
    `Call-ID: ${dialog.callId}\r\nCSeq: ${parts.cseq} ${parts.method}\r\nMax-Forwards: 70\r\n` +
    `${parts.headers}Content-Length: 0\r\n\r\n`
  );
}

export function routeLines(routes: readonly string[]): string {
  return routes.map((route) => `Route: ${route}\r\n`).join('');
}

export function responseText(
  request: SipMessage,
  parts: {
    readonly status: number;
    readonly reason: string;
    readonly tag: string;
    readonly headers?: string;
  },
): string {
  const lines = [`SIP/2.0 ${parts.status} ${parts.reason}`];
  for (let line = 0; line < request.lineCount; line++) {
    const header = request.lineHeader(line);
    if (header === headerNames.via || (header === headerNames.recordRoute && parts.status > 100))
      lines.push(`${request.lineName(line)}: ${request.value(line)}`);
  }
  const to = request.firstValue(headerNames.to);
  lines.push(`From: ${request.firstValue(headerNames.from)}`);
  lines.push(`To: ${to}${request.toTag === '' && parts.status > 100 ? `;tag=${parts.tag}` : ''}`);
  lines.push(`Call-ID: ${request.callId}`, `CSeq: ${request.cseqNumber} ${request.cseqMethod}`);
  return `${lines.join('\r\n')}\r\n${parts.headers ?? ''}Content-Length: 0\r\n\r\n`;
}

/** Throws: what the nodes send can always be read. */
export function read(text: string): SipMessage {
  const message = parseMessage(text);
  if (isFailure(message)) throw new Error(`${message.message}:\n${text}`);
  return message;
}

/** `host:port` that the responses to this request go to (RFC 3261 18.2.2). */
export function replyAddress(request: SipMessage): string {
  const { host, port, received } = request.topVia;
  return `${received === null || received === '' ? host : received}:${port === 0 ? 5060 : port}`;
}

/** `host:port` of a SIP URI or the first Route. */
export function hopOf(uri: string): string {
  const parts = /(?:@|sip:)([\d.]+)(?::(\d+))?(?=[;>?]|$)/.exec(uri);
  if (parts === null) throw new Error(`no address: ${uri}`);
  return `${parts[1]}:${parts[2] ?? '5060'}`;
}

export function contactOf(message: SipMessage): string {
  return /<([^>]*)>/.exec(message.firstValue(headerNames.contact))?.[1] ?? '';
}
