/**
 * Encoded frames that wait for a link, in the order in which they came: one growing buffer, used again and again, so
 * that a frame is encoded straight into its place. Before each frame stands the time of its arrival, for those that
 * are worth nothing when they are late. Bounded in bytes; what does not fit is the caller's to count.
 */

import { type FrameAddress, headerBytes, lengthBytes, writeFrameHeader } from '#cluster/frame.ts';
import { type Codec, readU32, writeU32 } from '#util/codec.ts';

/** `u32` of milliseconds before each frame. */
const timeBytes = 4;
const firstCapacityBytes = 4096;
/** A buffer that grew beyond this under pressure is given back once it is empty. */
const keptCapacityBytes = 256 * 1024;

const noBytes = Buffer.alloc(0);

export class FrameQueue {
  readonly #bytesMax: number;
  #buffer: Buffer = noBytes;
  #head = 0;
  #tail = 0;
  #frames = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get frames(): number {
    return this.#frames;
  }

  get bytes(): number {
    return this.#tail - this.#head;
  }

  /** Encodes the frame into the queue; false when it would hold more than its limit. */
  add<Body>(now: number, frame: FrameAddress, codec: Codec<Body>, body: Body): boolean {
    const frameBytes = headerBytes + codec.size(body);
    if (!this.#reserve(timeBytes + frameBytes)) return false;
    const start = this.#tail + timeBytes;
    writeU32(now >>> 0, this.#buffer, this.#tail);
    codec.write(body, this.#buffer, writeFrameHeader(this.#buffer, start, frame, frameBytes));
    this.#append(timeBytes + frameBytes);
    return true;
  }

  /** Takes a whole encoded frame, as a node that relays it does. */
  addEncoded(now: number, bytes: Buffer, start: number, end: number): boolean {
    if (!this.#reserve(timeBytes + end - start)) return false;
    writeU32(now >>> 0, this.#buffer, this.#tail);
    bytes.copy(this.#buffer, this.#tail + timeBytes, start, end);
    this.#append(timeBytes + end - start);
    return true;
  }

  /** Bytes of the first frame, 0 when empty. */
  get firstBytes(): number {
    return this.#frames === 0 ? 0 : lengthBytes + readU32(this.#buffer, this.#head + timeBytes);
  }

  get firstType(): number {
    const at = this.#head + timeBytes + lengthBytes;
    return (this.#buffer[at]! << 8) | this.#buffer[at + 1]!;
  }

  get firstDestination(): number {
    return readU32(this.#buffer, this.#head + timeBytes + 12);
  }

  /** Milliseconds that the first frame has waited. */
  firstAge(now: number): number {
    return ((now >>> 0) - readU32(this.#buffer, this.#head)) >>> 0;
  }

  /** Copies the first frame to `target` at `offset` and drops it; returns the offset behind it. */
  takeFirst(target: Buffer, offset: number): number {
    const start = this.#head + timeBytes;
    const length = this.firstBytes;
    this.#buffer.copy(target, offset, start, start + length);
    this.dropFirst();
    return offset + length;
  }

  dropFirst(): void {
    this.#head += timeBytes + this.firstBytes;
    this.#frames--;
    if (this.#frames === 0) this.#rewind();
  }

  clear(): void {
    this.#frames = 0;
    this.#rewind();
  }

  #rewind(): void {
    this.#head = 0;
    this.#tail = 0;
    if (this.#buffer.length > keptCapacityBytes) this.#buffer = noBytes;
  }

  #append(bytes: number): void {
    this.#tail += bytes;
    this.#frames++;
  }

  #reserve(bytes: number): boolean {
    if (this.#tail + bytes <= this.#buffer.length) return this.bytes + bytes <= this.#bytesMax;
    const used = this.bytes;
    if (used + bytes > this.#bytesMax) return false;
    if (used + bytes <= this.#buffer.length / 2) {
      this.#buffer.copyWithin(0, this.#head, this.#tail);
    } else {
      const grown = Buffer.allocUnsafeSlow(Math.max(firstCapacityBytes, (used + bytes) * 2));
      this.#buffer.copy(grown, 0, this.#head, this.#tail);
      this.#buffer = grown;
    }
    this.#head = 0;
    this.#tail = used;
    return true;
  }
}
