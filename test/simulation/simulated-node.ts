/** One node of the simulated cluster: the real composition of all layers, on the world's clock and network. */

import type { Link, LinkTransport, LinkUser } from '#cluster/link-transport.ts';
import type { Member } from '#cluster/member.ts';
import type { DialogDatabase } from '#dialog/dialog-storage.ts';
import { isDiagnostics, loadScript } from '#module/load.ts';
import { modules } from '#modules/index.ts';
import { AnyviaNode, type NodePorts } from '#server/compose.ts';
import { readConfiguration } from '#server/configuration.ts';
import { parseHostPort } from '#sip/host-port.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import type { LocalSocket } from '#util/socket-address.ts';
import { TimerQueue } from '#util/timer-queue.ts';
import type { Resident, World } from './world.ts';

interface Duty {
  readonly interval: number;
  due: number;
  readonly run: (now: number) => void;
}

/** Who a simulated node is; what is left out is as all others have it. */
export interface SimulatedIdentity {
  readonly id: number;
  readonly incarnation: number;
  readonly secret?: string;
  readonly dialogDatabase?: DialogDatabase;
  /** For the links: another machine with the id of one. */
  readonly address?: string;
}

/** Datagrams that a stopped process's socket holds; more are dropped by the kernel. */
const socketDatagramsMax = 200;

export class SimulatedNode implements Resident {
  readonly id: number;
  readonly incarnation: number;
  readonly node: AnyviaNode;
  readonly timers = new TimerQueue();
  readonly #world: World;
  readonly #address: string;
  readonly #dialogDatabase: DialogDatabase | undefined;
  readonly sockets: readonly LocalSocket[];
  #turnEnds: ((now: number) => void)[] = [];
  readonly #duties: Duty[] = [];
  /** What reaches a stopped process waits here, in order; null while it runs. */
  #held: (() => void)[] | null = null;
  #datagramsHeld = 0;
  isDead = false;
  isDraining = false;

