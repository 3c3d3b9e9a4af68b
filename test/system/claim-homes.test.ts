/** Three processes that keep claims at their homes, and datagrams of one call that reach all of them. */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';

const ids = [1, 2, 3];

async function open(): Promise<{ socket: Socket; port: number; received: string[] }> {
  const socket = createSocket('udp4');
  const received: string[] = [];
  socket.on('message', (bytes) => received.push(bytes.toString('latin1')));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { socket, port: socket.address().port, received };
}

describe('three processes that keep claims at their homes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-homes-'));
  const nodes = new Map<number, Daemon>();
  let caller: Awaited<ReturnType<typeof open>>;
  let callee: Awaited<ReturnType<typeof open>>;
  let sipPort: number;
  let linkPort: number;

  /** Each has an address of its own here; the tag says that the sockets are one. */
  function script(node: number): string {
    const info = (one: number): string => `cluster_id=1,node_id=${one},url=bin:127.0.0.${one}:${linkPort}`;
    return `socket = udp:127.0.0.${node}:${sipPort} anycast tag shared
      socket = bin:127.0.0.${node}:${linkPort}
      loadmodule "proto_udp.so"\nloadmodule "proto_bin.so"\nloadmodule "clusterer.so"\nloadmodule "tm.so"
      loadmodule "sl.so"
      modparam("clusterer", "db_mode", 0)
      modparam("clusterer", "shared_secret", "open sesame")
      modparam("clusterer", "claim_directory", "home")
      modparam("clusterer", "my_node_info", "${info(node)}")
      ${ids
        .filter((one) => one !== node)
        .map((one) => `modparam("clusterer", "neighbor_node_info", "${info(one)}")`)
        .join('\n')}
      route { $du = "sip:127.0.0.1:${callee.port}"; t_relay(); }`;
  }

  function request(method: string, call: string): string {
    return [
      `${method} sip:callee@127.0.0.1 SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${caller.port};branch=z9hG4bK${call}`,
      'Max-Forwards: 70',
      'From: <sip:caller@127.0.0.1>;tag=a',
      'To: <sip:callee@127.0.0.1>',
      `Call-ID: ${call}`,
      `CSeq: 1 ${method}`,
      'Content-Length: 0\r\n\r\n',
    ].join('\r\n');
  }

  const send = (node: number, text: string): void => caller.socket.send(text, sipPort, `127.0.0.${node}`);
  const count = (list: readonly string[], ...parts: string[]): number =>
    list.filter((text) => parts.every((part) => text.includes(part))).length;

  beforeAll(async () => {
    [sipPort, linkPort] = (await freeUdpPorts(2)) as [number, number];
    [caller, callee] = [await open(), await open()];
    for (const node of ids) nodes.set(node, new Daemon(folder, `node${node}`, script(node)));
    await Promise.all([...nodes.values()].map((node) => node.start()));
    for (const node of nodes.values())
      await until(async () => (await node.statistic('clusterer:clusterer_nodes_up')) === 2);
    // Until homes are sure of what they know.
    await new Promise((resolve) => setTimeout(resolve, 2000));
  });

  afterAll(async () => {
    for (const node of nodes.values()) await node.kill();
    for (const phone of [caller, callee]) phone.socket.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('forward each INVITE once, although all three get it at the same time', async () => {
    const calls = Array.from({ length: 20 }, (_, index) => `home-call-${index}`);
    for (const call of calls) for (const node of ids) send(node, request('INVITE', call));
    await until(() => calls.every((call) => count(callee.received, 'INVITE sip', call) > 0));
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const call of calls) expect(count(callee.received, 'INVITE sip', `Call-ID: ${call}\r\n`)).toBe(1);
    let asked = 0;
    for (const node of nodes.values()) asked += await node.statistic('clusterer:lookups_asked');
    expect(asked).toBeGreaterThan(20);
  });

  it('cancel a call at a node that does not own it, and answer 481 to the CANCEL of nothing', async () => {
    const call = 'home-call-cancelled';
    send(1, request('INVITE', call));
    await until(() => count(callee.received, 'INVITE sip', call) === 1);
    const invite = callee.received.find((text) => text.includes(call))!;
    const vias = invite.split('\r\n').filter((line) => line.startsWith('Via'));
    const ringing = ['SIP/2.0 180 Ringing', ...vias, 'From: <sip:caller@127.0.0.1>;tag=a'].concat([
      'To: <sip:callee@127.0.0.1>;tag=b',
      `Call-ID: ${call}`,
      'CSeq: 1 INVITE',
      'Content-Length: 0\r\n\r\n',
    ]);
    callee.socket.send(ringing.join('\r\n'), sipPort, '127.0.0.1');
    await until(() => count(caller.received, 'SIP/2.0 180', call) === 1);
    send(3, request('CANCEL', call));
    await until(() => count(caller.received, 'SIP/2.0 200', call) === 1);
    await until(() => count(callee.received, 'CANCEL sip', call) === 1);
    send(2, request('CANCEL', 'home-call-of-nobody'));
    await until(() => count(caller.received, 'SIP/2.0 481', 'home-call-of-nobody') === 1);
  });
});
