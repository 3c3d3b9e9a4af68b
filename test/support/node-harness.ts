/**
 * One whole node in memory: the real script, modules and layers as `server/compose.ts` joins them, with a clock that a
 * test moves and datagrams that a test hands in and takes out. No socket, no file, no waiting.
 *
 *   const node = new NodeHarness('route { t_relay(); }');
 *   node.receive(text, '10.0.0.9:5070');     // what arrived and from where; answers what was sent because of it
 *   node.advance(500);                       // timers fire as they fall due; take() has what they sent
 *   node.statistic('core:rcv_requests');
 *
 * A node alone, without a cluster.
 */

import { createHash } from 'node:crypto';
import type { Link, LinkUser } from '#cluster/link-transport.ts';
import type { Logger } from '#module/host.ts';
import { isDiagnostics, loadScript } from '#module/load.ts';
import type { TableService } from '#module/services.ts';
import { modules } from '#modules/index.ts';
import { AnyviaNode, type NodePorts } from '#server/compose.ts';
import { readConfiguration } from '#server/configuration.ts';
import { parseHostPort } from '#sip/host-port.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import type { NameKind, SrvRecord } from '#sip/name-port.ts';
import { assert } from '#util/assert.ts';
import { ManualClock } from '#util/clock.ts';
import { isFailure } from '#util/failure.ts';
import type { Flow, LocalSocket } from '#util/socket-address.ts';
import { TimerQueue } from '#util/timer-queue.ts';

export interface SentDatagram {
  readonly text: string;
  /** `10.0.0.9:5070`, IPv6 in brackets. */
  readonly to: string;
  readonly socket: LocalSocket;
}

export interface HarnessOptions {
  /** What the resolver knows: host name to IP address, several separated by blanks. Other names cannot be resolved. */
  readonly names?: Readonly<Record<string, string>>;
  /** `_sip._udp.host` to its SRV records. */
  readonly services?: Readonly<Record<string, readonly SrvRecord[]>>;
  /** Gets the resolver's answers, to give them when it likes; without it they come at once. */
  readonly later?: (answer: () => void) => void;
  /** From which address of the node another is reached, as the kernel would say (`mhomed`). */
  readonly routes?: Readonly<Record<string, string>>;
  /** Files that the script includes or imports, by the path as written. */
  readonly files?: Readonly<Record<string, string>>;
  /** Where modules read tables; none unless given. */
  readonly tables?: TableService;
}

/** Put in front of a script that names no socket. */
export const defaultSocket = 'socket=udp:10.0.0.1:5060\n';
/** Put in front of a script that loads no module. */
export const defaultModules = ['proto_udp', 'sl', 'tm', 'rr', 'maxfwd', 'sipmsgops', 'textops', 'signaling']
  .concat(['options', 'usrloc', 'registrar', 'dialog'])
  .map((name) => `loadmodule "${name}.so"\n`)
  .join('');

/** The client's side of a connection over TCP. */
export interface HarnessStream {
  /** Answers what the node sent at once, to anybody. */
  write(text: string): SentDatagram[];
  /** The client ends it, or the network does. */
  end(reason?: string): void;
  /** False when the node closed it. */
  isOpen(): boolean;
}

interface Duty {
  readonly interval: number;
  due: number;
  readonly run: (now: number) => void;
}

export class NodeHarness {
  readonly clock = new ManualClock();
  readonly timers = new TimerQueue();
  readonly node: AnyviaNode;
  readonly sockets: readonly LocalSocket[];
  readonly logged: { readonly level: keyof Logger; readonly message: string }[] = [];
  /** Connections that the node made, in order; ports in `deaf` refuse, those in `silent` never answer. */
  readonly dialled: Flow[] = [];
  readonly deaf = new Set<number>();
  readonly silent = new Set<number>();
  /** Ports of clients that read nothing. */
  readonly stuck = new Set<number>();
  /** Connections that the node closed. */
  readonly closed = new Set<Link>();
  #sent: SentDatagram[] = [];
  readonly #turnEnds: ((now: number) => void)[] = [];
  readonly #duties: Duty[] = [];
  #randomCalls = 0;

  /** Throws when the script, its sockets or a module's parameters are wrong: the message says what. */
  constructor(script: string, options: HarnessOptions = {}) {
    const head =
      (/^\s*(socket|listen)\s*=/m.test(script) ? '' : defaultSocket) +
      (/^\s*loadmodule\b/m.test(script) ? '' : defaultModules);
    const loaded = loadScript({
      path: 'test.cfg',
      text: head + script,
      modules,
      readFile: (name) => options.files?.[name] ?? '',
    });
    if (isDiagnostics(loaded)) throw new Error(loaded.map((problem) => problem.text).join('\n'));
    const configuration = readConfiguration(loaded, []);
    assert(!isFailure(configuration), isFailure(configuration) ? configuration.message : '');
    this.sockets = configuration.sockets;
    const identity = { nodeId: 1, incarnation: 1, clusterId: 0, secret: null };
    const node = AnyviaNode.create(loaded, configuration, identity, this.#ports(options));
    if (isFailure(node)) throw new Error(node.message);
    this.node = node;
    node.start();
  }

  /** A datagram (text is latin1) from `from`; answers what the node sent at once, and forgets it. */
  receive(datagram: string | Uint8Array, from = '10.0.0.9:5070', socket = this.sockets[0]!): SentDatagram[] {
    const bytes = typeof datagram === 'string' ? Buffer.from(datagram, 'latin1') : datagram;
    const source = parseHostPort(from);
    assert(source !== null, `no address: ${from}`);
    this.node.receive(bytes, source.host, source.port, socket);
    this.#endTurn();
    return this.take();
  }

  /** A client connects over TCP to the first socket for that; what it is sent is in `take()`, as ever. */
  connect(from: string): HarnessStream {
    const socket = this.sockets.find(({ protocol }) => protocol === 'tcp');
    const place = parseHostPort(from);
    assert(socket !== undefined && place !== null, `nobody listens for ${from}`);
    const link = this.#link({ socket, address: place.host, port: place.port });
    const user = this.node.streams.accept(link, socket, this.clock.monotonic());
    return {
      write: (text) => {
        user.onBytes(Buffer.from(text, 'latin1'), this.clock.monotonic());
        this.#endTurn();
        return this.take();
      },
      end: (reason = 'connection closed') => {
        user.onClose(reason, this.clock.monotonic());
        this.#endTurn();
      },
      isOpen: () => !this.closed.has(link),
    };
  }

  #link(flow: Flow): Link {
    const { address, port } = flow;
    const link: Link = {
      remoteAddress: address,
      remotePort: port,
      isSecure: false,
      distrust: () => '',
      write: (bytes) => {
        this.#keepSent(bytes, flow);
        return !this.stuck.has(port);
      },
      close: () => {
        this.closed.add(link);
      },
    };
    return link;
  }

