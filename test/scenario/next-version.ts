/**
 * What a node of the next version would send: every frame after the handshake says body version 2 and has one field more
 * at its end, and in between come frames of a type that nobody knows yet. Frames are numbered anew, as it would do.
 */

import { headerBytes } from '#cluster/frame.ts';

const nextBodyVersion = 2;
const unknownType = 60;
const lastHandshakeType = 4;
const field = Buffer.from('0badcafe', 'hex');

export class NextVersion {
  readonly #sequences = new WeakMap<object, number>();
  /** Frames of the unknown type so far. */
  unknownSent = 0;

  /** `written`: whole frames, as a link writes them. */
  translate(link: object, written: Buffer): Buffer {
    const out: Buffer[] = [];
    for (let start = 0; start < written.length; ) {
      const end = start + 4 + written.readUInt32BE(start);
      const frame = written.subarray(start, end);
      start = end;
      if (frame.readUInt16BE(4) <= lastHandshakeType) {
        out.push(this.#numbered(link, frame));
        continue;
      }
      const unknown = Buffer.concat([frame.subarray(0, headerBytes), Buffer.from('what is this')]);
      unknown.writeUInt16BE(unknownType, 4);
      this.unknownSent++;
      out.push(this.#numbered(link, unknown), this.#numbered(link, Buffer.concat([frame, field])));
    }
    return Buffer.concat(out);
  }

  #numbered(link: object, frame: Buffer): Buffer {
    const sequence = (this.#sequences.get(link) ?? 0) + 1;
    this.#sequences.set(link, sequence);
    const copy = Buffer.from(frame);
    copy.writeUInt32BE(copy.length - 4, 0);
    if (copy.readUInt16BE(4) > lastHandshakeType) copy[6] = nextBodyVersion;
    copy.writeUInt32BE(sequence, 16);
    return copy;
  }
}
