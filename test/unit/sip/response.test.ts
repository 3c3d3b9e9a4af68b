import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { ParseFailure } from '#sip/parse-failure.ts';
import { buildResponse, stampVia } from '#sip/response.ts';
import { reasonPhrase } from '#sip/status.ts';
import { isFailure } from '#util/failure.ts';

function request(via: string, ...headers: string[]): SipMessage {
  const text = [
    'INVITE sip:b@h SIP/2.0',
    `Via: ${via}`,
    'From: <sip:a@h>;tag=1',
    ...(headers.some((line) => line.startsWith('To:')) ? headers : ['To: <sip:b@h>', ...headers]),
    'Call-ID: c',
    'CSeq: 1 INVITE',
    '',
    '',
  ].join('\r\n');
  const message = parseMessage(text);
  if (isFailure(message)) throw new Error(message.message);
  return message;
}

const plain = { reason: 'R', toTag: 't', headers: '' };

describe('buildResponse', () => {
  it('has a body of the length that it says', () => {
    const text = buildResponse(request('SIP/2.0/UDP h'), {
      ...plain,
      status: 200,
      body: 'v=0\r\n',
      contentType: 'a/b',
    });
    expect(text.endsWith('Content-Type: a/b\r\nContent-Length: 5\r\n\r\nv=0\r\n')).toBe(true);
    expect(text.startsWith('SIP/2.0 200 R\r\n')).toBe(true);
  });

  it.each([
    [100, false],
    [180, true],
    [200, true],
    [300, false],
    [486, false],
  ])('%i has Record-Route: %s (RFC 3261 12.1.1)', (status, expected) => {
    const text = buildResponse(request('SIP/2.0/UDP h', 'Record-Route: <sip:p;lr>'), { ...plain, status });
    expect(text.includes('Record-Route: <sip:p;lr>\r\n')).toBe(expected);
  });

  it.each([
    [100, true],
    [180, false],
  ])('%i has Timestamp: %s (RFC 3261 8.2.6.1)', (status, expected) => {
    const text = buildResponse(request('SIP/2.0/UDP h', 'Timestamp: 54'), { ...plain, status });
    expect(text.includes('Timestamp: 54\r\n')).toBe(expected);
  });

  it('without a tag of ours leaves To as it is', () => {
    const text = buildResponse(request('SIP/2.0/UDP h'), { ...plain, status: 100, toTag: '' });
    expect(text).toContain('\r\nTo: <sip:b@h>\r\n');
  });

  it('reads folded lines as one', () => {
    const text = buildResponse(request('SIP/2.0/UDP h', 'To: Bob\r\n  <sip:b@h>\r\n\t;tag=9'), {
      ...plain,
      status: 200,
    });
    expect(text).toContain('\r\nTo: Bob <sip:b@h> ;tag=9\r\n');
  });

  it('answers what lacks To, Call-ID and CSeq without them', () => {
    const failure = parseMessage('OPTIONS sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n');
    expect(failure).toBeInstanceOf(ParseFailure);
    const { partial, status, reason } = failure as ParseFailure;
    expect(buildResponse(partial!, { ...plain, status, reason })).toBe(
      'SIP/2.0 400 Missing or Invalid From\r\nVia: SIP/2.0/UDP h\r\nContent-Length: 0\r\n\r\n',
    );
  });
});

describe('stampVia (RFC 3261 18.2.1, RFC 3581 4)', () => {
  const from = { address: '192.0.2.5', port: 5070 };
  it.each([
    ['SIP/2.0/UDP 192.0.2.5;branch=b', 'SIP/2.0/UDP 192.0.2.5;branch=b'],
    ['SIP/2.0/UDP host;branch=b', 'SIP/2.0/UDP host;branch=b;received=192.0.2.5'],
    ['SIP/2.0/UDP 10.0.0.1', 'SIP/2.0/UDP 10.0.0.1;received=192.0.2.5'],
    ['SIP/2.0/UDP 192.0.2.5;rport;branch=b', 'SIP/2.0/UDP 192.0.2.5;rport=5070;branch=b;received=192.0.2.5'],
    ['SIP/2.0/UDP host; RPORT ;x', 'SIP/2.0/UDP host;RPORT=5070;x;received=192.0.2.5'],
    ['SIP/2.0/UDP host;rport=9', 'SIP/2.0/UDP host;rport=9;received=192.0.2.5'],
    // What the sender claims to be seen as would lead the response elsewhere.
    ['SIP/2.0/UDP host;received=203.0.113.1', 'SIP/2.0/UDP host;received=192.0.2.5'],
    [
      'SIP/2.0/UDP host;x="a,b", SIP/2.0/UDP second',
      'SIP/2.0/UDP host;x="a,b";received=192.0.2.5, SIP/2.0/UDP second',
    ],
    // A semicolon at the end stays alone.
    ['SIP/2.0/UDP host;branch=b;', 'SIP/2.0/UDP host;branch=b;received=192.0.2.5'],
  ])('%s', (via, expected) => expect(stampVia(request(via), via, from)).toBe(expected));

  it.each(['SIP/2.0/UDP [2001:db8::1]', 'SIP/2.0/UDP [2001:DB8:0::1]:5070'])(
    '%s is the address it came from',
    (via) => {
      expect(stampVia(request(via), via, { address: '2001:db8::1', port: 5070 })).toBe(via);
    },
  );

  it('writes IPv6 without brackets, as the grammar has it', () => {
    const via = 'SIP/2.0/UDP [2001:db8::2]';
    const stamped = stampVia(request(via), via, { address: '2001:db8::1', port: 5070 });
    expect(stamped).toBe(`${via};received=2001:db8::1`);
  });
});

it.each([
  [200, 'OK'],
  [404, 'Not Found'],
  [499, 'Bad Request'],
  [299, 'OK'],
  [999, 'Unknown'],
])('reasonPhrase(%i) is %s', (status, phrase) => expect(reasonPhrase(status)).toBe(phrase));

it('keeps the order of Via over lines and lists', () => {
  const message = request('SIP/2.0/UDP a, SIP/2.0/UDP b', 'v: SIP/2.0/UDP c');
  const response = parseMessage(buildResponse(message, { ...plain, status: 200 })) as SipMessage;
  expect(response.values(headerNames.via)).toEqual(['SIP/2.0/UDP a', 'SIP/2.0/UDP b', 'SIP/2.0/UDP c']);
});
