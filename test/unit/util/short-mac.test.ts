import { describe, expect, it } from 'vitest';
import { macCharacters, macKeyBytes, ShortMac } from '#util/short-mac.ts';

/** Key 00 01 … 0f and inputs 00 01 … as in the paper of SipHash and its reference implementation. */
const key = Uint8Array.from({ length: macKeyBytes }, (_all, index) => index);
const input = (length: number): string =>
  String.fromCharCode(...Array.from({ length }, (_all, index) => index));
const result = (mac: ShortMac): string =>
  (BigInt(mac.high >>> 0) * 2n ** 32n + BigInt(mac.low >>> 0)).toString(16).padStart(16, '0');

describe('SipHash-2-4', () => {
  it.each([
    [0, '726fdb47dd0e0e31'],
    [1, '74f839c593dc67fd'],
    [7, 'ab0200f58b01d137'],
    [8, '93f5f5799a932462'],
    [15, 'a129ca6149be45e5'],
  ])('of %i bytes is that of the reference', (length, expected) => {
    const mac = new ShortMac(key);
    mac.compute(input(length));
    expect(result(mac)).toBe(expected);
  });

  it('is written in characters that a token may hold, as base64url writes its bytes', () => {
    const mac = new ShortMac(key);
    for (let length = 0; length < 64; length++) {
      const text = mac.of(input(length));
      expect(text).toHaveLength(macCharacters);
      expect(text).toBe(Buffer.from(result(mac), 'hex').toString('base64url'));
    }
  });

  it('depends on the key', () => {
    const other = Uint8Array.from(key);
    other[15]! ^= 1;
    expect(new ShortMac(other).of('z9hG4bK1-1.0')).not.toBe(new ShortMac(key).of('z9hG4bK1-1.0'));
  });

  it('refuses a key of another length', () => {
    expect(() => new ShortMac(new Uint8Array(8))).toThrow('16 bytes');
  });
});
