/**
 * Whole nodes in memory and two user agents that do only what a test says: it chooses the node that each datagram
 * reaches, as the router would, and sees every message that a node sends. One clock, no loss, no delay but the links'.
 */

import type { Member } from '#cluster/member.ts';
import type { DialogDatabase } from '#dialog/dialog-storage.ts';
import type { SipMessage } from '#sip/message.ts';
import { addressOf, type SimulatedIdentity, SimulatedNode } from '../simulation/simulated-node.ts';
import { read, requestText, responseText } from '../simulation/wire.ts';
import { type Endpoint, World } from '../simulation/world.ts';
import { memberOf } from './cluster-simulation.ts';

const bin = 5566;
export const callerAddress = '10.1.0.1:5060';
export const calleeAddress = '10.2.0.1:5060';

/** What reached a user agent, oldest first. */
export class Mailbox implements Endpoint {
  readonly address: string;
  readonly messages: SipMessage[] = [];
  /** Sockets that the messages came from, in the same order. */
  readonly senders: string[] = [];

  constructor(world: World, address: string) {
    this.address = address;
    world.endpoints.set(address, this);
  }

  receive(text: string, from: string): void {
    this.messages.push(read(text));
    this.senders.push(from);
  }

  /** Methods and statuses, in order: `['INVITE', '200 CANCEL']`. */
  get names(): string[] {
    return this.messages.map((one) => (one.isRequest ? one.method : `${one.status} ${one.cseqMethod}`));
  }

  count(name: string): number {
    return this.names.filter((one) => one === name).length;
  }

  get cancels(): SipMessage[] {
    return this.messages.filter((one) => one.method === 'CANCEL');
  }

  /** Of the INVITEs: more than one is a fork that nobody asked for. */
  get branches(): number {
    const invites = this.messages.filter((one) => one.method === 'INVITE' && one.toTag === '');
    return new Set(invites.map((one) => one.topVia.branch)).size;
  }

  /** The latest of that name; throws when there is none. */
  last(name: string): SipMessage {
    const index = this.names.lastIndexOf(name);
    if (index === -1) throw new Error(`no ${name} among ${this.names.join(', ')}`);
    return this.messages[index]!;
  }
}

export interface TrioOptions {
  readonly nodes?: number;
  /** `claim_directory`, absent: all. */
  readonly directory?: 'all' | 'home';
  /** Lines behind the modules and their parameters. */
  readonly parameters?: string;
  /** `socket=` lines of a node, beside the anycast socket. */
  readonly sockets?: (node: number) => string;
  readonly dialogDatabase?: DialogDatabase;
  /** What the script does with an INVITE before it relays, on that node. */
  readonly beforeRelay?: (node: number) => string;
}

export interface InviteParts {
  readonly call?: string;
  readonly branch?: string;
  readonly from?: string;
  readonly body?: string;
}

export class AnycastTrio {
  readonly world = new World(1, true);
  readonly nodes = new Map<number, SimulatedNode>();
  readonly caller = new Mailbox(this.world, callerAddress);
  readonly callee = new Mailbox(this.world, calleeAddress);
  readonly members: Member[];
  readonly #options: TrioOptions;
  readonly #incarnations = new Map<number, number>();

  constructor(options: TrioOptions = {}) {
    this.#options = options;
    this.members = Array.from({ length: options.nodes ?? 3 }, (_, index) =>
      memberOf(index + 1, { address: addressOf(index + 1), port: bin }),
    );
    this.world.faults = { lossChance: 0, doubleChance: 0, delay: [0, 0] };
    for (const { nodeId } of this.members) this.start(nodeId);
    this.run(1500);
  }

