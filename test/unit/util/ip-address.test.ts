import { describe, expect, it } from 'vitest';
import { bracketed, formatIp, isInNetwork, isIp, parseIp, parseNetwork } from '#util/ip-address.ts';

describe('addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['[fe80::1]', 'fe80::1'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ])('%s is %s', (text, normal) => {
    expect(formatIp(parseIp(text)!)).toBe(normal);
    expect(isIp(text)).toBe(true);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.0004',
    '1..2.3',
    '1.2.3.',
    '1.2.3.4.5',
    'a.b.c.d',
    '1:2',
    ':::',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
    'x',
  ])('%j is none', (text) => {
    expect(parseIp(text)).toBeNull();
    expect(isIp(text)).toBe(false);
  });
});

describe('networks', () => {
  const isIn = (address: string, network: string): boolean =>
    isInNetwork(parseIp(address)!, parseNetwork(network)!);

  it('hold what shares their prefix', () => {
    expect(isIn('10.255.0.1', '10.0.0.0/8')).toBe(true);
    expect(isIn('11.0.0.1', '10.0.0.0/8')).toBe(false);
    expect(isIn('192.168.17.1', '192.168.16.0/255.255.240.0')).toBe(true);
    expect(isIn('192.168.32.1', '192.168.16.0/20')).toBe(false);
    expect(isIn('2001:db8:1::1', '2001:db8::/32')).toBe(true);
    expect(isIn('1.2.3.4', '0.0.0.0/0')).toBe(true);
    expect(isIn('1.2.3.4', '1.2.3.4')).toBe(true);
    expect(isIn('1.2.3.4', '::/0')).toBe(false);
  });

  it('are refused when the mask is none', () => {
    expect(parseNetwork('10.0.0.0/33')).toBeNull();
    expect(parseNetwork('10.0.0.0/255.0.255.0')).toBeNull();
    expect(parseNetwork('ten/8')).toBeNull();
  });
});

it('bracketed: only IPv6 gets brackets, and only once', () => {
  expect(['example.com', '192.0.2.1', '::1', '[::1]'].map(bracketed)).toEqual([
    'example.com',
    '192.0.2.1',
    '[::1]',
    '[::1]',
  ]);
});
