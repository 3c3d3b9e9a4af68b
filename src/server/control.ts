/**
 * The management interface: JSON-RPC 2.0 over the control socket. Methods are those that modules and the server
 * declare, found by full name, by alias, or by bare name while that is unique, as OpenSIPS 4.0 does.
 */

import type { CommandDeclaration } from '#module/define.ts';
import type { Logger } from '#module/host.ts';
import type { ControlConnection, ControlUser } from '#net/control-listener.ts';
import type { Trace, TraceWatcher } from '#server/trace.ts';
import { Failure, isFailure } from '#util/failure.ts';

interface BoundCommand {
  readonly declaration: CommandDeclaration<never>;
  readonly run: (parameters: Readonly<Record<string, unknown>>) => unknown;
}

interface Request {
  readonly method: string;
  readonly parameters: unknown;
  readonly id: unknown;
}

/** JSON-RPC 2.0 5.1, and the codes OpenSIPS adds. */
const rpcError = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParameters: -32602,
  server: -32000,
  ambiguous: -32001,
} as const;

export type AskCluster = (method: string, parametersJson: string) => Promise<Record<string, unknown>>;

export class Control implements ControlUser {
  readonly #commands = new Map<string, BoundCommand>();
  /** Alias or bare name → full names. */
  readonly #aliases = new Map<string, string[]>();
  readonly #trace: Trace;
  readonly #log: Logger;
  readonly #watching = new Map<ControlConnection, TraceWatcher>();
  /** Asks every live peer the same; null when the node stands alone. */
  #askCluster: AskCluster | null = null;
  readonly #nodeId: number;

  constructor(nodeId: number, trace: Trace, log: Logger) {
    this.#nodeId = nodeId;
    this.#trace = trace;
    this.#log = log;
  }

  set askCluster(ask: AskCluster) {
    this.#askCluster = ask;
  }

