/**
 * A node as a process: reads the script, opens what it names, runs until SIGTERM, drains, ends.
 * Exit codes: 0 clean, 78 bad configuration, 69 an address or the database cannot be used.
 */

import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Member } from '#cluster/member.ts';
import type { LoadedScript } from '#module/load.ts';
import { isDiagnostics } from '#module/load.ts';
import { ControlListener } from '#net/control-listener.ts';
import { LinkCertificates } from '#net/link-certificates.ts';
import { LinkConnector } from '#net/link-connector.ts';
import { LinkListener } from '#net/link-listener.ts';
import type { LinkEnvironment } from '#net/link-socket.ts';
import { countReceiveDrops } from '#net/receive-drops.ts';
import { SourceAddresses } from '#net/source-address.ts';
import { systemClock, TimerDriver } from '#net/system-clock.ts';
import { UdpListener } from '#net/udp-listener.ts';
import { certificatesMissing } from '#server/certificates.ts';
import { AnyviaNode, type NodeIdentity, type NodePorts } from '#server/compose.ts';
import { type NodeConfiguration, readConfiguration } from '#server/configuration.ts';
import { Databases } from '#server/databases.ts';
import { Health, healthLookMilliseconds } from '#server/health.ts';
import { loadFile } from '#server/load-file.ts';
import { openLog, type ServerLog } from '#server/log.ts';
import { MembershipReader } from '#server/membership.ts';
import { addOwnCommands } from '#server/own-commands.ts';
import { ProcessNames } from '#server/process-names.ts';
import { anyviaVersion } from '#server/version.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import { LogLimiter } from '#util/log-limiter.ts';
import { isStream, type LocalSocket, socketName } from '#util/socket-address.ts';
import { TimerQueue } from '#util/timer-queue.ts';

export interface StartOptions {
  readonly file: string;
  /** `-l udp:IP:PORT`, added to the script's sockets. */
  readonly listen: readonly string[];
  readonly onReady: () => void;
  readonly onDraining: () => void;
}

const exitCodes = { clean: 0, unusable: 69, configuration: 78 } as const;

/** Incarnations count tenths of a second from here: larger at every start, and 32 bits last until 2039. */
const incarnationEpoch = Date.UTC(2026, 0, 1);
/** How long SIGTERM lets own transactions finish: all but ringing calls are over long before. */
const drainSeconds = 40;

/** Runs until the node stops; resolves with the exit code. */
export async function startServer(options: StartOptions): Promise<number> {
  const loaded = loadFile(options.file);
  if (isFailure(loaded)) return complain([`${options.file}: ${loaded.message}`], exitCodes.configuration);
  if (isDiagnostics(loaded))
    return complain(
      loaded.map((problem) => problem.text),
      exitCodes.configuration,
    );
  const configuration = readConfiguration(loaded, options.listen);
  if (isFailure(configuration))
    return complain([`${options.file}: ${configuration.message}`], exitCodes.configuration);
  const log = openLog(configuration.logLevel);
  for (const warning of loaded.warnings) log.warn(warning.text);
  const server = new Server(configuration, log, options);
  const problem = await server.open(loaded);
  if (problem !== null) {
    log.error(problem.message, { code: problem.code });
    await server.close();
    return problem.code.startsWith('SERVER_') || problem.code.includes('MODULE_')
      ? exitCodes.configuration
      : exitCodes.unusable;
  }
  return server.run();
}

function complain(problems: readonly string[], code: number): number {
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  return code;
}

