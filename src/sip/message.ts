/**
 * A SIP message as ONE latin1 string of the whole datagram (one character is one byte) and an index of its header
 * lines. Typed headers are read on first use. A message is never changed: see `edits.ts`.
 * RFC 3261 7; what is left out on purpose: header fields nobody here asks for are only found, never read.
 */

import { canonicalName, type HeaderName, headerNames, headerOf } from '#sip/header-name.ts';
import { cseqMax, headerLinesMax, maxForwardsMax } from '#sip/limits.ts';
import { NameAddress, parseNameAddress, splitList } from '#sip/name-address.ts';
import { parseUri, type SipUri } from '#sip/uri.ts';
import { parseVia, Via } from '#sip/via.ts';
import { Failure, isFailure } from '#util/failure.ts';

/** Why a datagram is no acceptable SIP message. */
export class ParseFailure extends Failure {
  /** Set when enough of it could be read to answer it. */
  readonly partial: SipMessage | null;
  /** Status to answer with. */
  readonly status: number;
  /** Reason phrase that names the cause. */
  readonly reason: string;

  constructor(code: string, reason: string, status = 400, partial: SipMessage | null = null) {
    super(code, `not an acceptable SIP message: ${reason}`);
    this.partial = partial;
    this.status = status;
    this.reason = reason;
  }
}

/** Numbers per line of the index: header, name end, value start, value end, line start. */
const stride = 5;
const scratch = new Int32Array((headerLinesMax + 1) * stride);

const noAddress = new NameAddress('', '', '');
const noVia = new Via('', '', 0, '');

export class SipMessage {
  readonly text: string;
  readonly isRequest: boolean;
  readonly method: string;
  readonly requestUri: string;
  readonly status: number;
  readonly reason: string;
  readonly startLineEnd: number;
  readonly bodyStart: number;
  readonly lineCount: number;
  readonly #index: Int32Array;
  #topVia: Via | null = null;
  #from: NameAddress | null = null;
  #to: NameAddress | null = null;
  #fromTag: string | null = null;
  #toTag: string | null = null;
  #callId: string | null = null;
  #cseqNumber = -1;
  #cseqMethod = '';
  #topRoute: SipUri | null | undefined;

  /** @internal use {@link parseMessage} */
  constructor(
    text: string,
    start: StartLine,
    lines: { readonly index: Int32Array; readonly bodyStart: number },
  ) {
    this.text = text;
    this.isRequest = start.status === 0;
    this.requestUri = start.uri;
    this.status = start.status;
    this.reason = start.reason;
    this.startLineEnd = start.end;
    this.bodyStart = lines.bodyStart;
    this.lineCount = lines.index.length / stride - 1;
    this.#index = lines.index;
    this.method = start.method === '' ? this.cseqMethod : start.method;
  }

  /** Index of the next line of this header at or after line `from`; -1 when there is none. */
  find(header: HeaderName, from = 0): number {
    const index = this.#index;
    for (let line = from; line < this.lineCount; line++) {
      if (index[line * stride] === header) return line;
    }
    return -1;
  }

