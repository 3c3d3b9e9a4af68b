import { describe, expect, it } from 'vitest';
import {
  findParameter,
  listParameters,
  quotedEnd,
  replaceParameter,
  unescapeQuoted,
} from '#sip/parameters.ts';

describe('findParameter', () => {
  it.each([
    [';branch=z9', 'branch', 'z9'],
    [';a;branch=z9;c', 'branch', 'z9'],
    [';BRANCH = z9 ;c', 'branch', 'z9'],
    ['; branch\t=\tz9', 'Branch', 'z9'],
    [';lr', 'lr', ''],
    [';lr=', 'lr', ''],
    [';a=";branch=no";branch=yes', 'branch', 'yes'],
    [';a="x\\";branch=no";branch=yes', 'branch', 'yes'],
    [';a="q\\"uo\\\\te"', 'a', 'q"uo\\te'],
    [';a=b=c', 'a', 'b=c'],
    [';;;a=1', 'a', '1'],
    [';a="open', 'a', 'open'],
    [';received=[::1];x', 'received', '[::1]'],
  ])('%s %s', (text, name, value) => expect(findParameter(text, name)).toBe(value));

  it.each([
    ['', 'a'],
    [';ab=1', 'a'],
    [';x=a', 'a'],
    [';x=";a=1"', 'a'],
  ])('%s has no %s', (text, name) => expect(findParameter(text, name)).toBeNull());
});

describe('listParameters', () => {
  it('has all in order, names as written', () => {
    expect(listParameters(';LR;a = "b;c" ;; d=e=f;g=')).toEqual([
      { name: 'LR', value: null },
      { name: 'a', value: 'b;c' },
      { name: 'd', value: 'e=f' },
      { name: 'g', value: '' },
    ]);
  });
});

describe('replaceParameter', () => {
  it.each([
    ['UDP h;rport;branch=x', 'rport', '5060', 'UDP h;rport=5060;branch=x'],
    ['UDP h;branch=x; rport =1', 'rport', '2', 'UDP h;branch=x;rport=2'],
    ['UDP h;received=1.2.3.4', 'received', '::1', 'UDP h;received=::1'],
    ['UDP h;x="a;rport";y', 'rport', '5060', 'UDP h;x="a;rport";y'],
    ['UDP h', 'rport', '5060', 'UDP h'],
  ])('%s %s', (value, name, replacement, expected) =>
    expect(replaceParameter(value, name, replacement)).toBe(expected),
  );
});

it('quotedEnd: behind the closing quote, or at the end', () => {
  expect(quotedEnd('"ab"c', 0)).toBe(4);
  expect(quotedEnd('"a\\"b"c', 0)).toBe(6);
  expect(quotedEnd('"abc', 0)).toBe(4);
  expect(quotedEnd('"abc\\', 0)).toBe(5);
});

it('unescapeQuoted: a backslash stands for what follows it, line ends and NUL included', () => {
  expect(unescapeQuoted('a\\"\\\\\\\n\\\0b')).toBe('a"\\\n\0b');
});

it.each([';', '=', '"', ';"', ';a'])('takes its time by the length, not by its square: %s', (piece) => {
  const text = `;${piece.repeat(60_000 / piece.length)}`;
  const began = performance.now();
  findParameter(text, 'branch');
  listParameters(text);
  replaceParameter(text, 'branch', 'x');
  expect(performance.now() - began).toBeLessThan(300);
});