  /** Starts a node, a killed one again with its next incarnation. */
  start(id: number, changes: Partial<SimulatedIdentity> = {}): SimulatedNode {
    const incarnation = (this.#incarnations.get(id) ?? 0) + 1;
    this.#incarnations.set(id, incarnation);
    const { dialogDatabase } = this.#options;
    const database = dialogDatabase === undefined ? {} : { dialogDatabase };
    const node = new SimulatedNode(
      this.world,
      { id, incarnation, ...database, ...changes },
      this.#script(id),
    );
    if (changes.address === undefined) this.nodes.set(id, node);
    node.start(this.members);
    return node;
  }

  kill(id: number): void {
    this.at(id).kill();
    this.nodes.delete(id);
  }

  at(id: number): SimulatedNode {
    return this.nodes.get(id)!;
  }

  /** One more user agent. */
  mailbox(address: string): Mailbox {
    return new Mailbox(this.world, address);
  }

  run(milliseconds: number): void {
    this.world.run(this.world.now + milliseconds);
  }

  /** Until everything that a call leaves behind must be gone. */
  settle(): void {
    this.run(300_000);
  }

  /** The router gives a datagram to that node. */
  arrive(node: number, text: string, from = callerAddress, socket = 0): void {
    this.world.tell(`router → node ${node}: ${text.slice(0, text.indexOf('\r'))}`);
    this.at(node).receive(text, from, socket);
  }

  /** The callee's response to the latest INVITE (or what `to` is) reaches that node. */
  answer(node: number, status: number, to = this.callee.last('INVITE')): void {
    const headers = `Contact: <sip:callee@${calleeAddress}>\r\n`;
    const text = responseText(to, { status, reason: 'Answer', tag: 'callee', headers });
    this.arrive(node, text, calleeAddress);
  }

  // ── what is left and what was counted ─────────────────────────────────────────────────────────────────────────

  statistic(node: number, name: string): number {
    return this.at(node).node.statistics.find(name) ?? 0;
  }

  /** The statistic of all nodes together. */
  total(name: string): number {
    return [...this.nodes.keys()].reduce((sum, node) => sum + this.statistic(node, name), 0);
  }

  /** Nodes that logged a line with that text, in order. */
  logged(text: string): number[] {
    const lines = this.world.journal!.filter((line) => line.includes(text));
    return lines.flatMap((line) => /node (\d+) /.exec(line)?.[1] ?? []).map(Number);
  }

  /** Transactions, claims, questions, dialogs and broken invariants that are left anywhere; [] when nothing is. */
  leftovers(): string[] {
    const left: string[] = this.world.problems.map((problem) => problem.text);
    for (const [id, { node }] of this.nodes) {
      node.cluster!.owner(this.world.now, 'nothing');
      const { claims, questionsOpen } = node.cluster!.counters();
      const counts = {
        servers: node.table.serverCount,
        clients: node.table.clientCount,
        claims,
        questionsOpen,
        checkpoints: node.takeover?.held ?? 0,
        dialogs: this.statistic(id, 'dialog:active_dialogs') + this.statistic(id, 'dialog:early_dialogs'),
        broken: this.statistic(id, 'core:broken_invariants'),
      };
      for (const [name, count] of Object.entries(counts))
        if (count !== 0) left.push(`node ${id}: ${count} ${name}`);
    }
    return left;
  }

  async profileSizes(): Promise<number[]> {
    const sizes: number[] = [];
    for (const { node } of this.nodes.values()) {
      const parameters = JSON.stringify({ profile: 'calls' });
      const answer = await node.control.runForPeer('dialog:profile_get_size', parameters);
      sizes.push((JSON.parse(answer) as { Profile: { count: number } }).Profile.count);
    }
    return sizes;
  }

  // ── the script ────────────────────────────────────────────────────────────────────────────────────────────────

  #script(id: number): string {
    const { parameters = '', directory = 'all', sockets, beforeRelay } = this.#options;
    const info = (node: number): string => `cluster_id=1,node_id=${node},url=bin:${addressOf(node)}:${bin}`;
    const peers = this.members
      .filter((member) => member.nodeId !== id)
      .map((member) => `modparam("clusterer", "neighbor_node_info", "${info(member.nodeId)}")`);
    return `
socket=udp:198.51.100.1:5060 anycast
${sockets?.(id) ?? ''}
socket=bin:${addressOf(id)}:${bin}
${modules.map((name) => `loadmodule "${name}.so"`).join('\n')}
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", ${id})
modparam("clusterer", "my_node_info", "${info(id)}")
${peers.join('\n')}
modparam("clusterer", "claim_directory", "${directory}")
modparam("tm", "fr_timeout", 5)
modparam("tm", "fr_inv_timeout", 20)
modparam("tm", "tm_replication_cluster", 1)
modparam("dialog", "profiles_no_value", "calls")
${parameters}
route {
  xlog("request route: $rm");
  if (!mf_process_maxfwd_header(10)) { send_reply(483, "Too Many Hops"); exit; }
  if (has_totag()) {
    if (!loose_route()) { if (!is_method("ACK")) send_reply(404, "Not here"); exit; }
    t_relay();
    exit;
  }
  record_route();
  create_dialog();
  set_dlg_profile("calls");
  $du = "sip:${calleeAddress}";
  ${beforeRelay?.(id) ?? ''}
  t_relay();
}
onreply_route { xlog("reply route: $rs"); }
`;
  }
}

