/**
 * What a request must have and look like (RFC 3261 7, 8.1.1, 16.3 step 1, 18.3), sent to a whole node: a request that
 * names where its answer goes is answered, everything else is dropped and counted, and nothing reaches the script.
 */

import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { NodeHarness, readSent } from '../support/node-harness.ts';

const node = (): NodeHarness => new NodeHarness('route { sl_send_reply(200, "From the script"); }');

/** Lines by name, so that a test can take one out, change it or put another behind it. */
const lines: Readonly<Record<string, string>> = {
  start: 'OPTIONS sip:bob@10.0.0.1 SIP/2.0',
  via: 'Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa;rport',
  maxForwards: 'Max-Forwards: 70',
  from: 'From: <sip:alice@example.com>;tag=f1',
  to: 'To: <sip:bob@example.com>',
  callId: 'Call-ID: c1',
  cseq: 'CSeq: 1 OPTIONS',
  length: 'Content-Length: 0',
};

const request = (changes: Readonly<Record<string, string>> = {}, body = ''): string =>
  `${Object.values({ ...lines, ...changes })
    .filter((line) => line !== '')
    .join('\r\n')}\r\n\r\n${body}`;

/** `400 Reason` of the only answer. */
function answer(datagram: string): string {
  const sent = node().receive(datagram);
  expect(sent).toHaveLength(1);
  const reply = readAnswer(sent[0]!.text);
  return `${reply.status} ${reply.reason}`;
}

/** Answers to requests without From or To have none either. */
function readAnswer(text: string): { status: number; reason: string } {
  const match = /^SIP\/2\.0 (\d{3}) (.*)\r\n/.exec(text)!;
  return { status: Number(match[1]), reason: match[2]! };
}