class Server {
  readonly #configuration: NodeConfiguration;
  readonly #log: ServerLog;
  readonly #options: StartOptions;
  readonly #timers = new TimerQueue();
  readonly #driver: TimerDriver;
  readonly #names: ProcessNames;
  readonly #sourceAddresses = new SourceAddresses();
  readonly #udp: UdpListener[] = [];
  readonly #streams: LinkListener[] = [];
  /** By local address. */
  readonly #streamConnectors = new Map<string, LinkConnector>();
  readonly #intervals: NodeJS.Timeout[] = [];
  readonly #databases: Databases;
  #membership: MembershipReader | null = null;
  #connector: LinkConnector | null = null;
  #certificates: LinkCertificates | null = null;
  readonly #tlsComplaints = new LogLimiter();
  #linkListener: LinkListener | null = null;
  #control: ControlListener | null = null;
  #node: AnyviaNode | null = null;
  #health: Health | null = null;
  #finish: (code: number) => void = () => {};
  #stopping = false;

  constructor(configuration: NodeConfiguration, log: ServerLog, options: StartOptions) {
    this.#configuration = configuration;
    this.#log = log;
    this.#options = options;
    this.#databases = new Databases(systemClock, log);
    this.#driver = new TimerDriver(this.#timers, systemClock, (error) => this.#broken(error));
    this.#names = new ProcessNames(configuration.names, () => this.#driver.rearm());
  }

