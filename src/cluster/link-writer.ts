/**
 * What leaves over one link: two bounded queues, urgent before bulk, and one write for everything that one turn of the
 * event loop brought. Stops when the link has enough and goes on when it drains. A forwarded datagram that waited
 * longer than T1 is dropped: its sender has repeated it by then (RFC 3261 17.1.1.2).
 */

import type { FrameAddress } from '#cluster/frame.ts';
import { frameTypes, headerBytes, writeFrameHeader, writeFrameSequence } from '#cluster/frame.ts';
import { FrameQueue } from '#cluster/frame-queue.ts';
import type { FramePriority, OutgoingFrame } from '#cluster/frame-sender.ts';
import type { Link } from '#cluster/link-transport.ts';
import type { Codec } from '#util/codec.ts';

/** About a thousand SIP messages: what a link of 1 Gbit/s carries in 10 ms. */
const urgentBytesMax = 1024 * 1024;
/** A snapshot of 100,000 dialogs. */
const bulkBytesMax = 64 * 1024 * 1024;
/** One write. Urgent frames wait behind at most one of these. */
const writeBytesMax = 64 * 1024;
/** RFC 3261 T1. */
export const forwardAgeMillisecondsMax = 500;

export interface LinkWriterUser {
  onStaleForward(destination: number): void;
  onWritten(frames: number, bytes: number): void;
}

export class LinkWriter {
  readonly #link: Link;
  readonly #user: LinkWriterUser;
  readonly urgent = new FrameQueue(urgentBytesMax);
  readonly bulk = new FrameQueue(bulkBytesMax);
  #sequence = 0;
  #isFull = false;

  constructor(link: Link, user: LinkWriterUser) {
    this.#link = link;
    this.#user = user;
  }

  get frames(): number {
    return this.urgent.frames + this.bulk.frames;
  }

  get bytes(): number {
    return this.urgent.bytes + this.bulk.bytes;
  }

  queue(priority: FramePriority): FrameQueue {
    return priority === 'urgent' ? this.urgent : this.bulk;
  }

  /** False when its queue is full. */
  add<Body>(now: number, address: FrameAddress, frame: OutgoingFrame<Body>): boolean {
    return this.queue(frame.priority).add(now, address, frame.codec, frame.body);
  }

  /** Past the queues, for the handshake and a farewell. */
  writeAlone<Body>(address: FrameAddress, codec: Codec<Body>, body: Body): void {
    const bytes = Buffer.allocUnsafe(headerBytes + codec.size(body));
    codec.write(body, bytes, writeFrameHeader(bytes, 0, address, bytes.length));
    writeFrameSequence(bytes, 0, ++this.#sequence);
    this.#link.write(bytes);
  }

  drained(now: number): void {
    this.#isFull = false;
    this.flush(now);
  }

  flush(now: number): void {
    while (!this.#isFull && this.frames > 0) {
      const first = this.urgent.frames > 0 ? this.urgent.firstBytes : this.bulk.firstBytes;
      const batch = Buffer.allocUnsafe(Math.max(first, Math.min(this.bytes, writeBytesMax)));
      let end = this.#take(now, this.urgent, batch, 0);
      // What is left of the urgent queue goes before anything of the other.
      if (this.urgent.frames === 0) end = this.#take(now, this.bulk, batch, end);
      if (end === 0) continue;
      this.#isFull = !this.#link.write(end === batch.length ? batch : batch.subarray(0, end));
    }
  }

  #take(now: number, queue: FrameQueue, batch: Buffer, from: number): number {
    let offset = from;
    let frames = 0;
    while (queue.frames > 0 && offset + queue.firstBytes <= batch.length) {
      if (queue.firstType === frameTypes.forward && queue.firstAge(now) > forwardAgeMillisecondsMax) {
        this.#user.onStaleForward(queue.firstDestination);
        queue.dropFirst();
        continue;
      }
      const start = offset;
      offset = queue.takeFirst(batch, offset);
      writeFrameSequence(batch, start, ++this.#sequence);
      frames++;
    }
    if (frames > 0) this.#user.onWritten(frames, offset - from);
    return offset;
  }
}
