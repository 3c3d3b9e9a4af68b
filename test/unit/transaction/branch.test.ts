/** The owner tag: written and read, refused when it is malformed or forged. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isToken } from '#sip/token.ts';
import { BranchCodec } from '#transaction/branch.ts';

const identity = { node: 12, incarnation: 4711, worker: 3 };
const key = Buffer.alloc(32, 1);
const codec = new BranchCodec(identity, [key]);
const number = fc.integer({ min: 0, max: 2 ** 40 });

describe('a branch', () => {
  it('says who owns it, so that people can read it too', () => {
    expect(codec.write(35, 36, 2)).toMatch(/^z9hG4bK1-12\.3mv\.3\.z\.10\.2\.0\.[A-Za-z0-9_-]{11}$/);
  });

  it('is read as it was written, is a token, and is verified by anybody who has the key', () => {
    const owners = fc.record({
      node: fc.integer({ min: 1, max: 2 ** 31 }),
      incarnation: number,
      worker: fc.integer({ min: 0, max: 2 ** 31 }),
    });
    fc.assert(
      fc.property(
        owners,
        number,
        number,
        fc.record({ branch: fc.nat(63), loop: fc.nat(0xffff_ffff) }),
        (owner, slot, generation, end) => {
          const text = new BranchCodec(owner, [key]).write(slot, generation, end.branch, end.loop);
          expect(codec.read(text)).toEqual({ ...owner, slot, generation, ...end });
          expect(isToken(text)).toBe(true);
          expect(codec.verify(text)).toBe(true);
        },
      ),
    );
  });

  it('is not verified once any character of it has changed', () => {
    const text = codec.write(100, 7, 0);
    const replacement = fc.constantFrom(...'0123456789abcxyzABCXYZ-_.');
    fc.assert(
      fc.property(fc.nat(text.length - 1), replacement, (at, character) => {
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        expect(codec.verify(changed)).toBe(changed === text);
      }),
    );
  });

  it('is foreign whatever else it is: reading never throws', () => {
    const pieces = fc.array(fc.constantFrom('z9hG4bK1-', '.', '1', 'zz', 'A', '-', ' ', 'é', '99999999999'));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          pieces.map((list) => list.join('')),
        ),
        (text) => {
          const tag = codec.read(text);
          if (tag !== null) for (const value of Object.values(tag)) expect(value).toBeGreaterThanOrEqual(0);
          expect(codec.verify(text)).toBe(false);
        },
      ),
    );
  });

  it.each([
    'z9hG4bK776asdhds',
    'z9hG4bK1-1.1.1.1.1.1.1',
    'z9hG4bK1-1.1.1.1.1.1.1.short',
    'z9hG4bK1-1.1.1.1.1.1.1.1.AAAAAAAAAAA',
    'z9hG4bK1-1.1.1..1.1.1.AAAAAAAAAAA',
    'z9hG4bK1-a.1.1.1.1.1.1.AAAAAAAAAAA',
    'z9hG4bK1-1.Z.1.1.1.1.1.AAAAAAAAAAA',
    'z9hG4bK1-1.1.1.1.1.1.99999999999.AAAAAAAAAAA',
    'z9hG4bK2-1.1.1.1.1.1.AAAAAAAAAAA',
  ])('is not read from %s', (text) => expect(codec.read(text)).toBeNull());
});

describe('keys', () => {
  it('of the past are still believed, and never write', () => {
    const old = codec.write(1, 1, 0);
    const changed = new BranchCodec(identity, [Buffer.alloc(32, 2), key]);
    expect(changed.verify(old)).toBe(true);
    expect(codec.verify(changed.write(1, 1, 0))).toBe(false);
  });
});

describe('isOurs', () => {
  it('knows this node, this start of it and this worker', () => {
    const tag = codec.read(codec.write(1, 1, 0))!;
    expect(codec.isOurs(tag)).toBe(true);
    for (const other of [{ node: 13 }, { incarnation: 4712 }, { worker: 0 }])
      expect(codec.isOurs({ ...tag, ...other })).toBe(false);
  });
});