  /** Null when everything is open and the node works. */
  async open(script: LoadedScript): Promise<Failure | null> {
    const { cluster } = this.#configuration;
    let members: readonly Member[] = [];
    let secret: Uint8Array | null = null;
    if (cluster !== null) {
      const membership = await this.#openMembership();
      if (isFailure(membership)) return membership;
      members = membership.members;
      secret = membership.secret === null ? null : Buffer.from(membership.secret);
    }
    const own = members.find((member) => member.nodeId === cluster?.nodeId);
    const unproved = this.#loadCertificates(own?.secure === true);
    if (unproved !== null) return unproved;
    const identity: NodeIdentity = {
      nodeId: cluster?.nodeId ?? 1,
      incarnation: Math.floor((Date.now() - incarnationEpoch) / 100),
      clusterId: cluster === null ? 0 : cluster.clusterId || (own?.clusterId ?? 1),
      secret,
      otherSecret: cluster?.otherSecret ? Buffer.from(cluster.otherSecret) : null,
    };
    const node = AnyviaNode.create(script, this.#configuration, identity, this.#ports());
    if (isFailure(node)) return node;
    this.#node = node;
    const problem = (await this.#openSockets(node)) ?? (await this.#openLinks(node, own ?? null));
    if (problem !== null) return problem;
    node.cluster?.setMembers(systemClock.monotonic(), members);
    return (await this.#openHealth(node)) ?? this.#openControl(node);
  }

  run(): Promise<number> {
    const node = this.#node!;
    node.start();
    this.#driver.rearm();
    this.#pollMembership();
    this.#intervals.push(
      setInterval(
        () => this.#guard(() => this.#health?.look(systemClock.monotonic())),
        healthLookMilliseconds,
      ),
    );
    process.on('SIGTERM', () => void this.#terminate());
    process.on('SIGINT', () => void this.#terminate());
    process.on('SIGHUP', () => void this.#reloadAll());
    for (const socket of this.#configuration.sockets) {
      const anycast = socket.anycast ? ' anycast' : '';
      this.#log.info(`listening on ${socketName(socket)}${anycast}`);
    }
    this.#log.info(
      `node [${node.identity.nodeId}] is ready, control socket ${this.#configuration.controlSocket}`,
    );
    this.#options.onReady();
    return new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  async close(): Promise<void> {
    for (const interval of this.#intervals) clearInterval(interval);
    this.#driver.stop();
    this.#names.close();
    for (const listener of this.#udp) listener.close();
    for (const connector of this.#streamConnectors.values()) connector.close();
    await Promise.all(this.#streams.map((listener) => listener.close()));
    this.#connector?.close();
    this.#control?.close();
    this.#health?.close();
    await this.#linkListener?.close();
    await this.#membership?.close();
    await this.#databases.close();
  }

  // ── opening ───────────────────────────────────────────────────────────────────────────────────────────────────

  async #openMembership(): Promise<Awaited<ReturnType<MembershipReader['first']>>> {
    const cluster = this.#configuration.cluster!;
    const folder = process.env.STATE_DIRECTORY ?? dirname(this.#configuration.controlSocket);
    const cache = join(folder, `membership-${cluster.nodeId}.json`);
    const reader = MembershipReader.open(cluster, systemClock, this.#log, cache);
    if (isFailure(reader)) return reader;
    this.#membership = reader;
    return reader.first(randomBytes);
  }

  async #openSockets(node: AnyviaNode): Promise<Failure | null> {
    const { sockets } = this.#configuration;
    node.statistics.gauge('net', 'receive_drops', () => countReceiveDrops(sockets));
    this.#names.show(node.statistics);
    // Bytes: objects in use and those not collected yet, buffers beside them, and all that the kernel counts as ours.
    node.statistics.gauge('memory', 'heap_used', () => process.memoryUsage().heapUsed);
    node.statistics.gauge('memory', 'buffers', () => process.memoryUsage().external);
    node.statistics.gauge('memory', 'resident', () => process.memoryUsage.rss());
    for (const socket of this.#configuration.sockets) {
      const reusePort = this.#configuration.reusePort[socket.index]!;
      if (isStream(socket)) {
        const problem = await this.#openStream(node, socket, reusePort);
        if (problem !== null) return problem;
        continue;
      }
      const user = {
        onDatagram: (bytes: Buffer, address: string, port: number) =>
          node.receive(bytes, address, port, socket),
        onSendError: (code: string, address: string, port: number) => {
          node.statistics.counter('net', 'send_errors').value++;
          this.#log.debug(`cannot send to ${bracketed(address)}:${port}: ${code}`);
          node.noteUnreachable({ socket, address, port });
        },
      };
      const listener = await UdpListener.bind(socket, user, reusePort);
      if (isFailure(listener)) return listener;
      this.#udp[socket.index] = listener;
    }
    return null;
  }

  async #openStream(node: AnyviaNode, socket: LocalSocket, reusePort: boolean): Promise<Failure | null> {
    const { tcp } = this.#configuration;
    const listener = await LinkListener.listen({
      protocol: 'tcp',
      address: socket.address,
      port: socket.port,
      // Counted and logged above; the kernel's own limit is only there for what comes before.
      connectionsMax: tcp.connectionsMax + 64,
      backlog: tcp.backlog,
      reusePort,
      environment: this.#streamEnvironment(),
      accept: (link, now) => node.streams.accept(link, socket, now),
    });
    if (isFailure(listener)) return listener;
    this.#streams.push(listener);
    return null;
  }

  /** Connections of ours come from the address of the socket that they stand for. */
  #streamConnector(address: string): LinkConnector {
    const known = this.#streamConnectors.get(address);
    if (known !== undefined) return known;
    const isAny = address === '0.0.0.0' || address === '::';
    const connector = new LinkConnector(this.#streamEnvironment(), isAny ? {} : { localAddress: address });
    this.#streamConnectors.set(address, connector);
    return connector;
  }

  #streamEnvironment(): LinkEnvironment {
    const { keepAliveMilliseconds } = this.#configuration.tcp;
    return {
      ...this.#linkEnvironment(),
      ...(keepAliveMilliseconds !== null && { keepAliveMilliseconds }),
    };
  }

  async #openLinks(node: AnyviaNode, own: Member | null): Promise<Failure | null> {
    const { cluster } = this.#configuration;
    if (cluster === null || node.cluster === null) return null;
    const listen = cluster.listen ?? own;
    if (listen === null) {
      return new Failure(
        'SERVER_LINK_ADDRESS_MISSING',
        'add socket=bin:ADDRESS:PORT: peers must reach this node',
      );
    }
    const links = node.cluster;
    const listener = await LinkListener.listen({
      address: listen.address,
      port: listen.port,
      environment: this.#linkEnvironment(),
      certificates: this.#certificates,
      onTlsProblem: (address, problem) => this.#complainOfTls(address, problem),
      accept: (link, now) => links.accept(link, now),
    });
    if (isFailure(listener)) return listener;
    this.#linkListener = listener;
    return null;
  }

  #openHealth(node: AnyviaNode): Promise<Failure | null> {
    const { health, sockets } = this.#configuration;
    const ports = new Set(sockets.map((socket) => socket.port));
    this.#health = new Health(node, health, { log: this.#log, ports, now: systemClock.monotonic() });
    return this.#health.listen();
  }

  async #openControl(node: AnyviaNode): Promise<Failure | null> {
    const control = await ControlListener.listen(this.#configuration.controlSocket, node.control);
    if (isFailure(control)) return control;
    this.#control = control;
    const lifecycle = {
      drain: (seconds: number) => this.#drain(seconds),
      resume: () => this.#setDraining(false),
      stop: () => void this.#stop(),
      reload: () => this.#reloadAll(),
    };
    addOwnCommands({ node, lifecycle, clock: systemClock });
    node.control.askCluster = (method, parameters) => askEveryPeer(node, method, parameters);
    return null;
  }

  #ports(): NodePorts {
    const log = this.#log;
    return {
      clock: systemClock,
      timers: this.#timers,
      log,
      process: {
        version: anyviaVersion,
        startedAt: Date.now(),
        list: () => [{ ID: 0, PID: process.pid, Type: 'anyvia' }],
        logLevel: () => log.level,
        setLogLevel: (level) => log.setLevel(level),
      },
      send: (bytes, flow) => this.#udp[flow.socket.index]?.send(bytes, flow.address, flow.port),
      connectStream: ({ socket, address, port }, user) =>
        this.#streamConnector(socket.address).connect({ address, port, secure: false }, user),
      names: this.#names.cache,
      nameCache: this.#names.cache,
      sourceAddress: (address, done) => this.#sourceAddresses.find(systemClock.monotonic(), address, done),
      random: randomBytes,
      links: this.#configuration.cluster === null ? null : this.#makeConnector(),
      endOfTurn: (run) => setImmediate(() => this.#guard(() => run(systemClock.monotonic()))),
      every: (milliseconds, run) => {
        this.#intervals.push(
          setInterval(() => this.#guard(() => run(systemClock.monotonic())), milliseconds),
        );
      },
      rearm: () => this.#driver.rearm(),
      locationDatabase: this.#databases.location,
      dialogDatabase: this.#databases.dialog,
      tables: this.#databases.tables,
      reloadMembership: () => this.#reload(),
      setMemberStatus: (node, isEnabled) => this.#setMemberStatus(node, isEnabled),
    };
  }

  #makeConnector(): LinkConnector {
    const certificates = this.#certificates;
    this.#connector = new LinkConnector(this.#linkEnvironment(), { certificates });
    return this.#connector;
  }

  #linkEnvironment(): LinkEnvironment {
    return {
      monotonic: () => systemClock.monotonic(),
      afterEvent: () => this.#driver.rearm(),
      onBroken: (error) => this.#broken(error),
    };
  }

  #loadCertificates(isNeeded: boolean): Failure | null {
    const files = this.#configuration.cluster?.certificates ?? null;
    if (files === null) return isNeeded ? certificatesMissing() : null;
    const certificates = LinkCertificates.load(files);
    if (isFailure(certificates)) return certificates;
    this.#certificates = certificates;
    this.#warnOfCertificate();
    return null;
  }

  #warnOfCertificate(): void {
    const warning = this.#certificates?.warning(Date.now()) ?? '';
    if (warning !== '') this.#log.warn(`TLS links: ${warning}`);
  }

  #complainOfTls(address: string, problem: string): void {
    // Nobody was refused: two nodes that dial each other at once keep one of the links, and drop the other.
    if (problem === 'ECONNRESET') {
      this.#log.debug(`a link from ${address} ended in its TLS handshake (${problem})`);
      return;
    }
    if (this.#tlsComplaints.pass(systemClock.monotonic(), address) === null) return;
    this.#log.error(`refused a link from ${address}: the TLS handshake failed (${problem})`);
  }

  // ── while it runs ─────────────────────────────────────────────────────────────────────────────────────────────

  #pollMembership(): void {
    const milliseconds = this.#configuration.cluster?.pollMilliseconds ?? 0;
    if (milliseconds > 0) this.#intervals.push(setInterval(() => void this.#reload(), milliseconds));
  }