  /** The same by name, for any header; compact forms are equal. */
  findNamed(name: string, from = 0): number {
    const header = headerOf(name);
    if (header !== headerNames.other) return this.find(header, from);
    const wanted = canonicalName(name);
    for (let line = from; line < this.lineCount; line++) {
      if (this.#index[line * stride] !== 0) continue;
      if (canonicalName(this.lineName(line)) === wanted) return line;
    }
    return -1;
  }

  lineHeader(line: number): HeaderName {
    return this.#index[line * stride] as HeaderName;
  }

  lineName(line: number): string {
    return this.text.slice(this.lineStart(line), this.#index[line * stride + 1]!);
  }

  lineStart(line: number): number {
    return this.#index[line * stride + 4]!;
  }

  /** Offset behind the line's CRLF, continuation lines included. */
  lineEnd(line: number): number {
    return line + 1 < this.lineCount ? this.lineStart(line + 1) : this.headersEnd;
  }

  /** Offset of the empty line that ends the headers: where a header line can be appended. */
  get headersEnd(): number {
    return this.#index[this.lineCount * stride + 4]!;
  }

  valueStart(line: number): number {
    return this.#index[line * stride + 2]!;
  }

  valueEnd(line: number): number {
    return this.#index[line * stride + 3]!;
  }

  /** The line's value, trimmed; folded lines (RFC 3261 7.3.1) joined by one blank. */
  value(line: number): string {
    const raw = this.text.slice(this.valueStart(line), this.valueEnd(line));
    return raw.includes('\n') ? raw.replace(/[ \t]*\r?\n[ \t]+/g, ' ') : raw;
  }

  /** Value of the first line of that header; '' when absent. */
  firstValue(header: HeaderName): string {
    const line = this.find(header);
    return line === -1 ? '' : this.value(line);
  }

  /** Every element of a header that is a comma list, over all its lines. */
  values(header: HeaderName): string[] {
    const values: string[] = [];
    for (let line = this.find(header); line !== -1; line = this.find(header, line + 1)) {
      const text = this.value(line);
      if (!text.includes(',')) values.push(text);
      else for (const { start, end } of splitList(text)) values.push(text.slice(start, end).trim());
    }
    return values.filter((value) => value !== '');
  }

  /** As long as Content-Length says (RFC 3261 18.3), else the rest of the datagram. */
  get body(): string {
    const length = this.contentLength;
    return this.text.slice(this.bodyStart, length < 0 ? undefined : this.bodyStart + length);
  }

  /** -1 absent */
  get contentLength(): number {
    return numberOf(this.firstValue(headerNames.contentLength));
  }

  get topVia(): Via {
    if (this.#topVia === null)
      this.#topVia = parseVia(firstElement(this.firstValue(headerNames.via))) ?? noVia;
    return this.#topVia;
  }

  get callId(): string {
    if (this.#callId === null) this.#callId = this.firstValue(headerNames.callId);
    return this.#callId;
  }

  get cseqNumber(): number {
    if (this.#cseqNumber === -1) this.#readCseq();
    return this.#cseqNumber;
  }

  get cseqMethod(): string {
    if (this.#cseqNumber === -1) this.#readCseq();
    return this.#cseqMethod;
  }

  get from(): NameAddress {
    if (this.#from === null) this.#from = parseNameAddress(this.firstValue(headerNames.from)) ?? noAddress;
    return this.#from;
  }

  get to(): NameAddress {
    if (this.#to === null) this.#to = parseNameAddress(this.firstValue(headerNames.to)) ?? noAddress;
    return this.#to;
  }

  get fromTag(): string {
    if (this.#fromTag === null) this.#fromTag = this.from.tag;
    return this.#fromTag;
  }

  get toTag(): string {
    if (this.#toTag === null) this.#toTag = this.to.tag;
    return this.#toTag;
  }

  /** -1 absent, -2 no number from 0 to 255. */
  get maxForwards(): number {
    const text = this.firstValue(headerNames.maxForwards);
    if (text === '') return -1;
    const value = numberOf(text);
    return value < 0 || value > maxForwardsMax ? -2 : value;
  }

  /** URI of the first Route element; null without one, or when it cannot be read. */
  get topRoute(): SipUri | null {
    if (this.#topRoute !== undefined) return this.#topRoute;
    const element = firstElement(this.firstValue(headerNames.route));
    const address = element === '' ? null : parseNameAddress(element);
    const uri = address === null ? null : parseUri(address.uri);
    this.#topRoute = uri === null || isFailure(uri) ? null : uri;
    return this.#topRoute;
  }

  #readCseq(): void {
    const value = this.firstValue(headerNames.cseq);
    let end = 0;
    while (end < value.length && value.charCodeAt(end) > 32) end++;
    const number = numberOf(value.slice(0, end));
    this.#cseqMethod = value.slice(end).trim();
    this.#cseqNumber = number < 0 || number > cseqMax ? -2 : number;
  }
}

interface StartLine {
  readonly method: string;
  readonly uri: string;
  readonly status: number;
  readonly reason: string;
  readonly end: number;
}

/** A whole number without sign; -1 when the text is none. */
function numberOf(text: string): number {
  if (text.length === 0 || text.length > 10) return -1;
  let value = 0;
  for (let position = 0; position < text.length; position++) {
    const digit = text.charCodeAt(position) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function firstElement(value: string): string {
  if (!value.includes(',')) return value;
  return value.slice(0, splitList(value)[0]!.end).trim();
}

/** Reads a datagram (latin1 text). Costs well under a microsecond for an ordinary INVITE. */
export function parseMessage(text: string): SipMessage | ParseFailure {
  // RFC 3261 7.5: empty lines before the start line are ignored.
  let begin = 0;
  while (begin < text.length && (text.charCodeAt(begin) === 13 || text.charCodeAt(begin) === 10)) begin++;
  const start = readStartLine(text, begin);
  if (start instanceof ParseFailure) return start;
  let line = 0;
  let position = start.end;
  for (;;) {
    if (position >= text.length) return new ParseFailure('SIP_MESSAGE_TRUNCATED', 'the headers have no end');
    const code = text.charCodeAt(position);
    if (code === 13 || code === 10) break;
    if (line >= headerLinesMax)
      return new ParseFailure('SIP_MESSAGE_HEADERS_TOO_MANY', 'too many header lines');
    const end = indexLine(text, position, line);
    if (end === -1) return new ParseFailure('SIP_HEADER_INVALID', `header line ${line + 1} cannot be read`);
    position = end;
    line++;
  }
  scratch[line * stride + 4] = position;
  const bodyStart =
    position + (text.charCodeAt(position) === 13 && text.charCodeAt(position + 1) === 10 ? 2 : 1);
  const message = new SipMessage(text, start, { index: scratch.slice(0, (line + 1) * stride), bodyStart });
  return checkMessage(message) ?? message;
}

function readStartLine(text: string, begin: number): StartLine | ParseFailure {
  const newline = text.indexOf('\n', begin);
  if (newline === -1) return new ParseFailure('SIP_START_LINE_INVALID', 'there is no start line');
  const lineEnd = text.charCodeAt(newline - 1) === 13 ? newline - 1 : newline;
  if (text.startsWith('SIP/2.0 ', begin)) return readStatusLine(text, begin, lineEnd, newline + 1);
  const first = text.indexOf(' ', begin);
  const last = text.lastIndexOf(' ', lineEnd - 1);
  if (first === -1 || first >= lineEnd || last <= first || first === begin) {
    return new ParseFailure('SIP_START_LINE_INVALID', 'the start line is neither a request nor a response');
  }
  const version = text.slice(last + 1, lineEnd);
  if (version !== 'SIP/2.0' && !/^SIP\/\d+\.\d+$/i.test(version)) {
    return new ParseFailure('SIP_START_LINE_INVALID', 'the start line is neither a request nor a response');
  }
  const method = text.slice(begin, first);
  const uri = text.slice(first + 1, last);
  if (!isToken(method)) return new ParseFailure('SIP_START_LINE_INVALID', 'the method is no token');
  return { method, uri, status: 0, reason: version === 'SIP/2.0' ? '' : version, end: newline + 1 };
}

function readStatusLine(text: string, begin: number, lineEnd: number, end: number): StartLine | ParseFailure {
  const status = numberOf(text.slice(begin + 8, begin + 11));
  const separator = text.charCodeAt(begin + 11);
  if (status < 100 || status > 699 || (separator !== 32 && begin + 11 !== lineEnd)) {
    return new ParseFailure('SIP_START_LINE_INVALID', 'the status code is none');
  }
  return { method: '', uri: '', status, reason: text.slice(Math.min(begin + 12, lineEnd), lineEnd), end };
}

/** Writes the entry of one header line (continuations included) to the scratch index; -1 when it is no header. */
function indexLine(text: string, start: number, line: number): number {
  let colon = start;
  for (;;) {
    const code = text.charCodeAt(colon);
    if (code === 58) break;
    // NaN at the end of the text fails both comparisons and lands here too.
    if (!(code > 32) && code !== 32 && code !== 9) return -1;
    colon++;
  }
  let nameEnd = colon;
  while (nameEnd > start && text.charCodeAt(nameEnd - 1) <= 32) nameEnd--;
  if (nameEnd === start || text.charCodeAt(start) <= 32) return -1;
  let newline = text.indexOf('\n', colon);
  if (newline === -1) return -1;
  while (text.charCodeAt(newline + 1) === 32 || text.charCodeAt(newline + 1) === 9) {
    newline = text.indexOf('\n', newline + 1);
    if (newline === -1) return -1;
  }
  let valueStart = colon + 1;
  while (valueStart < newline && text.charCodeAt(valueStart) <= 32) valueStart++;
  let valueEnd = newline;
  while (valueEnd > valueStart && text.charCodeAt(valueEnd - 1) <= 32) valueEnd--;
  const entry = line * stride;
  scratch[entry] = headerOf(text.slice(start, nameEnd));
  scratch[entry + 1] = nameEnd;
  scratch[entry + 2] = valueStart;
  scratch[entry + 3] = valueEnd;
  scratch[entry + 4] = start;
  return newline + 1;
}

/** RFC 3261 8.1.1 and 16.3: what every message must have; null when all of it is there. */
function checkMessage(message: SipMessage): ParseFailure | null {
  const missing = (name: string): ParseFailure => new ParseFailure('SIP_HEADER_MISSING', `no valid ${name}`);
  const via = message.topVia;
  if (via.host === '') return missing('Via');
  if (message.from.uri === '') return missing('From');
  if (message.to.uri === '') return missing('To');
  if (message.callId === '') return missing('Call-ID');
  const partial = (reason: string, status = 400): ParseFailure =>
    new ParseFailure('SIP_MESSAGE_INVALID', reason, status, message);
  if (message.isRequest && message.reason !== '') return partial('Version Not Supported', 505);
  if (message.cseqNumber < 0) return partial('Invalid CSeq');
  if (message.isRequest && message.cseqMethod !== message.method) return partial('CSeq method differs');
  const line = message.find(headerNames.contentLength);
  if (line !== -1) {
    const length = message.contentLength;
    // RFC 3261 18.3: a datagram shorter than its Content-Length is an error.
    if (length < 0 || message.bodyStart + length > message.text.length)
      return partial('Invalid Content-Length');
  }
  if (message.isRequest && message.requestUri === '') return partial('Invalid Request-URI');
  return null;
}

/** RFC 3261 25.1 token */
export function isToken(text: string): boolean {
  if (text.length === 0) return false;
  for (let position = 0; position < text.length; position++) {
    const code = text.charCodeAt(position);
    const letter = code | 32;
    if ((letter >= 97 && letter <= 122) || (code >= 48 && code <= 57)) continue;
    if ("-.!%*_+`'~".indexOf(text[position]!) === -1) return false;
  }
  return true;
}
