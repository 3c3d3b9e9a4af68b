import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FrameHeader,
  frameTypes,
  headerBytes,
  writeFrameHeader,
  writeFrameSequence,
} from '#cluster/frame.ts';
import { FrameReader } from '#cluster/frame-reader.ts';

function frame(body: Uint8Array, sequence = 0): Buffer {
  const bytes = Buffer.alloc(headerBytes + body.length);
  const address = { type: frameTypes.channel, source: 1, destination: 2 };
  Buffer.from(body).copy(bytes, writeFrameHeader(bytes, 0, address, bytes.length));
  writeFrameSequence(bytes, 0, sequence);
  return bytes;
}

/** What a reader delivers of the chunks, and the first problem it names. */
function read(chunks: readonly Buffer[], bytesMax?: number): { frames: string[]; problem: string } {
  const frames: string[] = [];
  const reader = new FrameReader(
    {
      onFrame: (bytes, start, end) => {
        frames.push(bytes.toString('hex', start, end));
        return true;
      },
    },
    bytesMax,
  );
  for (const chunk of chunks) {
    const problem = reader.push(chunk);
    if (problem !== '') return { frames, problem };
  }
  return { frames, problem: '' };
}

describe('the frame reader', () => {
  const streams = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 });
  const cuts = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 40 });

  it('delivers the same frames whatever the chunks are', () => {
    fc.assert(
      fc.property(streams, cuts, (bodies, lengths) => {
        const expected = bodies.map((body) => frame(body));
        const stream = Buffer.concat(expected);
        const chunks: Buffer[] = [];
        for (let start = 0, index = 0; start < stream.length; index++) {
          const length = lengths[index % lengths.length]!;
          chunks.push(Buffer.from(stream.subarray(start, start + length)));
          start += length;
        }
        const { frames, problem } = read(chunks);
        expect(problem).toBe('');
        expect(frames).toEqual(expected.map((bytes) => bytes.toString('hex')));
      }),
    );
  });

  it('survives random bytes in random chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 })), (chunks) => {
        read(
          chunks.map((chunk) => Buffer.from(chunk)),
          4096,
        );
      }),
    );
  });

  it.each([0, 15, 81, 0xffff_ffff])('ends the stream at a length of %i', (length) => {
    const bytes = Buffer.alloc(24);
    bytes.writeUInt32BE(length, 0);
    for (const chunks of [
      [bytes],
      [bytes.subarray(0, 2), bytes.subarray(2)],
      [...bytes].map((byte) => Buffer.from([byte])),
    ]) {
      const { frames, problem } = read([frame(Buffer.alloc(60)), ...chunks], 84);
      expect(frames).toHaveLength(1);
      expect(problem).toBe(`a frame announced ${length} bytes (from 16 to 80 are allowed)`);
    }
  });

  it('reads no further once told to stop', () => {
    let seen = 0;
    const reader = new FrameReader({ onFrame: () => ++seen < 2 });
    expect(reader.push(Buffer.concat([1, 2, 3].map((body) => frame(Buffer.from([body])))))).toBe('');
    expect(reader.push(frame(Buffer.from([4])))).toBe('');
    expect(seen).toBe(2);
  });

  it('takes larger frames once the limit is raised', () => {
    const sizes: number[] = [];
    const reader = new FrameReader({ onFrame: (_bytes, start, end) => sizes.push(end - start) > 0 }, 100);
    reader.frameBytesMax = 70_000;
    const large = frame(Buffer.alloc(60_000, 1));
    for (let start = 0; start < large.length; start += 1000) reader.push(large.subarray(start, start + 1000));
    expect(sizes).toEqual([60_000 + headerBytes]);
  });
});

describe('the frame header', () => {
  it('is twenty bytes, in the order of the wire format', () => {
    const bytes = frame(Buffer.from([0xab]), 0x01020304);
    expect(bytes.toString('hex')).toBe('00000011002801000000000100000002' + '01020304' + 'ab');
    const header = new FrameHeader();
    header.read(bytes, 0);
    expect({ ...header }).toEqual({
      type: 40,
      version: 1,
      flags: 0,
      source: 1,
      destination: 2,
      sequence: 0x01020304,
    });
  });
});