describe('RFC 3261 16.3 step 1: reasonable syntax', () => {
  it('is what the script sees', () => {
    expect(answer(request())).toBe('200 From the script');
  });

  it.each([
    ['no From', { from: '' }, '400 Missing or Invalid From'],
    ['no To', { to: '' }, '400 Missing or Invalid To'],
    ['no Call-ID', { callId: '' }, '400 Missing or Invalid Call-ID'],
    ['an empty Call-ID', { callId: 'Call-ID: ' }, '400 Missing or Invalid Call-ID'],
    ['no CSeq', { cseq: '' }, '400 Missing or Invalid CSeq'],
    ['a CSeq that is no number', { cseq: 'CSeq: one OPTIONS' }, '400 Missing or Invalid CSeq'],
    ['a CSeq of 2**31', { cseq: 'CSeq: 2147483648 OPTIONS' }, '400 Missing or Invalid CSeq'],
    ['another method in CSeq', { cseq: 'CSeq: 1 INVITE' }, '400 CSeq Method Differs'],
    ['two CSeq', { more: 'CSeq: 2 OPTIONS' }, '400 More Than One CSeq'],
    ['two From', { more: 'f: <sip:eve@example.com>;tag=2' }, '400 More Than One From'],
    ['two Content-Length', { more: 'l: 0' }, '400 More Than One Content-Length'],
    ['an open quote in To', { to: 'To: "Bob <sip:bob@example.com>' }, '400 Missing or Invalid To'],
    ['empty Via parameters', { via: 'Via: SIP/2.0/UDP 10.0.0.9:5070;;' }, '400 Missing or Invalid Via'],
    ['a broken second Via', { via: `${lines.via}, nonsense` }, '400 Missing or Invalid Via'],
    ['a line without colon', { more: 'this is no header' }, '400 Header Line 8 Cannot Be Read'],
    ['a name that is no token', { more: 'Na(me: x' }, '400 Header Line 8 Cannot Be Read'],
    ['two blanks', { start: 'OPTIONS  sip:bob@10.0.0.1 SIP/2.0' }, '400 Blank in the Request-URI'],
    ['a blank at the end', { start: `${lines.start} ` }, '400 Blanks Around the Request Line'],
    ['a URI in brackets', { start: 'OPTIONS <sip:bob@10.0.0.1> SIP/2.0' }, '400 Invalid Request-URI'],
    ['a host that is none', { start: 'OPTIONS sip:bob@10.0.0.1:x SIP/2.0' }, '400 Invalid Request-URI'],
    ['a URI with headers', { start: 'OPTIONS sip:b@10.0.0.1?a=b SIP/2.0' }, '400 Headers in the Request-URI'],
    ['no scheme', { start: 'OPTIONS 10.0.0.1 SIP/2.0' }, '400 Invalid Request-URI'],
  ])('%s', (_name, changes, expected) => expect(answer(request(changes))).toBe(expected));

  it('RFC 3261 21.5.6: another version of SIP is answered 505', () => {
    expect(answer(request({ start: 'OPTIONS sip:bob@10.0.0.1 SIP/3.0' }))).toBe('505 Version Not Supported');
  });

  it('more header lines than are read are answered 513', () => {
    const more = Array.from({ length: 300 }, (_, index) => `X-${index}: y`).join('\r\n');
    expect(answer(request({ more }))).toBe('513 Too Many Header Fields');
  });

  it('headers without end are answered', () => {
    expect(answer(request().slice(0, -2))).toBe('400 Header Fields Without End');
  });

  it('counts what it refuses and says who sent it, once', () => {
    const one = node();
    one.receive(request({ from: '' }));
    one.receive(request({ from: '' }));
    expect(one.statistic('core:err_requests')).toBe(2);
    expect(one.statistic('core:rcv_requests')).toBe(0);
    expect(one.lines('warn')).toEqual([
      'a datagram from 10.0.0.9:5070 is not an acceptable SIP message: Missing or Invalid From',
    ]);
  });

  it.each([
    ['without Via', request({ via: '' })],
    ['with a Via that names no host', request({ via: 'Via: SIP/2.0/UDP ;branch=z9hG4bKa' })],
    ['that speaks HTTP', 'GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n'],
    ['of one line without end', 'OPTIONS sip:bob@10.0.0.1 SIP/2.0'],
    ['of noise', '\u0001\u0002\u0003\u0004\u0005\u0006'],
  ])('drops a datagram %s, and counts it', (_name, datagram) => {
    const one = node();
    expect(one.receive(datagram)).toEqual([]);
    expect(one.statistic('core:err_requests')).toBe(1);
  });

  it('RFC 3261 17.1.1.3: a broken ACK is not answered', () => {
    const one = node();
    expect(one.receive(request({ start: 'ACK sip:bob@10.0.0.1 SIP/2.0', cseq: 'CSeq: x ACK' }))).toEqual([]);
    expect(one.statistic('core:err_requests')).toBe(1);
  });

  it.each([
    'SIP/2.0 99 Low',
    'SIP/2.0 700 High',
    'SIP/2.0 4294967301 Huge',
    'SIP/2.0 two hundred',
    'SIP/3.0 200 OK',
  ])('drops the response "%s", and counts it', (start) => {
    const one = node();
    expect(one.receive(request({ start }))).toEqual([]);
    expect(one.statistic('core:err_replies')).toBe(1);
  });

  it('RFC 3261 18.3: a response shorter than its Content-Length is dropped', () => {
    const one = node();
    const response = request({ start: 'SIP/2.0 200 OK', length: 'Content-Length: 5' }, 'abc');
    expect(one.receive(response)).toEqual([]);
    expect(one.statistic('core:err_replies')).toBe(1);
  });
});

