/**
 * The namespaces of one run and what connects them: a router whose bridge is the nodes' LAN, the nodes and the database
 * on it, caller and callee behind router ports of their own. Names carry a prefix of this run, and clean-up goes by
 * that prefix alone, so two runs never meet. No packet can leave: the router has no way out of these namespaces.
 */

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execute, LabProcess, type Outcome, run } from './process.ts';

export type HostName = 'router' | 'database' | 'caller' | 'callee' | `node${number}`;

export const anycastAddress = '10.206.206.1';
export const callerAddress = '10.20.1.2';
export const calleeAddress = '10.20.2.2';
export const databaseAddress = '10.10.0.10';
const routerAddress = '10.10.0.254';
/** Namespaces, captures and router ids are laid out for one digit. */
const nodesMax = 9;

export function nodeAddress(node: number): string {
  return `10.10.0.${node}`;
}

/** Fixed, so that a capture names the node. */
export function nodeMac(node: number): string {
  return `02:00:00:00:00:0${node}`;
}

export class LabNetwork {
  readonly prefix: string;
  /** Files of this run: scripts, logs, statistics, database. Removed with the network unless they are to be kept. */
  readonly folder: string;
  readonly nodes: readonly number[];
  readonly #processes: LabProcess[] = [];
  #removed = false;

  constructor(nodeCount: number) {
    if (nodeCount < 1 || nodeCount > nodesMax) throw new Error(`1 to ${nodesMax} nodes, not ${nodeCount}`);
    this.prefix = `anyvia-${randomBytes(3).toString('hex')}`;
    this.folder = mkdtempSync(join(tmpdir(), `${this.prefix}-`));
    // FRR's daemons give up root before they read their configuration.
    chmodSync(this.folder, 0o755);
    this.nodes = Array.from({ length: nodeCount }, (_, index) => index + 1);
  }

  get hosts(): HostName[] {
    return ['router', 'database', 'caller', 'callee', ...this.nodes.map((node) => `node${node}` as const)];
  }

  namespace(host: HostName): string {
    return `${this.prefix}-${host}`;
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  async create(): Promise<void> {
    await run(
      'ip',
      ['-batch', '-'],
      this.hosts.map((host) => `netns add ${this.namespace(host)}\n`).join(''),
    );
    await this.#connectLan();
    await this.#connectUser('caller', '10.20.1');
    await this.#connectUser('callee', '10.20.2');
    await Promise.all(this.hosts.map((host) => this.#setKernel(host)));
  }

  async #connectLan(): Promise<void> {
    await this.batch('router', [
      'link set lo up',
      'link add lan0 type bridge forward_delay 0',
      `addr add ${routerAddress}/24 dev lan0`,
      'link set lan0 up',
    ]);
    for (const node of this.nodes) {
      await this.#connectToLan(`node${node}`, { address: nodeAddress(node), mac: nodeMac(node) });
      await this.batch(`node${node}`, [`addr add ${anycastAddress}/32 dev lo`]);
    }
    await this.#connectToLan('database', { address: databaseAddress, mac: '02:00:00:00:00:10' });
  }

  async #connectToLan(host: HostName, port: { address: string; mac: string }): Promise<void> {
    const router = this.namespace('router');
    const create = `link add eth0 netns ${this.namespace(host)} type veth peer name ${host} netns ${router}\n`;
    await run('ip', ['-batch', '-'], create);
    await this.batch('router', [`link set ${host} master lan0 up`]);
    await this.batch(host, [
      `link set eth0 address ${port.mac}`,
      `addr add ${port.address}/24 dev eth0`,
      'link set lo up',
      'link set eth0 up',
      `route add default via ${routerAddress}`,
    ]);
  }

  async #connectUser(host: 'caller' | 'callee', subnet: string): Promise<void> {
    const router = this.namespace('router');
    const create = `link add eth0 netns ${this.namespace(host)} type veth peer name ${host} netns ${router}\n`;
    await run('ip', ['-batch', '-'], create);
    await this.batch('router', [`addr add ${subnet}.1/24 dev ${host}`, `link set ${host} up`]);
    await this.batch(host, [
      `addr add ${subnet}.2/24 dev eth0`,
      'link set lo up',
      'link set eth0 up',
      `route add default via ${subnet}.1`,
    ]);
  }

  async #setKernel(host: HostName): Promise<void> {
    const settings = ['net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0'];
    settings.push('net.ipv4.conf.all.send_redirects=0', 'net.ipv4.conf.default.send_redirects=0');
    settings.push('net.ipv4.conf.all.accept_redirects=0', 'net.ipv6.conf.all.disable_ipv6=1');
    // Nobody may answer for the shared address on the LAN: it is reached by routing alone.
    settings.push('net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2');
    if (host === 'router') {
      settings.push('net.ipv4.ip_forward=1');
      settings.push('net.ipv4.conf.lan0.rp_filter=0', 'net.ipv4.conf.lan0.send_redirects=0');
    }
    await this.run(host, ['sysctl', '-q', '-w', ...settings]);
  }

  /** `ip -batch` inside a namespace. */
  async batch(host: HostName, lines: readonly string[]): Promise<void> {
    await run('ip', ['-n', this.namespace(host), '-batch', '-'], lines.map((line) => `${line}\n`).join(''));
  }

  /** Runs a command inside a namespace; throws when it fails. */
  run(host: HostName, command: readonly string[], input = ''): Promise<string> {
    return run('ip', ['netns', 'exec', this.namespace(host), ...command], input);
  }

  /** As {@link run}, for commands that may fail. */
  execute(host: HostName, command: readonly string[], input = ''): Promise<Outcome> {
    return execute('ip', ['netns', 'exec', this.namespace(host), ...command], input);
  }

  /** Starts a program that stays. `ip netns exec` becomes that program, so the pid is the program's own. */
  start(host: HostName, name: string, command: readonly string[]): LabProcess {
    if (this.#removed) throw new Error('the lab is being taken down');
    const parameters = ['ip', 'netns', 'exec', this.namespace(host), ...command];
    const process = new LabProcess(name, this.file(`${name}.log`), parameters);
    this.#processes.push(process);
    return process;
  }

  /** Ends every process of this run, then its namespaces and, unless `keep`, its files. */
  async remove(keep = false): Promise<void> {
    this.#removed = true;
    await Promise.all(this.#processes.map((process) => process.stop('SIGTERM', 2000).catch(() => -1)));
    await removeNamespaces(this.prefix);
    if (!keep) rmSync(this.folder, { recursive: true, force: true });
  }

  /** A folder inside {@link folder}. */
  makeFolder(name: string): string {
    const path = this.file(name);
    mkdirSync(path, { recursive: true });
    return path;
  }
}

/** Takes down every namespace of that prefix, and the processes that are left inside. */
export async function removeNamespaces(prefix: string): Promise<number> {
  const listed = JSON.parse((await run('ip', ['-j', 'netns', 'list'])) || '[]') as { name: string }[];
  const names = listed.map((entry) => entry.name).filter((name) => name.startsWith(`${prefix}-`));
  for (const name of names) {
    const pids = (await execute('ip', ['netns', 'pids', name])).stdout
      .split('\n')
      .filter(Boolean)
      .map(Number);
    for (const pid of pids) endProcess(pid);
    if (pids.length > 0) await sleep(50);
    await execute('ip', ['netns', 'delete', name]);
  }
  return names.length;
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended on its own meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
