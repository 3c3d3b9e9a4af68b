/** Socket lines of every version. */

import { describe, expect, it } from 'vitest';
import { parseAliases, parseSockets } from '#script/socket-definition.ts';
import { isFailure } from '#util/failure.ts';

const plain = { anycast: false, reusePort: false, advertisedHost: '', advertisedPort: 0, tag: '' };

describe('socket=', () => {
  it.each([
    [
      'udp:10.0.0.1:5060 anycast',
      [{ ...plain, protocol: 'udp', host: '10.0.0.1', port: 5060, anycast: true }],
    ],
    ['10.0.0.1', [{ ...plain, protocol: 'udp', host: '10.0.0.1', port: 0 }]],
    ['udp:[2001:db8::1]:5070', [{ ...plain, protocol: 'udp', host: '2001:db8::1', port: 5070 }]],
    ['bin:eth0:5566', [{ ...plain, protocol: 'bin', host: 'eth0', port: 5566 }]],
    ['udp:*:5060', [{ ...plain, protocol: 'udp', host: '*', port: 5060 }]],
    [
      'UDP:10.0.0.1:5060 as sip.example.com:5080 use_workers 4 tos 0x10 tag main reuse_port frag',
      [
        {
          protocol: 'udp',
          host: '10.0.0.1',
          port: 5060,
          anycast: false,
          reusePort: true,
          advertisedHost: 'sip.example.com',
          advertisedPort: 5080,
          tag: 'main',
        },
      ],
    ],
    [
      '"udp:10.0.0.1:5060-5061,5070"',
      [5060, 5061, 5070].map((port) => ({ ...plain, protocol: 'udp', host: '10.0.0.1', port })),
    ],
  ])('%s', (text, expected) => {
    expect(parseSockets(text)).toEqual(expected);
  });

  it.each([
    ['sip:10.0.0.1', 'unknown protocol "sip"'],
    ['udp:10.0.0.1:70000', '"70000" is no port'],
    ['udp:10.0.0.1:5070-5060', '"5070-5060" is no port'],
    ['udp:10.0.0.1 anycst', 'unknown option "anycst" (did you mean "anycast"?)'],
    ['udp:10.0.0.1 as', '"as" needs host[:port]'],
    ['udp:10.0.0.1 tag', '"tag" needs a name'],
    ['', 'expected protocol:address:port'],
  ])('%s is refused', (text, problem) => {
    const result = parseSockets(text);
    expect(isFailure(result) && result.message).toBe(`socket "${text}": ${problem}`);
  });
});

describe('alias=', () => {
  it('takes several, with and without protocol and port', () => {
    expect(parseAliases('udp:sip.example.com:5060 "any:example.org" [::1], other accept_subdomain')).toEqual([
      { host: 'sip.example.com', port: 5060 },
      { host: 'example.org', port: 0 },
      { host: '::1', port: 0 },
      { host: 'other', port: 0 },
    ]);
  });
});
