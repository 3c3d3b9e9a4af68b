/**
 * How the router spreads the packets to the anycast address. Per packet: nftables numbers them (at random or in turn)
 * and sets a mark, `ip rule` sends each mark to one node; Linux has no such multipath of its own. Per flow: the kernel's
 * multipath by a hash of the addresses, or of the ports too. A watch on the routing table keeps the marks in step with
 * OSPF, so a node that is withdrawn gets nothing. The router's faults (loss, dropped replies) stand here too.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { anycastAddress, callerAddress, type LabNetwork, nodeAddress } from './network.ts';
import { nextHopsOf } from './routing.ts';

export const balanceModes = ['random', 'inc', 'flow', 'ports'] as const;
/** random, inc (round robin): per packet. flow, ports: per flow, by addresses or by addresses and ports. */
export type BalanceMode = (typeof balanceModes)[number];

const firstMark = 100;
const partsPerPercent = 100;

/** What the router does to packets on purpose. */
export interface Faults {
  /** Percent of all datagrams between the users and the nodes. */
  readonly lossPercent?: number;
  /** Every provisional reply to the caller is lost, and this percentage of the 200s. */
  readonly caller200LossPercent?: number;
}

export class Balancer {
  readonly #network: LabNetwork;
  #mode: BalanceMode = 'random';
  #faults: Faults = {};
  #only: readonly number[] | null = null;
  #nodes: readonly number[] = [];
  #watch: ChildProcess | null = null;
  #work: Promise<void> = Promise.resolve();

  constructor(network: LabNetwork) {
    this.#network = network;
  }

  /** Nodes that get packets at this moment. */
  get nodes(): readonly number[] {
    return this.#nodes;
  }

  async start(mode: BalanceMode): Promise<void> {
    this.#mode = mode;
    const lines = this.#network.nodes.flatMap((node) => [
      `route add default via ${nodeAddress(node)} table ${firstMark + node}`,
      `rule add fwmark ${firstMark + node} lookup ${firstMark + node} priority ${firstMark + node}`,
    ]);
    await this.#network.batch('router', lines);
    const parameters = ['-n', this.#network.namespace('router'), 'monitor', 'route'];
    this.#watch = spawn('ip', parameters, { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    this.#watch.stdout!.on('data', (text: Buffer) => {
      if (text.includes(anycastAddress)) this.#follow();
    });
    await this.update();
  }

  async setMode(mode: BalanceMode): Promise<void> {
    this.#mode = mode;
    await this.update();
  }

  async setFaults(faults: Faults): Promise<void> {
    this.#faults = faults;
    await this.update();
  }

  /** Sends everything to these nodes, whatever OSPF says; null ends that. */
  async pin(nodes: readonly number[] | null): Promise<void> {
    this.#only = nodes;
    await this.update();
  }

  /** Reads the route and writes the rules, after everything that was asked for before. */
  update(): Promise<void> {
    const next = this.#work.then(() => this.#rewrite());
    this.#work = next.catch(() => undefined);
    return next;
  }

  stop(): void {
    this.#watch?.kill('SIGTERM');
    this.#watch = null;
  }

  #follow(): void {
    this.update().catch((error: Error) => {
      if (this.#watch !== null) console.error(`balancer: ${error.message}`);
    });
  }

  async #rewrite(): Promise<void> {
    const hops = await nextHopsOf(this.#network);
    const routed = this.#network.nodes.filter((node) => hops.includes(nodeAddress(node)));
    this.#nodes = this.#only ?? routed;
    const policy = this.#mode === 'ports' ? 1 : 0;
    await this.#network.run('router', ['sysctl', '-q', '-w', `net.ipv4.fib_multipath_hash_policy=${policy}`]);
    // One file is one transaction of nft: no packet meets half a rule set.
    await this.#network.run('router', ['nft', '-f', '-'], this.#rules());
  }

  #rules(): string {
    const marks = this.#markRule();
    const faults = faultRules(this.#faults);
    return `table ip lab {}
flush table ip lab
table ip lab {
  chain spread {
    type filter hook prerouting priority -150; policy accept;
    ${marks}
  }
  chain faults {
    type filter hook forward priority 0; policy accept;
    ${faults.join('\n    ')}
  }
}
`;
  }

  #markRule(): string {
    const nodes = this.#nodes;
    const perFlow = this.#mode === 'flow' || this.#mode === 'ports';
    if (nodes.length === 0 || (perFlow && this.#only === null)) return '';
    const to = `ip daddr ${anycastAddress} meta mark set`;
    if (nodes.length === 1) return `${to} ${firstMark + nodes[0]!}`;
    const map = nodes.map((node, index) => `${index} : ${firstMark + node}`).join(', ');
    return `${to} numgen ${perFlow ? 'random' : this.#mode} mod ${nodes.length} map { ${map} }`;
  }
}

function faultRules(faults: Faults): string[] {
  const rules: string[] = [];
  if (faults.lossPercent) {
    rules.push(`meta l4proto udp ${chance(faults.lossPercent)} counter drop`);
  }
  if (faults.caller200LossPercent) {
    const toCaller = `ip daddr ${callerAddress} meta l4proto udp`;
    rules.push(`${toCaller} ${payloadBegins('SIP/2.0 1')} counter drop`);
    rules.push(
      `${toCaller} ${payloadBegins('SIP/2.0 200')} ${chance(faults.caller200LossPercent)} counter drop`,
    );
  }
  return rules;
}

function chance(percent: number): string {
  return `numgen random mod ${100 * partsPerPercent} < ${Math.round(percent * partsPerPercent)}`;
}

/** Matches the first bytes of a datagram: they stand behind the 8 bytes of the UDP header. */
function payloadBegins(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  return `@th,64,${bytes.length * 8} 0x${bytes.toString('hex')}`;
}
