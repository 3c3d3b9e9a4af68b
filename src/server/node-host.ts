/** What modules see of the node: the implementation of {@link ModuleHost}. */

import type { ClusterNode } from '#cluster/cluster-node.ts';
import type { MessageContext } from '#module/context.ts';
import type { RouteKind } from '#module/define.ts';
import type { Hooks } from '#module/hooks.ts';
import type { ClusterPort, Logger, ModuleHost, ServiceToken } from '#module/host.ts';
import type { Statistics } from '#module/statistics.ts';
import type { NodeIdentity, NodePorts } from '#server/compose.ts';
import type { NodeConfiguration } from '#server/configuration.ts';
import { Locations } from '#server/locations.ts';
import type { PeerSockets } from '#server/peer-sockets.ts';
import { parseHostPort } from '#sip/host-port.ts';
import type { LocatedTransport, ServerName } from '#sip/server-location.ts';
import { parseUri } from '#sip/uri.ts';
import { assert } from '#util/assert.ts';
import type { Clock } from '#util/clock.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { formatIp, isIp, parseIp } from '#util/ip-address.ts';
import { type Flow, isStream, type LocalSocket, socketName } from '#util/socket-address.ts';
import type { TimerQueue } from '#util/timer-queue.ts';

export interface HostParts {
  readonly identity: NodeIdentity;
  readonly configuration: NodeConfiguration;
  readonly globals: ReadonlyMap<string, number | string>;
  readonly statistics: Statistics;
  readonly hooks: Hooks;
  readonly cluster: ClusterNode | null;
  /** Null when the node stands alone. */
  readonly peerSockets: PeerSockets | null;
  readonly ports: NodePorts;
  send(bytes: Uint8Array, flow: Flow): void;
  /** False for a place that took no connection lately. */
  acceptsStream(flow: Flow): boolean;
  runRoute(kind: RouteKind, name: string, context: MessageContext): number | Promise<number>;
  hasRoute(kind: RouteKind, name: string): boolean;
}

/** Bits of a flag word: the sign bit stays free. */
const flagsMax = 31;
const defaultSipPort = 5060;
const noPlaces: readonly Flow[] = [];

/** What decides about the socket that a message leaves by. */
interface Sending {
  readonly socket: LocalSocket | null;
  readonly incoming: LocalSocket | undefined;
}

interface Place {
  readonly transport: LocalSocket['protocol'];
  readonly address: string;
  readonly port: number;
}

