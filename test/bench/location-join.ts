/**
 * A node that joins two others which know 100,000 contacts, as processes on the loopback address: how long until it is
 * synchronised, and what REGISTERs to a donor wait meanwhile. Bounded: under a minute. Run as
 * `node test/bench/location-join.ts [CONTACTS]`.
 */

import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';

const contacts = Number(process.argv[2] ?? 100_000);
/** REGISTERs under way at once. */
const windowSize = 32;
const nodes = [1, 2, 3];
const folder = mkdtempSync(join(tmpdir(), 'anyvia-join-'));
const free = await freeUdpPorts(6);
const sipPort = (node: number): number => free[node - 1]!;
const binPort = (node: number): number => free[node + 2]!;

function script(node: number): string {
  const info = (id: number): string => `cluster_id=1,node_id=${id},url=bin:127.0.0.1:${binPort(id)}`;
  return `log_level=3
socket=udp:127.0.0.1:${sipPort(node)}
socket=bin:127.0.0.1:${binPort(node)}
${['proto_udp', 'proto_bin', 'clusterer', 'tm', 'sl', 'usrloc', 'registrar', 'sipmsgops']
  .map((name) => `loadmodule "${name}.so"\n`)
  .join('')}
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", ${node})
modparam("clusterer", "shared_secret", "join")
modparam("clusterer", "my_node_info", "${info(node)}")
${nodes
  .filter((other) => other !== node)
  .map((other) => `modparam("clusterer", "neighbor_node_info", "${info(other)}")\n`)
  .join('')}
route { if (is_method("REGISTER")) save("location"); exit; }
`;
}

const socket = createSocket('udp4');
const waiting = new Map<string, () => void>();
socket.on('message', (bytes) => {
  const branch = /branch=(z9hG4bK[^;\r]*)/.exec(bytes.toString('latin1'))?.[1] ?? '';
  waiting.get(branch)?.();
  waiting.delete(branch);
});

/** Resolves with the milliseconds until the answer. */
function register(port: number, index: number, cseq: number): Promise<number> {
  const user = `user${100_000 + index}`;
  const branch = `z9hG4bK${index}-${cseq}`;
  const text = [
    'REGISTER sip:pbx.example.org SIP/2.0',
    `Via: SIP/2.0/UDP 127.0.0.1:5060;branch=${branch};rport`,
    'Max-Forwards: 70',
    `Contact: <sip:${user}@192.168.1.20:5060;transport=UDP;rinstance=1a2b3c4d5e6f7a8b>`,
    `To: <sip:${user}@pbx.example.org>`,
    `From: <sip:${user}@pbx.example.org>;tag=${index}`,
    `Call-ID: 97876ZmU4YjY0NzE4ZTVjMTg0NzNhYjU0${index}`,
    `CSeq: ${cseq} REGISTER`,
    'Expires: 3600',
    'Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE',
    `User-Agent: Example Desk Phone ${index % 40}.2.1`,
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');
  const began = performance.now();
  return new Promise((resolve) => {
    const repeat = setInterval(() => socket.send(text, port, '127.0.0.1'), 500);
    waiting.set(branch, () => {
      clearInterval(repeat);
      resolve(performance.now() - began);
    });
    socket.send(text, port, '127.0.0.1');
  });
}

function residentBytes(daemon: Daemon): number {
  const pages = readFileSync(`/proc/${daemon.pid}/statm`, 'utf8').split(' ')[1];
  return Number(pages) * 4096;
}

const daemons = nodes.map((node) => new Daemon(folder, `node-${node}`, script(node)));
const [first, second, third] = daemons as [Daemon, Daemon, Daemon];
try {
  await Promise.all([first.start(), second.start()]);
  await until(async () => (await first.statistic('usrloc:synchronised')) === 1);
  await until(async () => (await second.statistic('usrloc:synchronised')) === 1);
  const empty = residentBytes(second);
  const filling = performance.now();
  let next = 0;
  const fill = async (): Promise<void> => {
    for (let index = next++; index < contacts; index = next++)
      await register(sipPort(1 + (index % 2)), index, 1);
  };
  await Promise.all(Array.from({ length: windowSize }, fill));
  const filled = performance.now() - filling;
  await until(async () => (await second.statistic('usrloc:location-contacts')) === contacts);
  const full = residentBytes(second);
  const calm: number[] = [];
  for (let index = 0; index < 100; index++) {
    calm.push(await register(sipPort(1), index, 2));
    await sleep(10);
  }
  await third.start();
  const joining = performance.now();
  let isJoined = false;
  const busy: number[] = [];
  const refresh = async (): Promise<void> => {
    for (let index = 0; !isJoined; index++) {
      busy.push(await register(sipPort(1), index, 3));
      await sleep(10);
    }
  };
  const refreshing = refresh();
  await until(async () => (await third.statistic('usrloc:synchronised')) === 1, 30_000);
  const joined = performance.now() - joining;
  isJoined = true;
  await refreshing;
  const known = await third.statistic('usrloc:location-contacts');
  const worst = (times: number[]): string => Math.max(...times).toFixed(1);
  process.stdout.write(
    [
      `contacts on the node that joined  ${known}`,
      `REGISTERs taken by two nodes      ${Math.round(contacts / (filled / 1000))} per second`,
      `resident bytes per contact        ${Math.round((full - empty) / contacts)}`,
      `synchronised after                ${(joined / 1000).toFixed(2)} s`,
      `slowest REGISTER before, during   ${worst(calm)} ms, ${worst(busy)} ms (of ${busy.length})`,
      '',
    ].join('\n'),
  );
} finally {
  socket.close();
  await Promise.all(daemons.map((daemon) => daemon.kill()));
  rmSync(folder, { recursive: true, force: true });
}
