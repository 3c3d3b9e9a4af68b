/**
 * Cuts a byte stream into SIP messages by Content-Length (RFC 3261 18.3) and finds the keep-alives between them
 * (RFC 5626 3.5.1). Bytes may come in pieces of any size. Invariant: what cannot be framed ends the stream, for nobody
 * could say where the next message begins; the Failure says what it was.
 */

import { messageBytesMax } from '#sip/limits.ts';
import { Failure } from '#util/failure.ts';

export interface FrameUser {
  /** One whole message; the bytes may be kept. */
  onFrame(bytes: Buffer): void;
  /** A double CRLF between messages, which wants a CRLF. */
  onPing(): void;
}

const carriageReturn = 13;
const lineFeed = 10;
const noBytes = Buffer.alloc(0);
const headEnd = Buffer.from('\r\n\r\n');
/** The first buffer of a message that comes in pieces; it doubles as needed. */
const firstCapacityBytes = 2048;

export class StreamFramer {
  /** What came of a message that is not whole yet, in a buffer that may have room behind it. */
  #buffer: Buffer = noBytes;
  #length = 0;
  /** Of the message that the buffer begins with; 0 while its head is not whole. */
  #messageLength = 0;
  /** Everything before this was searched for the end of the head. */
  #searched = 0;
  /** How much of a double CRLF has come between two messages. */
  #blank = 0;
  #isBroken = false;

  /** True while a message has begun and is not whole. */
  get isInside(): boolean {
    return this.#length > 0;
  }

  /** Failure SIP_STREAM_UNFRAMED: nothing more can be read of this stream. */
  push(bytes: Buffer, user: FrameUser): Failure | null {
    if (this.#isBroken) return null;
    let offset = 0;
    while (offset < bytes.length) {
      if (this.#length === 0) {
        offset = this.#skipBlank(bytes, offset, user);
        if (offset === bytes.length) return null;
        // Nearly always a message comes whole, and is cut out of the bytes that came.
        const end = this.#end(bytes, offset, bytes.length, offset);
        if (typeof end !== 'number') return this.#break(end);
        if (end > 0 && end <= bytes.length) {
          user.onFrame(bytes.subarray(offset, end));
          offset = end;
          continue;
        }
        this.#messageLength = end === 0 ? 0 : end - offset;
        this.#keep(bytes.subarray(offset));
        this.#searched = this.#length;
        return null;
      }
      const taken = this.#continue(bytes, offset, user);
      if (typeof taken !== 'number') return this.#break(taken);
      offset += taken;
    }
    return null;
  }

  /** More of the message that has begun; how many of the bytes belong to it. */
  #continue(bytes: Buffer, offset: number, user: FrameUser): number | Failure {
    const before = this.#length;
    if (this.#messageLength === 0) {
      this.#keep(bytes.subarray(offset));
      const end = this.#end(this.#buffer, 0, this.#length, Math.max(0, this.#searched - headEnd.length + 1));
      if (typeof end !== 'number') return end;
      this.#searched = this.#length;
      this.#messageLength = end;
    } else this.#keep(bytes.subarray(offset, offset + this.#messageLength - this.#length));
    if (this.#messageLength === 0 || this.#length < this.#messageLength) return this.#length - before;
    const taken = this.#messageLength - before;
    const message = this.#buffer.subarray(0, this.#messageLength);
    this.#forget();
    user.onFrame(message);
    return taken;
  }

  /** RFC 3261 7.5: CRLFs before a start line are nothing; two in a row ask for an answer (RFC 5626 3.5.1). */
  #skipBlank(bytes: Buffer, start: number, user: FrameUser): number {
    let offset = start;
    for (; offset < bytes.length; offset++) {
      const byte = bytes[offset]!;
      if (byte !== carriageReturn && byte !== lineFeed) {
        this.#blank = 0;
        break;
      }
      const wanted = this.#blank % 2 === 0 ? carriageReturn : lineFeed;
      if (byte !== wanted) this.#blank = byte === carriageReturn ? 1 : 0;
      else if (++this.#blank === headEnd.length) {
        this.#blank = 0;
        user.onPing();
      }
    }
    return offset;
  }

  /** Where the message that begins at `start` ends; it may be behind `end`. 0: its head is not whole. */
  #end(bytes: Buffer, start: number, end: number, searchFrom: number): number | Failure {
    if (!isTokenByte(bytes[start]!)) return unframed('it begins like no SIP message');
    // Room may be behind `end`: what is found there is of an older message.
    const found = bytes.indexOf(headEnd, searchFrom);
    if (found === -1 || found + headEnd.length > end) {
      return end - start > messageBytesMax ? unframed(tooLong) : 0;
    }
    const bodyStart = found + headEnd.length;
    const length = contentLength(bytes.toString('latin1', start, found));
    if (typeof length !== 'number') return length;
    if (bodyStart - start + length > messageBytesMax) return unframed(tooLong);
    return bodyStart + length;
  }

  #keep(bytes: Buffer): void {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length) {
      const capacity = Math.max(firstCapacityBytes, this.#messageLength, length, this.#buffer.length * 2);
      const buffer = Buffer.allocUnsafeSlow(capacity);
      this.#buffer.copy(buffer, 0, 0, this.#length);
      this.#buffer = buffer;
    }
    bytes.copy(this.#buffer, this.#length);
    this.#length = length;
  }

  #forget(): void {
    this.#buffer = noBytes;
    this.#length = 0;
    this.#messageLength = 0;
    this.#searched = 0;
  }

  #break(failure: Failure): Failure {
    this.#isBroken = true;
    this.#forget();
    return failure;
  }
}

const tooLong = `a message of more than ${messageBytesMax} bytes`;

/** RFC 3261 18.3: over a stream every message has one. Several that differ would let two readers see two messages. */
function contentLength(head: string): number | Failure {
  let found = -1;
  let lineEnd = head.indexOf('\r\n');
  while (lineEnd !== -1) {
    const start = lineEnd + 2;
    lineEnd = head.indexOf('\r\n', start);
    const first = head.charCodeAt(start) | 0x20;
    if (first !== 0x63 && first !== 0x6c) continue;
    const match = /^(?:content-length|l)[ \t]*:((?:\r\n[ \t]|[^\r\n])*)/i.exec(
      head.slice(start, start + lineCharactersMax),
    );
    if (match === null) continue;
    const text = match[1]!.trim();
    if (!/^\d{1,9}$/.test(text)) return unframed(`Content-Length is "${text.slice(0, 20)}"`);
    if (found !== -1 && found !== Number(text)) return unframed('two Content-Lengths differ');
    found = Number(text);
  }
  return found === -1 ? unframed('a message without Content-Length') : found;
}

/** A Content-Length line, blanks and folding included, is never longer. */
const lineCharactersMax = 200;

/** Letters, digits and the few marks that a method may begin with; `SIP/2.0` too. */
function isTokenByte(byte: number): boolean {
  if (byte < 0x21 || byte > 0x7e) return false;
  return (
    (byte >= 0x30 && byte <= 0x39) || (byte | 0x20) >= 0x61 || "!%'*+-.".includes(String.fromCharCode(byte))
  );
}

function unframed(problem: string): Failure {
  return new Failure('SIP_STREAM_UNFRAMED', problem);
}