  constructor(world: World, identity: SimulatedIdentity, script: string) {
    this.#world = world;
    this.#address = identity.address ?? addressOf(identity.id);
    this.#dialogDatabase = identity.dialogDatabase;
    this.id = identity.id;
    this.incarnation = identity.incarnation;
    const loaded = loadScript({ path: 'simulation.cfg', text: script, modules, readFile: () => '' });
    if (isDiagnostics(loaded)) throw new Error(loaded.map((problem) => problem.text).join('\n'));
    const configuration = readConfiguration(loaded, []);
    if (isFailure(configuration)) throw new Error(configuration.message);
    this.sockets = configuration.sockets;
    const secret = Buffer.from(identity.secret ?? 'open sesame');
    const node = AnyviaNode.create(
      loaded,
      configuration,
      { nodeId: this.id, incarnation: this.incarnation, clusterId: 1, secret },
      this.#ports(),
    );
    if (isFailure(node)) throw new Error(node.message);
    this.node = node;
    world.links.listen(this.#address, (link, now) => this.#user(this.node.cluster!.accept(link, now)));
  }

  start(members: readonly Member[]): void {
    this.node.cluster!.setMembers(this.#world.now, members);
    this.node.start();
    this.#world.residents.add(this);
    this.endTurn();
  }

  /** The router believes in this node. */
  announce(): void {
    this.#world.routes.set(this.id, this.#arrive);
  }

  withdraw(): void {
    if (this.#world.routes.get(this.id) === this.#arrive) this.#world.routes.delete(this.id);
  }

  /** kill -9: nothing is said, the kernel closes what was open. The router finds out later. */
  kill(): void {
    this.isDead = true;
    this.#world.residents.delete(this);
    this.#world.links.kill(this.#address);
  }

  /** What `anyvia drain` does at once: new requests go to peers, and they send none. */
  drain(): void {
    this.isDraining = true;
    if (this.node.ownership) this.node.ownership.draining = true;
    this.node.sharingTags?.setWilling(this.#world.now, false);
    this.node.cluster!.setDraining(true);
    this.endTurn();
  }

  /** The last thing that a process does which ends in order. */
  bidFarewell(): void {
    this.node.cluster!.stop(this.#world.now);
    this.endTurn();
  }

  /** SIGSTOP and SIGCONT: the kernel keeps what arrives, as far as it has room. */
  stop(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = null;
    this.#datagramsHeld = 0;
    if (this.isDead) return;
    for (const run of held) run();
  }

  get isStopped(): boolean {
    return this.#held !== null;
  }

  // ── clock ─────────────────────────────────────────────────────────────────────────────────────────────────────

  nextDue(): number {
    if (this.isStopped) return Infinity;
    if (this.#turnEnds.length > 0) return this.#world.now;
    let due = this.timers.nextDue();
    for (const duty of this.#duties) due = Math.min(due, duty.due);
    return due;
  }

  advance(now: number): void {
    if (this.isStopped) return;
    this.timers.advance(now);
    for (const duty of this.#duties) {
      if (duty.due > now) continue;
      duty.due = Math.max(duty.due + duty.interval, now);
      duty.run(now);
    }
    this.endTurn();
  }

  endTurn(): void {
    while (this.#turnEnds.length > 0) {
      const runs = this.#turnEnds;
      this.#turnEnds = [];
      for (const run of runs) run(this.#world.now);
    }
  }

  // ── what arrives ──────────────────────────────────────────────────────────────────────────────────────────────

  readonly #arrive = (text: string, from: string): void => this.receive(text, from);

  /** `from`: `host:port`, IPv6 in brackets; `socket`: the number of the listener. */
  receive(text: string, from: string, socket = 0): void {
    if (this.isDead) return;
    if (this.#held !== null) {
      if (this.#datagramsHeld++ < socketDatagramsMax) this.#held.push(() => this.receive(text, from, socket));
      return;
    }
    const { host, port } = parseHostPort(from)!;
    this.node.receive(Buffer.from(text, 'latin1'), host, port, this.sockets[socket]!);
    this.endTurn();
  }

  /** Passes on what a link brings while the process runs. */
  #user(user: LinkUser): LinkUser {
    const pass = (run: (now: number) => void): void => {
      if (this.isDead) return;
      if (this.#held !== null) this.#held.push(() => run(this.#world.now));
      else run(this.#world.now);
    };
    return {
      onOpen: () => pass((now) => user.onOpen(now)),
      onBytes: (bytes) => pass((now) => user.onBytes(bytes, now)),
      onDrain: () => pass((now) => user.onDrain(now)),
      onClose: (reason) => pass((now) => user.onClose(reason, now)),
    };
  }

  #links(): LinkTransport {
    const transport = this.#world.links.transportOf(this.#address);
    return {
      connect: (place, user): Link => transport.connect(place, this.#user(user)),
    };
  }

  #ports(): NodePorts {
    const world = this.#world;
    const say =
      (level: string) =>
      (message: string, fields?: unknown): void => {
        world.tell(`   node ${this.id} ${level}: ${message}`);
        if (level === 'error') world.problem(`node ${this.id}: ${message} ${JSON.stringify(fields ?? '')}`);
      };
    return {
      clock: { monotonic: () => world.now, wall: () => 1_800_000_000_000 + world.now },
      timers: this.timers,
      log: { error: say('error'), warn: say('warn'), info: say('info'), debug: () => {} },
      process: {
        version: 'simulated',
        startedAt: 0,
        list: () => [],
        logLevel: () => 4,
        setLogLevel: () => {},
      },
      send: (bytes, flow) => {
        const text = Buffer.from(bytes).toString('latin1');
        const { address, port } = flow.socket;
        world.send(text, `${bracketed(address)}:${port}`, `${bracketed(flow.address)}:${flow.port}`);
      },
      names: { ask: (_kind, name, done) => done(new Failure('TEST_NAME_UNKNOWN', `${name} is not known`)) },
      random: (bytes) => world.random.bytes(bytes),
      links: this.#links(),
      endOfTurn: (run) => this.#turnEnds.push(run),
      every: (interval, run) => {
        this.#duties.push({ interval, due: world.now + interval, run });
      },
      rearm: () => {},
      locationDatabase: null,
      ...(this.#dialogDatabase === undefined ? {} : { dialogDatabase: this.#dialogDatabase }),
      tables: null,
      reloadMembership: () => null,
      setMemberStatus: () => null,
    };
  }
}

/** Address of a node's own, for the links. */
export function addressOf(node: number): string {
  return `10.0.0.${node}`;
}
