import { describe, expect, it } from 'vitest';
import { core } from '#modules/core/declaration.ts';
import type { Value } from '#script/value.ts';
import { ScriptBench } from '../../support/module-host.ts';

const bench = new ScriptBench(core);

type Row = readonly [string, Value, readonly Value[], Value];

const rows: readonly Row[] = [
  ['s.len', 'abc', [], 3],
  ['s.int', '42abc', [], 42],
  ['s.int', 'x', [], 0],
  ['s.substr', 'abcdef', ['2', '3'], 'cde'],
  ['s.substr', 'abcdef', ['2', '0'], 'cdef'],
  ['s.substr', 'abcdef', ['-2', '0'], 'ef'],
  ['s.substr', 'abc', ['5', '1'], null],
  ['s.select', 'a.b.c', ['1', '.'], 'b'],
  ['s.select', 'a.b.c', ['-1', '.'], 'c'],
  ['s.select', 'a,b', ['1', '', ''], 'b'],
  ['s.select', 'a.b', ['7', '.'], null],
  ['s.index', 'abcabc', ['c'], 2],
  ['s.index', 'abcabc', ['c', '3'], 5],
  ['s.rindex', 'abcabc', ['a'], 3],
  ['s.index', 'abc', ['x'], null],
  ['s.width', 'abc', ['5'], 'abc  '],
  ['s.width', 'abc', ['2'], 'ab'],
  ['s.fill.left', '7', ['0', '3'], '007'],
  ['s.fill.right', '7', ['0', '3'], '700'],
  ['s.fill.left', '7', ['0', '100000000'], null],
  ['s.trim', '  a ', [], 'a'],
  ['s.triml', ' a ', [], 'a '],
  ['s.reverse', 'abc', [], 'cba'],
  ['s.toupper', 'abc', [], 'ABC'],
  ['s.md5', 'abc', [], '900150983cd24fb0d6963f7d28e17f72'],
  ['s.sha1', 'abc', [], 'a9993e364706816aba3e25717850c26c9cd0d89d'],
  ['s.crc32', 'abc', [], '891568578'],
  ['s.sha256_hmac', 'data', ['key'], '5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0'],
  ['s.encode.hexa', 'az', [], '617a'],
  ['s.decode.hexa', '617a', [], 'az'],
  ['s.decode.hexa', '61z', [], null],
  ['s.hex2dec', 'ff', [], 255],
  ['s.dec2hex', '255', [], 'ff'],
  ['s.b64encode', 'abc', [], 'YWJj'],
  ['s.b64decode', 'YWJj', [], 'abc'],
  ['s.escape.common', `a'b"c\\`, [], `a\\'b\\"c\\\\`],
  ['s.unescape.common', `a\\'b`, [], `a'b`],
  ['s.escape.user', 'a b@c', [], 'a%20b%40c'],
  ['s.unescape.user', 'a%20b%40c', [], 'a b@c'],
  ['s.unescape.user', 'a%2', [], null],
  ['s.escape.param', 'a;b', [], 'a%3bb'],
  ['s.date2unix', 'Sat, 13 Nov 2010 23:29:00 GMT', [], 1_289_690_940],
  ['s.len', null, [], null],
  ['uri.user', 'sip:bob@example.org', [], 'bob'],
  ['uri.host', 'sip:bob@[::1]:5060', [], '[::1]'],
  ['uri.port', 'sip:bob@example.org', [], 5060],
  ['uri.param', 'sip:a@b;x=1;lr', ['x'], '1'],
  ['uri.params', 'sip:a@b;x=1;lr', [], 'x=1;lr'],
  ['uri.transport', 'sip:a@b;transport=tcp', [], 'tcp'],
  ['uri.schema', 'sips:a@b', [], 'sips'],
  ['uri.headers', 'sip:a@b?subject=x', [], 'subject=x'],
  ['uri.user', 'nonsense', [], null],
  ['via.host', 'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx;rport=7', [], '10.0.0.1'],
  ['via.port', 'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx', [], 5060],
  ['via.branch', 'SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx', [], 'z9hG4bKx'],
  ['via.transport', 'SIP/2.0/TCP 10.0.0.1', [], 'TCP'],
  ['param.value', 'a=1;b=2', ['b'], '2'],
  ['param.value', 'a=1,b=2', ['b', ','], '2'],
  ['param.exist', 'a=1;b', ['b'], 1],
  ['param.exist', 'a=1;b', ['c'], 0],
  ['param.valueat', 'a=1;b=2', ['1'], '2'],
  ['param.name', 'a=1;b=2', ['0'], 'a'],
  ['param.count', 'a=1;b=2', [], 2],
  ['nameaddr.uri', '"A" <sip:a@b>;tag=x', [], 'sip:a@b'],
  ['nameaddr.name', '"A" <sip:a@b>;tag=x', [], 'A'],
  ['nameaddr.param', '"A" <sip:a@b>;tag=x', ['tag'], 'x'],
  ['csv.count', 'a,"b,c",d', [], 3],
  ['csv.value', 'a, "b,c" ,d', ['1'], '"b,c"'],
  ['csv.value', 'a,b', ['-1'], 'b'],
  ['ip.isip', '10.0.0.1', [], 1],
  ['ip.isip', '10.0.0.256', [], 0],
  ['ip.isip6', '2001:db8::1', [], 1],
  ['ip.isip4', '2001:db8::1', [], 0],
  ['ip.family', '::1', [], 'INET6'],
  ['ip.isprivate', '172.31.1.1', [], 1],
  ['ip.isprivate', '172.32.1.1', [], 0],
  ['ip.matches', '10.1.2.3', ['10.0.0.0/8'], 1],
  ['ip.matches', '11.1.2.3', ['10.0.0.0/255.0.0.0'], 0],
  ['re.subst', 'bob@example.org', ['/(.*)@(.*)/\\2 at \\1/'], 'example.org at bob'],
  ['re.subst', 'aXbX', ['/x/-/gi'], 'a-b-'],
  ['re.subst', 'abc', ['/x/y/'], 'abc'],
  ['re.subst', 'a1b', ['/[[:digit:]]/_/'], 'a_b'],
  ['re.subst', 'a,b', ['/', '/;/'], 'a;b'],
];

describe('transformations', () => {
  it.each(rows)('{%s} of %j with %j', (name, value, args, expected) => {
    expect(bench.transform(name, value, ...args)).toEqual(expected);
  });

  it('turn an address into bytes and back', () => {
    const bytes = bench.transform('ip.pton', '192.0.2.1');
    expect(bytes).toBe('\xc0\x00\x02\x01');
    expect(bench.transform('ip.ntop', bytes)).toBe('192.0.2.1');
    expect(bench.transform('ip.ntop', bench.transform('ip.pton', '2001:db8::1'))).toBe('2001:db8::1');
  });

  it('undo xor by the same key', () => {
    const once = bench.transform('s.xor', 'secret', 'key');
    expect(once).not.toBe('secret');
    expect(bench.transform('s.xor', once, 'key')).toBe('secret');
  });
});
