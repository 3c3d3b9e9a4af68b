/**
 * SIP over TCP (RFC 3261 18): the connections of this node, by socket and remote address. Messages go over the
 * connection that there is, else over a new one (18.1.1); a response whose connection is gone goes to where its top
 * Via says (18.2.2). Bounded in number, all together and by sender; what is turned away or closed is counted by cause.
 */

import type { Link, LinkUser } from '#cluster/link-transport.ts';
import type { Logger } from '#module/host.ts';
import type { Counter, Statistics } from '#module/statistics.ts';
import { RecentNames } from '#server/recent-names.ts';
import { StreamConnection, type StreamEnd, type StreamOwner } from '#server/stream-connection.ts';
import { parseMessage } from '#sip/message.ts';
import { isFailure } from '#util/failure.ts';
import { bracketed, isIp } from '#util/ip-address.ts';
import { keptBack, LogLimiter } from '#util/log-limiter.ts';
import { type Flow, type LocalSocket, socketName } from '#util/socket-address.ts';
import type { Timer, TimerQueue, TimerTarget } from '#util/timer-queue.ts';

export interface StreamSettings {
  /** `tcp_max_connections`: accepted and dialled ones together. */
  readonly connectionsMax: number;
  /** `tcp_connect_timeout`, ms. */
  readonly connectMilliseconds: number;
  /** `tcp_connection_lifetime`, ms without a message either way. */
  readonly lifetimeMilliseconds: number;
  /** `tcp_max_msg_time`, ms: how long one message may be coming. */
  readonly messageMilliseconds: number;
  /** `tcp_accept_aliases` */
  readonly acceptsAliases: boolean;
  /** `tcp_crlf_pingpong` of proto_tcp. */
  readonly answersPings: boolean;
}

export interface StreamPorts {
  readonly settings: StreamSettings;
  readonly timers: TimerQueue;
  readonly log: Logger;
  readonly statistics: Statistics;
  monotonic(): number;
  /** Dials from `socket`'s address; `user.onOpen` or `user.onClose` follows. */
  connect(flow: Flow, user: LinkUser): Link;
  receive(bytes: Buffer, source: Flow): void;
  /** RFC 3261 18.4: nothing that was sent there can have arrived. */
  onUnreachable(flow: Flow): void;
}

/** As the listing of OpenSIPS (`list_tcp_conns`) has it. */
export type StreamDescription = Readonly<Record<'Type' | 'State' | 'Remote' | 'Local' | 'Opened', string>>;

/** Part of all connections that one address may open: others are served, whatever it does. */
const sourceShare = 0.5;
/** A connection has the address of one client; more names for it are an attempt to catch what is not its own. */
const aliasesMax = 4;
const lookMilliseconds = 1000;
const defaultSipPort = 5060;
const pong = Buffer.from('\r\n');
const responseLead = Buffer.from('SIP/2.0 ');
const aliasMark = Buffer.from(';alias');

const nobody: LinkUser = { onOpen: () => {}, onBytes: () => {}, onDrain: () => {}, onClose: () => {} };

export class Streams implements StreamOwner, TimerTarget {
  readonly #ports: StreamPorts;
  readonly #connections = new Set<StreamConnection>();
  /** By socket and remote address; aliases too. */
  readonly #byName = new Map<string, StreamConnection>();
  /** Accepted connections of each address. */
  readonly #sources = new Map<string, number>();
  readonly #warnings = new LogLimiter();
  readonly #counters: Readonly<
    Record<'accepted' | 'opened' | 'refused_full' | 'refused_source' | 'messages' | 'pings', Counter>
  >;
  readonly #deaf = new RecentNames();
  #lookTimer: Timer | null = null;

  constructor(ports: StreamPorts) {
    this.#ports = ports;
    const counter = (name: string): Counter => ports.statistics.counter('tcp', name);
    this.#counters = {
      accepted: counter('accepted'),
      opened: counter('opened'),
      refused_full: counter('refused_full'),
      refused_source: counter('refused_source'),
      messages: counter('messages'),
      pings: counter('pings'),
    };
    for (const end of ends) counter(counterOf(end));
    ports.statistics.gauge('tcp', 'connections', () => this.#connections.size);
  }