export class NodeHost implements ModuleHost {
  readonly #parts: HostParts;
  readonly #services = new Map<string, unknown>();
  readonly #flags = new Map<string, number>();
  readonly #flagCounts = new Map<string, number>();
  /** `host:port` and `host:0` of everything that is us, lower case. */
  readonly #own = new Set<string>();
  readonly #isMultihomed: boolean;
  readonly #locations: Locations;
  readonly nodeId: number;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly timers: TimerQueue;
  readonly log: Logger;
  readonly statistics: Statistics;
  readonly sockets: readonly LocalSocket[];
  readonly hooks: Hooks;
  readonly cluster: ClusterPort | null;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.nodeId = parts.identity.nodeId;
    this.incarnation = parts.identity.incarnation;
    this.clock = parts.ports.clock;
    this.timers = parts.ports.timers;
    this.log = parts.ports.log;
    this.statistics = parts.statistics;
    this.sockets = parts.configuration.sockets;
    this.hooks = parts.hooks;
    this.cluster = parts.cluster;
    for (const socket of this.sockets) {
      this.#addOwn(socket.address, socket.port);
      this.#addOwn(socket.advertisedAddress, socket.advertisedPort);
    }
    this.#locations = new Locations({
      names: parts.ports.names,
      settings: parts.configuration.names,
      sockets: this.sockets,
      statistics: this.statistics,
      monotonic: () => this.clock.monotonic(),
      random: (bytes) => parts.ports.random(bytes),
    });
    this.#isMultihomed = parts.globals.get('mhomed') === 1;
    for (const alias of parts.configuration.aliases) this.#addOwn(alias.host, alias.port);
  }

  globalParameter(name: string): number | string | null {
    return this.#parts.globals.get(name) ?? null;
  }

  isMyself(host: string, port: number): boolean {
    if (this.#own.has(`${host}:${port}`) || this.#own.has(`${canonicalHost(host)}:${port}`)) return true;
    const { peerSockets } = this.#parts;
    return peerSockets !== null && port !== 0 && peerSockets.has(canonicalHost(host), port);
  }

  socketNamed(name: string): LocalSocket | null {
    for (const socket of this.sockets) if (socketName(socket) === name) return socket;
    const tagged = name === '' ? undefined : this.sockets.find((socket) => socket.tag === name);
    return tagged ?? this.#parts.peerSockets?.find(name) ?? null;
  }

  streamFlow(flow: Flow): Flow | null {
    const socket = this.#socketTowards(flow.address, 'tcp', null, flow.socket);
    if (socket === null) return null;
    const stream = { socket, address: canonicalHost(flow.address), port: flow.port };
    return this.#parts.acceptsStream(stream) ? stream : null;
  }

  socketAdvertised(protocol: string, host: string, port: number): LocalSocket | null {
    const name = canonicalHost(host);
    const number = port === 0 ? defaultSipPort : port;
    for (const socket of this.sockets) {
      if (socket.protocol !== protocol || socket.advertisedPort !== number) continue;
      if (canonicalHost(socket.advertisedAddress) === name) return socket;
    }
    return this.#parts.peerSockets?.advertised(protocol, name, number) ?? null;
  }

  flagBit(kind: 'message' | 'branch' | 'dialog', name: string): number | Failure {
    const key = `${kind} ${name}`;
    const known = this.#flags.get(key);
    if (known !== undefined) return known;
    const count = this.#flagCounts.get(kind) ?? 0;
    if (count >= flagsMax)
      return new Failure('SERVER_FLAGS_EXHAUSTED', `more than ${flagsMax} ${kind} flags`);
    const bit = 1 << count;
    this.#flags.set(key, bit);
    this.#flagCounts.set(kind, count + 1);
    return bit;
  }

  flagNames(kind: 'message' | 'branch' | 'dialog', flags: number): string {
    if (flags === 0) return '';
    const names: string[] = [];
    for (const [key, bit] of this.#flags) {
      if ((flags & bit) !== 0 && key.startsWith(`${kind} `)) names.push(key.slice(kind.length + 1));
    }
    return names.join(' ');
  }

  runRoute(kind: RouteKind, name: string, context: MessageContext): number | Promise<number> {
    return this.#parts.runRoute(kind, name, context);
  }

  hasRoute(kind: RouteKind, name: string): boolean {
    return this.#parts.hasRoute(kind, name);
  }

  send(bytes: Uint8Array, flow: Flow): void {
    this.#parts.send(bytes, flow);
  }

  resolve(
    uri: string,
    socket: LocalSocket | null,
    done: (flow: Flow | Failure, others: readonly Flow[]) => void,
    incoming?: LocalSocket,
  ): void {
    const target = this.#target(uri);
    if (isFailure(target)) done(target, []);
    else if (isIp(target.host)) {
      const transport = target.transport ?? socket?.protocol ?? this.#defaultTransport;
      const port = target.port === 0 ? defaultSipPort : target.port;
      this.#route({ transport, address: target.host, port }, { socket, incoming }, (flow) =>
        done(flow, noPlaces),
      );
    } else this.#locate(target, { socket, incoming }, done);
  }

  avoid(flow: Flow): void {
    this.#locations.avoid(flow);
  }

  /** RFC 3263 4.2: every place that a socket of ours reaches. */
  #locate(
    server: ServerName,
    sending: Sending,
    done: (flow: Flow | Failure, others: readonly Flow[]) => void,
  ): void {
    // RFC 3263 4.1: what the script insists on needs no looking for.
    const transport = server.transport ?? locatedTransport(sending.socket);
    this.#locations.find({ ...server, transport }, (places) => {
      if (isFailure(places)) {
        done(places, []);
        return;
      }
      const routed: (Flow | Failure)[] = [];
      let left = places.length;
      for (const [index, place] of places.entries()) {
        this.#route(place, sending, (flow) => {
          routed[index] = flow;
          left--;
          if (left > 0) return;
          const reached = routed.filter((one) => !isFailure(one)) as Flow[];
          done(reached[0] ?? routed[0]!, reached.slice(1));
        });
      }
    });
  }

  /** The socket to send from; `mhomed`: as the kernel would choose. */
  #route(place: Place, { socket, incoming }: Sending, done: (flow: Flow | Failure) => void): void {
    const { transport, address, port } = place;
    const found = (local: string | null): void => {
      const from =
        this.#socketOf(local, transport) ?? this.#socketTowards(address, transport, socket, incoming);
      // Connections are found by the address: it has one spelling.
      if (from !== null)
        done({ socket: from, address: isStream(from) ? canonicalHost(address) : address, port });
      else done(new Failure('SERVER_SOCKET_MISSING', `no ${transport} socket of ours reaches ${address}`));
    };
    const { sourceAddress } = this.#parts.ports;
    if (!this.#isMultihomed || socket !== null || sourceAddress === undefined) found(null);
    else sourceAddress(address, found);
  }

  every(milliseconds: number, run: (now: number) => void): void {
    this.#parts.ports.every(milliseconds, run);
  }

  provide<Service>(token: ServiceToken<Service>, service: Service): void {
    this.#services.set(token.name, service);
  }

  service<Service>(token: ServiceToken<Service>): Service {
    const service = this.#services.get(token.name);
    assert(service !== undefined, `nobody provides the service ${token.name}`);
    return service as Service;
  }

  optionalService<Service>(token: ServiceToken<Service>): Service | null {
    return (this.#services.get(token.name) as Service | undefined) ?? null;
  }

  /** RFC 3263 4: maddr first, then the host. */
  #target(uri: string): ServerName | Failure {
    const parsed = parseUri(uri);
    if (isFailure(parsed)) return parsed;
    if (parsed.host === '') return new Failure('SERVER_TARGET_INVALID', `${uri} names no host`);
    const maddr = parsed.parameter('maddr');
    const host = maddr === null ? parsed.host : (parseHostPort(maddr)?.host ?? parsed.host);
    const transport = parsed.parameter('transport')?.toLowerCase() ?? null;
    if (transport !== null && !this.sockets.some((socket) => socket.protocol === transport)) {
      return new Failure('SERVER_TRANSPORT_MISSING', `${uri}: there is no ${transport} socket`);
    }
    return { host, port: parsed.port, transport: transport as LocatedTransport | null };
  }

  /** `mhomed`: the socket at the address that the kernel would send from; null when there is none, or it is not asked. */
  #socketOf(local: string | null, transport: LocalSocket['protocol']): LocalSocket | null {
    if (local === null) return null;
    const name = canonicalHost(local);
    const fits = (socket: LocalSocket): boolean =>
      socket.protocol === transport && canonicalHost(socket.address) === name;
    return this.sockets.find(fits) ?? null;
  }

  /** RFC 3263 4.1: UDP where nothing else is said. */
  get #defaultTransport(): LocalSocket['protocol'] {
    return this.sockets[0]!.protocol;
  }

  /** The one that the script insists on, the one that the request came by, or the first of the transport. */
  #socketTowards(
    address: string,
    transport: LocalSocket['protocol'],
    forced: LocalSocket | null,
    incoming: LocalSocket | undefined,
  ): LocalSocket | null {
    if (forced?.protocol === transport) return forced;
    const isSix = address.includes(':');
    const fits = (socket: LocalSocket): boolean =>
      socket.protocol === transport && socket.address.includes(':') === isSix;
    if (incoming !== undefined && incoming.node === undefined && fits(incoming)) return incoming;
    // What stands at the address of the socket that would have been used is in the same network.
    const like = forced ?? incoming;
    const alike = this.sockets.find((socket) => socket.address === like?.address && fits(socket));
    return alike ?? this.sockets.find(fits) ?? null;
  }

  #addOwn(host: string, port: number): void {
    const name = canonicalHost(host);
    this.#own.add(`${name}:0`);
    this.#own.add(`${name}:${port === 0 ? defaultSipPort : port}`);
    // An alias without a port is us on any port that we listen on.
    if (port === 0) for (const socket of this.sockets) this.#own.add(`${name}:${socket.port}`);
  }
}

/** Lower case, and one spelling for each IPv6 address, without brackets. */
function canonicalHost(host: string): string {
  const address = host.includes(':') ? parseIp(host) : null;
  return address === null ? host.toLowerCase() : formatIp(address);
}

function locatedTransport(socket: LocalSocket | null): LocatedTransport | null {
  return socket === null || socket.protocol === 'tls' ? null : socket.protocol;
}
