import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildAck, buildCancel, buildRequest, topViaValue } from '#sip/request.ts';
import { detach, toBytes } from '#sip/serialize.ts';
import { isFailure } from '#util/failure.ts';

function read(text: string): SipMessage {
  const message = parseMessage(text);
  if (isFailure(message)) throw new Error(message.message);
  return message;
}

const sent = read(
  [
    'INVITE sip:b@h;x SIP/2.0',
    'Via: SIP/2.0/UDP p;branch=z9hG4bKours;a="1,2", SIP/2.0/UDP caller',
    'Via: SIP/2.0/UDP more',
    'From: "A" <sip:a@h>;tag=1',
    'To: <sip:b@h>',
    'Call-ID: c@h',
    'CSeq: 0042 INVITE',
    'Route: <sip:r1;lr>, <sip:r2;lr>',
    'Route: <sip:r3;lr>',
    'Proxy-Require: foo',
    'Content-Length: 2',
    '',
    'ab',
  ].join('\r\n'),
);

it('topViaValue: the first element as written', () => {
  expect(topViaValue(sent)).toBe('SIP/2.0/UDP p;branch=z9hG4bKours;a="1,2"');
});

describe('RFC 3261 9.1: CANCEL', () => {
  const cancel = read(buildCancel(sent, 'Reason: SIP;cause=200\r\n'));

  it('has the Request-URI, Call-ID, To, From and the number of CSeq of the request', () => {
    expect(cancel.method).toBe('CANCEL');
    expect(cancel.requestUri).toBe('sip:b@h;x');
    expect(cancel.callId).toBe('c@h');
    expect(cancel.firstValue(headerNames.to)).toBe('<sip:b@h>');
    expect(cancel.firstValue(headerNames.from)).toBe('"A" <sip:a@h>;tag=1');
    expect([cancel.cseqNumber, cancel.cseqMethod]).toEqual([42, 'CANCEL']);
  });

  it('has one Via, the top one of the request, and its Route', () => {
    expect(cancel.values(headerNames.via)).toEqual([topViaValue(sent)]);
    expect(cancel.values(headerNames.route)).toEqual(['<sip:r1;lr>', '<sip:r2;lr>', '<sip:r3;lr>']);
  });

  it('has no Require, no body, and what it is given', () => {
    expect(cancel.findNamed('Proxy-Require')).toBe(-1);
    expect(cancel.body).toBe('');
    expect(cancel.value(cancel.findNamed('Reason'))).toBe('SIP;cause=200');
  });
});

it('RFC 3261 17.1.1.3: ACK has the To of the response', () => {
  const response = read(
    'SIP/2.0 486 Busy\r\nVia: SIP/2.0/UDP p\r\nFrom: "A" <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\n' +
      'Call-ID: c@h\r\nCSeq: 42 INVITE\r\n\r\n',
  );
  const ack = read(buildAck(sent, response));
  expect(ack.firstValue(headerNames.to)).toBe('<sip:b@h>;tag=2');
  expect([ack.method, ack.cseqNumber, ack.cseqMethod]).toEqual(['ACK', 42, 'ACK']);
});

it('buildRequest counts the body', () => {
  const parts = {
    method: 'MESSAGE',
    uri: 'sip:b@h',
    via: 'SIP/2.0/UDP p',
    from: '<sip:a@h>;tag=1',
    to: '<sip:b@h>',
  };
  const message = read(
    buildRequest({ ...parts, callId: 'c', cseq: 1, headers: 'X: y\r\n', body: '\xc3\xa4' }),
  );
  expect([message.contentLength, message.body]).toEqual([2, '\xc3\xa4']);
});

it('text to bytes and back keeps every byte', () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  const text = all.toString('latin1');
  expect(toBytes(text).equals(all)).toBe(true);
  expect(detach(text)).toBe(text);
});
