/**
 * Joins the layers into one node. Everything that touches the world comes in as a port, so that a test can run several
 * nodes on a simulated network and clock.
 */

import { ClusterNode, type ClusterUser } from '#cluster/cluster-node.ts';
import type { ForwardedDatagram } from '#cluster/forward.ts';
import type { Link, LinkTransport, LinkUser } from '#cluster/link-transport.ts';
import { holdings } from '#cluster/owner-question.ts';
import type { SharingTags } from '#cluster/sharing-tags.ts';
import type { Takeover } from '#cluster/takeover.ts';
import { type DialogDatabase, dialogDatabase } from '#dialog/dialog-storage.ts';
import { MessageContext } from '#module/context.ts';
import { emptyHooks } from '#module/hooks.ts';
import type { Logger } from '#module/host.ts';
import { clusterChannels } from '#module/host.ts';
import type { BoundScript, LoadedScript } from '#module/load.ts';
import {
  clusterView,
  commandDirectory,
  connectionService,
  type NameService,
  nameService,
  type ProcessView,
  processView,
  secretService,
  statelessService,
  type TableService,
  tableService,
} from '#module/services.ts';
import { Statistics } from '#module/statistics.ts';
import { transactionCore } from '#modules/tm/ports.ts';
import { TransactionModule } from '#modules/tm/transaction-module.ts';
import { type LocationDatabase, locationDatabase } from '#registrar/location-storage.ts';
import { clusterViewOf } from '#server/cluster-view.ts';
import type { NodeConfiguration } from '#server/configuration.ts';
import { Control } from '#server/control.ts';
import { FreezeWatch, watchMilliseconds as freezeWatchMilliseconds } from '#server/freeze-watch.ts';
import { HeldArrivals } from '#server/held-arrivals.ts';
import { NodeHost } from '#server/node-host.ts';
import { Orphans } from '#server/orphans.ts';
import { Ownership } from '#server/ownership.ts';
import { PeerSockets } from '#server/peer-sockets.ts';
import { Receiver } from '#server/receive.ts';
import { type MadeSharingTags, makeSharingTags } from '#server/sharing-tags.ts';
import { Streams } from '#server/streams.ts';
import { makeTakeover } from '#server/takeover.ts';
import { Trace } from '#server/trace.ts';
import { Unreachable } from '#server/unreachable.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import type { NamePort } from '#sip/name-port.ts';
import { BranchCodec } from '#transaction/branch.ts';
import { defaultSettings } from '#transaction/settings.ts';
import { TransactionTable } from '#transaction/table.ts';
import { assert } from '#util/assert.ts';
import type { Clock } from '#util/clock.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { type Flow, isStream, type LocalSocket, socketName } from '#util/socket-address.ts';
import type { TimerQueue } from '#util/timer-queue.ts';

export interface NodePorts {
  readonly clock: Clock;
  readonly timers: TimerQueue;
  readonly log: Logger;
  readonly process: ProcessView;
  /** Sends a datagram; never waits. */
  send(bytes: Uint8Array, flow: Flow): void;
  /** Dials for SIP over TCP, from the address of the flow's socket. Absent: nothing is reached over TCP. */
  connectStream?(flow: Flow, user: LinkUser): Link;
  /** What the DNS knows. */
  readonly names: NamePort;
  /** For a look into what is remembered of it. Absent: nothing is. */
  readonly nameCache?: NameService;
  /** Which address of this machine leads to another (`mhomed`), null for none. Absent: nobody knows. */
  sourceAddress?(address: string, done: (local: string | null) => void): void;
  random(bytes: number): Buffer;
  /** Null when the node stands alone. */
  readonly links: LinkTransport | null;
  endOfTurn(run: (now: number) => void): void;
  every(milliseconds: number, run: (now: number) => void): void;
  /** Called after each event: timers may have been started. */
  rearm(): void;
  /** What modules write behind; null when there is no database. */
  readonly locationDatabase: LocationDatabase | null;
  readonly dialogDatabase?: DialogDatabase;
  /** Null when there is no database. */
  readonly tables: TableService | null;
  /** Reads the membership table now. */
  reloadMembership(): unknown;
  /** Enables or disables a member in the table, or without one here. */
  setMemberStatus(node: number, isEnabled: boolean): unknown;
}

