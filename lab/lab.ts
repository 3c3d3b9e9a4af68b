/** The whole experiment standing: network, routes, balancing, database, nodes. Taken down however the work ends. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type BalanceMode, Balancer } from './balancer.ts';
import { LabDatabase } from './database.ts';
import { LabNetwork, nodeAddress } from './network.ts';
import { LabNode, type ProgramOptions } from './program.ts';
import { LabRouting } from './routing.ts';

export interface LabOptions extends ProgramOptions {
  readonly nodeCount: number;
  readonly mode: BalanceMode;
  /** Leave the files of the run (logs, scripts, captures) where they are. */
  readonly keep: boolean;
  /** False: network, routes and database only. */
  readonly startNodes?: boolean;
}

const meshMillisecondsMax = 15_000;

export class Lab {
  readonly network: LabNetwork;
  readonly routing: LabRouting;
  readonly balancer: Balancer;
  readonly database: LabDatabase;
  readonly nodes: readonly LabNode[];
  readonly options: LabOptions;
  #closed: Promise<void> | null = null;

  constructor(options: LabOptions) {
    this.options = options;
    this.network = new LabNetwork(options.nodeCount);
    this.routing = new LabRouting(this.network);
    this.balancer = new Balancer(this.network);
    this.database = new LabDatabase(this.network);
    this.nodes = this.network.nodes.map((number) => new LabNode(this.network, number, options));
  }

  async open(): Promise<void> {
    const begin = performance.now();
    say(
      `lab ${this.network.prefix}: ${this.options.nodeCount} nodes, ${this.options.program}, ${this.options.mode}`,
    );
    await this.network.create();
    await this.routing.start();
    await this.balancer.start(this.options.mode);
    await Promise.all([
      this.routing.waitForNextHops(this.network.nodes),
      this.options.program === 'anyvia' ? this.database.start() : Promise.resolve(),
    ]);
    await this.balancer.update();
    say(`router: anycast address via ${(await this.routing.nextHops()).join(', ')}`);
    if (this.options.startNodes !== false) await this.startNodes();
    say(`ready after ${((performance.now() - begin) / 1000).toFixed(1)} s; files in ${this.network.folder}`);
  }

  /** One after the other: the first gives the cluster its secret. */
  async startNodes(): Promise<void> {
    for (const node of this.nodes) await node.start();
    await this.waitForMesh();
  }

  node(number: number): LabNode {
    return this.nodes[number - 1]!;
  }

  /** Every node says of every other one that it is up. */
  async waitForMesh(): Promise<void> {
    if (this.options.program !== 'anyvia' || this.nodes.length === 1) return;
    const deadline = performance.now() + meshMillisecondsMax;
    for (;;) {
      const missing = await this.#missingLinks();
      if (missing === '') return;
      if (performance.now() > deadline) throw new Error(`the nodes do not see each other: ${missing}`);
      await sleep(200);
    }
  }

  async #missingLinks(): Promise<string> {
    for (const node of this.nodes) {
      const outcome = await node.look(['cluster', '--json']);
      if (outcome.code !== 0) return `node ${node.number}: ${outcome.stderr.trim()}`;
      const up = (outcome.stdout.match(/"up"/gi) ?? []).length;
      if (up < this.nodes.length - 1) return `node ${node.number}: ${outcome.stdout.trim()}`;
    }
    return '';
  }

  /** Takes the node's route away, and returns when the router sends it nothing more. */
  async withdraw(node: number): Promise<void> {
    await this.routing.withdraw(node);
    await this.#follow(this.network.nodes.filter((other) => other !== node));
  }

  /** Withdraws the node when its log, from `mark` on, asks for it within this time; false when it does not. */
  async withdrawIfAsked(node: number, mark: number, millisecondsMax: number): Promise<boolean> {
    const time = await this.node(node).untilLogged(/withdrawn: /, mark, millisecondsMax);
    if (Number.isNaN(time)) return false;
    await this.withdraw(node);
    return true;
  }

  /** Brings the route back of a node that runs again, and returns when every node has its share. */
  async announce(node: number): Promise<void> {
    await this.waitForMesh();
    await this.routing.announce(node);
    await this.#follow(this.network.nodes);
  }

  async #follow(nodes: readonly number[]): Promise<void> {
    await this.routing.waitForNextHops(nodes);
    await this.balancer.update();
  }

  /** Cuts the LAN between two nodes, in both directions; `null` heals all cuts. */
  async cut(pair: readonly [number, number] | null): Promise<void> {
    for (const number of pair ?? this.network.nodes) {
      await this.#dropFrom(number, pair === null ? [] : pair.filter((other) => other !== number));
    }
  }

  /** Cuts all links of a node to its peers. */
  async isolate(node: number): Promise<void> {
    const peers = this.network.nodes.filter((other) => other !== node);
    await this.#dropFrom(node, peers);
    for (const peer of peers) await this.#dropFrom(peer, [node]);
  }

  /** What `node` gets from these others is dropped, and nothing else. */
  async #dropFrom(node: number, others: readonly number[]): Promise<void> {
    const rules = others.map((other) => `ip saddr ${nodeAddress(other)} drop`).join('\n');
    const table = `table ip cut {}\nflush table ip cut\ntable ip cut {\nchain input {\ntype filter hook input priority 0;\n${rules}\n}\n}\n`;
    await this.network.run(`node${node}`, ['nft', '-f', '-'], table);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.balancer.stop();
    await Promise.all(this.nodes.map((node) => node.stop().catch(() => undefined)));
    await this.network.remove(this.options.keep);
    this.routing.removeFolders();
  }
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Puts the lab up, does the work, and takes the lab down: after success, a failure, Ctrl-C or SIGTERM. */
export async function withLab<T>(options: LabOptions, work: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = new Lab(options);
  const interrupt = (): void => {
    say('taking the lab down');
    lab.close().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    await lab.open();
    return await work(lab);
  } finally {
    await lab.close();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}
