import { describe, expect, it } from 'vitest';
import { firstElement, parseNameAddress, splitList } from '#sip/name-address.ts';

describe('parseNameAddress', () => {
  it.each([
    ['<sip:a@b>', '', 'sip:a@b', ''],
    ['sip:a@b', '', 'sip:a@b', ''],
    ['sip:a@b;tag=1', '', 'sip:a@b', ';tag=1'],
    ['sip:a@b ; tag = 1', '', 'sip:a@b', '; tag = 1'],
    ['<sip:a@b;lr>;tag=1', '', 'sip:a@b;lr', ';tag=1'],
    ['Alice <sip:a@b>', 'Alice', 'sip:a@b', ''],
    ['Alice<sip:a@b>', 'Alice', 'sip:a@b', ''],
    ['A. G. Bell <sip:a@b>', 'A. G. Bell', 'sip:a@b', ''],
    // The last byte of this letter is a blank to trim().
    ['Voil\xc3\xa0 <sip:a@b>', 'Voil\xc3\xa0', 'sip:a@b', ''],
    ['"Bell, A." <sip:a@b>;tag=1', 'Bell, A.', 'sip:a@b', ';tag=1'],
    ['"<sip:x@y>" <sip:a@b>', '<sip:x@y>', 'sip:a@b', ''],
    ['"say \\"hi\\"" <sip:a@b>', 'say "hi"', 'sip:a@b', ''],
    ['""<sip:a@b>', '', 'sip:a@b', ''],
    ['< sip:a@b >', '', 'sip:a@b', ''],
    ['<sip:a@b?x=y>', '', 'sip:a@b?x=y', ''],
    ['<tel:+1>;x="a;b"', '', 'tel:+1', ';x="a;b"'],
    ['sip:a?b@c', '', 'sip:a?b@c', ''],
    ['*', '', '*', ''],
  ])('%s', (text, display, uri, parameters) => {
    expect(parseNameAddress(text)).toEqual({ display, uri, parameters });
  });

  it.each(['', 'Alice', '<>', '<sip:a@b', '"Alice <sip:a@b>', '"Alice" sip:a@b', 'sip:a@b?x=y', ';tag=1'])(
    '"%s" is none',
    (text) => expect(parseNameAddress(text)).toBeNull(),
  );

  it('reads tag and parameters', () => {
    const address = parseNameAddress('<sip:a@b>;TAG="x y";q=0.5;lr')!;
    expect([address.tag, address.parameter('Q'), address.parameter('lr'), address.parameter('z')]).toEqual([
      'x y',
      '0.5',
      '',
      null,
    ]);
  });
});

describe('splitList', () => {
  const elements = (text: string): string[] =>
    splitList(text).map(({ start, end }) => text.slice(start, end));

  it.each([
    ['a', ['a']],
    ['a,b', ['a', 'b']],
    ['a,,b,', ['a', '', 'b', '']],
    ['"a,b",c', ['"a,b"', 'c']],
    ['<a,b>,c', ['<a,b>', 'c']],
    ['"a\\",b",c', ['"a\\",b"', 'c']],
    ['>,<a,b>', ['>', '<a,b>']],
    ['<<a>,b', ['<<a>', 'b']],
    ['"open,b', ['"open,b']],
    ['', ['']],
  ])('%s', (text, expected) => {
    expect(elements(text)).toEqual(expected);
    expect(firstElement(text)).toBe(expected[0]!.trim());
  });
});
