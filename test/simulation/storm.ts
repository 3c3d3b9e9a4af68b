/**
 * One seeded run: a cluster, calls of all kinds, faults of all kinds, then calm; and what must hold at the end. The
 * seed chooses everything, so a failing one can be run again, message by message.
 */

import type { Member } from '#cluster/member.ts';
import { memberOf } from '../scenario/cluster-simulation.ts';
import { Call, type CallPlan, type Side } from './call.ts';
import { Phone, type Served } from './phone.ts';
import { addressOf, SimulatedNode } from './simulated-node.ts';
import { Troubles } from './troubles.ts';
import { World } from './world.ts';

export interface StormOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly calls: number;
  /** What may happen to nodes and links, beside what happens to datagrams. */
  readonly faults?: readonly NodeFault[];
  /** False: nobody goes on with the work of a dead node. */
  readonly takeover?: boolean;
  /** `claim_directory` of all nodes; absent: "all". */
  readonly directory?: 'all' | 'home';
  /** Keeps a journal of every message. */
  readonly isTold?: boolean;
}

/** `roll`: a node drains, ends in order and comes back, as in a rolling restart. */
export const nodeFaults = ['kill', 'stop', 'part', 'bar', 'roll'] as const;
export type NodeFault = (typeof nodeFaults)[number];

export interface StormResult {
  readonly problems: readonly string[];
  /** Calls for which nothing could be promised; see `Troubles`. */
  readonly excused: number;
  readonly journal: readonly string[];
  readonly calls: number;
  readonly faults: readonly string[];
}

/** Calls begin, and faults happen, in this time. */
const stormMilliseconds = 15_000;
/** Then everything must come to its end: Timer C, an answer to the CANCEL, and Timer H, with claims after it. */
const calmMilliseconds = 260_000;
/** A node that drains waits for its transactions for so long: too short for one that rings, and as a real one does. */
const drainMilliseconds = [300, 2500, 40_000] as const;
/** Between the farewell to the peers and the end of the process. */
const farewellMilliseconds = 50;
const bin = 5566;
const callerHost = '10.1.0.1';
const calleeHost = '10.2.0.1';
/** Where calls that shall fail over go first. */
const busyHost = '10.2.0.2';

export class Storm {
  readonly world: World;
  readonly calls: Call[] = [];
  readonly nodes = new Map<number, SimulatedNode>();
  /** What the seed chose, for the report. */
  readonly faults: string[] = [];
  readonly troubles: Troubles;
  readonly #options: StormOptions;
  readonly #members: Member[];
  readonly #incarnations = new Map<number, number>();

  constructor(options: StormOptions) {
    this.#options = options;
    this.world = new World(options.seed, options.isTold);
    this.troubles = new Troubles(Array.from({ length: options.nodes }, (_, index) => index + 1));
    this.#members = Array.from({ length: options.nodes }, (_, index) =>
      memberOf(index + 1, { address: addressOf(index + 1), port: bin }),
    );
    for (const member of this.#members) this.#startNode(member.nodeId);
    this.world.run(1500);
    this.#chooseDatagramFaults();
    for (let index = 0; index < options.calls; index++) this.#planCall(index);
    this.#chooseNodeFaults();
  }

  run(): void {
    const { world } = this;
    world.run(1500 + stormMilliseconds);
    world.faults = { lossChance: 0, doubleChance: 0, delay: [1, 3] };
    world.tell('calm');
    world.run(1500 + stormMilliseconds + calmMilliseconds);
  }

  // ── choices ───────────────────────────────────────────────────────────────────────────────────────────────────

