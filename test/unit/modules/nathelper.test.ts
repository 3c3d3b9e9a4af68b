/** nathelper: the tests of the sender's address, and what is rewritten. */

import { describe, expect, it } from 'vitest';
import { nathelper } from '#modules/nathelper/declaration.ts';
import {
  edited,
  invite,
  message,
  requestContext,
  ScriptBench,
  testSocket,
} from '../../support/module-host.ts';

const outside = { socket: testSocket, address: '203.0.113.7', port: 40_000 };
const bench = (): ScriptBench<unknown> => new ScriptBench(nathelper as never, { received_avp: '$avp(rcv)' });

function withSdp(body: string) {
  return message(
    'INVITE sip:bob@example.org SIP/2.0',
    'Via: SIP/2.0/UDP 203.0.113.7:40000;branch=z9hG4bKa',
    'From: <sip:a@b>;tag=1',
    'To: <sip:b@b>',
    'Call-ID: c',
    'CSeq: 1 INVITE',
    'Content-Type: application/sdp',
    `Content-Length: ${body.length + 2}`,
    '',
    body,
  );
}

describe('nat_uac_test', () => {
  it.each([
    ['private-contact', 'Contact: <sip:alice@192.168.1.5:5060>', true],
    ['private-contact', 'Contact: <sip:alice@198.51.100.5:5060>', false],
    ['1', 'Contact: <sip:alice@172.31.0.1>', true],
    ['1', 'Contact: <sip:alice@172.32.0.1>', false],
    ['diff-ip-src-contact', 'Contact: <sip:alice@203.0.113.7:40000>', false],
    ['diff-port-src-contact', 'Contact: <sip:alice@203.0.113.7>', true],
    ['carrier-grade-nat', 'Contact: <sip:alice@100.64.3.3>', true],
    ['2', 'Contact: <sip:alice@203.0.113.7:40000>', true],
    ['private-via,private-sdp', 'Contact: <sip:a@b>', true],
  ])('%s with %s: %s', (flags, contact, expected) => {
    const context = requestContext(invite(contact), outside);
    expect(bench().call(context, 'nat_uac_test', flags)).toBe(expected ? 1 : -1);
  });

  it('looks at the media addresses', () => {
    const body = 'v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\nc=IN IP4 10.1.1.1';
    const context = requestContext(withSdp(body), outside);
    expect(bench().call(context, 'nat_uac_test', '8')).toBe(1);
    expect(bench().call(context, 'nat_uac_test', '2')).toBe(-1);
  });

  it('does not know other names', () => {
    expect(() => bench().call(requestContext(), 'nat_uac_test', 'private-mail')).toThrow(/private-mail/);
  });
});

describe('fix_nated_contact', () => {
  it('puts the sender into every Contact and leaves the rest alone', () => {
    const contact = 'Contact: "<x>" <sip:alice@10.1.1.1:5062;ob>;expires=60, sip:bob@10.1.1.2;q=1';
    const context = requestContext(invite(contact), outside);
    expect(bench().call(context, 'fix_nated_contact')).toBe(1);
    expect(edited(context)).toContain(
      'Contact: "<x>" <sip:alice@203.0.113.7:40000;ob>;expires=60, sip:bob@203.0.113.7:40000;q=1\r\n',
    );
  });

  it('adds parameters inside angle brackets', () => {
    const context = requestContext(invite('Contact: sip:bob@10.1.1.2;q=1'), outside);
    bench().call(context, 'fix_nated_contact', 'nat=yes');
    expect(edited(context)).toContain('Contact: <sip:bob@203.0.113.7:40000;nat=yes>;q=1\r\n');
  });

  it('is false without a Contact', () => {
    expect(bench().call(requestContext(invite(), outside), 'fix_nated_contact')).toBe(-1);
  });
});

describe('the received address', () => {
  it('goes to the AVP', () => {
    const context = requestContext(invite(), outside);
    expect(bench().call(context, 'fix_nated_register')).toBe(1);
    expect(context.attributes.get('rcv')).toEqual(['sip:203.0.113.7:40000']);
  });

  it('goes behind the Contact', () => {
    const context = requestContext(invite('Contact: <sip:alice@10.1.1.1>;expires=60'), outside);
    expect(bench().call(context, 'add_rcv_param')).toBe(1);
    expect(edited(context)).toContain('<sip:alice@10.1.1.1>;expires=60;received="sip:203.0.113.7:40000"\r\n');
  });
});

describe('fix_nated_sdp', () => {
  const body =
    'v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\nc=IN IP4 10.1.1.1\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0';

  it('rewrites addresses, keeps holds, and mends Content-Length', () => {
    const context = requestContext(withSdp(body), outside);
    expect(bench().call(context, 'fix_nated_sdp', '10')).toBe(1);
    const [head, sdp] = edited(context).split('\r\n\r\n') as [string, string];
    expect(sdp).toBe(
      'v=0\r\no=- 1 1 IN IP4 203.0.113.7\r\nc=IN IP4 203.0.113.7\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n',
    );
    expect(head).toContain(`Content-Length: ${sdp.length}`);
  });

  it('adds lines once', () => {
    const context = requestContext(withSdp(body), outside);
    bench().call(context, 'fix_nated_sdp', 'add-no-rtpproxy');
    bench().call(context, 'fix_nated_sdp', 'add-no-rtpproxy');
    expect(edited(context).split('a=nortpproxy:yes').length).toBe(2);
  });
});

describe('restore_nated_ruri', () => {
  it('takes apart what fix_nated_contact with preserve-uri put together', () => {
    const context = requestContext(invite('Contact: <sip:alice@192.168.1.5:5062;transport=udp;ob>'), outside);
    bench().call(context, 'fix_nated_contact', ';nat=yes', 'preserve-uri');
    const uri = /^Contact: <(.*)>\r$/m.exec(edited(context))![1]!;
    expect(uri).toMatch(/^sip:alice@203\.0\.113\.7:40000;transport=udp;ob;nat=yes;nat-uri=[A-Za-z0-9_-]+$/);
    const back = requestContext(
      message(
        `BYE ${uri} SIP/2.0`,
        'Via: SIP/2.0/UDP 10.0.0.8;branch=z9hG4bKb',
        'From: <sip:b@b>;tag=2',
        'To: <sip:a@b>;tag=1',
        'Call-ID: c',
        'CSeq: 1 BYE',
        '',
      ),
    );
    expect(bench().call(back, 'restore_nated_ruri')).toBe(1);
    expect(back.requestUri).toBe('sip:alice@192.168.1.5:5062;transport=udp;ob');
    expect(back.destinationUri).toBe('sip:203.0.113.7:40000;transport=udp');
    expect(bench().call(back, 'restore_nated_ruri')).toBe(-1);
  });
});