export interface NodeIdentity {
  readonly nodeId: number;
  readonly incarnation: number;
  /** 0 when the node stands alone. */
  readonly clusterId: number;
  /** What every node of the cluster knows; null = peers are known by their address alone. */
  readonly secret: Uint8Array | null;
  /** Believed beside it, while the secret is being changed. */
  readonly otherSecret?: Uint8Array | null;
}

/** Copies of one request reach two nodes within the network's delays; what differs by more has another cause. */
const simultaneousMilliseconds = 1000;
/** How long a peer may take to say that it took a transaction over. */
const takeoverNewsMilliseconds = 300;

/** A running node, without its sockets. */
export class AnyviaNode {
  readonly table: TransactionTable;
  readonly statistics = new Statistics();
  readonly control: Control;
  readonly trace: Trace;
  readonly cluster: ClusterNode | null;
  readonly ownership: Ownership | null;
  /** Null when the node stands alone, or it is switched off. */
  takeover: Takeover | null = null;
  /** Null when the node stands alone. */
  sharingTags: SharingTags | null = null;
  readonly streams: Streams;
  readonly unreachable: Unreachable;
  readonly identity: NodeIdentity;
  readonly started: number;
  readonly version: string;
  readonly #freezes: FreezeWatch;
  readonly #ports: NodePorts;
  readonly #sockets: readonly LocalSocket[];
  readonly #socketByName = new Map<string, LocalSocket>();
  readonly #peerSockets: PeerSockets | null;
  #receiver!: Receiver;
  #script!: BoundScript;
  #transactions: TransactionModule | null = null;

  private constructor(
    identity: NodeIdentity,
    configuration: NodeConfiguration,
    ports: NodePorts,
    branches: BranchCodec,
  ) {
    this.identity = identity;
    this.version = ports.process.version;
    this.#ports = ports;
    this.#sockets = configuration.sockets;
    this.started = ports.clock.monotonic();
    this.#freezes = new FreezeWatch(this.started, () => this.cluster?.livePeers() ?? []);
    this.statistics.gauge('core', 'freezes', () => this.#freezes.freezes);
    for (const socket of configuration.sockets) {
      this.#socketByName.set(socketName(socket), socket);
      if (socket.tag !== '') this.#socketByName.set(socket.tag, socket);
    }
    this.trace = new Trace(identity.nodeId, ports.clock);
    this.control = new Control(identity.nodeId, this.trace, ports.log);
    this.table = new TransactionTable({
      timers: ports.timers,
      transport: { send: (bytes, flow) => this.send(bytes, flow) },
      branches,
      settings: { ...defaultSettings, ...configuration.transactionTimers },
      isCutOff: (now) => this.cluster?.isCutOff(now) === true,
    });
    this.unreachable = new Unreachable(this.table, (run) => ports.endOfTurn(run));
    this.streams = this.#makeStreams(configuration);
    this.cluster = ports.links === null ? null : this.#makeCluster(ports.links, configuration);
    this.ownership =
      this.cluster === null ? null : new Ownership(this.cluster, this.table, this.trace, this.statistics);
    this.#peerSockets = this.#makePeerSockets();
  }

  /** A Failure when a module refuses its parameters. */
  static create(
    script: LoadedScript,
    configuration: NodeConfiguration,
    identity: NodeIdentity,
    ports: NodePorts,
  ): AnyviaNode | Failure {
    const branches = new BranchCodec(
      { node: identity.nodeId, incarnation: identity.incarnation, worker: 0 },
      branchKeys(identity, ports),
    );
    const node = new AnyviaNode(identity, configuration, ports, branches);
    const problem = node.#createModules(script, configuration, branches);
    return problem ?? node;
  }

  /** Begins work: cluster links, startup_route, timer routes. */
  start(): void {
    const now = this.#ports.clock.monotonic();
    this.cluster?.start(now);
    // A node alone may well be idle for long.
    if (this.cluster !== null) {
      this.#ports.every(freezeWatchMilliseconds, (at) => this.#freezes.touch(at));
      this.#ports.timers.patience = (at) => this.#freezes.catchUpMilliseconds(at);
    }
    if (this.#script.has('startup', ''))
      void this.#script.run('startup', '', timerContext('startup', this.#sockets[0]!));
    for (const timer of this.#script.timers) {
      this.#ports.every(timer.seconds * 1000, () => {
        void this.#script.run('timer', timer.name, timerContext('timer', this.#sockets[0]!));
      });
    }
  }