  #chooseDatagramFaults(): void {
    const { world } = this;
    const lossChance = world.pick([0, 0, 0.02, 0.1]);
    const doubleChance = world.pick([0, 0, 0.05]);
    const delay = world.pick([
      [1, 3],
      [1, 3],
      [1, 20],
      [1, 200],
    ] as const);
    world.faults = { lossChance, doubleChance, delay };
    world.links.faults = {
      delay: world.pick([
        [0.2, 0.5],
        [0.2, 5],
      ]),
      chopChance: world.pick([0, 0.1]),
      cutChance: 0,
    };
    this.faults.push(`loss ${lossChance}, doubled ${doubleChance}, delay ${delay.join('–')} ms`);
  }

  #planCall(index: number): void {
    const { world } = this;
    const port = 20_000 + index;
    const failsOver = world.chance(0.2);
    const answer = world.pick([200, 200, 200, 200, 486, 0] as const);
    const plan: CallPlan = {
      id: `call${index}`,
      target: `${failsOver ? 'f' : 'd'}${port}`,
      startsAt: world.between(0, stormMilliseconds - 4000),
      ringAfter: world.between(0, 50),
      answerAfter: world.pick([0, 50, 800, 3000]) + world.between(0, 100),
      answer,
      cancelAfter: answer === 0 || world.chance(0.15) ? world.pick([30, 700, 2500]) : 0,
      holdFor: world.pick([300, 2000, 6000]),
      ends: world.pick(['caller', 'callee'] as const),
      renews: world.chance(0.2) ? world.pick(['caller', 'callee'] as const) : null,
    };
    this.place(plan);
  }

  /** A call as planned, from its time on, counted from now. */
  place(plan: CallPlan): Call {
    const { world } = this;
    const port = Number(plan.target.slice(1));
    const caller = new Phone(world, `${callerHost}:${port}`);
    const callee = new Phone(world, `${calleeHost}:${port}`);
    const call = new Call(world, plan, { caller, callee });
    this.#attach(call, 'caller');
    this.#attach(call, 'callee');
    if (plan.target.startsWith('f')) refusing(new Phone(world, `${busyHost}:${port}`));
    this.calls.push(call);
    return call;
  }

  /** kill -9 of the node that has the most transactions; it is started again after `lasts` ms. Its id. */
  killOwner(lasts: number): number {
    const nodes = [...this.nodes.values()];
    nodes.sort((one, other) => other.node.table.serverCount - one.node.table.serverCount);
    this.#kill(nodes[0]!, lasts);
    return nodes[0]!.id;
  }

  #attach(call: Call, side: Side): void {
    call[side].user = {
      onRequest: (served) => {
        const isInitial = served.request.method === 'INVITE' && served.request.toTag === '';
        if (isInitial) call.onInvite(served);
        else call.onDialogRequest(side, served);
      },
      onAck: (ack) => call.onAck(side, ack),
      onCancelled: (invite) => call.onCancelled(invite),
    };
  }

  #chooseNodeFaults(): void {
    const { world } = this;
    const kinds = this.#options.faults ?? nodeFaults;
    const count = kinds.length === 0 ? 0 : world.pick([0, 0, 1, 1, 2]);
    for (let index = 0; index < count; index++) {
      const kind = world.pick(kinds);
      const at = world.between(500, stormMilliseconds - 2000);
      const node = world.between(1, this.#options.nodes);
      const lasts = world.pick([400, 1500, 5000]);
      this.faults.push(`${kind} of node ${node} at ${at} for ${lasts} ms`);
      world.after(at, () => this.#fault(kind, node, lasts));
    }
  }

  #fault(kind: NodeFault, id: number, lasts: number): void {
    const node = this.nodes.get(id);
    if (node === undefined) return;
    this.world.tell(`FAULT ${kind} of node ${id} for ${lasts} ms`);
    if (kind === 'kill') this.#kill(node, lasts);
    else if (kind === 'stop') this.#stop(node, lasts);
    else if (kind === 'roll') this.#roll(node, lasts);
    else this.#part(kind, id, lasts);
  }

  #kill(node: SimulatedNode, lasts: number): void {
    if (node.isDead) return;
    const { world } = this;
    this.troubles.fall(world.now, node.id, 'killed');
    node.kill();
    this.nodes.delete(node.id);
    this.#withdraw(node, world.between(20, 1000));
    world.after(lasts, () => this.#startNode(node.id));
  }

  #stop(node: SimulatedNode, lasts: number): void {
    if (node.isDead || node.isStopped) return;
    const { world } = this;
    this.troubles.fall(world.now, node.id, 'stopped');
    node.stop();
    // The health check of its router times out.
    this.#withdraw(node, world.between(500, 2000));
    world.after(lasts, () => {
      node.resume();
      if (!node.isDead) this.troubles.rise(world.now, node.id);
      if (!node.isDead) this.#announce(node, world.between(100, 1000));
    });
  }

  /** Its router hears of it late; what has not ended within the time for draining is left to the successor. */
  #roll(node: SimulatedNode, lasts: number): void {
    if (node.isDead || node.isStopped || node.isDraining) return;
    const { world } = this;
    const until = world.now + world.pick(drainMilliseconds);
    node.drain();
    world.after(world.between(10, 1500), () => {
      node.withdraw();
      this.#leaveWhenDone(node, until, lasts);
    });
  }

  #leaveWhenDone(node: SimulatedNode, until: number, lasts: number): void {
    const { world } = this;
    if (node.isDead) return;
    if (node.isStopped || (node.node.table.serverCount > 0 && world.now < until)) {
      world.after(100, () => this.#leaveWhenDone(node, until, lasts));
      return;
    }
    world.tell(`node ${node.id} leaves with ${node.node.table.serverCount} transactions`);
    this.troubles.fall(world.now, node.id, 'killed');
    node.bidFarewell();
    world.after(farewellMilliseconds, () => {
      if (!node.isDead) node.kill();
      this.nodes.delete(node.id);
    });
    world.after(farewellMilliseconds + lasts, () => this.#startNode(node.id));
  }

  #part(kind: 'part' | 'bar', id: number, lasts: number): void {
    const { world } = this;
    const others = this.#members.map((member) => member.nodeId).filter((other) => other !== id);
    const other = world.pick(others);
    const ends = [addressOf(id), addressOf(other)] as const;
    this.troubles.part(world.now, id, other);
    if (kind === 'part') world.links.partition(...ends);
    else world.links.bar(...ends);
    world.after(lasts, () => {
      this.troubles.join(world.now, id, other);
      if (kind === 'part') world.links.heal(...ends);
      else world.links.unbar(...ends);
    });
  }

  // ── nodes ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #startNode(id: number): void {
    if (this.nodes.has(id)) return;
    const incarnation = (this.#incarnations.get(id) ?? 0) + 1;
    this.#incarnations.set(id, incarnation);
    const script = scriptOf(id, this.#members, this.#options);
    const node = new SimulatedNode(this.world, { id, incarnation }, script);
    this.nodes.set(id, node);
    node.start(this.#members);
    this.troubles.rise(this.world.now, id);
    if (this.world.now === 0) node.announce();
    else this.#announce(node, this.world.between(100, 1500));
  }

  #announce(node: SimulatedNode, after: number): void {
    this.world.after(after, () => {
      if (this.nodes.get(node.id) === node && !node.isStopped) node.announce();
    });
  }

  #withdraw(node: SimulatedNode, after: number): void {
    this.world.after(after, () => {
      if (node.isDead || node.isStopped) node.withdraw();
    });
  }
}

