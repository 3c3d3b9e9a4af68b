/** The connections of SIP over TCP: every wait and every number has an end, which is counted. */

import { describe, expect, it } from 'vitest';
import { request } from '../../support/module-host.ts';
import { NodeHarness } from '../../support/node-harness.ts';
import { names } from '../../support/script-call.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const sockets = 'socket=udp:10.0.0.1:5060\nsocket=tcp:10.0.0.1:5060\n';
const answering = 'route { sl_send_reply(200, "OK"); }';
const nothing = 'Content-Length: 0';
const options = request('OPTIONS', 'sip:bob@example.org', nothing).text;

function node(head = '', script = answering): NodeHarness {
  return new NodeHarness(`${sockets}${head}${script}`);
}

describe('connections that keep us waiting', () => {
  it('are closed when they send nothing at first, or half a message', () => {
    const subject = node();
    const silent = subject.connect('10.0.0.9:40001');
    const half = subject.connect('10.0.0.9:40002');
    half.write(options);
    subject.advance(3000);
    half.write(options.slice(0, 60));
    subject.advance(2000);
    expect([silent.isOpen(), half.isOpen()]).toEqual([false, true]);
    // Byte by byte is not faster.
    half.write(options[60]!);
    subject.advance(3500);
    expect(half.isOpen()).toBe(false);
    expect(subject.statistic('tcp:closed_slow_message')).toBe(2);
    expect(subject.statistic('tcp:connections')).toBe(0);
  });

  it('are closed when nothing comes for tcp_connection_lifetime; a ping is something', () => {
    const subject = node('tcp_connection_lifetime=60\n');
    const first = subject.connect('10.0.0.9:40001');
    const second = subject.connect('10.0.0.9:40002');
    first.write(options);
    second.write(options);
    subject.advance(40_000);
    expect(second.write('\r\n\r\n').map(({ text, to }) => [text, to])).toEqual([['\r\n', '10.0.0.9:40002']]);
    subject.advance(30_000);
    expect([first.isOpen(), second.isOpen()]).toEqual([false, true]);
    expect(subject.statistic('tcp:closed_idle')).toBe(1);
    subject.advance(60_000);
    expect(second.isOpen()).toBe(false);
    // Nobody is waited for any more: the node is idle.
    expect(subject.timers.size).toBe(0);
  });

  it('are closed when they do not read what they are sent', () => {
    const subject = node();
    const reader = subject.connect('10.0.0.9:40001');
    subject.stuck.add(40_001);
    reader.write(options);
    expect(reader.isOpen()).toBe(true);
    subject.advance(12_000);
    expect(reader.isOpen()).toBe(false);
    const greedy = subject.connect('10.0.0.9:40001');
    for (let count = 0; count < 5000 && greedy.isOpen(); count++) greedy.write(options);
    expect(greedy.isOpen()).toBe(false);
    expect(subject.statistic('tcp:closed_slow_reader')).toBe(2);
  });

  it('stay as long as a registration that came over them', () => {
    const subject = node('tcp_connection_lifetime=60\n', 'route { save("location"); }');
    const phone = subject.connect('10.0.0.9:40001');
    const register = request(
      'REGISTER',
      'sip:example.org',
      'Contact: <sip:bob@192.168.1.5>;expires=600',
      nothing,
    ).text;
    expect(names(phone.write(register))).toEqual(['200 10.0.0.9:40001']);
    subject.advance(599_000);
    expect(phone.isOpen()).toBe(true);
    subject.advance(3000);
    expect(phone.isOpen()).toBe(false);
  });
});

describe('a client that registered over a connection', () => {
  const script =
    'route { if (is_method("REGISTER")) { save("location"); exit; } lookup("location"); t_relay(); }';
  const register = (contact: string): string =>
    request('REGISTER', 'sip:example.org', `Contact: <sip:bob@${contact}>`, nothing).text;
  const invite = (number: number): string =>
    request('INVITE', 'sip:bob@example.org', nothing).text.replace('z9hG4bKa', `z9hG4bKi${number}`);

  it('is reached over it, whatever its Contact says', () => {
    const subject = node('', script);
    subject.connect('10.0.0.9:40001').write(register('192.168.1.5:5060'));
    expect(names(subject.receive(invite(1)))).toEqual(['100 10.0.0.9:5070', 'INVITE 10.0.0.9:40001']);
    expect(subject.dialled).toEqual([]);
  });

  it('is looked for where its Contact says when the connection is gone, unless it is behind a translator', () => {
    for (const [contact, expected] of [
      ['10.0.0.9:5062', 'INVITE 10.0.0.9:5062'],
      ['192.168.1.5:5062', '500 10.0.0.9:5070'],
    ] as const) {
      const subject = node('', script);
      const client = subject.connect('10.0.0.9:40001');
      client.write(register(contact));
      client.end();
      subject.deaf.add(40_001);
      expect(names(subject.receive(invite(1))), contact).toEqual(['100 10.0.0.9:5070', expected]);
    }
  });
});

