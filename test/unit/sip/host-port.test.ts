import { describe, expect, it } from 'vitest';
import { parseHostPort } from '#sip/host-port.ts';

describe('parseHostPort', () => {
  it.each([
    ['example.com', 'example.com', 0],
    ['example.com:5061', 'example.com', 5061],
    ['host_1-a.example.com.', 'host_1-a.example.com.', 0],
    ['192.0.2.1 : 5060', '192.0.2.1', 5060],
    ['[2001:db8::1]', '2001:db8::1', 0],
    ['[2001:db8::1]:5070', '2001:db8::1', 5070],
    ['[2001:db8::1] : 5070 ', '2001:db8::1', 5070],
    ['[::ffff:192.0.2.1]:65535', '::ffff:192.0.2.1', 65_535],
    // RFC 5118 4.10
    ['[2001:db8:::192.0.2.1]', '2001:db8::192.0.2.1', 0],
  ])('%s', (text, host, port) => expect(parseHostPort(text)).toEqual({ host, port }));

  it.each([
    '',
    ':5060',
    'host:',
    'host:65536',
    'host:-1',
    'host:5060x',
    'ho st',
    'host/path',
    'hôst',
    'h\0st',
    '2001:db8::1',
    '[]',
    '[::1',
    '[::1]x',
    '[::1]:',
    '[192.0.2.1]',
    '[1:2:3]',
    '[::1%eth0]',
    '[2001:::db8:::1]',
  ])('"%s" is none', (text) => expect(parseHostPort(text)).toBeNull());
});
