/** RFC 5626: flows that clients keep open, and keep-alives. */

import { describe, expect, it } from 'vitest';
import type { NodeHarness } from '../support/node-harness.ts';
import { RegistrarBench } from '../support/registrar-bench.ts';

const instance = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"';

function contact(host: string, regId: number, more = ''): string {
  return `Contact: <sip:bob@${host};ob>;reg-id=${regId};${instance}${more}`;
}

const supported = 'Supported: path, outbound';

describe('RFC 5626 6 registrar', () => {
  it('MUST replace the binding of the same instance and reg-id, whatever its Contact', () => {
    const bench = new RegistrarBench();
    bench.register([contact('192.0.2.1', 1), supported], { callId: 'a' });
    bench.register([contact('192.0.2.7', 1), supported], { callId: 'b' });
    expect(bench.bound()).toEqual(['sip:bob@192.0.2.7;ob']);
  });

  it('keeps flows of other reg-ids and other instances beside it', () => {
    const bench = new RegistrarBench();
    bench.register([contact('192.0.2.1', 1), supported]);
    bench.register([contact('192.0.2.1', 2), supported]);
    bench.register(['Contact: <sip:bob@192.0.2.9>;reg-id=1;+sip.instance="<urn:uuid:other>"', supported]);
    expect(bench.bound()).toHaveLength(3);
  });

  it('removes the flow that a Contact with expires=0 names', () => {
    const bench = new RegistrarBench();
    bench.register([contact('192.0.2.1', 1), supported]);
    bench.register([contact('192.0.2.1', 2), supported]);
    bench.register([contact('192.0.2.1', 1, ';expires=0'), supported]);
    const left = bench.register([], { callId: 'fetch' }).contacts;
    expect(left).toHaveLength(1);
    expect(left[0]).toContain('reg-id=2');
  });

  it('MUST say Require: outbound in the answer, and only when it kept the flow', () => {
    const bench = new RegistrarBench();
    expect(bench.register([contact('192.0.2.1', 1), supported]).header('Require')).toBe('outbound');
    expect(bench.register(['Contact: <sip:bob@192.0.2.2>', supported]).header('Require')).toBeNull();
  });

  it('ignores reg-id without +sip.instance, and from a client that does not support outbound', () => {
    const bench = new RegistrarBench();
    expect(bench.register(['Contact: <sip:bob@192.0.2.1>;reg-id=1', supported]).header('Require')).toBeNull();
    expect(bench.register([contact('192.0.2.2', 1)]).header('Require')).toBeNull();
    expect(bench.register([contact('192.0.2.2', 0), supported]).header('Require')).toBeNull();
  });

  it('refuses a reg-id beside another Contact with 400', () => {
    const bench = new RegistrarBench();
    const two = [contact('192.0.2.1', 1), 'Contact: <sip:bob@192.0.2.2>', supported];
    expect(bench.register(two).status).toBe(400);
    const one = [contact('192.0.2.1', 1), 'Contact: <sip:bob@192.0.2.2>;expires=0', supported];
    expect(bench.register(one).status).toBe(200);
  });

  it('MUST answer 439 when the request came through a first hop that does not keep flows', () => {
    const bench = new RegistrarBench();
    const vias = ['Via: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKua'];
    const through = (path: string) => bench.register([contact('192.0.2.1', 1), supported, path], { vias });
    const answer = through('Path: <sip:192.0.2.50;lr>');
    expect(answer.status).toBe(439);
    expect(answer.message.reason).toBe('First Hop Lacks Outbound Support');
    expect(through('Path: <sip:192.0.2.49;lr>, <sip:token@192.0.2.50;lr;ob>').status).toBe(200);
  });

  it('sends requests over the flow that the REGISTER came on', () => {
    const bench = new RegistrarBench();
    bench.register([contact('10.99.0.1', 1), supported], { from: '10.0.0.9:40000' });
    const lines = [
      'OPTIONS sip:bob@example.org SIP/2.0',
      'Via: SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bKo',
      'From: <sip:alice@example.org>;tag=a',
      'To: <sip:bob@example.org>',
      'Call-ID: o',
      'CSeq: 1 OPTIONS',
      'Content-Length: 0',
    ];
    const sent = bench.harness.receive(`${lines.join('\r\n')}\r\n\r\n`, '10.0.0.8:5060');
    expect(sent.map((datagram) => datagram.to)).toEqual(['10.0.0.9:40000']);
  });
});

describe('RFC 5626 3.5 keep-alives', () => {
  const node = (): NodeHarness => new RegistrarBench().harness;

  it('3.5.1: a double CRLF is answered with a single CRLF', () => {
    expect(
      node()
        .receive('\r\n\r\n', '203.0.113.9:4000')
        .map(({ text, to }) => [text, to]),
    ).toEqual([['\r\n', '203.0.113.9:4000']]);
  });

  it.each(['\r\n', '\0\0\0\0', ' ', ''])('%j keeps an entry open and gets no answer', (bytes) => {
    const harness = node();
    expect(harness.receive(bytes)).toEqual([]);
    expect(harness.statistic('core:err_requests')).toBe(0);
  });

  const transaction = Buffer.from('0102030405060708090a0b0c', 'hex');

  function stun(type: number, body = Buffer.alloc(0), cookie = 0x2112a442): Buffer {
    const head = Buffer.alloc(8);
    head.writeUInt16BE(type, 0);
    head.writeUInt16BE(body.length, 2);
    head.writeUInt32BE(cookie, 4);
    return Buffer.concat([head, transaction, body]);
  }

  it('3.5.2: a STUN binding request on the SIP port is answered with the address that was seen', () => {
    const [answer] = node().receive(stun(1), '192.0.2.1:32853');
    const bytes = Buffer.from(answer!.text, 'latin1');
    expect(answer!.to).toBe('192.0.2.1:32853');
    expect(bytes.subarray(0, 4).toString('hex')).toBe('0101000c');
    expect(bytes.subarray(8, 20)).toEqual(transaction);
    // RFC 5769 2.2 has this very address: XOR-MAPPED-ADDRESS a147 e112a643.
    expect(bytes.subarray(20).toString('hex')).toBe('002000080001a147e112a643');
  });

  it('3.5.2: over IPv6 too', () => {
    const harness = new RegistrarBench('save("location");', '', 'socket=udp:[2001:db8::1]:5060\n').harness;
    const [answer] = harness.receive(stun(1), '[2001:db8:1234:5678:11:2233:4455:6677]:32853');
    const bytes = Buffer.from(answer!.text, 'latin1');
    expect(bytes.subarray(20, 28).toString('hex')).toBe('002000140002a147');
    expect(bytes).toHaveLength(44);
  });

  it.each([
    ['an indication', stun(0x11)],
    ['a response', stun(0x101)],
  ])('%s is not answered', (_name, bytes) => {
    const harness = node();
    expect(harness.receive(bytes)).toEqual([]);
    expect(harness.statistic('core:err_requests')).toBe(0);
  });

  it('with another cookie or a wrong length it is no STUN, but unreadable', () => {
    for (const bytes of [stun(1, Buffer.alloc(0), 1), Buffer.concat([stun(1), Buffer.alloc(3)])]) {
      const harness = node();
      expect(harness.receive(bytes)).toEqual([]);
      expect(harness.statistic('core:err_requests')).toBe(1);
    }
  });
});
