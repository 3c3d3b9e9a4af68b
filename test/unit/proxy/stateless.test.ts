/** Forwarding without a transaction. */

import { describe, expect, it } from 'vitest';
import {
  forwardRequestStatelessly,
  forwardResponseStatelessly,
  responseUri,
  statelessBranch,
} from '#proxy/stateless.ts';
import { MessageEdits } from '#sip/edits.ts';
import { isFailure } from '#util/failure.ts';
import { answer, callee, caller, message, request } from '../../support/transaction-bench.ts';

function forwarded(received = request('ACK', { toTag: 'bob' })) {
  return forwardRequestStatelessly(received, {
    flow: callee,
    source: caller,
    requestUri: 'sip:bob@203.0.113.9:5070',
    edits: new MessageEdits(),
    headers: '',
    viaParameter: '',
  });
}

describe('RFC 3261 16.11 requests', () => {
  it('get a Via, one hop less and the new Request-URI', () => {
    const sent = message(forwarded() as string);
    expect(sent.requestUri).toBe('sip:bob@203.0.113.9:5070');
    expect(sent.maxForwards).toBe(69);
    expect(sent.values(1)).toHaveLength(2);
  });

  it('get the same branch for every copy, another for another request', () => {
    const branch = statelessBranch(request('ACK'));
    expect(statelessBranch(request('ACK'))).toBe(branch);
    expect(statelessBranch(request('ACK', { branch: 'z9hG4bKother' }))).not.toBe(branch);
    expect(statelessBranch(request('ACK', { callId: 'other' }))).not.toBe(branch);
  });

  it('of a CANCEL and an INVITE have the same branch: the next hop must match them', () => {
    expect(statelessBranch(request('CANCEL'))).toBe(statelessBranch(request('INVITE')));
  });

  it('go no further with Max-Forwards 0', () => {
    const result = forwarded(request('ACK', { maxForwards: 'Max-Forwards: 0\r\n' }));
    expect(isFailure(result) && result.code).toBe('PROXY_HOPS_EXHAUSTED');
  });
});

describe('RFC 3261 18.2.2 responses', () => {
  const sent = message(forwarded(request('INVITE', { viaParameters: ';rport' })) as string);

  it('go where received and rport of the next Via say, without our Via', () => {
    const next = forwardResponseStatelessly(answer(sent, 180));
    if (isFailure(next)) throw new Error(next.message);
    expect([next.address, next.port]).toEqual(['198.51.100.7', 5062]);
    expect(message(next.bytes.toString('latin1')).values(1)).toHaveLength(1);
  });

  it.each([
    ['198.51.100.7', 5060],
    ['198.51.100.7:6000', 6000],
    ['10.0.0.1:6000;received=198.51.100.7', 6000],
    ['10.0.0.1:6000;received=198.51.100.7;rport=7000', 7000],
    ['198.51.100.7:6000;rport=99999', 6000],
    ['198.51.100.7:6000;rport=x', 6000],
  ])('for %s go to port %i', (sentBy, port) => {
    const text = answer(sent, 180).text.replace(
      /198\.51\.100\.7:5062;branch=\S+/,
      `${sentBy};branch=z9hG4bKx`,
    );
    const next = forwardResponseStatelessly(message(text));
    expect(next).toMatchObject({ address: '198.51.100.7', port });
  });

  it('without a next Via go nowhere', () => {
    const next = forwardResponseStatelessly(
      message(answer(sent, 180).text.replace(/\r\nVia: .*caller1.*/, '')),
    );
    expect(isFailure(next) && next.code).toBe('PROXY_VIA_MISSING');
  });

  it.each([
    ['pc.example.org', 'sip:pc.example.org;transport=udp'],
    ['pc.example.org:5070', 'sip:pc.example.org:5070;transport=udp'],
    ['pc.example.org;received=198.51.100.7', 'sip:198.51.100.7:5060;transport=udp'],
    ['999.1.1.1', 'PROXY_VIA_UNROUTABLE'],
    ['224.0.1.75', 'PROXY_VIA_UNROUTABLE'],
  ])('for %s lead to %s (RFC 3263 5)', (sentBy, expected) => {
    const text = answer(sent, 180).text.replace(
      /198\.51\.100\.7:5062;branch=\S+/,
      `${sentBy};branch=z9hG4bKx`,
    );
    const next = forwardResponseStatelessly(message(text));
    expect(isFailure(next) ? next.code : responseUri(next)).toBe(expected);
  });
});