  add<Instance>(declaration: CommandDeclaration<Instance>, instance: Instance): void {
    this.#commands.set(declaration.name, {
      declaration: declaration as unknown as CommandDeclaration<never>,
      run: (parameters) => declaration.run(instance, parameters),
    });
    const bare = declaration.name.slice(declaration.name.indexOf(':') + 1);
    for (const alias of new Set([...(declaration.aliases ?? []), bare])) {
      const names = this.#aliases.get(alias);
      if (names === undefined) this.#aliases.set(alias, [declaration.name]);
      else names.push(declaration.name);
    }
  }

  names(): string[] {
    return [...this.#commands.keys()].sort();
  }

  help(name: string): { help: string; parameters: readonly string[] } | null {
    const found = this.#find(name);
    if (isFailure(found)) return null;
    return { help: found.declaration.help, parameters: found.declaration.parameters };
  }

  // ── ControlUser ───────────────────────────────────────────────────────────────────────────────────────────────

  onLine(line: string, connection: ControlConnection): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      connection.send(
        errorReply(null, rpcError.parse, 'Parse error', 'one JSON object per line is expected'),
      );
      return;
    }
    const request = readRequest(value);
    if (request === null) {
      connection.send(errorReply(null, rpcError.invalidRequest, 'Invalid Request', 'method is missing'));
      return;
    }
    if (request.method === 'anyvia:trace') {
      this.#startTrace(request, connection);
      return;
    }
    void this.#answer(request, connection);
  }

  onClosed(connection: ControlConnection): void {
    const watcher = this.#watching.get(connection);
    if (watcher === undefined) return;
    this.#watching.delete(connection);
    this.#trace.unwatch(watcher);
  }

  /** Runs a method for a peer that asks on somebody's behalf; the answer is JSON text. */
  async runForPeer(method: string, parametersJson: string): Promise<string> {
    const request = readRequest({ method, params: JSON.parse(parametersJson) as unknown, id: 0 });
    if (request === null) return JSON.stringify({ error: 'invalid request' });
    const reply = await this.#run(request);
    return JSON.stringify('result' in reply ? reply.result : { error: reply.error });
  }

  // ── running one method ────────────────────────────────────────────────────────────────────────────────────────

  async #answer(request: Request, connection: ControlConnection): Promise<void> {
    const reply = await this.#run(request);
    if (request.id !== undefined) connection.send(reply);
  }

  async #run(request: Request): Promise<Record<string, unknown>> {
    const command = this.#find(request.method);
    if (isFailure(command)) {
      const ambiguous = command.code === 'SERVER_METHOD_AMBIGUOUS';
      const code = ambiguous ? rpcError.ambiguous : rpcError.methodNotFound;
      return errorReply(
        request.id,
        code,
        ambiguous ? 'Method ambiguous' : 'Method not found',
        command.message,
      );
    }
    const parameters = bindParameters(command.declaration, request.parameters);
    if (isFailure(parameters)) {
      return errorReply(request.id, rpcError.invalidParameters, 'Invalid params', parameters.message);
    }
    const everywhere = parameters.anyvia_all === true;
    delete parameters.anyvia_all;
    try {
      const own = await command.run(parameters);
      if (!everywhere) return resultReply(request.id, own);
      const result = await this.#everywhere(command.declaration.name, parameters, own);
      return resultReply(request.id, result);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.error(`management method ${request.method} failed: ${text}`);
      return errorReply(request.id, rpcError.server, 'Server error', text);
    }
  }

  async #everywhere(method: string, parameters: Record<string, unknown>, own: unknown): Promise<unknown> {
    const mine = { [this.#nodeId]: isFailure(own) ? { error: own.message } : own };
    if (this.#askCluster === null) return mine;
    return { ...mine, ...(await this.#askCluster(method, JSON.stringify(parameters))) };
  }

  #find(name: string): BoundCommand | Failure {
    const exact = this.#commands.get(name);
    if (exact !== undefined) return exact;
    const names = this.#aliases.get(name) ?? [];
    if (names.length > 1)
      return new Failure('SERVER_METHOD_AMBIGUOUS', `${name} may be ${names.join(' or ')}`);
    const only = this.#commands.get(names[0] ?? '');
    return only ?? new Failure('SERVER_METHOD_UNKNOWN', `no method "${name}"; "which" lists them`);
  }

  #startTrace(request: Request, connection: ControlConnection): void {
    const watcher: TraceWatcher = (record) => {
      connection.send({ jsonrpc: '2.0', method: 'anyvia:trace', params: record });
    };
    if (!this.#trace.watch(watcher)) {
      connection.send(errorReply(request.id, rpcError.server, 'Server error', 'too many watchers'));
      return;
    }
    this.#watching.set(connection, watcher);
    connection.send(resultReply(request.id, 'watching'));
  }
}

function readRequest(value: unknown): Request | null {
  if (typeof value !== 'object' || value === null) return null;
  const { method, params, id } = value as Record<string, unknown>;
  return typeof method === 'string' ? { method, parameters: params, id } : null;
}

/** Positional arrays are matched by order, objects by name; optional parameters end in `?`. */
function bindParameters(
  declaration: CommandDeclaration<never>,
  given: unknown,
): Record<string, unknown> | Failure {
  const names = declaration.parameters.map((name) => name.replace('?', ''));
  let bound: Record<string, unknown> = {};
  if (Array.isArray(given)) {
    if (given.length > names.length) return invalid('Too few or too many parameters');
    const named = namesOfCount(declaration.parameters, given.length);
    given.forEach((value, index) => {
      bound[named[index] ?? ''] = value;
    });
  } else if (typeof given === 'object' && given !== null) {
    bound = { ...(given as Record<string, unknown>) };
  }
  for (const name of Object.keys(bound)) {
    if (!names.includes(name) && name !== 'anyvia_all') return invalid(`Unknown parameter '${name}'`);
  }
  for (const name of declaration.parameters) {
    if (!name.endsWith('?') && bound[name] === undefined) return invalid(`Parameter '${name}' is missing`);
  }
  return bound;
}

/** Those that a list of that many values stands for: the last optional ones are left out. */
function namesOfCount(parameters: readonly string[], count: number): string[] {
  const kept = [...parameters];
  for (let index = kept.length - 1; index >= 0 && kept.length > count; index--)
    if (kept[index]!.endsWith('?')) kept.splice(index, 1);
  return kept.map((name) => name.replace('?', ''));
}

function invalid(message: string): Failure {
  return new Failure('SERVER_PARAMETERS_INVALID', message);
}

function resultReply(id: unknown, result: unknown): Record<string, unknown> {
  if (isFailure(result)) {
    const status = /^\d{3}$/.exec(result.code) === null ? rpcError.server : Number(result.code);
    return errorReply(id, status, result.message);
  }
  return { jsonrpc: '2.0', result: result ?? 'OK', id: id ?? null };
}

function errorReply(id: unknown, code: number, message: string, data?: string): Record<string, unknown> {
  const error = data === undefined ? { code, message } : { code, message, data };
  return { jsonrpc: '2.0', error, id: id ?? null };
}
