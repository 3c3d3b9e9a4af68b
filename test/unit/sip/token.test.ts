import { describe, expect, it } from 'vitest';
import { decimalOf, isToken, sliceTrimmed } from '#sip/token.ts';

describe('isToken (RFC 3261 25.1)', () => {
  it.each(['INVITE', "a-.!%*_+`'~Z9"])('%s is one', (text) => expect(isToken(text)).toBe(true));
  it.each(['', 'a b', 'a:b', 'a@b', '(a)', '"a"', 'ä', 'a\0', 'a,b', 'a;b', 'a/b', 'a=b', '\u0141'])(
    '"%s" is none',
    (text) => expect(isToken(text)).toBe(false),
  );
});

describe('decimalOf', () => {
  it.each([
    ['0', 0],
    ['0000', 0],
    ['0068', 68],
    ['4294967296', 4_294_967_296],
    ['00000000000000000000000000000009', 9],
    ['999999999999999', 999_999_999_999_999],
  ])('%s', (text, expected) => expect(decimalOf(text)).toBe(expected));

  it.each(['', '-1', '+1', '1.5', '1e3', '0x1', ' 1', '1 ', '1000000000000000', '١'])(
    '"%s" is none',
    (text) => expect(decimalOf(text)).toBe(-1),
  );

  it('reads a part of a text', () => expect(decimalOf('ab12cd', 2, 4)).toBe(12));
});

describe('sliceTrimmed', () => {
  it.each([
    [' \t a b \r\n', 'a b'],
    ['', ''],
    [' \t', ''],
    ['\xa0\xc3\xa0', '\xa0\xc3\xa0'],
  ])('%j', (text, expected) => expect(sliceTrimmed(text)).toBe(expected));

  it('of a part', () => expect(sliceTrimmed('x  a  x', 1, 6)).toBe('a'));
});
