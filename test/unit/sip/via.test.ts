import { describe, expect, it } from 'vitest';
import { parseVia } from '#sip/via.ts';

describe('parseVia', () => {
  it.each([
    ['SIP/2.0/UDP 192.0.2.1', 'UDP', '192.0.2.1', 0, '', ''],
    [
      'SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7',
      'UDP',
      'erlang.bell-telephone.com',
      5060,
      ';branch=z9hG4bK87asdks7',
      'z9hG4bK87asdks7',
    ],
    ['SIP / 2.0 / UDP first.example.com: 4000;ttl=16', 'UDP', 'first.example.com', 4000, ';ttl=16', ''],
    ['sip/2.0/tcp h ; branch = a ;x', 'TCP', 'h', 0, '; branch = a ;x', 'a'],
    ['SIP/2.0/TLS-SCTP h', 'TLS-SCTP', 'h', 0, '', ''],
    ['SIP/2.0/UDP [2001:db8::1]:5070;branch=b', 'UDP', '2001:db8::1', 5070, ';branch=b', 'b'],
    ['SIP/7.0/UDP h;branch=b', 'UDP', 'h', 0, ';branch=b', 'b'],
  ])('%s', (value, protocol, host, port, parameters, branch) => {
    expect(parseVia(value)).toEqual({ protocol, host, port, parameters, branch });
  });

  it.each([
    '',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP ',
    'SIP/2.0 UDP h',
    'HTTP/1.1 h',
    'SIP/2.0/UDP h:x',
    'SIP/2.0/UDP ;branch=a',
    'SIP/2.0/UDP h h',
  ])('"%s" is none', (value) => expect(parseVia(value)).toBeNull());

  it('reads received and rport', () => {
    const via = parseVia('SIP/2.0/UDP h;received=192.0.2.5;rport')!;
    expect([via.received, via.rport, via.parameter('maddr')]).toEqual(['192.0.2.5', '', null]);
    expect(parseVia('SIP/2.0/UDP h;rport=5070')!.rport).toBe('5070');
    expect(parseVia('SIP/2.0/UDP h')!.rport).toBeNull();
  });

  it('RFC 5118 4.5: received with brackets is the same address', () => {
    expect(parseVia('SIP/2.0/UDP h;received=[::1]')!.received).toBe('::1');
    expect(parseVia('SIP/2.0/UDP h;received=::1')!.received).toBe('::1');
  });
});
