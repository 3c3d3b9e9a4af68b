/** RFC 5626: flows that clients keep open, and keep-alives. */

import { describe, expect, it } from 'vitest';
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
