/** Names in a whole node: several places for one target, those that failed last, and what Record-Route says of each. */

import { describe, expect, it } from 'vitest';
import { request } from '../../support/module-host.ts';
import { NodeHarness, readSent, type SentDatagram } from '../../support/node-harness.ts';
import { only } from '../../support/script-call.ts';
import { recordRoutes } from '../../support/sip-phone.ts';
import { answer } from '../../support/transaction-bench.ts';

const srv = (priority: number, port: number) => ({ priority, weight: 0, port, name: 'server.test' });
const options = {
  names: { 'server.test': '192.0.2.1', 'pair.test': '192.0.2.1 192.0.2.2' },
  services: {
    '_sip._udp.two.test': [srv(1, 5061), srv(2, 5062)],
    '_sip._tcp.mixed.test': [srv(1, 5063)],
    '_sip._udp.mixed.test': [srv(1, 5061)],
  },
};

const relay = 'route { record_route(); t_relay(); }';

let branches = 0;

function invite(uri: string): string {
  return request('INVITE', uri, 'Content-Length: 0').text.replace('z9hG4bKa', `z9hG4bKn${++branches}`);
}

const call = (node: NodeHarness, uri: string): SentDatagram => only(node.receive(invite(uri)), 'INVITE');
const busy = (node: NodeHarness, sent: SentDatagram): SentDatagram[] =>
  node.receive(answer(readSent(sent), 503, 'bob').text, sent.to);

describe('a target with several places', () => {
  it('is tried at the next one after a 503, and from then on there first', () => {
    const node = new NodeHarness(relay, options);
    const first = call(node, 'sip:bob@two.test');
    expect(first.to).toBe('192.0.2.1:5061');
    expect(only(busy(node, first), 'INVITE').to).toBe('192.0.2.1:5062');
    expect(call(node, 'sip:bob@two.test').to).toBe('192.0.2.1:5062');
    node.advance(60_000);
    node.take();
    expect(call(node, 'sip:bob@two.test').to).toBe('192.0.2.1:5061');
  });

  it('is tried at every address of a name without services', () => {
    const node = new NodeHarness(relay, options);
    const first = call(node, 'sip:bob@pair.test:5080');
    expect(first.to).toBe('192.0.2.1:5080');
    expect(only(busy(node, first), 'INVITE').to).toBe('192.0.2.2:5080');
  });

  it('is tried at one only with disable_dns_failover', () => {
    const node = new NodeHarness(`disable_dns_failover=yes\n${relay}`, options);
    const sent = busy(node, call(node, 'sip:bob@two.test'));
    expect(sent.map(readSent).some(({ method, isRequest }) => isRequest && method === 'INVITE')).toBe(false);
  });

  it.each(['no-dns-failover', '0x04'])('is tried at one only with t_relay("%s")', (flag) => {
    const node = new NodeHarness(`route { t_relay("${flag}"); }`, options);
    const sent = busy(node, call(node, 'sip:bob@two.test'));
    expect(sent.map(readSent).some(({ method, isRequest }) => isRequest && method === 'INVITE')).toBe(false);
  });

  it('is tried at the failed one again with disable_dns_blacklist', () => {
    const node = new NodeHarness(`disable_dns_blacklist=yes\n${relay}`, options);
    busy(node, call(node, 'sip:bob@two.test'));
    expect(call(node, 'sip:bob@two.test').to).toBe('192.0.2.1:5061');
  });

  it('is recorded by the socket that the request leaves by', () => {
    const sockets = 'socket=udp:10.0.0.1:5060\nsocket=tcp:10.0.0.1:5060\n';
    const node = new NodeHarness(sockets + relay, options);
    const first = call(node, 'sip:bob@mixed.test');
    expect([first.socket.protocol, recordRoutes(readSent(first)).length]).toEqual(['udp', 1]);
    const second = only(busy(node, first), 'INVITE');
    expect([second.socket.protocol, second.to]).toEqual(['tcp', '192.0.2.1:5063']);
    expect(recordRoutes(readSent(second))).toHaveLength(2);
  });
});

describe('dns_servers', () => {
  it.each(['192.0.2.53', '192.0.2.53:5353, 2001:db8::53', '[2001:db8::53]:5353'])('takes "%s"', (servers) => {
    expect(() => new NodeHarness(`dns_servers="${servers}"\n${relay}`)).not.toThrow();
  });

  it.each(['ns1.example.org', '192.0.2.53:x', '192.0.2.53:0'])('refuses "%s"', (servers) => {
    expect(() => new NodeHarness(`dns_servers="${servers}"\n${relay}`)).toThrow(/dns_servers/);
  });
});

describe('a name that leads nowhere', () => {
  it('is answered 478', () => {
    const node = new NodeHarness(relay, options);
    expect(only(node.receive(invite('sip:bob@nowhere.test')), '478').to).toBe('10.0.0.9:5070');
  });

  it('is answered 100 while nobody knows, and 487 after a CANCEL', () => {
    const answers: (() => void)[] = [];
    const node = new NodeHarness(relay, { ...options, later: (give) => answers.push(give) });
    const text = invite('sip:bob@two.test');
    expect(only(node.receive(text), '100').to).toBe('10.0.0.9:5070');
    const cancel = text.replace('INVITE sip', 'CANCEL sip').replace(/CSeq: (\d+) INVITE/, 'CSeq: $1 CANCEL');
    expect(only(node.receive(cancel), '487').to).toBe('10.0.0.9:5070');
    for (const give of answers) give();
    expect(node.take().filter(({ text: sent }) => sent.startsWith('INVITE'))).toEqual([]);
  });
});
