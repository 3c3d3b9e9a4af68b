/** What a stranger may do to a node: nothing, and it costs the node little. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Connection, type ConnectionUser } from '#cluster/connection.ts';
import {
  type FrameName,
  frameTypes,
  headerBytes,
  writeFrameHeader,
  writeFrameSequence,
} from '#cluster/frame.ts';
import { type Hello, helloCodec, isProof, makeProof, proofCodec, refuseCodec } from '#cluster/hello.ts';
import { type Codec, encode, nothing } from '#util/codec.ts';
import { TimerQueue } from '#util/timer-queue.ts';

const secret = Buffer.from('open sesame');

/** Bytes as they are, without a length. */
const raw: Codec<Buffer> = {
  size: (value) => value.length,
  write: (value, bytes, offset) => offset + value.copy(bytes, offset),
  read: () => Buffer.alloc(0),
};

function hello(nodeId: number, changes: Partial<Hello> = {}): Hello {
  return {
    protocolLowest: 1,
    protocolHighest: 1,
    clusterId: 1,
    nodeId,
    incarnation: 1,
    instance: Buffer.alloc(8, nodeId),
    capabilities: 15,
    nonce: Buffer.alloc(16, nodeId),
    software: 'test',
    ...changes,
  };
}

function proofOf(key: Uint8Array, prover: Hello, verifier: Hello, dialled: boolean): Buffer {
  return makeProof(key, encode(helloCodec, prover), encode(helloCodec, verifier), dialled);
}

class Bench implements ConnectionUser {
  readonly timers = new TimerQueue();
  readonly secrets: readonly Uint8Array[] = [secret];
  readonly events: string[] = [];
  readonly written: Buffer[] = [];
  closed = 0;
  readonly connection: Connection;
  #sequence = 0;

  /** Node 1 as the accepting side; 2 talks to it. */
  constructor() {
    this.connection = new Connection(this, hello(1), 0);
    const link = {
      remoteAddress: '10.0.0.2',
      remotePort: 4711,
      isSecure: false,
      distrust: () => '',
      write: (bytes: Buffer): boolean => {
        this.written.push(Buffer.from(bytes));
        return true;
      },
      close: (): void => {
        this.closed++;
      },
    };
    this.connection.begin(0, link, { onStaleForward: () => undefined, onWritten: () => undefined });
  }

  judge(): null {
    return null;
  }

  onAuthenticated(): void {
    this.events.push('up');
  }

  onFrame(_connection: Connection, frame: { header: { type: number } }): void {
    this.events.push(`frame ${frame.header.type}`);
  }

  onRefusal(_connection: Connection, refusal: { reason: string }, byPeer: boolean): void {
    this.events.push(`${byPeer ? 'refused by peer' : 'refused'}: ${refusal.reason}`);
  }

  onLost(_connection: Connection, reason: string): void {
    this.events.push(`lost: ${reason}`);
  }