  /** A datagram from the network. */
  receive(bytes: Uint8Array, address: string, port: number, socket: LocalSocket): void {
    this.#receiver.receive({ bytes, source: { socket, address, port }, receivedBy: 0 });
    this.#ports.rearm();
  }

  send(bytes: Uint8Array, flow: Flow): void {
    this.trace.sent(bytes, flow);
    if (flow.socket.protocol === 'udp') this.#ports.send(bytes, flow);
    else if (flow.socket.node === undefined) this.streams.send(bytes, flow);
    else this.#peerSockets?.send(bytes, flow);
  }

  /** What was sent to this place did not get there. */
  noteUnreachable(flow: Flow): void {
    this.unreachable.note(flow);
    if (isStream(flow.socket) && flow.socket.node === undefined) this.#peerSockets?.reportUnreachable(flow);
  }

  // ── making ────────────────────────────────────────────────────────────────────────────────────────────────────

  #makeStreams({ tcp: settings }: NodeConfiguration): Streams {
    const { timers, log, clock } = this.#ports;
    return new Streams({
      settings,
      timers,
      log,
      statistics: this.statistics,
      monotonic: () => clock.monotonic(),
      connect: (flow, user) => {
        assert(this.#ports.connectStream !== undefined, 'a node without TCP was to dial');
        return this.#ports.connectStream(flow, user);
      },
      receive: (bytes, { address, port, socket }) => this.receive(bytes, address, port, socket),
      onUnreachable: (flow) => this.noteUnreachable(flow),
    });
  }

