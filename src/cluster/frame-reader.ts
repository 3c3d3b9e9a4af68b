/**
 * Cuts a byte stream into frames, whatever the chunks it comes in. A frame that lies within one chunk is handed on in
 * place; only what straddles two chunks is copied. A length that is too small or above the limit ends the stream:
 * behind it nothing can be trusted.
 */

import { frameBytesMax, headerBytes, lengthBytes } from '#cluster/frame.ts';
import { readU32 } from '#util/codec.ts';

export interface FrameSink {
  /** `bytes` from `start` to `end` is one whole frame, valid during this call. False: read no further. */
  onFrame(bytes: Buffer, start: number, end: number): boolean;
}

const noBytes = Buffer.alloc(0);

export class FrameReader {
  readonly #sink: FrameSink;
  /** The beginning of a frame whose end has not come yet. */
  #rest: Buffer = noBytes;
  #restLength = 0;
  #stopped = false;
  /** Of a whole frame; raised once the peer has proved who it is. */
  frameBytesMax: number;

  constructor(sink: FrameSink, bytesMax = frameBytesMax) {
    this.#sink = sink;
    this.frameBytesMax = bytesMax;
  }

  /** '' or what is wrong with the stream, in words for the log. After a problem or a stop, nothing is read any more. */
  push(chunk: Buffer): string {
    if (this.#stopped) return '';
    let start = 0;
    while (this.#restLength > 0 && start < chunk.length && !this.#stopped) {
      const taken = this.#fillRest(chunk, start);
      if (taken === -1) return this.#problem(readU32(this.#rest, 0));
      start += taken;
    }
    return this.#restLength > 0 ? '' : this.#readInPlace(chunk, start);
  }

  #readInPlace(chunk: Buffer, from: number): string {
    let start = from;
    while (!this.#stopped) {
      const left = chunk.length - start;
      if (left < lengthBytes) break;
      const length = readU32(chunk, start);
      if (!this.#isLength(length)) return this.#problem(length);
      const end = start + lengthBytes + length;
      if (end > chunk.length) break;
      if (!this.#sink.onFrame(chunk, start, end)) this.#stopped = true;
      start = end;
    }
    if (!this.#stopped && start < chunk.length) this.#keep(chunk, start, chunk.length);
    return '';
  }

  /** Adds to the kept beginning what it lacks, and delivers it when whole. Bytes used, or -1: a bad length. */
  #fillRest(chunk: Buffer, start: number): number {
    const wanted = this.#restLength < lengthBytes ? lengthBytes : lengthBytes + readU32(this.#rest, 0);
    const taken = Math.min(wanted - this.#restLength, chunk.length - start);
    this.#keep(chunk, start, start + taken);
    if (this.#restLength < wanted) return taken;
    if (wanted === lengthBytes) return this.#isLength(readU32(this.#rest, 0)) ? taken : -1;
    const frame = this.#rest;
    this.#rest = noBytes;
    this.#restLength = 0;
    if (!this.#sink.onFrame(frame, 0, wanted)) this.#stopped = true;
    return taken;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const needed = this.#restLength + end - start;
    if (this.#rest.length < needed) {
      const announced = this.#announcedBytes(chunk, start, end);
      const grown = Buffer.allocUnsafe(Math.max(needed, Math.min(announced, needed * 2), 64));
      this.#rest.copy(grown, 0, 0, this.#restLength);
      this.#rest = grown;
    }
    chunk.copy(this.#rest, this.#restLength, start, end);
    this.#restLength = needed;
  }

  /** How long the whole frame will be. Memory grows with what has come, never with what was only announced. */
  #announcedBytes(chunk: Buffer, start: number, end: number): number {
    if (this.#restLength >= lengthBytes) return lengthBytes + readU32(this.#rest, 0);
    if (this.#restLength === 0 && end - start >= lengthBytes) return lengthBytes + readU32(chunk, start);
    return lengthBytes;
  }

  #isLength(length: number): boolean {
    return length >= headerBytes - lengthBytes && length + lengthBytes <= this.frameBytesMax;
  }

  #problem(length: number): string {
    this.#stopped = true;
    return `a frame announced ${length} bytes (from ${headerBytes - lengthBytes} to ${this.frameBytesMax - lengthBytes} are allowed)`;
  }
}