describe('the number of connections', () => {
  it('has a limit, and one address never gets more than half of it', () => {
    const subject = node('tcp_max_connections=10\n');
    const greedy = Array.from({ length: 8 }, (_, index) => subject.connect(`10.0.0.66:${40_000 + index}`));
    expect(greedy.filter((stream) => stream.isOpen())).toHaveLength(5);
    const others = Array.from({ length: 7 }, (_, index) => subject.connect(`10.0.1.${index}:40000`));
    expect(others.filter((stream) => stream.isOpen())).toHaveLength(5);
    expect(subject.statistic('tcp:connections')).toBe(10);
    expect([subject.statistic('tcp:refused_source'), subject.statistic('tcp:refused_full')]).toEqual([3, 2]);
    expect(subject.lines('warn')[0]).toContain('10.0.0.66:40005 was refused: 5 are from there');
    greedy[0]!.end();
    expect(subject.connect('10.0.2.1:40000').isOpen()).toBe(true);
  });

  it('holds for those that the node makes: the caller hears 500 at once', () => {
    const subject = node(
      'tcp_max_connections=2\n',
      'route { $ru = "sip:x@10.0.0.8;transport=tcp"; t_relay(); }',
    );
    subject.connect('10.0.0.66:40000');
    subject.connect('10.0.0.67:40000');
    expect(names(subject.receive(request('INVITE', 'sip:bob@example.org', nothing).text))).toEqual([
      '100 10.0.0.9:5070',
      '500 10.0.0.9:5070',
    ]);
    expect(subject.dialled).toHaveLength(0);
  });

  it('is listed by tcp:list', async () => {
    const subject = node();
    subject.connect('10.0.0.9:40001');
    expect(JSON.parse(await subject.node.control.runForPeer('list_tcp_conns', '{}'))).toEqual({
      Connections: [
        {
          Type: 'tcp',
          State: 'connected',
          Remote: '10.0.0.9:40001',
          Local: 'tcp:10.0.0.1:5060',
          Opened: 'by the other side',
        },
      ],
    });
  });
});

describe('a connection that is not there yet', () => {
  const relay = 'route { $ru = "sip:x@10.0.0.8;transport=tcp"; t_relay(); }';

  it('gets what waits for it in order, and no more than fits', () => {
    const subject = node('', relay);
    subject.silent.add(5060);
    const text = request('INVITE', 'sip:bob@example.org', nothing).text;
    for (let count = 0; count < 3; count++) subject.receive(text.replaceAll('z9hG4bK', `z9hG4bK${count}`));
    expect(subject.dialled).toHaveLength(1);
    subject.advance(3100);
    expect(names(subject.take()).filter((name) => name.startsWith('500'))).toHaveLength(3);
    expect(subject.statistic('tcp:connect_timeout')).toBe(1);
  });
});

describe('streams of strangers (seeded)', () => {
  it('never end the node: an OPTIONS is answered after each, and nothing is left of them', () => {
    const subject = node();
    const pieces = [
      options,
      options.slice(0, 100),
      '\r\n\r\n',
      'l: 3\r\n',
      '\x00',
      'Content-Length: 99999\r\n\r\n',
      'SIP/2.0 200 OK\r\n',
    ];
    for (let seed = 1; seed <= 1000; seed++) {
      const random = new SeededRandom(seed);
      const stranger = subject.connect(`10.9.0.1:${10_000 + seed}`);
      for (let count = 0; count < 8; count++) {
        const piece = pieces[random.below(pieces.length)]!;
        if (stranger.isOpen()) stranger.write(piece.slice(0, 1 + random.below(piece.length)));
      }
      if (stranger.isOpen())
        stranger.end(random.below(2) === 0 ? 'connection closed' : 'connection failed (ECONNRESET)');
      expect(names(subject.receive(options)), `seed ${seed}`).toEqual(['200 10.0.0.9:5070']);
    }
    expect(subject.statistic('tcp:connections')).toBe(0);
    expect(subject.statistic('core:broken_invariants')).toBe(0);
  });
});
