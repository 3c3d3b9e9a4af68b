/** Pings: who gets which, how often, by whom in a cluster, and what no answer leads to. */

import { describe, expect, it } from 'vitest';
import { type ClusterPort, type ClusterSubscriber, clusterChannels } from '#module/host.ts';
import { nathelper } from '#modules/nathelper/declaration.ts';
import { usrloc } from '#modules/usrloc/declaration.ts';
import { locationService } from '#registrar/location-service.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildResponse } from '#sip/response.ts';
import { ScriptBench, TestHost, testSocket } from '../../support/module-host.ts';

class Bench {
  readonly host = new TestHost();
  readonly pings: ScriptBench<unknown>;
  readonly location: ScriptBench<unknown>;

  constructor(parameters: Record<string, unknown>, cluster: ClusterPort | null = null) {
    this.host.cluster = cluster;
    this.location = new ScriptBench(usrloc as never, { nat_bflag: 'NAT' }, this.host);
    this.pings = new ScriptBench(nathelper as never, { natping_interval: 10, ...parameters }, this.host);
  }

  add(user: string, uri: string, cflags = '', expires = 3600): void {
    this.location.run('ul_add', {
      table_name: 'location',
      aor: `${user}@example.org`,
      contact: uri,
      expires,
      q: 1,
      cflags,
    });
  }

  /** What was sent since the last call. */
  take() {
    return this.host.sent.splice(0);
  }

  reply(ping: string, status: number): boolean {
    const request = parseMessage(ping) as SipMessage;
    const text = buildResponse(request, { status, reason: 'x', toTag: 't', headers: '' });
    return this.host.hooks.onForeignReply.some((hook) => hook(parseMessage(text) as SipMessage, 0));
  }
}

const sip = { sipping_from: 'sip:pinger@example.org', sipping_bflag: 'SIP_PING' };

describe('every contact', () => {
  it('gets four zero bytes once per interval, spread over it', () => {
    const bench = new Bench({});
    for (let index = 0; index < 50; index++)
      bench.add(`user${index}`, `sip:user${index}@192.0.2.${index}:5062`);
    bench.host.advance(5000);
    const first = bench.take();
    expect(first.length).toBeGreaterThan(10);
    expect(first.length).toBeLessThan(40);
    bench.host.advance(5000);
    const all = [...first, ...bench.take()];
    expect(new Set(all.map(({ flow }) => `${flow.address}:${flow.port}`)).size).toBe(50);
    expect(all).toHaveLength(50);
    expect(all[0]!.text).toBe('\0\0\0\0');
    expect(bench.host.statistics.find('nathelper:pings_sent')).toBe(50);
  });

  it('with the flag of translated ones only, when the script says so', () => {
    const bench = new Bench({ ping_nated_only: 1 });
    bench.add('bob', 'sip:bob@192.0.2.1', 'NAT');
    bench.add('alice', 'sip:alice@192.0.2.2');
    bench.host.advance(10_100);
    expect(bench.take().map(({ flow }) => flow.address)).toEqual(['192.0.2.1']);
  });

  it('not over TCP, not beyond what a URI reaches, not when it has expired', () => {
    const bench = new Bench({});
    bench.add('bob', 'sip:bob@192.0.2.1;transport=tcp');
    bench.add('eve', 'sip:eve@192.0.2.3', '', 1);
    bench.host.advance(30_000);
    expect(bench.take().length).toBeLessThanOrEqual(1);
  });

  it('until an operator stops it', () => {
    const bench = new Bench({});
    bench.add('bob', 'sip:bob@192.0.2.1');
    expect(bench.pings.run('nh_enable_ping', { status: '0' })).toBe('OK');
    bench.host.advance(20_000);
    expect(bench.take()).toEqual([]);
    expect(bench.pings.run('nh_enable_ping')).toEqual({ Status: 0 });
    bench.pings.run('nh_enable_ping', { status: '1' });
    bench.host.advance(10_100);
    expect(bench.take()).toHaveLength(1);
  });

  it('never, without natping_interval', () => {
    const bench = new Bench({ natping_interval: 0 });
    bench.add('bob', 'sip:bob@192.0.2.1');
    bench.host.advance(60_000);
    expect(bench.take()).toEqual([]);
  });
});