  send<Body>(name: FrameName, codec: Codec<Body>, body: Body): void {
    const encoded = encode(codec, body);
    const bytes = Buffer.alloc(headerBytes + encoded.length);
    encoded.copy(
      bytes,
      writeFrameHeader(bytes, 0, { type: frameTypes[name], source: 2, destination: 1 }, bytes.length),
    );
    writeFrameSequence(bytes, 0, ++this.#sequence);
    this.connection.onBytes(bytes, 1);
  }

  skipSequence(): void {
    this.#sequence++;
  }

  typesWritten(): number[] {
    return this.written.map((bytes) => bytes.readUInt16BE(4));
  }
}

const validProof = { mac: proofOf(secret, hello(2), hello(1), true) };

describe('an accepted connection', () => {
  it('says nothing to one that says nothing, and ends it after three seconds', () => {
    const bench = new Bench();
    bench.timers.advance(2999);
    expect(bench.events).toEqual([]);
    bench.timers.advance(3000);
    expect(bench.events).toEqual(['lost: no handshake within 3 s']);
    expect([bench.written.length, bench.closed]).toEqual([0, 1]);
  });

  it('shows its proof only to one that has proved itself', () => {
    const bench = new Bench();
    bench.send('hello', helloCodec, hello(2));
    expect(bench.typesWritten()).toEqual([frameTypes.hello]);
    bench.send('proof', proofCodec, validProof);
    expect(bench.typesWritten()).toEqual([frameTypes.hello, frameTypes.proof]);
    expect(bench.events).toEqual(['up']);
    bench.send('goodbye', nothing, null);
    expect(bench.events).toEqual(['up', `frame ${frameTypes.goodbye}`]);
    expect(bench.timers.size).toBe(0);
  });

  it.each([
    ['another secret', proofOf(Buffer.from('other'), hello(2), hello(1), true)],
    ['the other side', proofOf(secret, hello(2), hello(1), false)],
    ['the roles swapped', proofOf(secret, hello(1), hello(2), true)],
    ['another nonce', proofOf(secret, hello(2), hello(1, { nonce: Buffer.alloc(16, 9) }), true)],
    ['another incarnation', proofOf(secret, hello(2, { incarnation: 9 }), hello(1), true)],
    ['another instance', proofOf(secret, hello(2, { instance: Buffer.alloc(8) }), hello(1), true)],
    ['nothing', Buffer.alloc(0)],
    ['half of it', validProof.mac.subarray(0, 16)],
  ])('refuses a proof of %s', (_name, mac) => {
    const bench = new Bench();
    bench.send('hello', helloCodec, hello(2));
    bench.send('proof', proofCodec, { mac });
    expect(bench.events).toEqual(['refused: wrong shared secret']);
    expect(bench.typesWritten()).toEqual([frameTypes.hello, frameTypes.refuse]);
    expect(bench.closed).toBe(1);
  });

  it('takes no other frame before the proof', () => {
    for (const type of ['proof', 'channel', 'goodbye'] as const) {
      const bench = new Bench();
      bench.send(type, nothing, null);
      expect(bench.events).toEqual([`refused: frame type ${frameTypes[type]} before the handshake is over`]);
    }
    const twice = new Bench();
    twice.send('hello', helloCodec, hello(2));
    twice.send('hello', helloCodec, hello(2));
    expect(twice.events).toEqual(['refused: frame type 1 before the handshake is over']);
  });

  it('ends at a gap in the sequence, also when it is up', () => {
    const bench = new Bench();
    bench.send('hello', helloCodec, hello(2));
    bench.send('proof', proofCodec, validProof);
    bench.skipSequence();
    bench.send('goodbye', nothing, null);
    expect(bench.events).toEqual(['up', 'lost: frame 4 came where 3 was due']);
  });

  it('says what is wrong when the other side begins with TLS', () => {
    const bench = new Bench();
    bench.connection.onBytes(Buffer.from('16030100f1010000ed0303', 'hex'), 1);
    expect(bench.events).toEqual([
      'refused: one side dials with TLS (bins:), the other has no certificate for it',
    ]);
    expect(bench.typesWritten()).toEqual([frameTypes.refuse]);
  });

  it('takes a HELLO and a PROOF of a later version, with more in them than is known here', () => {
    const bench = new Bench();
    const later: Hello = hello(2, { protocolHighest: 2, capabilities: 0x7fff });
    const more = Buffer.concat([encode(helloCodec, later), Buffer.from('0badcafe', 'hex')]);
    bench.send('hello', raw, more);
    const mac = makeProof(secret, more, encode(helloCodec, hello(1)), true);
    bench.send('proof', raw, Buffer.concat([encode(proofCodec, { mac }), Buffer.from('more')]));
    expect(bench.events).toEqual(['up']);
  });

  it('tells what the other side refused', () => {
    const bench = new Bench();
    bench.send('refuse', refuseCodec, { code: 3, reason: 'go away' });
    expect(bench.events).toEqual(['refused by peer: go away']);
  });

  it('takes no large frame before the proof', () => {
    const bench = new Bench();
    bench.send('hello', helloCodec, hello(2, { software: 'x'.repeat(3000) }));
    expect(bench.events).toEqual(['lost: a frame announced 3066 bytes (from 16 to 2044 are allowed)']);
  });

  it('survives anything', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 6 }), (chunks) => {
        const bench = new Bench();
        for (const chunk of chunks) bench.connection.onBytes(Buffer.from(chunk), 1);
        expect(bench.events).not.toContain('up');
        expect(bench.events.length).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('survives a damaged handshake, and comes up with none', () => {
    const good = encode(helloCodec, hello(2));
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bench = new Bench();
        const damaged = Buffer.from(good);
        damaged[at]! ^= flip;
        bench.send(
          'hello',
          {
            size: () => damaged.length,
            write: (_v, target, offset) => offset + damaged.copy(target, offset),
            read: () => null,
          },
          null,
        );
        bench.send('proof', proofCodec, validProof);
        expect(bench.events).not.toContain('up');
      }),
    );
  });
});

describe('a proof', () => {
  it('is compared in full', () => {
    const mac = proofOf(secret, hello(2), hello(1), true);
    expect(isProof(mac, proofOf(secret, hello(2), hello(1), true))).toBe(true);
    expect(isProof(mac.subarray(1), mac)).toBe(false);
  });
});