  /** On command: what is polled, and the certificates. */
  #reloadAll(): Promise<unknown> {
    const problem = this.#certificates?.reload() ?? null;
    if (problem !== null) this.#log.error(`${problem.message}; the former ones stay`, { code: problem.code });
    this.#warnOfCertificate();
    return problem === null ? this.#reload() : this.#reload().then(() => problem);
  }

  async #reload(): Promise<unknown> {
    const node = this.#node;
    if (node?.cluster === null || node === null || this.#membership === null) return 'OK';
    const members = await this.#membership.read();
    if (isFailure(members)) return members;
    const change = node.cluster.setMembers(systemClock.monotonic(), members);
    this.#driver.rearm();
    return change;
  }

  async #setMemberStatus(node: number, isEnabled: boolean): Promise<unknown> {
    const problem = await this.#membership?.setStatus(node, isEnabled);
    if (problem !== undefined && problem !== null) return problem;
    const change = await this.#reload();
    return isFailure(change) ? change : 'OK';
  }

  #setDraining(draining: boolean): void {
    if (this.#node?.ownership) this.#node.ownership.draining = draining;
    this.#node?.sharingTags?.setWilling(systemClock.monotonic(), !draining);
    this.#health?.announcement.set('draining', draining);
  }

  async #drain(seconds: number): Promise<number> {
    const node = this.#node!;
    this.#log.info(`draining: ${node.table.serverCount} transactions to finish`);
    this.#options.onDraining();
    this.#setDraining(true);
    // The routers first: what they still send is handed to the peers.
    await this.#health?.settled();
    const until = systemClock.monotonic() + seconds * 1000;
    // A request whose script waits for a database has no transaction yet.
    const left = (): number => node.table.serverCount + (node.statistics.find('core:waiting_requests') ?? 0);
    while (left() > 0 && systemClock.monotonic() < until) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return left();
  }

  async #terminate(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const left = await this.#drain(drainSeconds);
    if (left > 0) this.#log.warn(`${left} transactions were not over after ${drainSeconds} s`);
    await this.#stop();
  }

  async #stop(): Promise<void> {
    this.#node?.sharingTags?.setWilling(systemClock.monotonic(), false);
    this.#node?.cluster?.stop(systemClock.monotonic());
    this.#log.info('stopped');
    // The farewells to the peers and the answer on the control socket leave first.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await this.close();
    this.#finish(exitCodes.clean);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#broken(error);
    }
    this.#driver.rearm();
  }

  #broken(error: unknown): void {
    if (this.#node !== null) this.#node.statistics.counter('core', 'broken_invariants').value++;
    const stack = error instanceof Error ? error.stack : String(error);
    this.#log.error('an error in anyvia itself ended one piece of work', { stack });
  }
}

/** The answers of all live peers, by node id; one that does not answer has its error instead. */
function askEveryPeer(
  node: AnyviaNode,
  method: string,
  parameters: string,
): Promise<Record<string, unknown>> {
  const cluster = node.cluster;
  if (cluster === null) return Promise.resolve({});
  const peers = cluster.livePeers();
  const answers = peers.map(
    (peer) =>
      new Promise<readonly [string, unknown]>((resolve) => {
        cluster.call(systemClock.monotonic(), peer, { method, parameters }, (result) => {
          const value = isFailure(result) ? { error: result.message } : (JSON.parse(result) as unknown);
          resolve([String(peer), value]);
        });
      }),
  );
  return Promise.all(answers).then((entries) => Object.fromEntries(entries));
}
