/** Which socket a message leaves by, and what it says of it: several addresses, `mhomed`, advertised ones, aliases. */

import { describe, expect, it } from 'vitest';
import { SourceAddresses } from '#net/source-address.ts';
import { request } from '../../support/module-host.ts';
import { NodeHarness, readSent, type SentDatagram } from '../../support/node-harness.ts';
import { only } from '../../support/script-call.ts';
import { recordRoutes } from '../../support/sip-phone.ts';

const two = 'socket=udp:10.0.0.1:5060\nsocket=udp:192.168.1.1:5060\nsocket=tcp:192.168.1.1:5060\n';
const relay = 'route { record_route(); t_relay(); }';

let branches = 0;

/** Each a transaction of its own. */
function invite(uri: string): string {
  return request('INVITE', uri, 'Content-Length: 0').text.replace('z9hG4bKa', `z9hG4bKs${++branches}`);
}

function sendTo(node: NodeHarness, uri: string, socket = node.sockets[0]!): SentDatagram {
  return only(node.receive(invite(uri), '10.0.0.9:5070', socket), 'INVITE');
}

const leavesBy = (sent: SentDatagram): string => `${sent.socket.protocol} ${sent.socket.address}`;

describe('a node with several addresses', () => {
  it('sends from the socket that the request came by', () => {
    const node = new NodeHarness(two + relay);
    expect(leavesBy(sendTo(node, 'sip:bob@10.0.0.8', node.sockets[1]))).toBe('udp 192.168.1.1');
    expect(leavesBy(sendTo(node, 'sip:carol@10.0.0.8', node.sockets[0]))).toBe('udp 10.0.0.1');
  });

  it('sends by the transport of the URI from the address of that socket, where it can', () => {
    const node = new NodeHarness(two + relay);
    expect(leavesBy(sendTo(node, 'sip:bob@10.0.0.8;transport=tcp'))).toBe('tcp 192.168.1.1');
    const caller = node.connect('192.168.1.9:40000');
    const out = only(caller.write(invite('sip:bob@192.168.1.8')), 'INVITE');
    expect(leavesBy(out)).toBe('udp 192.168.1.1');
  });

  it('asks the kernel with mhomed=1; force_send_socket() is obeyed first', () => {
    const routes = { '192.168.1.8': '192.168.1.1', '10.0.0.8': '10.0.0.1', '172.16.0.1': '172.16.9.9' };
    const node = new NodeHarness(`mhomed=1\n${two}${relay}`, { routes });
    const out = sendTo(node, 'sip:bob@192.168.1.8');
    expect(leavesBy(out)).toBe('udp 192.168.1.1');
    expect(readSent(out).topVia.host).toBe('192.168.1.1');
    expect(recordRoutes(readSent(out))).toHaveLength(2);
    expect(leavesBy(sendTo(node, 'sip:bob@10.0.0.8', node.sockets[1]))).toBe('udp 10.0.0.1');
    // An address where nothing listens decides nothing.
    expect(leavesBy(sendTo(node, 'sip:bob@172.16.0.1'))).toBe('udp 10.0.0.1');
    const forced = new NodeHarness(
      `mhomed=1\n${two}route { force_send_socket("udp:10.0.0.1:5060"); t_relay(); }`,
      { routes },
    );
    expect(leavesBy(sendTo(forced, 'sip:bob@192.168.1.8'))).toBe('udp 10.0.0.1');
  });

  it('is known to the kernel', async () => {
    const addresses = new SourceAddresses();
    const ask = (): Promise<string | null> =>
      new Promise((resolve) => addresses.find(0, '127.0.0.1', resolve));
    expect(await Promise.all([ask(), ask()])).toEqual(['127.0.0.1', '127.0.0.1']);
    let local: string | null = '';
    addresses.find(1, '127.0.0.1', (found) => {
      local = found;
    });
    expect(local).toBe('127.0.0.1');
  });
});

describe('what others are told', () => {
  it('is `as` of the socket, else advertised_address and advertised_port', () => {
    const node = new NodeHarness(
      'advertised_address="sip.example.org"\nadvertised_port=5090\nsocket=udp:10.0.0.1:5060\n' +
        `socket=tcp:10.0.0.1:5060 as own.example.org:5062\n${relay}`,
    );
    const udp = readSent(sendTo(node, 'sip:bob@10.0.0.8'));
    expect([udp.topVia.host, udp.topVia.port]).toEqual(['sip.example.org', 5090]);
    expect(recordRoutes(udp)).toEqual(['<sip:sip.example.org:5090;lr;ftag=f1>']);
    const tcp = readSent(sendTo(node, 'sip:carol@10.0.0.8;transport=tcp'));
    expect([tcp.topVia.host, tcp.topVia.port]).toEqual(['own.example.org', 5062]);
    expect(recordRoutes(tcp)[0]).toBe('<sip:own.example.org:5062;transport=tcp;lr;r2=on;ftag=f1>');
  });

  it.each([
    ['sip:x@sip.example.org:5090', true],
    ['sip:x@own.example.org:5062', true],
    ['sip:x@alias.example.org', true],
    ['sip:x@10.0.0.1', true],
    ['sip:x@own.example.org:5099', false],
    ['sip:x@example.org', false],
  ])('%s is us: %s', (uri, isUs) => {
    const node = new NodeHarness(
      'advertised_address="sip.example.org"\nadvertised_port=5090\nalias=tcp:alias.example.org\n' +
        'socket=udp:10.0.0.1:5060\nsocket=tcp:10.0.0.1:5062 as own.example.org:5062\n' +
        'route { if (is_myself("$rd", $rp)) xlog("us"); else xlog("them"); }',
    );
    node.receive(request('OPTIONS', uri, 'Content-Length: 0').text);
    expect(node.logged.map(({ message }) => message)).toEqual([isUs ? 'us' : 'them']);
  });
});

describe('a socket that cannot be', () => {
  it('is a TCP socket on the anycast address', () => {
    expect(
      () => new NodeHarness(`socket=udp:10.0.0.1:5060\nsocket=tcp:10.0.0.1:5060 anycast\n${relay}`),
    ).toThrow('the packets of a connection must all reach one node');
  });
});
