/** The scanner: what is one token, and where it stands. */

import { describe, expect, it } from 'vitest';
import type { Diagnostic } from '#script/diagnostic.ts';
import { positionOf, Source, scan, variableEnd } from '#script/scanner.ts';

function tokens(text: string): string[] {
  const diagnostics: Diagnostic[] = [];
  const found = scan(new Source('x.cfg', text), diagnostics);
  expect(diagnostics.map((diagnostic) => diagnostic.cause)).toEqual([]);
  return found.slice(0, -1).map((token) => `${token.kind}:${token.text}`);
}

function complaints(text: string): string[] {
  const diagnostics: Diagnostic[] = [];
  scan(new Source('x.cfg', text), diagnostics);
  return diagnostics.map(({ position, cause }) => `${position.line}:${position.column} ${cause}`);
}

describe('comments', () => {
  it('end with the line, or nest', () => {
    expect(tokens('a # b "c\nd /* e /* f */ g */ h')).toEqual([
      'identifier:a',
      'identifier:d',
      'identifier:h',
    ]);
    expect(tokens('#!define X\na')).toEqual(['identifier:a']);
  });

  it('are neither // nor endless', () => {
    expect(complaints('a\n // b')).toEqual(['2:2 comments begin with # here, not with //']);
    expect(complaints('a /* b /* c */')).toEqual(['1:3 the comment that begins here never ends']);
  });
});

describe('strings', () => {
  it.each([
    ['"a\\tb\\n"', 'a\tb\n'],
    ['"\\x41\\102\\a"', 'AB\x07'],
    ['"\\"\\\\"', '"\\'],
    ['"\\d+ \\q"', '\\d+ \\q'],
    ['"a\\\nb"', 'ab'],
    ['"a\nb"', 'a\nb'],
    ["'a\\t\"b'", 'a\\t"b'],
    ['""', ''],
  ])('%j is %j', (text, value) => {
    expect(tokens(text)).toEqual([`string:${value}`]);
  });
});

describe('variables', () => {
  it.each([
    ['$ru', '$ru'],
    ['$ru;', '$ru'],
    ['$avp(a b;c),', '$avp(a b;c)'],
    ['$(hdr(X-Foo){s.select,1,;}) ', '$(hdr(X-Foo){s.select,1,;})'],
    ['$avp($var(n))', '$avp($var(n))'],
    ['$ct.fields(uri)', '$ct.fields(uri)'],
    ['$fu. And', '$fu'],
    ['$rU@$rd', '$rU'],
  ])('of %j is %j', (text, variable) => {
    expect(text.slice(0, variableEnd(text, 0))).toBe(variable);
  });
});

describe('numbers, addresses, symbols', () => {
  it('are one token each', () => {
    expect(tokens('0x1F 017 5 10.0.0.1 10.0.0.0/8 10.0.0.0/255.0.0.0')).toEqual([
      'number:0x1F',
      'number:017',
      'number:5',
      'address:10.0.0.1',
      'address:10.0.0.0/8',
      'address:10.0.0.0/255.0.0.0',
    ]);
    expect(tokens('[::1] ::1 2001:db8::/32 fe80::1:2')).toEqual([
      'address:[::1]',
      'address:::1',
      'address:2001:db8::/32',
      'address:fe80::1:2',
    ]);
    expect(tokens('a:=b case 1: msg:len')).toEqual([
      'identifier:a',
      'symbol::=',
      'identifier:b',
      'identifier:case',
      'number:1',
      'symbol::',
      'identifier:msg',
      'symbol::',
      'identifier:len',
    ]);
    expect(tokens('!= !~ =~ && || << >= +=').every((token) => token.startsWith('symbol:'))).toBe(true);
  });

  it('know their place', () => {
    const found = scan(new Source('x.cfg', 'a\r\n\tb'), []);
    expect(positionOf(found[1]!)).toEqual({ file: 'x.cfg', line: 2, column: 2, text: '\tb' });
    expect(positionOf(scan(new Source('x.cfg', 'a\r\nb'), [])[0]!).text).toBe('a');
  });
});
