import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  boolean,
  bytes,
  type Codec,
  decode,
  encode,
  f64,
  fixedBytes,
  latin1,
  list,
  longText,
  nothing,
  optional,
  struct,
  text,
  u8,
  u16,
  u32,
  u64,
} from '#util/codec.ts';

const hex = <Value>(codec: Codec<Value>, value: Value): string => encode(codec, value).toString('hex');

describe('values on the wire', () => {
  it('are big endian, byte for byte', () => {
    expect(hex(u8, 0xfe)).toBe('fe');
    expect(hex(u16, 0x0102)).toBe('0102');
    expect(hex(u32, 0xfffefdfc)).toBe('fffefdfc');
    expect(hex(u64, 2 ** 53 - 1)).toBe('001fffffffffffff');
    expect(hex(f64, -1.5)).toBe('bff8000000000000');
    expect(hex(boolean, true)).toBe('01');
    expect(hex(text, 'aé')).toBe('000361c3a9');
    expect(hex(longText, 'aé')).toBe('0000000361c3a9');
    expect(hex(latin1, 'aé')).toBe('0000000261e9');
    expect(hex(bytes, Buffer.from([1, 2]))).toBe('000000020102');
    expect(hex(fixedBytes(2), Buffer.from([1, 2]))).toBe('0102');
    expect(hex(list(u16, 9), [1, 2])).toBe('0000000200010002');
    expect(hex(optional(u8), null)).toBe('00');
    expect(hex(optional(u8), 7)).toBe('0107');
    expect(hex(nothing, null)).toBe('');
    expect(hex(struct<{ a: number; b: string }>({ a: u8, b: text }), { b: 'x', a: 1 })).toBe('01000178');
  });

  const inner = struct<{ id: number; name: string; data: string }>({ id: u64, name: text, data: latin1 });
  const whole = struct<{
    items: readonly { id: number; name: string; data: string }[];
    note: string | null;
    flag: boolean;
  }>({
    items: list(inner, 20),
    note: optional(longText),
    flag: boolean,
  });
  const values = fc.record({
    items: fc.array(
      fc.record({
        id: fc.maxSafeNat(),
        name: fc.string({ unit: 'grapheme' }),
        data: fc.uint8Array().map((raw) => Buffer.from(raw).toString('latin1')),
      }),
      { maxLength: 20 },
    ),
    note: fc.option(fc.string({ unit: 'grapheme' })),
    flag: fc.boolean(),
  });

  it('come back as they were', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(decode(whole, encode(whole, value))).toEqual(value);
      }),
    );
  });

  it('that are cut short anywhere, or too long, are malformed', () => {
    fc.assert(
      fc.property(values, fc.nat(), (value, cut) => {
        const encoded = encode(whole, value);
        expect(decode(whole, encoded.subarray(0, cut % encoded.length))).toBeNull();
        expect(decode(whole, Buffer.concat([encoded, Buffer.from([0])]))).toBeNull();
      }),
    );
  });

  it('of random bytes are read without an exception and without claiming memory', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (raw) => void decode(whole, Buffer.from(raw))));
    expect(decode(list(u8, 0xffff_ffff), Buffer.from('fffffffe01', 'hex'))).toBeNull();
    expect(decode(bytes, Buffer.from('ffffffff01', 'hex'))).toBeNull();
    expect(decode(boolean, Buffer.from([2]))).toBeNull();
    expect(decode(u64, Buffer.from('0020000000000000', 'hex'))).toBeNull();
  });
});