describe('RFC 3261 18.3: framing of datagrams', () => {
  const echo = (): NodeHarness => new NodeHarness('route { t_relay("udp:10.0.0.2:5060"); }');

  it('a body shorter than Content-Length is answered 400', () => {
    expect(answer(request({ length: 'Content-Length: 5' }, 'abcd'))).toBe('400 Invalid Content-Length');
  });

  it.each(['-1', '5 5', '0x5', '99999999999999999999', ''])(
    'Content-Length "%s" is answered 400',
    (length) => {
      expect(answer(request({ length: `Content-Length: ${length}` }, 'abcde'))).toBe(
        '400 Invalid Content-Length',
      );
    },
  );

  it('what follows the body is discarded', () => {
    const sent = echo().receive(request({ length: 'Content-Length: 3' }, 'abcOPTIONS sip:x SIP/2.0\r\n'));
    expect(readSent(sent[0]).body).toBe('abc');
    expect(sent[0]!.text.endsWith('\r\n\r\nabc')).toBe(true);
  });

  it('without Content-Length the body reaches to the end of the datagram', () => {
    const sent = echo().receive(request({ length: '' }, 'abcde'));
    expect(readSent(sent[0]).body).toBe('abcde');
  });

  it('RFC 3261 7.5: line ends before the start line are ignored', () => {
    expect(answer(`\r\n\r\n\n${request()}`)).toBe('200 From the script');
  });
});

describe('the ACK of a refusal', () => {
  it('RFC 3261 8.2.7: ends here, and the script never sees it', () => {
    const one = new NodeHarness('route { t_relay("udp:10.0.0.2:5060"); }');
    const invite = { start: 'INVITE sip:bob@10.0.0.1 SIP/2.0', cseq: 'CSeq: 1 INVITE' };
    const refused = readSent(one.receive(request({ ...invite, length: 'Content-Length: 9' }))[0]);
    expect(refused.status).toBe(400);
    const to = `To: ${refused.firstValue(headerNames.to)}`;
    expect(one.receive(request({ start: 'ACK sip:bob@10.0.0.1 SIP/2.0', cseq: 'CSeq: 1 ACK', to }))).toEqual(
      [],
    );
  });
});

describe('a script with an error_route', () => {
  const withRoute = (statements: string): NodeHarness =>
    new NodeHarness(`route { sl_send_reply(200, "OK"); }\nerror_route { ${statements} }`);
  const broken = request({ length: 'Content-Length: 9' });

  it('decides what becomes of requests that cannot be read', () => {
    const one = withRoute(
      'xlog("$err.class $err.rcode $err.rreason of $rm from $fU: $err.info"); sl_reply_error();',
    );
    const reply = readSent(one.receive(broken)[0]);
    expect([reply.status, reply.reason]).toEqual([400, 'Invalid Content-Length']);
    expect(one.logged.map((line) => line.message)).toContain(
      '1 400 Invalid Content-Length of OPTIONS from alice: not an acceptable SIP message: Invalid Content-Length',
    );
  });

  it('may leave them unanswered', () => {
    const one = withRoute('exit;');
    expect(one.receive(broken)).toEqual([]);
    expect(one.statistic('core:err_requests')).toBe(1);
  });

  it('is not asked about what cannot be answered', () => {
    const one = withRoute('xlog("asked"); sl_reply_error();');
    one.receive(request({ via: '' }));
    one.receive(request({ start: 'SIP/2.0 99 Low' }));
    expect(one.logged.map((line) => line.message)).not.toContain('asked');
  });
});

describe('a flood of what cannot be read', () => {
  it('is counted whole, named in a bounded number of lines, and leaves a call in progress alone', () => {
    const one = new NodeHarness('route { t_relay("udp:10.0.0.2:5060"); }');
    const invite = { start: 'INVITE sip:bob@10.0.0.1 SIP/2.0', cseq: 'CSeq: 1 INVITE' };
    const forwarded = one.receive(request(invite)).find(({ text }) => text.startsWith('INVITE'))!;
    for (let count = 0; count < 20_000; count++) {
      one.receive(`junk ${count}\r\n\r\n`, `10.${count % 200}.${count % 199}.1:5060`);
    }
    expect(one.statistic('core:err_requests')).toBe(20_000);
    expect(one.lines('warn').length).toBeLessThan(100);
    const vias = readSent(forwarded).values(headerNames.via);
    const ringing = request({ ...invite, start: 'SIP/2.0 180 Ringing', via: `Via: ${vias.join(', ')}` });
    expect(one.receive(ringing, '10.0.0.2:5060').map(({ text, to }) => [text.slice(8, 11), to])).toEqual([
      ['180', '10.0.0.9:5070'],
    ]);
  });
});