  #makePeerSockets(): PeerSockets | null {
    const { cluster, statistics } = this;
    if (cluster === null) return null;
    return new PeerSockets({
      cluster,
      sockets: this.#sockets,
      statistics,
      log: this.#ports.log,
      send: (bytes, flow) => this.send(bytes, flow),
      onUnreachable: (flow) => this.unreachable.note(flow),
    });
  }

  #makeCluster(links: LinkTransport, configuration: NodeConfiguration): ClusterNode {
    const { clusterId, nodeId, incarnation, secret, otherSecret = null } = this.identity;
    const { timers, log, random, endOfTurn } = this.#ports;
    return new ClusterNode(
      { clusterId, nodeId, incarnation, secret, otherSecret, software: this.#ports.process.version },
      { timers, log, transport: links, random, endOfTurn },
      this.#clusterUser(),
      {
        heartbeat: configuration.cluster!.heartbeatMilliseconds,
        claimBatch: configuration.cluster!.claimBatchMilliseconds,
        claimDirectory: configuration.cluster!.claimDirectory,
        requiresTls: configuration.cluster!.listen?.secure ?? false,
      },
    );
  }

  #clusterUser(): ClusterUser {
    return {
      onForward: (datagram, from) => this.#onForward(datagram, from),
      onForwardRefused: (datagram) => {
        // The owner forgot it in the meantime: here it is treated as if it had just arrived.
        const arrival = this.#arrivalOf(datagram, this.identity.nodeId);
        if (arrival !== null) this.#receiver.receive(arrival);
      },
      holds: (key) => {
        if (this.table.hasServer(key)) return holdings.transaction;
        return this.takeover?.holds(key) === true ? holdings.copy : holdings.nothing;
      },
      onClaimLost: (key, _winner, now) => this.#withdraw(key, now),
      onCall: (call, _from, answer) => {
        this.control.runForPeer(call.method, call.parameters).then(answer, (error: unknown) => {
          answer(JSON.stringify({ error: String(error) }));
        });
      },
    };
  }

  #onForward(datagram: ForwardedDatagram, from: number): boolean {
    const arrival = this.#arrivalOf(datagram, from);
    if (arrival === null) return false;
    this.ownership?.countReceived(datagram.kind);
    this.#receiver.receive(arrival);
    return true;
  }

  #arrivalOf(datagram: ForwardedDatagram, receivedBy: number): Parameters<Receiver['receive']>[0] | null {
    const socket = this.#socketByName.get(datagram.socket) ?? this.#peerSockets?.find(datagram.socket);
    if (socket === undefined || socket === null) {
      this.#ports.log.warn(
        `node [${receivedBy}] received a datagram on ${datagram.socket}, which is no socket here`,
      );
      return null;
    }
    const source = { socket, address: datagram.sourceAddress, port: datagram.sourcePort };
    return { bytes: datagram.bytes, source, receivedBy };
  }

  #withdraw(key: string, now: number): void {
    const server = this.table.serverOf(key);
    const transaction = server === null ? null : (this.#transactions?.ownerOf(server) ?? null);
    // The one who had it, and was taken for dead, lets go of it by itself.
    if (transaction === null || transaction.isAdopted) return;
    const withdraw = (at: number): void => {
      this.#transactions!.backups.disown(transaction);
      transaction.proxy.withdraw(at);
    };
    if (now - server!.created < simultaneousMilliseconds) {
      withdraw(now);
      return;
    }
    // Two copies of a request meet at once. This one is old: more likely a peer has taken it over, and will say so.
    const target = {
      onTimer: (_kind: number, at: number) => {
        if (!transaction.ended) withdraw(at);
      },
    };
    this.#ports.timers.start(now, takeoverNewsMilliseconds, target, 0);
  }

  #createModules(
    script: LoadedScript,
    configuration: NodeConfiguration,
    branches: BranchCodec,
  ): Failure | null {
    const ports = this.#ports;
    const host = new NodeHost({
      identity: this.identity,
      configuration,
      globals: script.globals,
      statistics: this.statistics,
      hooks: emptyHooks(),
      cluster: this.cluster,
      peerSockets: this.#peerSockets,
      ports,
      send: (bytes, flow) => this.send(bytes, flow),
      acceptsStream: (flow) => this.streams.accepts(flow),
      runRoute: (kind, name, context) => this.#script.run(kind, name, context),
      hasRoute: (kind, name) => this.#script.has(kind, name),
    });
    this.#makeTakeover(host, configuration);
    const { table, ownership: claims, takeover: backup } = this;
    host.provide(transactionCore, { table, branches, claims, backup });
    host.provide(commandDirectory, this.control);
    host.provide(secretService, {
      isSecret: this.identity.secret !== null || this.identity.clusterId === 0,
      derive: (purpose) => clusterKey(purpose, this.identity, ports),
    });
    host.provide(processView, ports.process);
    host.provide(connectionService, this.streams);
    if (this.#ports.nameCache !== undefined) host.provide(nameService, this.#ports.nameCache);
    if (ports.locationDatabase !== null) host.provide(locationDatabase, ports.locationDatabase);
    if (ports.dialogDatabase !== undefined) host.provide(dialogDatabase, ports.dialogDatabase);
    if (ports.tables !== null) host.provide(tableService, ports.tables);
    if (this.cluster !== null) {
      const { tags, service } = this.#makeSharingTags(this.cluster, configuration);
      this.sharingTags = tags;
      host.provide(
        clusterView,
        clusterViewOf({
          cluster: this.cluster,
          statistics: this.statistics,
          modules: script.modules.map(({ declaration }) => declaration.name),
          tags: service,
          reload: () => ports.reloadMembership(),
          setStatus: (member, isEnabled) => ports.setMemberStatus(member, isEnabled),
        }),
      );
    }
    const instances = new Map<string, unknown>();
    for (const { declaration, parameters } of script.modules) {
      const instance = declaration.create(host, parameters);
      if (isFailure(instance)) return new Failure(instance.code, `${declaration.name}: ${instance.message}`);
      instances.set(declaration.name, instance);
      for (const command of declaration.commands ?? []) this.control.add(command, instance as never);
    }
    this.#script = script.bind(instances, (error) => {
      this.statistics.counter('core', 'broken_invariants').value++;
      ports.log.error('a run of the script ended because of an error', { error: String(error) });
    });
    const transactions = instances.get('tm');
    this.#transactions = transactions instanceof TransactionModule ? transactions : null;
    if (this.#transactions !== null) this.#transactions.hasGlobalReplyRoute = this.#script.has('onreply', '');
    this.#makeReceiver(host, branches);
    return null;
  }

  #makeSharingTags(cluster: ClusterNode, configuration: NodeConfiguration): MadeSharingTags {
    const { timers, clock, log } = this.#ports;
    return makeSharingTags({
      cluster,
      timers,
      clock,
      log,
      statistics: this.statistics,
      leaseMilliseconds: configuration.cluster!.tagLeaseMilliseconds,
      quorum: configuration.cluster!.tagQuorum,
      rearm: () => this.#ports.rearm(),
    });
  }

  #makeTakeover(host: NodeHost, configuration: NodeConfiguration): void {
    const { cluster, ownership } = this;
    if (cluster === null || ownership === null) return;
    ownership.held = new HeldArrivals(this.#ports.timers, this.statistics, (arrival) =>
      this.#receiver.receive(arrival),
    );
    if (!configuration.takesOver) return;
    const { incarnation, nodeId: node } = this.identity;
    const takeover = makeTakeover({
      cluster,
      timers: this.#ports.timers,
      log: this.#ports.log,
      statistics: this.statistics,
      self: { node, incarnation },
      batchMilliseconds: configuration.cluster!.claimBatchMilliseconds,
      backups: () => this.#transactions?.backups ?? null,
    });
    this.takeover = takeover;
    ownership.takeover = takeover;
    host.cluster!.subscribe(clusterChannels.takeover, takeover, true);
  }

  /** What a script does after it waited may start timers, outside of any event of ours. */
  #runMainRoute(context: MessageContext): number | Promise<number> {
    const result = this.#script.run('request', '', context);
    return typeof result === 'number' ? result : result.finally(() => this.#ports.rearm());
  }

  #makeReceiver(host: NodeHost, branches: BranchCodec): void {
    const stateless = host.optionalService(statelessService);
    this.#receiver = new Receiver({
      nodeId: this.identity.nodeId,
      table: this.table,
      branches,
      transactions: this.#transactions,
      ownership: this.ownership,
      orphans: new Orphans({
        statistics: this.statistics,
        forwardsForeign: host.globalParameter('disable_stateless_fwd') === 0,
        send: (bytes, flow) => this.send(bytes, flow),
        resolve: (uri, done) => host.resolve(uri, null, done),
        socketFor: (address) => this.#sockets.find((socket) => socket.advertisedAddress === address) ?? null,
      }),
      trace: this.trace,
      log: this.#ports.log,
      statistics: this.statistics,
      hooks: host.hooks,
      isCatchingUp: (now) => this.#freezes.catchUpMilliseconds(now) > 0,
      monotonic: () => this.#ports.clock.monotonic(),
      hasErrorRoute: this.#script.has('error', ''),
      runErrorRoute: (context) => void this.#script.run('error', '', context),
      runMainRoute: (context) => this.#runMainRoute(context),
      absorbsAck: (request) => stateless?.absorbsAck(request) ?? false,
      isMyself: (name, port) => host.isMyself(name, port),
      send: (bytes, flow) => this.send(bytes, flow),
    });
  }
}