  /** Answers come at the end of the turn; `deaf` says which ports refuse. */
  #dial(flow: Flow, user: LinkUser): Link {
    const link = this.#link(flow);
    this.dialled.push(flow);
    this.#turnEnds.push((now) => {
      if (this.deaf.has(flow.port)) user.onClose('connection failed (ECONNREFUSED)', now);
      else if (!this.silent.has(flow.port)) user.onOpen(now);
    });
    return link;
  }

  #keepSent(bytes: Uint8Array, { socket, address, port }: Flow): void {
    const host = address.includes(':') ? `[${address}]` : address;
    this.#sent.push({ text: Buffer.from(bytes).toString('latin1'), to: `${host}:${port}`, socket });
  }

  /** What was sent since it was last asked. */
  take(): SentDatagram[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  /** Lets time pass; timers and periodic duties run when they are due. */
  advance(milliseconds: number): void {
    const end = this.clock.monotonic() + milliseconds;
    for (;;) {
      const due = Math.min(this.timers.nextDue(), ...this.#duties.map((duty) => duty.due));
      if (due > end) break;
      this.clock.advance(Math.max(0, due - this.clock.monotonic()));
      const now = this.clock.monotonic();
      this.timers.advance(now);
      for (const duty of this.#duties) {
        if (duty.due > now) continue;
        duty.due += duty.interval;
        duty.run(now);
      }
      this.#endTurn();
    }
    this.clock.advance(end - this.clock.monotonic());
  }

  /** Value of `group:name`, 0 when nobody counted it yet. */
  statistic(name: string): number {
    return this.node.statistics.find(name) ?? 0;
  }

  /** Texts logged at `level`. */
  lines(level: keyof Logger): string[] {
    return this.logged.filter((line) => line.level === level).map((line) => line.message);
  }

  #endTurn(): void {
    for (let run = this.#turnEnds.shift(); run !== undefined; run = this.#turnEnds.shift()) {
      run(this.clock.monotonic());
    }
  }

  #ports(options: HarnessOptions): NodePorts {
    const keep =
      (level: keyof Logger) =>
      (message: string): void => {
        this.logged.push({ level, message });
      };
    return {
      clock: this.clock,
      timers: this.timers,
      log: { error: keep('error'), warn: keep('warn'), info: keep('info'), debug: keep('debug') },
      process: {
        version: 'test',
        startedAt: this.clock.wall(),
        list: () => [],
        logLevel: () => 4,
        setLogLevel: () => {},
      },
      send: (bytes, flow) => this.#keepSent(bytes, flow),
      connectStream: (flow, user) => this.#dial(flow, user),
      names: {
        ask: (kind, name, done) => {
          const answer = (): void => done(recordsOf(options, kind, name.toLowerCase()) as never);
          // The address is what matters here; services are asked for without end in tests of their own.
          if (options.later === undefined || kind !== 'A') answer();
          else options.later(answer);
        },
      },
      ...(options.routes !== undefined && {
        sourceAddress: (address: string, done: (local: string | null) => void) =>
          done(options.routes?.[address] ?? null),
      }),
      random: (bytes) => this.#random(bytes),
      links: null,
      endOfTurn: (run) => this.#turnEnds.push(run),
      every: (interval, run) => {
        this.#duties.push({ interval, due: this.clock.monotonic() + interval, run });
      },
      rearm: () => {},
      locationDatabase: null,
      tables: options.tables ?? null,
      reloadMembership: () => null,
      setMemberStatus: () => null,
    };
  }

  /** Different at every call, equal in every run. */
  #random(bytes: number): Buffer {
    this.#randomCalls++;
    return createHash('shake256', { outputLength: bytes }).update(String(this.#randomCalls)).digest();
  }
}

/** What was sent, read again; throws when anyvia sent something that it cannot read itself. */
export function readSent(sent: SentDatagram | undefined): SipMessage {
  if (sent === undefined) throw new Error('nothing was sent');
  const message = parseMessage(sent.text);
  if (isFailure(message)) throw new Error(`${message.message}:\n${sent.text}`);
  return message;
}

function recordsOf(
  { names, services }: HarnessOptions,
  kind: NameKind,
  name: string,
): readonly (string | SrvRecord)[] {
  if (kind === 'SRV') return services?.[name] ?? [];
  const addresses = kind === 'NAPTR' ? [] : (names?.[name] ?? '').split(' ');
  return addresses.filter((address) => address !== '' && address.includes(':') === (kind === 'AAAA'));
}
