/** Several cluster nodes over {@link ClusterNetwork}, one clock, and all that they said and were told. */

import { ClusterNode, type ClusterUser } from '#cluster/cluster-node.ts';
import type { ForwardedDatagram } from '#cluster/forward.ts';
import type { Member } from '#cluster/member.ts';
import { holdings } from '#cluster/owner-question.ts';
import type { ClusterIdentity, ClusterSettings } from '#cluster/ports.ts';
import { TimerQueue } from '#util/timer-queue.ts';
import { ClusterNetwork } from './cluster-network.ts';

export const port = 5566;

export function memberOf(nodeId: number, changes: Partial<Member> = {}): Member {
  return {
    clusterId: 1,
    nodeId,
    address: `10.0.0.${nodeId}`,
    port,
    enabled: true,
    priority: 50,
    description: '',
    pingRetries: 3,
    secure: false,
    sipAddress: '',
    ...changes,
  };
}

export function datagram(text: string, changes: Partial<ForwardedDatagram> = {}): ForwardedDatagram {
  return {
    kind: 'reply',
    bytes: Buffer.from(text, 'latin1'),
    sourceAddress: '192.0.2.7',
    sourcePort: 5060,
    socket: 'udp:198.51.100.1:5060',
    receivedAt: 0,
    ...changes,
  };
}

export interface Received {
  readonly datagram: ForwardedDatagram;
  readonly from: number;
}

export class SimulatedNode {
  readonly address: string;
  readonly timers = new TimerQueue();
  readonly node: ClusterNode;
  readonly log: string[] = [];
  readonly received: Received[] = [];
  readonly refused: Received[] = [];
  readonly lost: string[] = [];
  readonly owned = new Set<string>();
  acceptsForwards = true;
  turnEnds: ((now: number) => void)[] = [];

  constructor(
    network: ClusterNetwork,
    identity: ClusterIdentity,
    settings: Partial<ClusterSettings>,
    address: string,
  ) {
    this.address = address;
    const say =
      (level: string) =>
      (message: string): void => {
        this.log.push(`${level}: ${message}`);
      };
    this.node = new ClusterNode(
      identity,
      {
        timers: this.timers,
        transport: network.transportOf(address),
        log: { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') },
        random: (bytes) => network.random.bytes(bytes),
        endOfTurn: (run) => this.turnEnds.push(run),
      },
      this.#user(),
      settings,
    );
    network.listen(address, (link, now) => this.node.accept(link, now));
  }

  #user(): ClusterUser {
    return {
      onForward: (datagram, from) => {
        if (!this.acceptsForwards) return false;
        this.received.push({ datagram: { ...datagram, bytes: Buffer.from(datagram.bytes) }, from });
        return true;
      },
      onForwardRefused: (datagram, by) => {
        this.refused.push({ datagram: { ...datagram, bytes: Buffer.from(datagram.bytes) }, from: by });
      },
      holds: (key) => (this.owned.has(key) ? holdings.transaction : holdings.nothing),
      onClaimLost: (key, winner) => {
        this.lost.push(`${key} to ${winner.node}`);
      },
      onCall: (call, from, answer) => {
        if (call.method === 'echo') answer(JSON.stringify({ from, parameters: JSON.parse(call.parameters) }));
        if (call.method === 'large') answer('"'.padEnd(5_000_000, 'x'));
      },
    };
  }

  /** Lines that an operator sees: those for debugging are left out. */
  says(part: string): number {
    return this.log.filter((line) => line.includes(part) && !line.startsWith('debug')).length;
  }
}

export interface SimulationOptions {
  readonly seed?: number;
  readonly settings?: Partial<ClusterSettings>;
  readonly secret?: string | null;
}

export class ClusterSimulation {
  readonly network: ClusterNetwork;
  readonly nodes = new Map<number, SimulatedNode>();
  readonly members: Member[];
  readonly #options: SimulationOptions;
  now = 0;

  constructor(size: number, options: SimulationOptions = {}) {
    this.#options = options;
    this.network = new ClusterNetwork(options.seed ?? 1);
    this.members = Array.from({ length: size }, (_, index) => memberOf(index + 1));
  }

  /** Starts all members and lets them find each other. */
  static running(size: number, options: SimulationOptions = {}): ClusterSimulation {
    const simulation = new ClusterSimulation(size, options);
    for (const member of simulation.members) simulation.start(member.nodeId);
    simulation.run(1000);
    return simulation;
  }

  start(
    nodeId: number,
    changes: Partial<ClusterIdentity> & { address?: string } = {},
    settings: Partial<ClusterSettings> = this.#options.settings ?? {},
  ): SimulatedNode {
    const { address = `10.0.0.${nodeId}`, ...identityChanges } = changes;
    const secret = this.#options.secret === undefined ? 'open sesame' : this.#options.secret;
    const identity: ClusterIdentity = {
      clusterId: 1,
      nodeId,
      incarnation: 1,
      software: 'anyvia test',
      secret: secret === null ? null : Buffer.from(secret),
      ...identityChanges,
    };
    // Short, so that scenarios need not wait for it.
    const node = new SimulatedNode(this.network, identity, { claimBatch: 5, ...settings }, address);
    if (!this.nodes.has(nodeId)) this.nodes.set(nodeId, node);
    else this.#extra.push(node);
    node.node.setMembers(this.now, this.members);
    node.node.start(this.now);
    this.#endTurns();
    return node;
  }

  readonly #extra: SimulatedNode[] = [];

  /** kill -9. */
  kill(nodeId: number): void {
    this.network.kill(this.at(nodeId).address);
    this.nodes.delete(nodeId);
  }

  at(nodeId: number): SimulatedNode {
    return this.nodes.get(nodeId)!;
  }

  cluster(nodeId: number): ClusterNode {
    return this.at(nodeId).node;
  }

  /** Runs `milliseconds` of everything, event by event. */
  run(milliseconds: number): void {
    const end = this.now + milliseconds;
    this.#endTurns();
    for (;;) {
      const next = this.#nextDue();
      if (next > end) break;
      this.now = Math.max(this.now, next);
      this.network.step(this.now);
      for (const node of this.#all()) node.timers.advance(this.now);
      this.#endTurns();
    }
    this.now = end;
    this.network.now = end;
  }

  /** True when every node reaches every other. */
  isWhole(): boolean {
    return [...this.nodes.values()].every((node) => node.node.livePeers().length === this.nodes.size - 1);
  }

  #all(): SimulatedNode[] {
    return [...this.nodes.values(), ...this.#extra];
  }

  #nextDue(): number {
    let due = this.network.nextDue();
    for (const node of this.#all()) due = Math.min(due, node.timers.nextDue());
    return due;
  }

  #endTurns(): void {
    for (const node of this.#all()) {
      const runs = node.turnEnds;
      node.turnEnds = [];
      for (const run of runs) run(this.now);
    }
  }
}
