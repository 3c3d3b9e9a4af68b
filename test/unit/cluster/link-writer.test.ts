import { describe, expect, it } from 'vitest';
import { FrameHeader, frameTypes } from '#cluster/frame.ts';
import { FrameQueue } from '#cluster/frame-queue.ts';
import { FrameReader } from '#cluster/frame-reader.ts';
import type { FramePriority } from '#cluster/frame-sender.ts';
import { LinkWriter } from '#cluster/link-writer.ts';
import { bytes } from '#util/codec.ts';

class FakeLink {
  readonly remoteAddress = '10.0.0.2';
  readonly remotePort = 1;
  readonly isSecure = false;
  readonly writes: Buffer[] = [];
  hasEnough = false;

  write(data: Buffer): boolean {
    this.writes.push(data);
    return !this.hasEnough;
  }

  close(): void {}

  distrust(): string {
    return '';
  }

  /** Type, sequence and first body byte of each frame written. */
  frames(): string[] {
    const found: string[] = [];
    const header = new FrameHeader();
    const reader = new FrameReader({
      onFrame: (data, start) => {
        header.read(data, start);
        found.push(`${header.type} #${header.sequence} ${data[start + 24]}`);
        return true;
      },
    });
    for (const data of this.writes) expect(reader.push(data)).toBe('');
    return found;
  }
}

function make(): {
  link: FakeLink;
  writer: LinkWriter;
  stale: number[];
  add: (...frame: [number, FramePriority, number, number?]) => boolean;
} {
  const link = new FakeLink();
  const stale: number[] = [];
  const writer = new LinkWriter(link, {
    onStaleForward: (node) => stale.push(node),
    onWritten: () => undefined,
  });
  const add = (now: number, priority: FramePriority, mark: number, length = 1): boolean => {
    const type = priority === 'urgent' ? frameTypes.forward : frameTypes.channel;
    const body = Buffer.alloc(length, mark);
    return writer.add(now, { type, source: 1, destination: 2 }, { type, codec: bytes, body, priority });
  };
  return { link, writer, stale, add };
}

describe('the link writer', () => {
  it('puts all that waits into one write, urgent first, and numbers frames as they leave', () => {
    const { link, writer, add } = make();
    add(0, 'bulk', 1);
    add(0, 'urgent', 2);
    add(0, 'bulk', 3);
    add(0, 'urgent', 4);
    writer.flush(1);
    expect(link.writes).toHaveLength(1);
    expect(link.frames()).toEqual(['30 #1 2', '30 #2 4', '40 #3 1', '40 #4 3']);
    writer.flush(2);
    expect(link.writes).toHaveLength(1);
  });

  it('stops when the link has enough and goes on when it drains', () => {
    const { link, writer, add } = make();
    link.hasEnough = true;
    add(0, 'bulk', 1, 50_000);
    add(0, 'bulk', 2, 50_000);
    add(0, 'bulk', 3, 100_000);
    writer.flush(0);
    expect(link.writes).toHaveLength(1);
    add(10, 'urgent', 9);
    writer.flush(10);
    expect(link.writes).toHaveLength(1);
    link.hasEnough = false;
    writer.drained(20);
    expect(link.frames()).toEqual(['40 #1 1', '30 #2 9', '40 #3 2', '40 #4 3']);
    expect(writer.frames).toBe(0);
  });

  it('drops a forward that is older than T1, without a gap in the numbers', () => {
    const { link, writer, stale, add } = make();
    add(0, 'urgent', 1);
    add(300, 'urgent', 2);
    add(0, 'bulk', 3);
    writer.flush(501);
    expect(stale).toEqual([2]);
    expect(link.frames()).toEqual(['30 #1 2', '40 #2 3']);
  });

  it('counts ages across the turn of 32-bit milliseconds', () => {
    const { link, writer, stale, add } = make();
    add(2 ** 32 - 100, 'urgent', 1);
    writer.flush(2 ** 32 + 100);
    expect([link.frames(), stale]).toEqual([['30 #1 1'], []]);
  });

  it('refuses what its queues cannot hold', () => {
    const { add, writer } = make();
    let held = 0;
    while (add(0, 'urgent', 1, 60_000)) held++;
    expect(held).toBe(17);
    expect(add(0, 'bulk', 1, 60_000)).toBe(true);
    expect(writer.frames).toBe(18);
  });
});

describe('the frame queue', () => {
  it('keeps order through growing, wrapping and emptying', () => {
    const queue = new FrameQueue(100_000);
    const target = Buffer.alloc(10_000);
    let added = 0;
    let taken = 0;
    for (let round = 0; round < 2000; round++) {
      const wanted = (round * 7) % 13;
      for (let index = 0; index < wanted; index++) {
        const body = Buffer.alloc(1 + ((added * 31) % 700), added);
        const frame = { type: frameTypes.channel, source: 1, destination: 2 } as const;
        if (queue.add(round, frame, bytes, body)) added++;
      }
      for (let index = 0; index < 6 && queue.frames > 0; index++) {
        const length = queue.firstBytes;
        expect(queue.takeFirst(target, 0)).toBe(length);
        expect(length).toBe(24 + 1 + ((taken * 31) % 700));
        expect(target[24]).toBe(taken & 0xff);
        taken++;
      }
    }
    expect(added - taken).toBe(queue.frames);
    expect(taken).toBeGreaterThan(9000);
    queue.clear();
    expect([queue.frames, queue.bytes, queue.firstBytes]).toEqual([0, 0, 0]);
  });
});
