/**
 * A SIP message as ONE latin1 string of the whole datagram (one character is one byte) and an index of its header
 * lines. Typed headers are read on first use. A message is never changed: see `edits.ts`.
 * RFC 3261 7; what is left out on purpose: header fields nobody here asks for are only found, never read.
 */

import { canonicalName, type HeaderName, headerAt, headerNames, headerOf } from '#sip/header-name.ts';
import { cseqMax, headerLinesMax, maxForwardsMax } from '#sip/limits.ts';
import { checkMessage, type LineProblem } from '#sip/message-check.ts';
import { firstElement, NameAddress, parseNameAddress, splitList } from '#sip/name-address.ts';
import { ParseFailure } from '#sip/parse-failure.ts';
import { detach } from '#sip/serialize.ts';
import { readStartLine, type StartLine } from '#sip/start-line.ts';
import { decimalOf, isTokenCode, sliceTrimmed } from '#sip/token.ts';
import { parseUri, type SipUri } from '#sip/uri.ts';
import { parseVia, Via } from '#sip/via.ts';
import { assert } from '#util/assert.ts';
import { isFailure } from '#util/failure.ts';

/** Numbers per line of the index: header, name end, value start, value end, line start. */
const stride = 5;
const scratch: number[] = Array.from({ length: (headerLinesMax + 1) * stride }, () => 0);

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
  /** Null after `trim`. */
  #lines: number[] | null;
  #topVia: Via | null = null;
  #hasViaList = false;
  #from: NameAddress | null = null;
  #to: NameAddress | null = null;
  #fromTag: string | null = null;
  #toTag: string | null = null;
  #callId: string | null = null;
  #cseqNumber = -1;
  #cseqMethod = '';
  #topRoute: SipUri | null | undefined;

  /** @internal use {@link parseMessage} */
  constructor(text: string, start: StartLine, index: number[], bodyStart: number) {
    this.text = text;
    this.isRequest = start.status === 0;
    this.requestUri = start.uri;
    this.status = start.status;
    this.reason = start.reason;
    this.startLineEnd = start.end;
    this.bodyStart = bodyStart;
    this.lineCount = index.length / stride - 1;
    this.#lines = index;
    this.method = start.method === '' ? this.cseqMethod : start.method;
  }

  #indexAgain(): number[] {
    const again = parseMessage(this.text);
    assert(!isFailure(again), 'a message that was accepted cannot be read again');
    this.#lines = again.#lines;
    return again.#lines!;
  }

  /**
   * Gives back the memory of everything that can be read from the text again, half of what a message holds: for one
   * that is kept only in case a late message asks for it.
   */
  trim(): void {
    this.#lines = null;
    this.#topVia = null;
    this.#from = null;
    this.#to = null;
    this.#fromTag = null;
    this.#toTag = null;
    this.#callId = null;
    this.#topRoute = undefined;
  }

  /** Index of the next line of this header at or after line `from`; -1 when there is none. */
  find(header: HeaderName, from = 0): number {
    const index = this.#lines ?? this.#indexAgain();
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
      if ((this.#lines ?? this.#indexAgain())[line * stride] !== 0) continue;
      if (canonicalName(this.lineName(line)) === wanted) return line;
    }
    return -1;
  }

  lineHeader(line: number): HeaderName {
    return (this.#lines ?? this.#indexAgain())[line * stride] as HeaderName;
  }

  lineName(line: number): string {
    return this.text.slice(this.lineStart(line), (this.#lines ?? this.#indexAgain())[line * stride + 1]!);
  }

  lineStart(line: number): number {
    return (this.#lines ?? this.#indexAgain())[line * stride + 4]!;
  }

  /** Offset behind the line's CRLF, continuation lines included. */
  lineEnd(line: number): number {
    return line + 1 < this.lineCount ? this.lineStart(line + 1) : this.headersEnd;
  }

  /** Offset of the empty line that ends the headers: where a header line can be appended. */
  get headersEnd(): number {
    return (this.#lines ?? this.#indexAgain())[this.lineCount * stride + 4]!;
  }

  valueStart(line: number): number {
    return (this.#lines ?? this.#indexAgain())[line * stride + 2]!;
  }

  valueEnd(line: number): number {
    return (this.#lines ?? this.#indexAgain())[line * stride + 3]!;
  }

  /** The line's value, trimmed; folded lines (RFC 3261 7.3.1) joined by one blank. */
  value(line: number): string {
    const raw = this.text.slice(this.valueStart(line), this.valueEnd(line));
    return raw.includes('\n') ? unfold(raw) : raw;
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
      else for (const { start, end } of splitList(text)) values.push(sliceTrimmed(text, start, end));
    }
    return values.filter((value) => value !== '');
  }

  /** As long as Content-Length says (RFC 3261 18.3), else the rest of the datagram. */
  get body(): string {
    const length = this.contentLength;
    return this.text.slice(this.bodyStart, length < 0 ? undefined : this.bodyStart + length);
  }

  /** Bytes of the body by the header; -1 absent, -2 no number. */
  get contentLength(): number {
    const line = this.find(headerNames.contentLength);
    if (line === -1) return -1;
    const length = decimalOf(this.text, this.valueStart(line), this.valueEnd(line));
    return length < 0 ? -2 : length;
  }

  get topVia(): Via {
    if (this.#topVia === null) this.#readTopVia();
    return this.#topVia!;
  }

  /** The line of the top Via holds further elements. */
  get hasViaList(): boolean {
    if (this.#topVia === null) this.#readTopVia();
    return this.#hasViaList;
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
    const value = decimalOf(text);
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

  #readTopVia(): void {
    const value = this.firstValue(headerNames.via);
    this.#hasViaList = value.includes(',');
    this.#topVia = parseVia(this.#hasViaList ? firstElement(value) : value) ?? noVia;
  }

  #readCseq(): void {
    const value = this.firstValue(headerNames.cseq);
    let end = 0;
    while (end < value.length && value.charCodeAt(end) > 32) end++;
    const number = decimalOf(value, 0, end);
    this.#cseqMethod = sliceTrimmed(value, end);
    this.#cseqNumber = number < 0 || number > cseqMax ? -2 : number;
  }
}

/** RFC 3261 7.3.1: the line end of a continuation and the white space around it read as one blank. */
function unfold(raw: string): string {
  let text = '';
  for (const line of raw.split('\n')) text += text === '' ? sliceTrimmed(line) : ` ${sliceTrimmed(line)}`;
  return text;
}

/** Reads a datagram (latin1 text). What follows the body that Content-Length measures is not part of the message. */
export function parseMessage(text: string): SipMessage | ParseFailure {
  // RFC 3261 7.5: empty lines before the start line are ignored.
  let begin = 0;
  while (begin < text.length && (text.charCodeAt(begin) === 13 || text.charCodeAt(begin) === 10)) begin++;
  const start = readStartLine(text, begin);
  if (start instanceof ParseFailure) return start;
  let line = 0;
  let position = start.end;
  let seen = 0;
  let repeated = 0;
  let problem: LineProblem | null = null;
  for (;;) {
    const code = text.charCodeAt(position);
    if (code === 10 || (code === 13 && text.charCodeAt(position + 1) === 10)) break;
    const end = line < headerLinesMax ? indexLine(text, position, line) : 0;
    if (end > 0) {
      const bit = 1 << scratch[line * stride]!;
      repeated |= seen & bit;
      seen |= bit;
      position = end;
      line++;
      continue;
    }
    problem ??= lineProblem(line, end);
    // A line that cannot be read is left out, so that what can be read is answered.
    position = end === 0 ? text.length : -end;
    if (position === text.length) break;
  }
  scratch[line * stride + 4] = position;
  const bodyStart = position === text.length ? position : bodyAt(text, position);
  const index = scratch.slice(0, (line + 1) * stride);
  const message = new SipMessage(text, start, index, bodyStart);
  const failure = checkMessage(message, start, repeated, problem);
  if (failure !== null) return failure;
  const length = message.contentLength;
  if (length === -1 || bodyStart + length === text.length) return message;
  // RFC 3261 18.3: what follows the body is discarded.
  return new SipMessage(detach(text.slice(0, bodyStart + length)), start, index, bodyStart);
}

function bodyAt(text: string, position: number): number {
  return position + (text.charCodeAt(position) === 13 ? 2 : 1);
}

function lineProblem(line: number, end: number): LineProblem {
  if (line >= headerLinesMax) return { problem: 'Too Many Header Fields', problemStatus: 513 };
  if (end === 0) return { problem: 'Header Fields Without End', problemStatus: 400 };
  return { problem: `Header Line ${line + 1} Cannot Be Read`, problemStatus: 400 };
}

/**
 * Writes the entry of one header line (continuations included) to the scratch index. Answers the offset behind it; that
 * offset negative when the line is no header; 0 when the text ends before the line does.
 */
function indexLine(text: string, start: number, line: number): number {
  let nameEnd = start;
  // RFC 3261 25.1: header-name = token
  while (isTokenCode(text.charCodeAt(nameEnd))) nameEnd++;
  let colon = nameEnd;
  while (text.charCodeAt(colon) === 32 || text.charCodeAt(colon) === 9) colon++;
  let newline = text.indexOf('\n', colon);
  if (newline === -1) return 0;
  // RFC 3261 7.3.1: a line that begins with white space continues the one before.
  let next = text.charCodeAt(newline + 1);
  while (next === 32 || next === 9) {
    newline = text.indexOf('\n', newline + 1);
    if (newline === -1) return 0;
    next = text.charCodeAt(newline + 1);
  }
  if (nameEnd === start || text.charCodeAt(colon) !== 58) return -(newline + 1);
  let valueStart = colon + 1;
  while (valueStart < newline && text.charCodeAt(valueStart) <= 32) valueStart++;
  let valueEnd = newline;
  while (valueEnd > valueStart && text.charCodeAt(valueEnd - 1) <= 32) valueEnd--;
  const entry = line * stride;
  scratch[entry] = headerAt(text, start, nameEnd);
  scratch[entry + 1] = nameEnd;
  scratch[entry + 2] = valueStart;
  scratch[entry + 3] = valueEnd;
  scratch[entry + 4] = start;
  return newline + 1;
}