/** A phone that takes no call. */
function refusing(phone: Phone): void {
  phone.user = {
    onRequest: (served: Served) => {
      const tag = `busy-${served.request.callId}`;
      phone.respond(served, { status: 486, reason: 'Busy Here', tag });
    },
    onAck: () => {},
    onCancelled: () => {},
  };
}

function scriptOf(id: number, members: readonly Member[], options: StormOptions): string {
  const info = (node: number): string => `cluster_id=1,node_id=${node},url=bin:${addressOf(node)}:${bin}`;
  const peers = members
    .filter((member) => member.nodeId !== id)
    .map((member) => `modparam("clusterer", "neighbor_node_info", "${info(member.nodeId)}")`);
  return `
socket=udp:198.51.100.1:5060 anycast
socket=bin:${addressOf(id)}:${bin}
loadmodule "proto_udp.so"
loadmodule "proto_bin.so"
loadmodule "clusterer.so"
loadmodule "sl.so"
loadmodule "signaling.so"
loadmodule "sipmsgops.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "dialog.so"
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", ${id})
modparam("clusterer", "my_node_info", "${info(id)}")
${peers.join('\n')}
modparam("clusterer", "claim_directory", "${options.directory ?? 'all'}")
modparam("tm", "takeover", ${options.takeover === false ? 0 : 1})
modparam("tm", "fr_timeout", 5)
modparam("tm", "fr_inv_timeout", 20)
modparam("tm", "tm_replication_cluster", 1)
modparam("dialog", "profiles_no_value", "calls")
route {
  if (!mf_process_maxfwd_header(10)) { send_reply(483, "Too Many Hops"); exit; }
  if (has_totag()) {
    if (!loose_route()) { send_reply(404, "Not here"); exit; }
    t_relay();
    exit;
  }
  record_route();
  create_dialog();
  set_dlg_profile("calls");
  $var(port) = $(rU{s.substr,1,0});
  $du = "sip:${calleeHost}:" + $var(port);
  if ($rU =~ "^f") {
    $avp(second) = $du;
    $du = "sip:${busyHost}:" + $var(port);
    t_on_failure("second");
  }
  t_relay();
}
failure_route[second] {
  if (t_check_status("486")) { $du = $avp(second); t_relay(); }
}
`;
}
