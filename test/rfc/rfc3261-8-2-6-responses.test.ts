/** RFC 3261 8.2.6: responses that the node makes itself, statelessly (sl) and statefully (tm). */

import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { NodeHarness, readSent } from '../support/node-harness.ts';

const request = (method: string, ...headers: string[]): string =>
  [
    `${method} sip:bob@10.0.0.1 SIP/2.0`,
    'Via: SIP/2.0/UDP 10.0.0.8:5070;branch=z9hG4bKtop;rport, SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKsecond',
    'v: SIP/2.0/UDP 10.0.0.6;branch=z9hG4bKthird',
    'Max-Forwards: 70',
    'f: "Alice, A." <sip:alice@example.com>;tag=f1;other=1',
    'i: call-1@example.com',
    `CSeq: 007 ${method}`,
    ...headers,
    '',
    '',
  ].join('\r\n');

const withTo = (method: string, to: string, ...headers: string[]): string =>
  request(method, `To: ${to}`, ...headers);

describe.each([
  ['stateless', 'sl_send_reply'],
  ['stateful', 't_reply'],
])('a %s response', (_kind, call) => {
  const node = (): NodeHarness => new NodeHarness(`route { ${call}(486, "Busy Here"); }`);

  it('RFC 3261 8.2.6.2: From, Call-ID and CSeq equal those of the request', () => {
    const reply = readSent(node().receive(withTo('OPTIONS', '<sip:bob@example.com>'))[0]);
    expect(reply.status).toBe(486);
    expect(reply.firstValue(headerNames.from)).toBe('"Alice, A." <sip:alice@example.com>;tag=f1;other=1');
    expect(reply.callId).toBe('call-1@example.com');
    expect(reply.firstValue(headerNames.cseq)).toBe('007 OPTIONS');
  });

  it('RFC 3261 8.2.6.2: the Via values are all there, in their order', () => {
    const reply = readSent(node().receive(withTo('OPTIONS', '<sip:bob@example.com>'))[0]);
    expect(reply.values(headerNames.via)).toEqual([
      'SIP/2.0/UDP 10.0.0.8:5070;branch=z9hG4bKtop;rport=5070;received=10.0.0.9',
      'SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKsecond',
      'SIP/2.0/UDP 10.0.0.6;branch=z9hG4bKthird',
    ]);
  });

  it('RFC 3261 8.2.6.2: a To without tag gets one', () => {
    const reply = readSent(node().receive(withTo('OPTIONS', 'Bob <sip:bob@example.com>;x=y'))[0]);
    expect(reply.to.uri).toBe('sip:bob@example.com');
    expect(reply.to.parameter('x')).toBe('y');
    expect(reply.toTag).not.toBe('');
  });

  it('RFC 3261 8.2.6.2: a To with a tag stays as it is', () => {
    const reply = readSent(node().receive(withTo('OPTIONS', '<sip:bob@example.com>;tag=t9'))[0]);
    expect(reply.firstValue(headerNames.to)).toBe('<sip:bob@example.com>;tag=t9');
  });

  it('RFC 3261 8.2.6.2: the same tag in every response to one request', () => {
    const one = node();
    const text = withTo('OPTIONS', '<sip:bob@example.com>');
    const first = readSent(one.receive(text)[0]);
    expect(readSent(one.receive(text)[0]).toTag).toBe(first.toTag);
  });
});

describe('RFC 3261 8.2.6.1 a 100', () => {
  const node = (): NodeHarness => new NodeHarness('route { t_relay(, "udp:10.0.0.8:5060"); }');

  it('carries the Timestamp of the request, and no To tag', () => {
    const sent = node().receive(withTo('INVITE', '<sip:bob@example.com>', 'Timestamp: 54.21'));
    const trying = readSent(sent[0]);
    expect(trying.status).toBe(100);
    expect(trying.firstValue(headerNames.timestamp)).toBe('54.21');
    expect(trying.toTag).toBe('');
  });
});

describe('RFC 3261 8.2.6.1: provisional responses', () => {
  const relay = (): NodeHarness => new NodeHarness('route { t_relay("udp:10.0.0.2:5060"); }');
  const sentBy = (node: NodeHarness, method: string): string[] =>
    node
      .receive(withTo(method, '<sip:bob@example.com>', 'Timestamp: 54.3 '))
      .filter(({ text }) => text.startsWith('SIP/2.0 '))
      .map(({ text }) => text);

  it('a request that is no INVITE gets none at once', () => {
    expect(sentBy(relay(), 'OPTIONS')).toEqual([]);
  });

  it('the 100 to an INVITE repeats its Timestamp and has no tag', () => {
    const [trying] = sentBy(relay(), 'INVITE');
    expect(trying).toMatch(/^SIP\/2\.0 100 /);
    expect(trying).toContain('\r\nTimestamp: 54.3\r\n');
    expect(trying).toContain('\r\nTo: <sip:bob@example.com>\r\n');
  });

  it('other responses do not repeat the Timestamp', () => {
    const node = new NodeHarness('route { t_reply(486, "Busy Here"); }');
    const final = sentBy(node, 'INVITE').find((text) => text.startsWith('SIP/2.0 486'));
    expect(final).toBeDefined();
    expect(final).not.toContain('Timestamp');
  });
});
