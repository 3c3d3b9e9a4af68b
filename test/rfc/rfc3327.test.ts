/** RFC 3327: the Path of a REGISTER is the way of the requests to what it registers. */

import { describe, expect, it } from 'vitest';
import { readSent } from '../support/node-harness.ts';
import { RegistrarBench } from '../support/registrar-bench.ts';

const phone = 'Contact: <sip:bob@192.0.2.1:5062>';
const path = 'Path: <sip:edge2.example.org;lr>,<sip:192.0.2.50;lr;ob>';

function inviteTo(bench: RegistrarBench): string {
  const lines = [
    'INVITE sip:bob@example.org SIP/2.0',
    'Via: SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bKinvite',
    'From: <sip:alice@example.org>;tag=a',
    'To: <sip:bob@example.org>',
    'Call-ID: invite-1',
    'CSeq: 1 INVITE',
    'Content-Length: 0',
  ];
  const sent = bench.harness.receive(`${lines.join('\r\n')}\r\n\r\n`, '10.0.0.8:5060');
  return sent.find((datagram) => datagram.text.startsWith('INVITE'))!.text;
}

describe('RFC 3327 5.3', () => {
  it('the registrar stores the Path and copies it into the 200', () => {
    const bench = new RegistrarBench();
    const answer = bench.register([phone, path, 'Supported: path']);
    expect(answer.status).toBe(200);
    expect(answer.header('Path')).toBe('<sip:edge2.example.org;lr>, <sip:192.0.2.50;lr;ob>');
  });

  it('a client that does not support it is not told, but reached all the same', () => {
    const bench = new RegistrarBench();
    expect(bench.register([phone, 'Path: <sip:192.0.2.50;lr>']).header('Path')).toBeNull();
    expect(inviteTo(bench)).toContain('Route: <sip:192.0.2.50;lr>\r\n');
  });

  it.each(['path-strict', 'p2'])('%s: such a client gets 420 with Unsupported: path', (flag) => {
    const bench = new RegistrarBench(`save("location", "${flag}");`);
    const answer = bench.register([phone, path]);
    expect([answer.status, answer.header('Unsupported')]).toEqual([420, 'path']);
    expect(bench.register([phone, path, 'Supported: path']).status).toBe(200);
  });

  it('path_mode and use_path say the same for every save()', () => {
    const strict = new RegistrarBench('save("location");', 'modparam("registrar", "use_path", 1)');
    expect(strict.register([phone, path]).status).toBe(420);
    const off = new RegistrarBench('save("location");', 'modparam("registrar", "path_mode", 0)');
    expect(off.register([phone, path, 'Supported: path']).header('Path')).toBeNull();
    const none = new RegistrarBench('save("location");', 'modparam("registrar", "use_path", 0)');
    none.register([phone, 'Path: <sip:192.0.2.50;lr>', 'Supported: path']);
    expect(inviteTo(none)).not.toContain('Route:');
  });
});

describe('RFC 3327 5.3 the way to the client', () => {
  it('is the Path as a Route, in its order, with the contact as Request-URI', () => {
    const bench = new RegistrarBench();
    bench.register([phone, 'Path: <sip:192.0.2.50;lr>', 'Path: <sip:192.0.2.51;lr>', 'Supported: path']);
    const sent = inviteTo(bench);
    expect(sent).toMatch(/^INVITE sip:bob@192\.0\.2\.1:5062 /);
    expect(sent).toContain('Route: <sip:192.0.2.50;lr>, <sip:192.0.2.51;lr>\r\n');
  });

  it('path-received: the nearest Path says where it was seen itself', () => {
    const bench = new RegistrarBench('save("location", "path-lazy,path-received");');
    bench.register([phone, 'Path: <sip:edge.invalid;lr;received=sip:192.0.2.60:5080>']);
    const fetched = bench.register([], { callId: 'fetch' });
    expect(fetched.contacts[0]).toContain(';received="sip:192.0.2.60:5080"');
    const message = readSent({ text: inviteTo(bench), to: '', socket: bench.harness.sockets[0]! });
    expect(message.requestUri).toBe('sip:bob@192.0.2.1:5062');
  });
});
