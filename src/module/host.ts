/**
 * What a module may ask of the node it runs on. Modules import nothing of each other: a service that one provides and
 * others use is declared in `module/services.ts`.
 */

import type { MessageContext } from '#module/context.ts';
import type { RouteKind } from '#module/define.ts';
import type { Hooks } from '#module/hooks.ts';
import type { Statistics } from '#module/statistics.ts';
import type { Clock } from '#util/clock.ts';
import type { Failure } from '#util/failure.ts';
import type { Flow, LocalSocket } from '#util/socket-address.ts';
import type { TimerQueue } from '#util/timer-queue.ts';

/** OpenSIPS's levels are mapped by xlog; this is what the program itself uses. */
export interface Logger {
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** A service that one module provides and others ask for; the token carries its type. */
export interface ServiceToken<Service> {
  readonly name: string;
  /** Never set: holds the type. */
  readonly service?: Service;
}

export function serviceToken<Service>(name: string): ServiceToken<Service> {
  return { name };
}

/** Channel numbers of replicated state on the cluster link; one line each, never reused. */
export const clusterChannels = {
  dialog: 1,
  location: 2,
  script: 3,
  keepAlive: 4,
  nonce: 5,
  takeover: 6,
  streams: 7,
  sharingTag: 8,
  locationReceipt: 9,
} as const;

/** The cluster as modules see it. Absent (null in the host) when the node stands alone. */
export interface ClusterPort {
  readonly clusterId: number;
  readonly nodeId: number;
  readonly incarnation: number;
  /** Ids of the peers whose link is up now. */
  livePeers(): readonly number[];
  /**
   * Queues `body` to every live peer, in order per peer. Never blocks; a full queue drops and counts. `isPatient`: it
   * may wait for company as long as claims may, for each frame that leaves by itself wakes a peer.
   */
  broadcast(channel: number, body: Uint8Array, isPatient?: boolean): void;
  /** False when the peer is down or its queue full. */
  send(node: number, channel: number, body: Uint8Array): boolean;
  /** `compares`: `onPeerUp` comes again when a direct link takes over from a relay, which may have lost something. */
  subscribe(channel: number, subscriber: ClusterSubscriber, compares?: boolean): void;
}

export interface ClusterSubscriber {
  onMessage(from: number, body: Uint8Array, now: number): void;
  /** The link to `node` is up and authenticated; `incarnation` tells a restarted node from a reconnected one. */
  onPeerUp(node: number, incarnation: number, now: number): void;
  onPeerDown(node: number, now: number): void;
}

export interface ModuleHost {
  readonly nodeId: number;
  /** Start counter of this node, increases with every start. */
  readonly incarnation: number;
  readonly clock: Clock;
  readonly timers: TimerQueue;
  readonly log: Logger;
  readonly statistics: Statistics;
  readonly sockets: readonly LocalSocket[];
  readonly hooks: Hooks;
  readonly cluster: ClusterPort | null;
  /** Value of a global parameter of the script (`server_header`, `log_level`…), null when unset. */
  globalParameter(name: string): number | string | null;
  /** True when host (and port, 0 = any) is one of our sockets, advertised addresses or aliases. */
  isMyself(host: string, port: number): boolean;
  /** Mask (1, 2, 4…) of a message, branch or dialog flag; the first 31 names of a kind get one. */
  flagBit(kind: 'message' | 'branch' | 'dialog', name: string): number | Failure;
  /** Names of the set bits, separated by blanks: what other nodes, whose bits may differ, understand. */
  flagNames(kind: 'message' | 'branch' | 'dialog', flags: number): string;
  /**
   * Runs a route of the script; returns its return code, a promise of it when the script waits for something. A route
   * that does not exist returns 1.
   */
  runRoute(kind: RouteKind, name: string, context: MessageContext): number | Promise<number>;
  hasRoute(kind: RouteKind, name: string): boolean;
  /** Sends bytes as they are. */
  send(bytes: Uint8Array, flow: Flow): void;
  /**
   * Finds where a SIP URI's host leads (RFC 3263). `done` is called at once for IP literals, later for names. The
   * transport is what the URI says, else that of `socket`, from which to send if it can; `incoming` (the socket that
   * the request came by) is preferred to others of its transport. `others`: where to go next, in this order, when that
   * place cannot be reached.
   */
  resolve(
    uri: string,
    socket: LocalSocket | null,
    done: (flow: Flow | Failure, others: readonly Flow[]) => void,
    incoming?: LocalSocket,
  ): void;
  /** That place could not be reached or could not serve: names lead there last for a while. */
  avoid(flow: Flow): void;
  /** The same place over TCP; null when this node has no socket for it, or that place took no connection lately. */
  streamFlow(flow: Flow): Flow | null;
  /** A socket of this node, or a peer's that sends on our behalf, by its name or tag; null when there is none. */
  socketNamed(name: string): LocalSocket | null;
  /** The same by what Via and Record-Route say of it; port 0 is the default. */
  socketAdvertised(protocol: string, host: string, port: number): LocalSocket | null;
  /** Registers a callback for ms intervals; first call one interval from now. Only for duties without a message. */
  every(milliseconds: number, run: (now: number) => void): void;
  provide<Service>(token: ServiceToken<Service>, service: Service): void;
  /** Asserts that a module which `needs` names has provided it. */
  service<Service>(token: ServiceToken<Service>): Service;
  optionalService<Service>(token: ServiceToken<Service>): Service | null;
}