const modules = [
  'proto_udp',
  'proto_bin',
  'clusterer',
  'sl',
  'signaling',
  'sipmsgops',
  'tm',
  'rr',
  'maxfwd',
].concat('dialog');

// ── what the caller writes ──────────────────────────────────────────────────────────────────────────────────────

/** `branch` as it stands in the Via: without the cookie for a caller of RFC 2543. */
export function invite({ call = 'call', branch, from = callerAddress, body = '' }: InviteParts = {}): string {
  const side = {
    callId: call,
    localUri: 'sip:caller@test',
    localTag: `from-${call}`,
    remoteUri: 'sip:callee@198.51.100.1',
    remoteTag: '',
    remoteTarget: '',
    routes: [],
    cseq: 1,
  };
  const text = requestText(side, {
    method: 'INVITE',
    uri: 'sip:callee@198.51.100.1',
    branch: branch ?? `z9hG4bK-${call}`,
    address: from,
    cseq: 1,
    headers: `Contact: <sip:caller@${from}>\r\n`,
  });
  return body === '' ? text : `${text.replace('Content-Length: 0', `Content-Length: ${body.length}`)}${body}`;
}

/** RFC 3261 9.1. */
export function cancelOf(text: string): string {
  return hopByHop(text, 'CANCEL');
}

/** RFC 3261 17.1.1.3: the ACK of a failure; `response` brings the To tag. */
export function ackOf(text: string, response: SipMessage): string {
  return hopByHop(text, 'ACK').replace(/\r\nTo: [^\r]*/, `$&;tag=${response.toTag}`);
}

function hopByHop(text: string, method: string): string {
  return text
    .slice(0, text.indexOf('\r\n\r\n') + 4)
    .replace(/^INVITE/, method)
    .replace(/CSeq: (\d+) INVITE/, `CSeq: $1 ${method}`)
    .replace(/Contact: [^\r]*\r\n/, '')
    .replace(/Content-Length: \d+/, 'Content-Length: 0');
}

/** A request in the dialog that the 200 made: `ACK` or `BYE`, by the recorded route. */
export function inDialog(ok: SipMessage, method: string, cseq: number): string {
  const side = {
    callId: ok.callId,
    localUri: 'sip:caller@test',
    localTag: ok.fromTag,
    remoteUri: 'sip:callee@198.51.100.1',
    remoteTag: ok.toTag,
    remoteTarget: '',
    routes: [],
    cseq,
  };
  const routes = [...ok.text.matchAll(/\r\nRecord-Route: *([^\r]*)/gi)].map(
    ([, value]) => `Route: ${value}\r\n`,
  );
  return requestText(side, {
    method,
    uri: `sip:callee@${calleeAddress}`,
    branch: `z9hG4bK-${ok.callId}-${method}`,
    address: callerAddress,
    cseq,
    headers: routes.reverse().join(''),
  });
}