  // ── in ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A connection that a socket of ours accepted; the user serves it. */
  accept(link: Link, socket: LocalSocket, now: number): LinkUser {
    const { remoteAddress: address, remotePort: port } = link;
    const { connectionsMax } = this.#ports.settings;
    const isFull = this.#connections.size >= connectionsMax;
    const fromThere = this.#sources.get(address) ?? 0;
    if (isFull || fromThere >= Math.max(1, Math.floor(connectionsMax * sourceShare))) {
      this.#counters[isFull ? 'refused_full' : 'refused_source'].value++;
      this.#warn(address, now, () => {
        const limit = isFull ? `there are ${connectionsMax}` : `${fromThere} are from there`;
        return `a connection from ${placeOf({ address, port })} was refused: ${limit} (tcp_max_connections)`;
      });
      link.close();
      return nobody;
    }
    const connection = new StreamConnection(this, { socket, address, port }, true, now);
    connection.link = link;
    this.#sources.set(address, fromThere + 1);
    this.#counters.accepted.value++;
    this.#add(connection, now);
    return connection;
  }

  onStreamMessage(connection: StreamConnection, bytes: Buffer): void {
    this.#counters.messages.value++;
    if (this.#ports.settings.acceptsAliases && bytes.includes(aliasMark)) this.#readAlias(connection, bytes);
    const { socket, address, port } = connection;
    this.#ports.receive(bytes, { socket, address, port });
  }

  /** RFC 5626 3.5.1: a double CRLF is answered with a single one. */
  onStreamPing(connection: StreamConnection): void {
    this.#counters.pings.value++;
    if (this.#ports.settings.answersPings) connection.write(pong, this.#ports.monotonic());
  }

  // ── out ───────────────────────────────────────────────────────────────────────────────────────────────────────

  send(bytes: Uint8Array, flow: Flow): void {
    const now = this.#ports.monotonic();
    const connection = this.#byName.get(nameOf(flow)) ?? this.#open(bytes, flow, now);
    if (connection === null) return;
    connection.write(bytes instanceof Buffer ? bytes : Buffer.from(bytes), now);
  }

  /** Null: there is no place for a connection, which whoever sends learns as a transport error. */
  #open(bytes: Uint8Array, flow: Flow, now: number): StreamConnection | null {
    const target = startsWith(bytes, responseLead) ? replyTarget(bytes, flow) : flow;
    const known = this.#byName.get(nameOf(target));
    if (known !== undefined) return known;
    if (this.#connections.size >= this.#ports.settings.connectionsMax) {
      this.#counters.refused_full.value++;
      this.#ports.onUnreachable(flow);
      return null;
    }
    const connection = new StreamConnection(this, target, false, now);
    connection.link = this.#ports.connect(target, connection);
    connection.connectTimer = this.#ports.timers.start(
      now,
      this.#ports.settings.connectMilliseconds,
      connection,
      0,
    );
    this.#add(connection, now);
    return connection;
  }

  onStreamOpen(connection: StreamConnection): void {
    this.#counters.opened.value++;
    this.#ports.timers.stop(connection.connectTimer);
    connection.connectTimer = null;
  }

  /** The connection that this message came by is kept so long, ms from now: somebody is to be reached over it. */
  keep(flow: Flow, milliseconds: number): void {
    const connection = this.#byName.get(nameOf(flow));
    if (connection === undefined) return;
    connection.keptUntil = Math.max(connection.keptUntil, this.#ports.monotonic() + milliseconds);
  }

  /** False when this place took no connection lately: nobody should wait for it again. */
  accepts(flow: Flow): boolean {
    return !this.#deaf.has(nameOf(flow), this.#ports.monotonic());
  }

  // ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * RFC 5923 5: the client says that requests to its sent-by may come over this connection. Nothing proves the name
   * over TCP, so the address is the one that it connected from, and a connection that is there already stays.
   */
  #readAlias(connection: StreamConnection, bytes: Buffer): void {
    const message = parseMessage(bytes.toString('latin1'));
    if (isFailure(message) || !message.isRequest || message.topVia.parameter('alias') === null) return;
    this.addAlias(connection, message.topVia.port === 0 ? defaultSipPort : message.topVia.port);
  }

  /** Requests to `port` of the connection's address go over it. */
  addAlias(flow: Flow, port: number): boolean {
    const connection = this.#byName.get(nameOf(flow));
    if (connection === undefined || connection.aliases.length >= aliasesMax) return false;
    const name = nameOf({ socket: connection.socket, address: connection.address, port });
    if (this.#byName.has(name)) return this.#byName.get(name) === connection;
    connection.aliases.push(name);
    this.#byName.set(name, connection);
    return true;
  }

  #add(connection: StreamConnection, now: number): void {
    this.#connections.add(connection);
    this.#byName.set(nameOf(connection), connection);
    if (this.#lookTimer === null) this.#lookTimer = this.#ports.timers.start(now, lookMilliseconds, this, 0);
  }

  // ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────────

  onStreamEnd(connection: StreamConnection, end: StreamEnd, detail: string, now: number): void {
    this.#ports.timers.stop(connection.connectTimer);
    this.#connections.delete(connection);
    for (const name of [nameOf(connection), ...connection.aliases])
      if (this.#byName.get(name) === connection) this.#byName.delete(name);
    this.#forgetSource(connection);
    this.#ports.statistics.counter('tcp', counterOf(end)).value++;
    const { address } = connection;
    if (end === 'unframed')
      this.#warn(address, now, () => `the connection from ${placeOf(connection)} was closed: ${detail}`);
    else this.#ports.log.debug(`connection with ${placeOf(connection)} ended: ${end} ${detail}`);
    if (end === 'connect_failed' || end === 'connect_timeout') this.#deaf.add(nameOf(connection), now);
    // RFC 3261 18.4: also what was written before an error cannot be relied on.
    if (end !== 'by_peer' && end !== 'idle') this.#reportLost(connection);
  }

  #reportLost({ socket, address, port, aliases }: StreamConnection): void {
    this.#ports.onUnreachable({ socket, address, port });
    for (const name of aliases)
      this.#ports.onUnreachable({ socket, address, port: Number(name.slice(name.lastIndexOf(' ') + 1)) });
  }

  #forgetSource({ isAccepted, address }: StreamConnection): void {
    if (!isAccepted) return;
    const left = (this.#sources.get(address) ?? 1) - 1;
    if (left === 0) this.#sources.delete(address);
    else this.#sources.set(address, left);
  }

  /** One line per address in half a minute. */
  #warn(address: string, now: number, text: () => string): void {
    const suppressed = this.#warnings.pass(now, address);
    if (suppressed === null) return;
    this.#ports.log.warn(`${text()}${keptBack(suppressed)}`);
  }

  /** The periodic look at every connection. */
  onTimer(_kind: number, now: number): void {
    this.#lookTimer = null;
    const { lifetimeMilliseconds: lifetime, messageMilliseconds: message } = this.#ports.settings;
    for (const connection of this.#connections) connection.look(now, { lifetime, message });
    if (this.#connections.size > 0)
      this.#lookTimer = this.#ports.timers.start(now, lookMilliseconds, this, 0);
  }

  list(): StreamDescription[] {
    return Array.from(this.#connections, (connection) => ({
      Type: connection.socket.protocol,
      State: connection.isOpen ? 'connected' : 'connecting',
      Remote: placeOf(connection),
      Local: socketName(connection.socket),
      Opened: connection.isAccepted ? 'by the other side' : 'here',
    }));
  }
}

const ends: readonly StreamEnd[] = [
  'by_peer',
  'error',
  'idle',
  'unframed',
  'slow_message',
  'slow_reader',
  'connect_failed',
  'connect_timeout',
];

/** Statistic of the group `tcp`. */
function counterOf(end: StreamEnd): string {
  return end.startsWith('connect_') ? end : `closed_${end}`;
}

function nameOf({ socket, address, port }: Flow): string {
  return `${socket.index} ${address} ${port}`;
}

function placeOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${bracketed(address)}:${port}`;
}

function startsWith(bytes: Uint8Array, lead: Uint8Array): boolean {
  return lead.every((byte, index) => bytes[index] === byte);
}

/** RFC 3261 18.2.2: the connection is gone; the address it came from, at the port of sent-by. */
function replyTarget(bytes: Uint8Array, flow: Flow): Flow {
  const response = parseMessage(Buffer.from(bytes).toString('latin1'));
  if (isFailure(response)) return flow;
  const via = response.topVia;
  const address = via.received ?? via.host;
  const port = via.port === 0 ? defaultSipPort : via.port;
  return { socket: flow.socket, address: isIp(address) ? address : flow.address, port };
}
