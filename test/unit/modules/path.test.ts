/** path: what a proxy in front of a registrar writes into a REGISTER, and the way back. */

import { describe, expect, it } from 'vitest';
import { NodeHarness, readSent } from '../../support/node-harness.ts';

const modules = ['proto_udp', 'sl', 'tm', 'rr', 'sipmsgops', 'path']
  .map((name) => `loadmodule "${name}.so"\n`)
  .join('');
const registrar = '192.0.2.5:5060';

function edge(call: string): NodeHarness {
  return new NodeHarness(`socket=udp:10.0.0.1:5060
${modules}modparam("path", "use_received", 1)
route {
  if (is_method("REGISTER")) { ${call} $du = "sip:${registrar}"; t_relay(); exit; }
  loose_route();
  t_relay();
}`);
}

function register(...headers: string[]): string {
  const lines = [
    'REGISTER sip:example.org SIP/2.0',
    'Via: SIP/2.0/UDP 192.168.1.2:5060;rport;branch=z9hG4bKa',
    'From: <sip:bob@example.org>;tag=1',
    'To: <sip:bob@example.org>',
    'Call-ID: c',
    'CSeq: 1 REGISTER',
    'Max-Forwards: 70',
    ...headers,
    'Content-Length: 0',
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function paths(text: string): string[] {
  return [...text.matchAll(/^Path: (.*)\r$/gm)].map((match) => match[1]!);
}

const outbound = [
  'Supported: path, outbound',
  'Contact: <sip:bob@192.168.1.2>;reg-id=1;+sip.instance="<urn:x>"',
];

describe('RFC 3327 5.2', () => {
  it('add_path: our URI stands above those of proxies before us', () => {
    const sent = edge('add_path();').receive(
      register('Path: <sip:first.example.org;lr>'),
      '203.0.113.9:4000',
    );
    expect(paths(sent.at(-1)!.text)).toEqual(['<sip:10.0.0.1:5060;lr>', '<sip:first.example.org;lr>']);
  });

  it('with a user part', () => {
    const sent = edge('add_path("edge1");').receive(register(), '203.0.113.9:4000');
    expect(paths(sent.at(-1)!.text)).toEqual(['<sip:edge1@10.0.0.1:5060;lr>']);
  });

  it('add_path_received: where the client was seen', () => {
    const sent = edge('add_path_received();').receive(register(), '203.0.113.9:4000');
    expect(paths(sent.at(-1)!.text)).toEqual(['<sip:10.0.0.1:5060;lr;received=sip:203.0.113.9:4000>']);
  });
});

describe('RFC 5626 5.1', () => {
  it('the first hop says ob to a client that asks for a flow', () => {
    const sent = edge('add_path_received();').receive(register(...outbound), '203.0.113.9:4000');
    expect(paths(sent.at(-1)!.text)).toEqual(['<sip:10.0.0.1:5060;lr;received=sip:203.0.113.9:4000;ob>']);
  });

  it('a later hop does not', () => {
    const via = 'Via: SIP/2.0/UDP 192.168.1.3;branch=z9hG4bKb';
    const sent = edge('add_path_received();').receive(register(via, ...outbound), '203.0.113.9:4000');
    expect(paths(sent.at(-1)!.text)[0]).not.toContain(';ob');
  });
});

describe('the way back', () => {
  it('use_received: the request goes where the client was seen, with the contact as Request-URI', () => {
    const lines = [
      'INVITE sip:bob@192.168.1.2 SIP/2.0',
      `Via: SIP/2.0/UDP ${registrar};branch=z9hG4bKi`,
      'Route: <sip:10.0.0.1:5060;lr;received=sip:203.0.113.9:4000>',
      'From: <sip:alice@example.org>;tag=1',
      'To: <sip:bob@example.org>',
      'Call-ID: i',
      'CSeq: 1 INVITE',
      'Max-Forwards: 70',
      'Content-Length: 0',
    ];
    const sent = edge('').receive(`${lines.join('\r\n')}\r\n\r\n`, registrar);
    const invite = sent.find(({ text }) => text.startsWith('INVITE'))!;
    expect(invite.to).toBe('203.0.113.9:4000');
    expect(readSent(invite).requestUri).toBe('sip:bob@192.168.1.2');
    expect(invite.text).not.toContain('Route:');
  });
});
