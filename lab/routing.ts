/**
 * OSPF between the nodes and the router, by FRR: one `zebra` and one `ospfd` per namespace. The nodes redistribute
 * their connected routes, the anycast address among them; the router installs one multipath route.
 */

import { chownSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { anycastAddress, type HostName, type LabNetwork } from './network.ts';
import { run } from './process.ts';

const daemonFolder = '/usr/lib/frr';
const runFolder = '/var/run/frr';
const convergeMillisecondsMax = 40_000;

export class LabRouting {
  readonly #network: LabNetwork;

  constructor(network: LabNetwork) {
    this.#network = network;
  }

  async start(): Promise<void> {
    const [user, group] = await accountOfFrr();
    mkdirSync(runFolder, { recursive: true });
    const hosts: HostName[] = ['router', ...this.#network.nodes.map((node) => `node${node}` as const)];
    await Promise.all(hosts.map((host) => this.#startDaemons(host, user!, group!)));
  }

  async #startDaemons(host: HostName, user: number, group: number): Promise<void> {
    // FRR's own name space of paths: its sockets and pid files stand in a folder of that name.
    const name = this.#network.namespace(host);
    const folder = join(runFolder, name);
    mkdirSync(folder, { recursive: true });
    chownSync(folder, user, group);
    for (const daemon of ['zebra', 'ospfd'] as const) {
      const configuration = this.#network.file(`${host}-${daemon}.conf`);
      writeFileSync(configuration, daemon === 'zebra' ? `hostname ${host}\n` : ospfConfiguration(host));
      const paths = ['-N', name, '-i', join(folder, `${daemon}.pid`), '-f', configuration];
      const log = ['--log', `file:${join(folder, `${daemon}.log`)}`];
      this.#network.start(host, `${host}-${daemon}`, [
        join(daemonFolder, daemon),
        ...paths,
        ...log,
        '-P',
        '0',
      ]);
      // ospfd asks zebra for the interfaces at once; late it would try again only after seconds.
      if (daemon === 'zebra') await sleep(400);
    }
  }

  /** Waits until the router has exactly the next hops of `nodes`; returns the milliseconds it took. */
  async waitForNextHops(
    nodes: readonly number[],
    millisecondsMax = convergeMillisecondsMax,
  ): Promise<number> {
    const begin = performance.now();
    const wanted = nodes.map((node) => `10.10.0.${node}`).join(' ');
    for (;;) {
      const found = (await this.nextHops()).join(' ');
      const passed = performance.now() - begin;
      if (found === wanted) return passed;
      if (passed > millisecondsMax) {
        throw new Error(`OSPF: next hops are "${found}" after ${Math.round(passed)} ms, wanted "${wanted}"`);
      }
      await sleep(20);
    }
  }

  nextHops(): Promise<string[]> {
    return nextHopsOf(this.#network);
  }

  /** The node takes its routes back, as a health check would order it. */
  async withdraw(node: number): Promise<void> {
    await this.#configure(node, 'no redistribute connected');
  }

  async announce(node: number): Promise<void> {
    await this.#configure(node, 'redistribute connected');
  }

  async #configure(node: number, command: string): Promise<void> {
    const name = this.#network.namespace(`node${node}`);
    const commands = ['configure terminal', 'router ospf', command].flatMap((line) => ['-c', line]);
    await run('vtysh', ['-N', name, '-d', 'ospfd', ...commands]);
  }

  /** The daemons end with the network; their folders end here. */
  removeFolders(): void {
    removeRoutingFolders(this.#network.prefix);
  }
}

/** The folders of FRR's daemons that belong to that run. */
export function removeRoutingFolders(prefix: string): void {
  const names = existsSync(runFolder) ? readdirSync(runFolder) : [];
  for (const name of names.filter((one) => one.startsWith(`${prefix}-`))) {
    rmSync(join(runFolder, name), { recursive: true, force: true });
  }
}

/** Addresses of the nodes that the router's route to the anycast address leads to, in order. */
export async function nextHopsOf(network: LabNetwork): Promise<string[]> {
  const namespace = network.namespace('router');
  const text = await run('ip', ['-n', namespace, '-j', 'route', 'show', `${anycastAddress}/32`]);
  const routes = JSON.parse(text || '[]') as { gateway?: string; nexthops?: { gateway?: string }[] }[];
  const hops = routes.flatMap((route) => route.nexthops ?? [route]);
  return hops.flatMap((hop) => hop.gateway ?? []).sort();
}

async function accountOfFrr(): Promise<number[]> {
  const user = Number(await run('id', ['-u', 'frr']));
  const group = Number(await run('id', ['-g', 'frr']));
  return [user, group];
}

/**
 * Hellos four times a second and a dead interval of 1 s: a broadcast network waits that long for its designated
 * router, so the lab stands early, and a dead machine is noticed as fast as BFD would.
 */
function ospfConfiguration(host: HostName): string {
  const node = host === 'router' ? 254 : Number(host.slice('node'.length));
  const device = host === 'router' ? 'lan0' : 'eth0';
  const lines = [
    `hostname ${host}`,
    `interface ${device}`,
    ' ip ospf area 0',
    ' ip ospf dead-interval minimal hello-multiplier 4',
    // The nodes never become the designated router: with the router gone there is nothing to talk about.
    ` ip ospf priority ${host === 'router' ? 255 : 0}`,
    ' ip ospf retransmit-interval 2',
    'router ospf',
    ` ospf router-id 10.10.0.${node}`,
    ' timers throttle spf 0 50 500',
    ' timers lsa min-arrival 100',
    ' timers throttle lsa all 0',
    ' maximum-paths 16',
  ];
  if (host !== 'router') lines.push(' redistribute connected');
  return `${lines.join('\n')}\n`;
}
