/** RFC 3261 18 over TCP: which transport a request takes, and which connection. RFC 5923 and RFC 5658 with it. */

import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { NodeHarness, readSent, type SentDatagram } from '../support/node-harness.ts';
import { names, only } from '../support/script-call.ts';
import { recordRoutes } from '../support/sip-phone.ts';
import { answer } from '../support/transaction-bench.ts';

const sockets = 'socket=udp:10.0.0.1:5060\nsocket=tcp:10.0.0.1:5060\n';
const relay = 'route { t_relay(); }';

function text(parts: {
  method?: string;
  uri?: string;
  via?: string;
  headers?: string[];
  length?: number;
}): string {
  const {
    method = 'INVITE',
    uri = 'sip:bob@10.0.0.8',
    via = 'UDP 10.0.0.9:5070',
    headers = [],
    length = 0,
  } = parts;
  const lines = [
    `${method} ${uri} SIP/2.0`,
    `Via: SIP/2.0/${via};branch=z9hG4bKc`,
    'Max-Forwards: 70',
    'From: <sip:a@example.org>;tag=1',
    'To: <sip:b@example.org>',
    'Call-ID: x',
    `CSeq: 1 ${method}`,
    ...headers,
    `Content-Length: ${length}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${'x'.repeat(length)}`;
}

/** Protocol of the top Via, protocol of the socket, and where to. */
function way(sent: SentDatagram | undefined): string {
  const via = readSent(sent).topVia;
  expect([via.host, via.port]).toEqual([sent!.socket.advertisedAddress, sent!.socket.advertisedPort]);
  return `${via.protocol} ${sent!.socket.protocol} ${sent!.to}`;
}

describe('RFC 3261 18.1.1 a request that is longer than a datagram should be', () => {
  /** The way of an INVITE that leaves with exactly so many bytes. */
  function sized(bytes: number, script = relay): { node: NodeHarness; out: SentDatagram } {
    const probe = new NodeHarness(`${sockets}udp_mtu=0\n${script}`);
    // 100 to 999 bytes of body leave the length of Content-Length alone.
    const added = only(probe.receive(text({ length: 500 }), '10.0.0.9:5070'), 'INVITE').text.length - 500;
    const node = new NodeHarness(`${sockets}${script}`);
    const out = only(node.receive(text({ length: bytes - added }), '10.0.0.9:5070'), 'INVITE');
    return { node, out };
  }

  it('goes over UDP with 1,300 bytes, and over TCP with more: the top Via says so', () => {
    expect(way(sized(1300).out)).toBe('UDP udp 10.0.0.8:5060');
    // The Via of a TCP request is as long as that of a UDP one.
    expect(way(sized(1301).out)).toBe('TCP tcp 10.0.0.8:5060');
    expect(sized(1301).out.text.length).toBe(1301);
  });

  it('goes over UDP after all when nobody takes the connection, with a Via of UDP, and the next one does so at once', () => {
    const node = new NodeHarness(`${sockets}${relay}`);
    node.deaf.add(5060);
    const [trying, ...none] = node.receive(text({ length: 2000 }), '10.0.0.9:5070');
    expect([names([trying!]), none.length]).toEqual([['100 10.0.0.9:5070'], 1]);
    expect(way(none[0])).toBe('UDP udp 10.0.0.8:5060');
    expect(node.dialled).toHaveLength(1);
    const again = node.receive(text({ length: 2000 }).replace('z9hG4bKc', 'z9hG4bKd'), '10.0.0.9:5070');
    expect(way(only(again, 'INVITE'))).toBe('UDP udp 10.0.0.8:5060');
    expect(node.dialled).toHaveLength(1);
    // Not for ever.
    node.deaf.clear();
    node.advance(600_000);
    node.take();
    const later = node.receive(text({ length: 2000 }).replace('z9hG4bKc', 'z9hG4bKe'), '10.0.0.9:5070');
    expect(way(only(later, 'INVITE'))).toBe('TCP tcp 10.0.0.8:5060');
  });

  it('goes so without a transaction, too: an ACK with a long answer to an offer', () => {
    const ack = (length: number, uri?: string): string =>
      text({ method: 'ACK', length, ...(uri && { uri }) });
    const node = new NodeHarness(`${sockets}${relay}`);
    expect(way(only(node.receive(ack(500), '10.0.0.9:5070'), 'ACK'))).toBe('UDP udp 10.0.0.8:5060');
    expect(way(only(node.receive(ack(2000), '10.0.0.9:5070'), 'ACK'))).toBe('TCP tcp 10.0.0.8:5060');
    const onlyUdp = ack(2000, 'sip:bob@10.0.0.8;transport=udp');
    expect(way(only(node.receive(onlyUdp, '10.0.0.9:5070'), 'ACK'))).toBe('UDP udp 10.0.0.8:5060');
    // Who does not take the connection gets the ACK that its repeated 200 brings.
    const deaf = new NodeHarness(`${sockets}${relay}`);
    deaf.deaf.add(5060);
    deaf.receive(ack(2000), '10.0.0.9:5070');
    expect(way(only(deaf.receive(ack(2000), '10.0.0.9:5070'), 'ACK'))).toBe('UDP udp 10.0.0.8:5060');
  });

  it('does so too when nothing answers the connection attempt', () => {
    const node = new NodeHarness(`${sockets}tcp_connect_timeout=500\n${relay}`);
    node.silent.add(5060);
    expect(names(node.receive(text({ length: 2000 }), '10.0.0.9:5070'))).toEqual(['100 10.0.0.9:5070']);
    node.advance(499);
    expect(node.take()).toEqual([]);
    node.advance(100);
    expect(way(node.take()[0])).toBe('UDP udp 10.0.0.8:5060');
    expect(node.statistic('tcp:connect_timeout')).toBe(1);
  });

  it.each([
    ['the target asks for UDP', sockets, 'route { $ru = "sip:bob@10.0.0.8;transport=udp"; t_relay(); }'],
    ['the node has no TCP socket', 'socket=udp:10.0.0.1:5060\n', relay],
    ['the script says so', `${sockets}udp_mtu=0\n`, relay],
    [
      'it goes to where a client was seen over UDP',
      sockets,
      'route { force_send_socket("udp:10.0.0.1:5060"); $du = "sip:10.0.0.8"; t_relay(); }',
    ],
  ])('stays on UDP when %s', (_name, head, script) => {
    const node = new NodeHarness(`${head}${script}`);
    expect(way(only(node.receive(text({ length: 2000 }), '10.0.0.9:5070'), 'INVITE'))).toBe(
      'UDP udp 10.0.0.8:5060',
    );
  });

  it('is recorded with the socket that every later request of the dialog may use', () => {
    const node = new NodeHarness(`${sockets}route { record_route(); t_relay(); }`);
    const out = only(node.receive(text({ length: 2000 }), '10.0.0.9:5070'), 'INVITE');
    expect(way(out)).toBe('TCP tcp 10.0.0.8:5060');
    expect(recordRoutes(readSent(out))).toEqual(['<sip:10.0.0.1:5060;lr;ftag=1>']);
  });
});

describe('RFC 3261 18.1.1 connections', () => {
  it('a URI with transport=tcp is reached over TCP; the next request takes the same connection', () => {
    const node = new NodeHarness(`${sockets}${relay}`);
    const uri = 'sip:bob@10.0.0.8:5080;transport=TCP';
    const first = only(node.receive(text({ uri }), '10.0.0.9:5070'), 'INVITE');
    expect(way(first)).toBe('TCP tcp 10.0.0.8:5080');
    node.receive(text({ uri, method: 'OPTIONS' }), '10.0.0.9:5070');
    expect(node.dialled).toHaveLength(1);
  });

  it('without a TCP socket nothing can be sent there', () => {
    const node = new NodeHarness(relay);
    const sent = node.receive(text({ uri: 'sip:bob@10.0.0.8;transport=tcp' }), '10.0.0.9:5070');
    expect(names(sent)).toEqual(['100 10.0.0.9:5070', '478 10.0.0.9:5070']);
  });

  it('RFC 3261 18.4: a refused connection is a transport error of the branch, and the next target is tried', () => {
    const node = new NodeHarness(
      `${sockets}route { t_on_failure("next"); t_relay(); } ` +
        'failure_route[next] { $ru = "sip:bob@10.0.0.7"; t_relay(); }',
    );
    node.deaf.add(5099);
    const sent = node.receive(text({ uri: 'sip:bob@10.0.0.8:5099;transport=tcp' }), '10.0.0.9:5070');
    expect(names(sent)).toEqual(['100 10.0.0.9:5070', 'INVITE 10.0.0.7:5060']);
  });
});

describe('RFC 3261 18.1.2 and 18.2.2 over a connection', () => {
  const via = 'TCP 10.0.0.9:5062';

  it('the response of the callee goes back over the connection that the request came by', () => {
    const node = new NodeHarness(`${sockets}${relay}`);
    const caller = node.connect('10.0.0.9:40001');
    const invite = only(caller.write(text({ via, uri: 'sip:bob@10.0.0.8:5060' })), 'INVITE');
    expect(way(invite)).toBe('UDP udp 10.0.0.8:5060');
    const back = node.receive(answer(readSent(invite), 200).text, '10.0.0.8:5060');
    expect(names(back)).toEqual(['200 10.0.0.9:40001']);
    expect([back[0]!.socket.protocol, node.dialled.length]).toEqual(['tcp', 0]);
  });

  it('the connection is gone: a new one to the source address, and the port of sent-by', () => {
    const node = new NodeHarness(`${sockets}${relay}`);
    const caller = node.connect('10.0.0.9:40001');
    const invite = only(caller.write(text({ via: 'TCP 10.7.7.7:5062' })), 'INVITE');
    caller.end();
    const back = node.receive(answer(readSent(invite), 200).text, '10.0.0.8:5060');
    expect(names(back)).toEqual(['200 10.0.0.9:5062']);
    expect(node.dialled).toHaveLength(1);
  });

  it('and to the default port when sent-by names none', () => {
    const node = new NodeHarness(`${sockets}route { sl_send_reply(404, "No"); }`);
    const caller = node.connect('10.0.0.9:40001');
    caller.end();
    const late = node.receive(
      text({ via: 'TCP pc.example.org', method: 'OPTIONS' }),
      '10.0.0.9:40001',
      node.sockets[1],
    );
    expect(names(late)).toEqual(['404 10.0.0.9:5060']);
  });

  it('RFC 3261 18.2.1: the Via gets received when its host is another', () => {
    const node = new NodeHarness(`${sockets}${relay}`);
    const invite = only(node.connect('10.0.0.9:40001').write(text({ via: 'TCP 10.7.7.7:5062' })), 'INVITE');
    expect(readSent(invite).values(headerNames.via)[1]).toBe(
      'SIP/2.0/TCP 10.7.7.7:5062;branch=z9hG4bKc;received=10.0.0.9',
    );
  });
});

describe('RFC 3261 18.3 on a stream', () => {
  it('several requests that come at once are several, whatever pieces they come in', () => {
    const node = new NodeHarness(`${sockets}route { sl_send_reply(404, "No"); }`);
    const caller = node.connect('10.0.0.9:40001');
    const two = text({ method: 'OPTIONS', via: 'TCP 10.0.0.9', length: 3 }).repeat(2);
    expect(caller.write(two)).toHaveLength(2);
    expect(caller.write(two.slice(0, 50))).toHaveLength(0);
    expect(caller.write(two.slice(50))).toHaveLength(2);
  });

  it('a stream that cannot be framed is closed, said once, and counted', () => {
    const node = new NodeHarness(`${sockets}${relay}`);
    const caller = node.connect('10.0.0.9:40001');
    caller.write(text({}).replace('Content-Length: 0\r\n', ''));
    expect(caller.isOpen()).toBe(false);
    expect(node.statistic('tcp:closed_unframed')).toBe(1);
    node.connect('10.0.0.9:40002').write('\x16\x03\x01');
    expect(node.lines('warn')).toEqual([
      'the connection from 10.0.0.9:40001 was closed: a message without Content-Length',
    ]);
  });

  it('a request relayed over TCP gets a Content-Length when it has none', () => {
    const node = new NodeHarness(`${sockets}${relay}`);
    const uri = 'sip:bob@10.0.0.8;transport=tcp';
    const bare = text({ uri, length: 3 }).replace('Content-Length: 3\r\n', '');
    const out = only(node.receive(bare, '10.0.0.9:5070'), 'INVITE');
    expect(out.text).toContain('\r\nContent-Length: 3\r\n');
  });
});

describe('RFC 5923 5 alias', () => {
  const register =
    'tcp_accept_aliases=1\nroute { if (is_method("OPTIONS")) { sl_send_reply(200, "OK"); exit; } t_relay(); }';
  const options = (via: string): string => text({ method: 'OPTIONS', via: `TCP ${via}` });
  const call = text({ uri: 'sip:bob@10.0.0.9:5062;transport=tcp' });

  it('requests to the sent-by of a Via with alias go over the connection that it came by', () => {
    const node = new NodeHarness(`${sockets}${register}`);
    node.connect('10.0.0.9:40001').write(options('10.0.0.9:5062;alias'));
    const [, out] = node.receive(call, '10.0.0.5:5060');
    expect([out!.to, node.dialled.length]).toEqual(['10.0.0.9:40001', 0]);
  });

  it('not for the address of another host, nor without the parameter, nor unless tcp_accept_aliases is on', () => {
    for (const [head, via] of [
      [register, '10.0.0.9:5062'],
      [register.replace('aliases=1', 'aliases=0'), '10.0.0.9:5062;alias'],
    ] as const) {
      const node = new NodeHarness(`${sockets}${head}`);
      node.connect('10.0.0.9:40001').write(options(via));
      node.receive(call, '10.0.0.5:5060');
      expect(node.dialled, via).toHaveLength(1);
    }
    const node = new NodeHarness(`${sockets}${register}`);
    node.connect('10.0.0.66:40001').write(options('10.0.0.9:5062;alias'));
    node.receive(call, '10.0.0.5:5060');
    expect(node.dialled).toHaveLength(1);
  });

  it('an alias ends with its connection, and takes no other connection away', () => {
    const node = new NodeHarness(`${sockets}${register}`);
    const first = node.connect('10.0.0.9:40001');
    first.write(options('10.0.0.9:5062;alias'));
    node.connect('10.0.0.9:40002').write(options('10.0.0.9:5062;alias'));
    expect(node.receive(call, '10.0.0.5:5060')[1]!.to).toBe('10.0.0.9:40001');
    first.end();
    node.receive(call.replace('z9hG4bKc', 'z9hG4bKd'), '10.0.0.5:5060');
    expect(node.dialled).toHaveLength(1);
  });

  it('force_tcp_alias() does it for one request', () => {
    const node = new NodeHarness(
      `${sockets}route { if (is_method("OPTIONS")) { force_tcp_alias(); exit; } t_relay(); }`,
    );
    node.connect('10.0.0.9:40001').write(options('10.0.0.9:5062'));
    expect(node.receive(call, '10.0.0.5:5060')[1]!.to).toBe('10.0.0.9:40001');
  });
});

describe('RFC 5658 3.1 and 3.2 double Record-Route', () => {
  const script =
    'socket=udp:10.0.0.1:5060 as proxy.example.org:5070\nsocket=tcp:10.0.0.1:5060\nsocket=udp:192.168.1.1:5060\n' +
    'route { if (has_totag()) { loose_route(); t_relay(); exit; } record_route(); t_relay(); }';
  const strip = (values: string[]): string[] => values.map((value) => value.replace(';ftag=1', ''));

  it('from TCP to UDP there are two, and the way back takes off both and leaves by TCP', () => {
    const node = new NodeHarness(script);
    const caller = node.connect('10.0.0.9:40001');
    const invite = only(caller.write(text({ via: 'TCP 10.0.0.9:5062' })), 'INVITE');
    const routes = strip(recordRoutes(readSent(invite)));
    expect(routes).toEqual([
      '<sip:proxy.example.org:5070;lr;r2=on>',
      '<sip:10.0.0.1:5060;transport=tcp;lr;r2=on>',
    ]);
    const bye = text({
      method: 'BYE',
      uri: 'sip:a@10.0.0.9:40001',
      headers: [`Route: ${routes.join(', ')}`],
      via: 'UDP 10.0.0.8',
    }).replace('To: <sip:b@example.org>', 'To: <sip:b@example.org>;tag=2');
    const [out] = node.receive(bye, '10.0.0.8:5060');
    expect(way(out)).toBe('TCP tcp 10.0.0.9:40001');
    expect(readSent(out).topRoute).toBeNull();
    expect(node.dialled).toEqual([]);
  });

  it('between two UDP sockets there are two as well, and the last one says where to leave', () => {
    const node = new NodeHarness(
      script.replace('record_route();', 'force_send_socket("udp:192.168.1.1:5060"); record_route();'),
    );
    const out = only(node.receive(text({ uri: 'sip:bob@192.168.1.8' }), '10.0.0.9:5070'), 'INVITE');
    expect(way(out)).toBe('UDP udp 192.168.1.8:5060');
    const routes = strip(recordRoutes(readSent(out)));
    expect(routes).toEqual(['<sip:192.168.1.1:5060;lr;r2=on>', '<sip:proxy.example.org:5070;lr;r2=on>']);
    const bye = text({ method: 'BYE', uri: 'sip:a@10.0.0.9:5070', headers: [`Route: ${routes.join(', ')}`] });
    const [back] = node.receive(
      bye.replace('To: <sip:b@example.org>', 'To: <sip:b@example.org>;tag=2'),
      '192.168.1.8:5060',
      node.sockets[1],
    );
    expect(way(back)).toBe('UDP udp 10.0.0.9:5070');
    expect(back!.socket.address).toBe('10.0.0.1');
  });

  it('over one socket there is one', () => {
    const node = new NodeHarness(script);
    const invite = only(node.receive(text({}), '10.0.0.9:5070'), 'INVITE');
    expect(strip(recordRoutes(readSent(invite)))).toEqual(['<sip:proxy.example.org:5070;lr>']);
  });
});
