/** SIP over TCP with real sockets: calls between transports, through one node. */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SipMessage } from '#sip/message.ts';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';
import { recordRoutes, routesOf, SipPhone } from '../support/sip-phone.ts';

const modules = ['proto_udp', 'proto_tcp', 'tm', 'sl', 'rr', 'maxfwd', 'sipmsgops', 'signaling', 'usrloc']
  .concat(['registrar'])
  .map((name) => `loadmodule "${name}.so"\n`)
  .join('');

const script = (port: number): string => `log_level=2
socket=udp:127.0.0.1:${port}
socket=tcp:127.0.0.1:${port}
tcp_max_msg_time=1
tcp_max_connections=40
${modules}
route {
  if (has_totag()) {
    if (loose_route()) { t_relay(); exit; }
    if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
    sl_send_reply(404, "Not here");
    exit;
  }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (is_method("REGISTER")) { save("location"); exit; }
  if (is_method("INVITE")) record_route();
  if ($rU == "outside") { $ru = "sip:outside@127.0.0.1:" + $hdr(X-Port); t_relay(); exit; }
  if ($rU == "overtcp") { $ru = "sip:x@127.0.0.1:" + $hdr(X-Port) + ";transport=tcp"; t_relay(); exit; }
  if (!lookup("location")) { sl_send_reply(404, "Nobody"); exit; }
  t_relay();
}
`;

const fourKilobytes = `v=0\r\ns=${'x'.repeat(4096)}\r\n`;