describe('SIP pings', () => {
  it('are requests to the contact, sent where the client was seen', () => {
    const bench = new Bench(sip);
    bench.add('bob', 'sip:bob@192.168.1.2:5062', 'SIP_PING');
    const location = bench.host.service(locationService);
    const known = location.table.lookup('bob@example.org', bench.host.clock.wall())[0]!;
    location.publish('bob@example.org', [
      { ...known, received: 'sip:203.0.113.9:4000', changed: known.changed + 1 },
    ]);
    bench.host.advance(10_100);
    const [ping] = bench.take();
    expect(`${ping!.flow.address}:${ping!.flow.port}`).toBe('203.0.113.9:4000');
    const request = parseMessage(ping!.text) as SipMessage;
    expect([request.method, request.requestUri, request.from.uri, request.maxForwards]).toEqual([
      'OPTIONS',
      'sip:bob@192.168.1.2:5062',
      'sip:pinger@example.org',
      70,
    ]);
  });

  it('that are answered keep a contact; without answers it is removed', () => {
    const bench = new Bench({ ...sip, remove_on_timeout_bflag: 'RM', max_pings_lost: 2 });
    bench.add('bob', 'sip:bob@192.0.2.1', 'SIP_PING,RM');
    bench.add('eve', 'sip:eve@192.0.2.2', 'SIP_PING,RM');
    bench.add('joe', 'sip:joe@192.0.2.3', 'SIP_PING');
    for (let round = 0; round < 4; round++) {
      bench.host.advance(10_100);
      for (const { text } of bench.take())
        if (text.includes('sip:bob')) expect(bench.reply(text, 486)).toBe(true);
    }
    const left = ['bob', 'eve', 'joe'].filter(
      (user) =>
        bench.host.service(locationService).table.lookup(`${user}@example.org`, bench.host.clock.wall())
          .length > 0,
    );
    expect(left).toEqual(['bob', 'joe']);
    expect(bench.host.statistics.find('nathelper:contacts_removed')).toBe(1);
    expect(bench.host.lines('info')[0]).toContain('eve@example.org answered none of 2 pings');
  });

  it('answers that the script ignores, and provisional ones, are none', () => {
    const bench = new Bench({ ...sip, remove_on_timeout_bflag: 'RM', sipping_ignore_rpl_codes: '408, 503' });
    bench.add('bob', 'sip:bob@192.0.2.1', 'SIP_PING,RM');
    for (let round = 0; round < 5; round++) {
      bench.host.advance(10_100);
      for (const { text } of bench.take()) for (const status of [100, 408, 503]) bench.reply(text, status);
    }
    expect(bench.host.statistics.find('nathelper:contacts_removed')).toBe(1);
    expect(bench.host.statistics.find('nathelper:pings_answered')).toBe(0);
  });

  it('a response to somebody else’s branch is not ours', () => {
    const bench = new Bench(sip);
    expect(
      bench.reply(
        'OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKother\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n',
        200,
      ),
    ).toBe(false);
  });
});

describe('in a cluster', () => {
  it('one node pings each contact, and hears of answers that another received', () => {
    const subscribers = new Map<number, ClusterSubscriber>();
    const sent: { node: number; channel: number; body: Uint8Array }[] = [];
    const cluster: ClusterPort = {
      clusterId: 1,
      nodeId: 1,
      incarnation: 1,
      livePeers: () => [2],
      broadcast: () => {},
      send: (node, channel, body) => sent.push({ node, channel, body }) > 0,
      subscribe: (channel, subscriber) => subscribers.set(channel, subscriber),
    };
    const bench = new Bench({ ...sip, remove_on_timeout_bflag: 'RM', max_pings_lost: 2 }, cluster);
    bench.add('bob', 'sip:bob@192.0.2.1', 'SIP_PING,RM');
    const location = bench.host.service(locationService);
    bench.add('peer', 'sip:peer@192.0.2.9');
    const theirs = location.table.lookup('peer@example.org', bench.host.clock.wall())[0]!;
    location.publish('peer@example.org', [{ ...theirs, node: 2, changed: theirs.changed + 1 }]);
    bench.host.advance(10_100);
    const pings = bench.take();
    expect(pings.map(({ flow }) => flow.address)).toEqual(['192.0.2.1']);
    // Node 2 receives the answer of a ping of node 1: it tells node 1, by the branch.
    const branch = (parseMessage(pings[0]!.text) as SipMessage).topVia.branch;
    subscribers.get(clusterChannels.keepAlive)!.onMessage(2, Buffer.from(branch), 0);
    expect(bench.host.statistics.find('nathelper:pings_answered')).toBe(1);
    expect(bench.reply(pings[0]!.text.replace('ping.1.', 'ping.2.'), 200)).toBe(true);
    const told = sent.filter(({ channel }) => channel === clusterChannels.keepAlive);
    expect(told.map(({ node, body }) => `${node} ${Buffer.from(body)}`)).toEqual([
      `2 ${branch.replace('ping.1.', 'ping.2.')}`,
    ]);
  });
});

describe('parameters that are wrong', () => {
  it.each([
    [{ sipping_from: 'nobody' }, 'sipping_from'],
    [{ sipping_method: 'BAD METHOD' }, 'sipping_method'],
    [{ natping_socket: 'udp:1.2.3.4:5060' }, 'natping_socket'],
  ])('%j are refused', (parameters, name) => {
    expect(() => new Bench(parameters)).toThrow(name);
    expect(testSocket.port).toBe(5060);
  });
});
