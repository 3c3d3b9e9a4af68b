/**
 * A node as modules see it, without a network: what they log, send and provide is kept for the test to look at.
 * `ScriptBench` calls functions and reads variables of a declaration the way a compiled script does.
 */

import { MessageContext } from '#module/context.ts';
import type {
  ModuleDeclaration,
  ParameterValues,
  ReturnCode,
  RouteKind,
  VariableReference,
} from '#module/define.ts';
import { emptyHooks } from '#module/hooks.ts';
import type { ClusterPort, Logger, ModuleHost, ServiceToken } from '#module/host.ts';
import { Statistics } from '#module/statistics.ts';
import type { Value } from '#script/value.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { parseUri } from '#sip/uri.ts';
import { assert } from '#util/assert.ts';
import { ManualClock } from '#util/clock.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { type Flow, type LocalSocket, socketName } from '#util/socket-address.ts';
import { TimerQueue } from '#util/timer-queue.ts';

export const testSocket: LocalSocket = {
  index: 0,
  protocol: 'udp',
  address: '10.0.0.1',
  port: 5060,
  advertisedAddress: '10.0.0.1',
  advertisedPort: 5060,
  anycast: false,
  tag: '',
};

export const testSource: Flow = { socket: testSocket, address: '10.0.0.9', port: 5070 };

export interface LoggedLine {
  readonly level: keyof Logger;
  readonly message: string;
}

export class TestHost implements ModuleHost {
  readonly nodeId = 1;
  readonly incarnation = 1;
  readonly clock = new ManualClock();
  readonly timers = new TimerQueue();
  readonly statistics = new Statistics();
  readonly sockets: LocalSocket[] = [testSocket];
  readonly hooks = emptyHooks();
  cluster: ClusterPort | null = null;
  readonly globals = new Map<string, number | string>();
  /** Hosts that are this node, beside its sockets. */
  readonly aliases = new Set<string>();
  readonly logged: LoggedLine[] = [];
  readonly sent: { readonly text: string; readonly flow: Flow }[] = [];
  readonly routes = new Map<string, (context: MessageContext) => number>();
  readonly #services = new Map<string, unknown>();
  readonly #flags: Record<string, string[]> = { message: [], branch: [], dialog: [] };
  readonly #periodic: { readonly interval: number; due: number; readonly run: (now: number) => void }[] = [];

  readonly log: Logger = {
    error: (message) => this.#keep('error', message),
    warn: (message) => this.#keep('warn', message),
    info: (message) => this.#keep('info', message),
    debug: (message) => this.#keep('debug', message),
  };

  globalParameter(name: string): number | string | null {
    return this.globals.get(name) ?? null;
  }

  isMyself(host: string, port: number): boolean {
    if (this.aliases.has(host)) return true;
    return this.sockets.some((socket) => socket.address === host && (port === 0 || socket.port === port));
  }

  flagBit(kind: 'message' | 'branch' | 'dialog', name: string): number | Failure {
    const names = this.#flags[kind]!;
    if (!names.includes(name)) names.push(name);
    const index = names.indexOf(name);
    return index > 30 ? new Failure('TEST_FLAGS_EXHAUSTED', `no bit is left for ${name}`) : 1 << index;
  }

  flagNames(kind: 'message' | 'branch' | 'dialog', flags: number): string {
    return this.#flags[kind]!.filter((_name, index) => (flags & (1 << index)) !== 0).join(' ');
  }

  runRoute(kind: RouteKind, name: string, context: MessageContext): number {
    return this.routes.get(`${kind} ${name}`)?.(context) ?? 1;
  }

  hasRoute(kind: RouteKind, name: string): boolean {
    return this.routes.has(`${kind} ${name}`);
  }

  send(bytes: Uint8Array, flow: Flow): void {
    this.sent.push({ text: Buffer.from(bytes).toString('latin1'), flow });
  }