describe('a node that listens on UDP and TCP', () => {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-tcp-'));
  let node: Daemon;
  let port = 0;
  let phones: SipPhone[] = [];
  const at = (user: string): string => `sip:${user}@127.0.0.1:${port}`;
  const phone = async (user: string, transport: 'udp' | 'tcp' | 'listening'): Promise<SipPhone> => {
    const made = await SipPhone[transport](user, port);
    phones.push(made);
    return made;
  };
  const registered = async (user: string, transport: 'udp' | 'tcp'): Promise<SipPhone> => {
    const made = await phone(user, transport);
    made.request('REGISTER', `sip:127.0.0.1:${port}`, { to: at(user), callId: `reg-${user}-${made.port}` });
    await made.next(200);
    return made;
  };

  beforeAll(async () => {
    [port = 0] = await freeUdpPorts(1);
    node = new Daemon(folder, 'node', script(port));
    await node.start();
  });

  afterEach(() => {
    for (const made of phones) made.close();
    phones = [];
  });

  afterAll(async () => {
    await node.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A call with a body of 4 kB is answered, acknowledged and hung up by `ends`; gives the INVITE as the callee saw it. */
  async function call(
    caller: SipPhone,
    callee: SipPhone,
    uri: string,
    headers: string[] = [],
  ): Promise<SipMessage> {
    const callId = `call-${caller.port}-${callee.port}`;
    caller.request('INVITE', uri, { callId, body: fourKilobytes, headers });
    const invite = await callee.next('INVITE');
    expect(invite.body).toBe(fourKilobytes);
    callee.answer(invite, 180);
    await caller.next(180);
    callee.answer(invite, 200);
    const answer = await caller.next(200);
    const routes = routesOf(answer, true);
    const target = `sip:${callee.user}@127.0.0.1:${callee.port}`;
    const inDialog = { to: uri, toTag: answer.toTag, callId, headers: routes };
    caller.request('ACK', target, inDialog);
    await callee.next('ACK');
    caller.request('BYE', target, { ...inDialog, cseq: 2 });
    const bye = await callee.next('BYE');
    callee.answer(bye, 200);
    await caller.next(200);
    return invite;
  }

  it('carries a call of 4 kB from TCP to UDP: RFC 5658 3.1 two Record-Routes, both consumed', async () => {
    const caller = await phone('alice', 'tcp');
    const callee = await registered('bob', 'udp');
    const invite = await call(caller, callee, at('bob'));
    expect(invite.topVia.protocol).toBe('UDP');
    expect(recordRoutes(invite).map((value) => value.replace(/;ftag=[^;>]*/, ''))).toEqual([
      `<sip:127.0.0.1:${port};lr;r2=on>`,
      `<sip:127.0.0.1:${port};transport=tcp;lr;r2=on>`,
    ]);
  });

  it('carries it from UDP to a phone that registered over TCP, over that connection', async () => {
    const caller = await phone('alice', 'udp');
    const callee = await registered('carol', 'tcp');
    const invite = await call(caller, callee, at('carol'));
    expect(invite.topVia.protocol).toBe('TCP');
  });

  it('carries it from TCP to TCP, with one Record-Route', async () => {
    const caller = await phone('alice', 'tcp');
    const callee = await registered('dave', 'tcp');
    const invite = await call(caller, callee, at('dave'));
    expect(recordRoutes(invite)).toHaveLength(1);
  });

  it('connects to where ;transport=tcp leads', async () => {
    const caller = await phone('alice', 'udp');
    const callee = await phone('erin', 'listening');
    const opened = await node.statistic('tcp:opened');
    await call(caller, callee, at('overtcp'), [`X-Port: ${callee.port}`]);
    expect(await node.statistic('tcp:opened')).toBe(opened + 1);
  });

  it('answers 503 or 500 when nobody listens there', async () => {
    const caller = await phone('alice', 'udp');
    caller.request('INVITE', at('overtcp'), { headers: ['X-Port: 1'], callId: `nobody-${caller.port}` });
    const answer = await caller.next(500);
    expect(answer.method).toBe('INVITE');
    expect(await node.statistic('tcp:connect_failed')).toBeGreaterThan(0);
  });

  it('answers a ping with a pong (RFC 5626 3.5.1)', async () => {
    const caller = await phone('alice', 'tcp');
    caller.write('\r\n\r\n');
    await expect.poll(() => caller.pongs).toBe(1);
  });
});

const nodeIds = [1, 2] as const;

const clusterScript = (
  node: number,
  ports: readonly number[],
  bins: readonly number[],
): string => `log_level=2
socket=udp:127.0.0.1:${ports[node - 1]}
socket=tcp:127.0.0.1:${ports[node - 1]}
socket=bin:127.0.0.1:${bins[node - 1]}
${modules}loadmodule "proto_bin.so"
loadmodule "clusterer.so"
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", ${node})
modparam("clusterer", "shared_secret", "tcp")
modparam("clusterer", "my_node_info", "cluster_id=1,node_id=${node},url=bin:127.0.0.1:${bins[node - 1]}")
modparam("clusterer", "neighbor_node_info", "cluster_id=1,node_id=${3 - node},url=bin:127.0.0.1:${bins[2 - node]}")
modparam("usrloc", "working_mode_preset", "full-sharing-cluster")
alias=phones.example.org
route {
  if (has_totag()) {
    if (loose_route()) { t_relay(); exit; }
    if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
    sl_send_reply(404, "Not here");
    exit;
  }
  if (is_method("REGISTER")) { save("location"); exit; }
  if (is_method("INVITE")) record_route();
  if (!lookup("location")) { sl_send_reply(404, "Nobody"); exit; }
  t_relay();
}
`;

describe('a phone whose connection another node of the cluster holds', () => {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-tcp-cluster-'));
  let nodes: Daemon[] = [];
  let ports: number[] = [];
  const uri = 'sip:bob@phones.example.org';

  beforeAll(async () => {
    const free = await freeUdpPorts(4);
    ports = free.slice(0, 2);
    nodes = nodeIds.map(
      (node) => new Daemon(folder, `node${node}`, clusterScript(node, ports, free.slice(2))),
    );
    await Promise.all(nodes.map((node) => node.start()));
    await until(() => nodes.every((node) => node.log.includes('is UP')));
  });

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    rmSync(folder, { recursive: true, force: true });
  });

  async function registered(): Promise<SipPhone> {
    const callee = await SipPhone.tcp('bob', ports[0]!);
    callee.request('REGISTER', 'sip:phones.example.org', { to: uri, callId: `reg-${callee.port}` });
    await callee.next(200);
    return callee;
  }

  it('is called through that node, answers, and hangs up: its BYE finds the way too', async () => {
    const callee = await registered();
    const caller = await SipPhone.udp('alice', ports[1]!);
    const callId = `cluster-${caller.port}`;
    // The registration is on its way to the second node.
    await until(async () => {
      caller.request('OPTIONS', uri, { callId: `probe-${Date.now()}` });
      await caller.next(404, 100).catch(() => null);
      return callee.heard.some((message) => message.method === 'OPTIONS');
    });
    callee.heard.length = 0;
    caller.request('INVITE', uri, { callId, body: fourKilobytes });
    const invite = await callee.next('INVITE');
    expect([invite.topVia.protocol, invite.topVia.port]).toEqual(['TCP', ports[0]]);
    callee.answer(invite, 180);
    await caller.next(180);
    callee.answer(invite, 200);
    const answer = await caller.next(200);
    expect(recordRoutes(answer).map((value) => value.replace(/;ftag=[^;>]*/, ''))).toEqual([
      `<sip:127.0.0.1:${ports[0]};transport=tcp;lr;r2=on>`,
      `<sip:127.0.0.1:${ports[1]};lr;r2=on>`,
    ]);
    caller.request('ACK', `sip:bob@127.0.0.1:${callee.port}`, {
      to: uri,
      toTag: answer.toTag,
      callId,
      headers: routesOf(answer, true),
    });
    await callee.next('ACK');
    // The callee's own request, over its connection.
    callee.request('BYE', `sip:alice@127.0.0.1:${caller.port}`, {
      to: 'sip:alice@phones.example.org',
      toTag: caller.tag,
      callId,
      headers: routesOf(invite, false),
    });
    const bye = await caller.next('BYE');
    caller.answer(bye, 200);
    await callee.next(200);
    expect(await nodes[1]!.statistic('tcp:relayed_sent')).toBeGreaterThanOrEqual(2);
    expect(await nodes[1]!.statistic('tcp:opened')).toBe(0);
    caller.close();
    callee.close();
  });

  it('is told unreachable at once when it has gone', async () => {
    const callee = await registered();
    const caller = await SipPhone.udp('alice', ports[1]!);
    callee.close();
    await until(async () => (await nodes[0]!.statistic('tcp:connections')) === 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    caller.request('INVITE', uri, { callId: `gone-${caller.port}` });
    expect((await caller.next(500)).method).toBe('INVITE');
    caller.close();
  });
});

describe('TCP peers that misbehave', () => {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-tcp-abuse-'));
  let node: Daemon;
  let port = 0;
  const open: Socket[] = [];

  beforeAll(async () => {
    [port = 0] = await freeUdpPorts(1);
    node = new Daemon(folder, 'node', script(port));
    await node.start();
  });

  afterAll(async () => {
    for (const socket of open) socket.destroy();
    await node.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** From another loopback address than the phones have: a limit for each address is part of the defence. */
  async function stranger(localAddress = '127.0.0.2'): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    socket.on('error', () => {});
    open.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  it('half-open, slow, flooding and greedy ones leave the calls of others alone', async () => {
    const half = await Promise.all(Array.from({ length: 10 }, () => stranger()));
    const slow = await Promise.all(Array.from({ length: 5 }, () => stranger('127.0.0.3')));
    const drip = setInterval(() => {
      for (const socket of slow) if (!socket.destroyed) socket.write('X');
    }, 50);
    const flooder = await stranger('127.0.0.4');
    const flood = Buffer.from(
      (
        'OPTIONS sip:nobody@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.4;branch=z9hG4bKflood;rport\r\n' +
        'From: <sip:f@127.0.0.4>;tag=1\r\nTo: <sip:nobody@127.0.0.1>\r\nCall-ID: flood\r\nCSeq: 1 OPTIONS\r\n' +
        'Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n'
      ).repeat(200),
    );
    flooder.resume();
    // It reads what it is told, so nothing but the other calls can slow it down.
    const pour = (): void => {
      while (!flooder.destroyed && flooder.write(flood));
    };
    flooder.on('drain', pour);
    pour();
    const deaf = await stranger('127.0.0.5');
    deaf.pause();
    for (let count = 0; count < 200; count++) deaf.write(flood);

    const caller = await SipPhone.tcp('alice', port);
    const callee = await SipPhone.udp('bob', port);
    const delays: number[] = [];
    const end = Date.now() + 3000;
    for (let count = 0; Date.now() < end; count++) {
      const began = performance.now();
      const callId = `among-${count}`;
      caller.request('INVITE', `sip:outside@127.0.0.1:${port}`, {
        callId,
        headers: [`X-Port: ${callee.port}`],
      });
      const invite = await callee.next('INVITE');
      callee.answer(invite, 486);
      await caller.next(486);
      delays.push(performance.now() - began);
      caller.heard.length = 0;
      callee.heard.length = 0;
    }
    clearInterval(drip);
    flooder.destroy();
    deaf.destroy();
    expect(delays.length).toBeGreaterThan(10);
    expect(Math.max(...delays)).toBeLessThan(2000);
    await until(async () => (await node.statistic('tcp:closed_slow_message')) >= half.length);
    expect(await node.statistic('tcp:closed_unframed')).toBe(0);
    expect(await node.statistic('core:broken_invariants')).toBe(0);
    caller.close();
    callee.close();
  });

  it('an address that opens all it can gets half of the places, and others are served', async () => {
    await until(async () => (await node.statistic('tcp:connections')) === 0);
    const greedy = await Promise.all(Array.from({ length: 60 }, () => stranger('127.0.0.6')));
    await until(async () => (await node.statistic('tcp:refused_source')) === 40);
    const phone = await SipPhone.tcp('carol', port);
    phone.request('REGISTER', `sip:127.0.0.1:${port}`, { to: `sip:carol@127.0.0.1:${port}` });
    await phone.next(200);
    phone.close();
    for (const socket of greedy) socket.destroy();
  });
});

describe('datagrams of every size', () => {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-udp-size-'));
  let node: Daemon;
  let port = 0;

  beforeAll(async () => {
    [port = 0] = await freeUdpPorts(1);
    node = new Daemon(folder, 'node', script(port).replace(/^socket=tcp.*$/m, ''));
    await node.start();
  });

  afterAll(async () => {
    await node.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What the node adds to a request, so that the longest that it can send on is known. */
  async function exchange(bytes: number): Promise<SipMessage> {
    const caller = await SipPhone.udp('alice', port);
    const callee = await SipPhone.udp('bob', port);
    const parts = { callId: `size-${bytes}`, headers: [`X-Port: ${callee.port}`, 'X-Pad: 12345'] };
    const uri = `sip:outside@127.0.0.1:${port}`;
    const head = caller.textOf('MESSAGE', uri, { ...parts, body: 'x'.repeat(10_000) }).length - 10_000;
    // Content-Length has 3 to 5 digits.
    let length = bytes - head;
    while (caller.textOf('MESSAGE', uri, { ...parts, body: 'x'.repeat(length) }).length < bytes) length++;
    caller.request('MESSAGE', uri, { ...parts, body: 'x'.repeat(length) });
    const heard = await Promise.race([callee.next('MESSAGE'), caller.next(500)]);
    if (heard.isRequest) {
      callee.answer(heard, 200);
      await caller.next(200);
    }
    caller.close();
    callee.close();
    return heard;
  }

  it.each([1300, 9000, 65_000])('%i bytes pass', async (bytes) => {
    const heard = await exchange(bytes);
    expect([heard.method, heard.isRequest]).toEqual(['MESSAGE', true]);
    expect(heard.text.length).toBeGreaterThan(bytes);
  });

  it('65,507 bytes arrive; with our Via they fit into no datagram any more, and the caller hears so at once', async () => {
    const heard = await exchange(65_507);
    expect(heard.status).toBe(500);
  });
});