/** Routes without a message run on a message of nobody's. */
function timerContext(kind: 'timer' | 'startup', socket: LocalSocket): MessageContext {
  const source = { socket, address: socket.address, port: socket.port };
  return new MessageContext(idleMessage, source, kind);
}

const idleMessage = parseMessage(
  'OPTIONS sip:nobody@localhost SIP/2.0\r\nVia: SIP/2.0/UDP localhost;branch=z9hG4bK-none\r\n' +
    'From: <sip:nobody@localhost>;tag=none\r\nTo: <sip:nobody@localhost>\r\nCall-ID: none\r\nCSeq: 1 OPTIONS\r\n\r\n',
) as SipMessage;

/** Branches are written with the first and read with either. */
function branchKeys(identity: NodeIdentity, ports: NodePorts): Uint8Array[] {
  const own = clusterKey('branch', identity, ports);
  const { otherSecret = null } = identity;
  if (otherSecret === null) return [own];
  return [own, clusterKey('branch', { ...identity, secret: otherSecret }, ports)];
}

/** Keys of different purposes (`branch`, `nonce`) never meet: each is derived from the secret. */
function clusterKey(purpose: string, identity: NodeIdentity, ports: NodePorts): Uint8Array {
  if (identity.secret !== null) return Buffer.concat([Buffer.from(`anyvia ${purpose} `), identity.secret]);
  if (identity.clusterId === 0) return ports.random(32);
  // Without a secret every node must still read what the others wrote; the log says that nothing is proved then.
  return Buffer.from(`anyvia ${purpose} of cluster ${identity.clusterId}`);
}