  /** Addresses at once; names never. */
  resolve(
    uri: string,
    socket: LocalSocket | null,
    done: (flow: Flow | Failure, others: readonly Flow[]) => void,
  ): void {
    const parsed = parseUri(uri);
    if (isFailure(parsed)) done(parsed, []);
    else done({ socket: socket ?? testSocket, address: parsed.host, port: parsed.port || 5060 }, []);
  }

  avoid(): void {}

  streamFlow(flow: Flow): Flow | null {
    const socket = this.sockets.find(({ protocol }) => protocol === 'tcp');
    return socket === undefined ? null : { ...flow, socket };
  }

  socketNamed(name: string): LocalSocket | null {
    return this.sockets.find((socket) => socketName(socket) === name || socket.tag === name) ?? null;
  }

  socketAdvertised(protocol: string, host: string, port: number): LocalSocket | null {
    const wanted = port === 0 ? 5060 : port;
    return (
      this.sockets.find(
        (socket) =>
          socket.protocol === protocol &&
          socket.advertisedAddress === host &&
          socket.advertisedPort === wanted,
      ) ?? null
    );
  }

  every(interval: number, run: (now: number) => void): void {
    this.#periodic.push({ interval, due: this.clock.monotonic() + interval, run });
  }

  provide<Service>(token: ServiceToken<Service>, service: Service): void {
    this.#services.set(token.name, service);
  }

  service<Service>(token: ServiceToken<Service>): Service {
    const service = this.optionalService(token);
    assert(service !== null, `no service ${token.name}`);
    return service;
  }

  optionalService<Service>(token: ServiceToken<Service>): Service | null {
    return (this.#services.get(token.name) as Service | undefined) ?? null;
  }

  /** Lets time pass: periodic duties and timers run when they are due. */
  advance(milliseconds: number): void {
    const end = this.clock.monotonic() + milliseconds;
    for (;;) {
      const due = Math.min(this.timers.nextDue(), ...this.#periodic.map((duty) => duty.due));
      if (due > end) break;
      this.clock.advance(Math.max(0, due - this.clock.monotonic()));
      const now = this.clock.monotonic();
      this.timers.advance(now);
      for (const duty of this.#periodic) {
        if (duty.due > now) continue;
        duty.due += duty.interval;
        duty.run(now);
      }
    }
    this.clock.advance(end - this.clock.monotonic());
  }

  /** Texts logged at `level`. */
  lines(level: keyof Logger): string[] {
    return this.logged.filter((line) => line.level === level).map((line) => line.message);
  }

  #keep(level: keyof Logger, message: string): void {
    this.logged.push({ level, message });
  }
}

/** An instance of a module with its functions and variables at hand. */
export class ScriptBench<Instance> {
  readonly host: TestHost;
  readonly instance: Instance;
  readonly #declaration: ModuleDeclaration<Instance>;

  constructor(
    declaration: ModuleDeclaration<Instance>,
    parameters: Readonly<Record<string, unknown>> = {},
    host = new TestHost(),
  ) {
    this.#declaration = declaration;
    this.host = host;
    const made = declaration.create(host, withDefaults(declaration, parameters));
    assert(!isFailure(made), isFailure(made) ? made.message : '');
    this.instance = made as Instance;
  }

  /** Calls a function; absent arguments are null, `static` ones go through their `parse`. */
  call(context: MessageContext, name: string, ...given: unknown[]): ReturnCode | Promise<ReturnCode> {
    const found = this.#declaration.functions?.find((candidate) => candidate.name === name);
    assert(found !== undefined, `no function ${name}`);
    assert(
      found.routes.includes(context.routeKind),
      `${name} may not be called in a ${context.routeKind} route`,
    );
    const values = found.arguments.map((argument, index) => {
      const value = given[index] ?? null;
      assert(
        value !== null || argument.optional === true || index < given.length,
        `${name}: too few arguments`,
      );
      if (argument.kind === 'regexp' && typeof value === 'string') return new RegExp(value, 'i');
      if (argument.kind !== 'static' || value === null || argument.parse === undefined) return value;
      const parsed = argument.parse(String(value));
      assert(!isFailure(parsed), isFailure(parsed) ? parsed.message : '');
      return parsed;
    });
    return found.call(this.instance, context, ...values);
  }

  read(
    context: MessageContext,
    name: string,
    inner: string | null = null,
    index: number | '*' | null = null,
  ): Value {
    return this.#variable(name).read(this.instance, context, inner, index);
  }

  write(
    context: MessageContext,
    name: string,
    value: Value,
    options: { inner?: string; index?: number; replace?: boolean } = {},
  ): void {
    const { write } = this.#variable(name);
    assert(write !== undefined, `$${name} is read-only`);
    const { inner = null, index = null, replace = false } = options;
    write(this.instance, context, value, inner, index, replace);
  }

  transform(name: string, value: Value, ...args: Value[]): Value {
    const found = this.#declaration.transformations?.find((candidate) => candidate.name === name);
    assert(found !== undefined, `no transformation ${name}`);
    return found.apply(value, args);
  }

  run(command: string, parameters: Readonly<Record<string, unknown>> = {}): unknown {
    const found = this.#declaration.commands?.find(
      (candidate) => candidate.name === command || candidate.aliases?.includes(command),
    );
    assert(found !== undefined, `no command ${command}`);
    return found.run(this.instance, parameters);
  }

  #variable(name: string) {
    const found = this.#declaration.variables?.find((candidate) => candidate.names.includes(name));
    assert(found !== undefined, `no variable $${name}`);
    return found;
  }
}

function withDefaults<Instance>(
  declaration: ModuleDeclaration<Instance>,
  given: Readonly<Record<string, unknown>>,
): ParameterValues {
  const values: Record<string, unknown> = {};
  for (const parameter of declaration.parameters ?? []) {
    values[parameter.name] =
      given[parameter.name] ?? (parameter.repeatable === true ? [] : parameter.default);
  }
  return values as ParameterValues;
}

/** A place for a function's result. */
export class TestVariable implements VariableReference {
  value: Value = null;

  read(): Value {
    return this.value;
  }

  write(_context: MessageContext, value: Value): void {
    this.value = value;
  }
}

/** Puts lines together; asserts that the message can be read. */
export function message(...lines: string[]): SipMessage {
  const parsed = parseMessage(`${lines.join('\r\n')}\r\n`);
  assert(!isFailure(parsed), isFailure(parsed) ? parsed.message : '');
  return parsed;
}

/** An INVITE from alice to bob with further header lines. */
export function invite(...headers: string[]): SipMessage {
  return request('INVITE', 'sip:bob@example.org', ...headers);
}

/** A request outside a dialog unless `headers` bring their own To. */
export function request(method: string, uri: string, ...headers: string[]): SipMessage {
  const hasTo = headers.some((line) => line.startsWith('To:'));
  return message(
    `${method} ${uri} SIP/2.0`,
    'Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa',
    'From: "Alice" <sip:alice@example.com:5070;user=phone>;tag=f1',
    ...(hasTo ? [] : ['To: <sip:bob@example.org>']),
    'Call-ID: call-1',
    `CSeq: 7 ${method}`,
    ...headers,
    '',
  );
}

export function reply(status: number, reason: string, ...headers: string[]): SipMessage {
  return message(
    `SIP/2.0 ${status} ${reason}`,
    'Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKours',
    'Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa',
    'From: "Alice" <sip:alice@example.com:5070;user=phone>;tag=f1',
    'To: <sip:bob@example.org>;tag=t1',
    'Call-ID: call-1',
    'CSeq: 7 INVITE',
    ...headers,
    '',
  );
}

export function requestContext(sip: SipMessage = invite(), source: Flow = testSource): MessageContext {
  return new MessageContext(sip, source, 'request');
}

export function replyContext(response: SipMessage, sip: SipMessage = invite()): MessageContext {
  return new MessageContext(response, testSource, 'onreply', { request: sip, reply: response });
}

/** The message with the script's header changes applied. */
export function edited(context: MessageContext): string {
  return context.edits.apply(context.message.text);
}
