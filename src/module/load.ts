/** From the text of a script to something that runs: parse, check, compile. All problems are found in one go. */

import type { MessageContext } from '#module/context.ts';
import type { ModuleDeclaration, ParameterValues, RouteKind } from '#module/define.ts';
import { ModuleRegistry } from '#module/registry.ts';
import { Compilation, type CompiledRoute, signals } from '#script/compilation.ts';
import { type Diagnostic, suggestion } from '#script/diagnostic.ts';
import { globalKind, globalParameterNames, globalReplacement } from '#script/global-parameter.ts';
import { type ParseInput, parseScript } from '#script/parser.ts';
import { runRoute } from '#script/run.ts';
import { parseAliases, parseSockets, type SocketDefinition } from '#script/socket-definition.ts';
import { compileBody } from '#script/statement-compiler.ts';
import type { GlobalAssignment, RouteBlock, Script } from '#script/syntax.ts';
import { WaitingParts } from '#script/waiting.ts';
import { isFailure } from '#util/failure.ts';

export interface LoadOptions extends ParseInput {
  /** Every module that exists; `core` is always loaded. */
  readonly modules: readonly ModuleDeclaration[];
}

export interface LoadedModule {
  readonly declaration: ModuleDeclaration;
  readonly parameters: ParameterValues;
}

export interface BoundScript {
  /** Runs a route; a route that does not exist returns 1. A promise when the script went on with async(). */
  run(kind: RouteKind, name: string, context: MessageContext): number | Promise<number>;
  has(kind: RouteKind, name: string): boolean;
  readonly timers: readonly { readonly name: string; readonly seconds: number }[];
}

export interface LoadedScript {
  readonly globals: ReadonlyMap<string, number | string>;
  readonly sockets: readonly SocketDefinition[];
  readonly aliases: readonly { readonly host: string; readonly port: number }[];
  /** In the order of their creation. */
  readonly modules: readonly LoadedModule[];
  readonly warnings: readonly Diagnostic[];
  readonly routes: readonly { readonly kind: string; readonly name: string; readonly interval: number }[];
  /**
   * Ties the script to the module instances of one node. A script is bound once. `onBroken` hears of errors that broke
   * off a run which went on by itself (launch, async outside of the main route).
   */
  bind(instances: ReadonlyMap<string, unknown>, onBroken?: (error: unknown) => void): BoundScript;
}

/** Others are accepted, so that scripts run unchanged. */
const servedProtocols = ['udp', 'tcp', 'bin', 'bins'];

/** OpenSIPS's default. */
const whileLoopsDefault = 10_000;

export function isDiagnostics(loaded: LoadedScript | readonly Diagnostic[]): loaded is readonly Diagnostic[] {
  return Array.isArray(loaded);
}

export function loadScript(options: LoadOptions): LoadedScript | readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const warnings: Diagnostic[] = [];
  const script = parseScript(options, diagnostics);
  if (script === null) return sorted(diagnostics, options.path);
  const registry = new ModuleRegistry(options.modules);
  const globals = new Map(script.globals.map(({ name, value, number }) => [name.text, number ?? value]));
  const compilation = new Compilation(
    registry,
    { diagnostics, warnings },
    {
      whileLoopsMax: Number(globals.get('max_while_loops') ?? whileLoopsDefault),
      assertsEnabled: globals.get('enable_asserts') === 1,
      isLenient: globals.get('compatibility') === 'lenient',
    },
  );
  const { sockets, aliases } = readGlobals(script.globals, compilation);
  for (const step of script.steps) {
    if (step.kind === 'load') registry.load(step, compilation);
    else registry.setParameter(step, compilation);
  }
  const modules = registry.ordered(compilation);
  compileRoutes(script, compilation);
  if (diagnostics.length > 0) return sorted(diagnostics, options.path);
  const bind: LoadedScript['bind'] = (instances, onBroken = rethrow) => {
    registry.bind(instances, onBroken);
    return new Routes(compilation.routes, onBroken);
  };
  const routes = [...compilation.routes.values()];
  return { globals, sockets, aliases, modules, warnings: sorted(warnings, options.path), routes, bind };
}

/** Nobody listens: the error must not get lost. */
function rethrow(error: unknown): never {
  throw error;
}

function readGlobals(
  globals: readonly GlobalAssignment[],
  compilation: Compilation,
): { sockets: SocketDefinition[]; aliases: { host: string; port: number }[] } {
  const sockets: SocketDefinition[] = [];
  const aliases: { host: string; port: number }[] = [];
  for (const assignment of globals) {
    const { name, value } = assignment;
    if (name.text === 'alias') aliases.push(...parseAliases(value));
    else if (name.text === 'socket' || name.text === 'listen') {
      sockets.push(...readSockets(assignment, compilation));
    } else checkGlobal(assignment, compilation);
  }
  return { sockets, aliases };
}

function readSockets({ at, value }: GlobalAssignment, compilation: Compilation): readonly SocketDefinition[] {
  const sockets = parseSockets(value);
  if (isFailure(sockets)) {
    compilation.complain(at, sockets.message);
    return [];
  }
  const protocol = sockets[0]?.protocol ?? '';
  if (!servedProtocols.includes(protocol))
    compilation.warn(at, `${protocol} is not served: nobody listens on ${value}`);
  return sockets;
}

function checkGlobal({ name, at, number, value }: GlobalAssignment, compilation: Compilation): void {
  const kind = globalKind(name.text);
  if (kind === null) {
    const cause = `unknown global parameter "${name.text}"${suggestion(name.text, globalParameterNames())}`;
    compilation.complainUnknown(name, cause);
    return;
  }
  if (kind === 'number' && number === null) compilation.complain(at, `${name.text} must be a number`);
  if (kind === 'text' && number !== null) compilation.complain(at, `${name.text} must be a text`);
  if (name.text === 'compatibility' && value !== 'strict' && value !== 'lenient')
    compilation.complain(at, 'compatibility is "strict" or "lenient"');
  const replacement = globalReplacement(name.text);
  if (replacement !== null) compilation.warn(name, `${name.text} has no effect: use ${replacement}`);
}

/** `failure_route` → `failure`; the main route and route[x] are of kind `request`. */
function kindOf(block: RouteBlock): string {
  return block.kind === 'route' ? 'request' : block.kind.replace('_route', '');
}

function compileRoutes(script: Script, compilation: Compilation): void {
  const compiled: { block: RouteBlock; route: CompiledRoute }[] = [];
  compilation.waiting = new WaitingParts(compilation.environment, script.routes);
  for (const block of script.routes) {
    const kind = kindOf(block);
    const key = `${kind} ${block.name}`;
    if (compilation.routes.has(key)) {
      compilation.complain(
        block.at,
        `${block.kind}${block.name === '' ? '' : `[${block.name}]`} stands twice`,
      );
    }
    const route: CompiledRoute = {
      kind,
      name: block.name,
      interval: block.interval,
      run: () => signals.goOn,
    };
    compilation.routes.set(key, route);
    compiled.push({ block, route });
  }
  for (const { block, route } of compiled) {
    compilation.enter(route);
    route.run = compileBody(compilation, block.body);
  }
  compilation.checkSubroutes();
}

/** By place, the script itself before what it includes. */
function sorted(diagnostics: readonly Diagnostic[], path: string): readonly Diagnostic[] {
  return [...diagnostics].sort(
    ({ position: a }, { position: b }) =>
      Number(a.file !== path) - Number(b.file !== path) ||
      a.file.localeCompare(b.file) ||
      a.line - b.line ||
      a.column - b.column,
  );
}

class Routes implements BoundScript {
  readonly #routes: ReadonlyMap<string, CompiledRoute>;
  readonly #main: CompiledRoute | null;
  readonly #onBroken: (error: unknown) => void;
  readonly timers: readonly { readonly name: string; readonly seconds: number }[];

  constructor(routes: ReadonlyMap<string, CompiledRoute>, onBroken: (error: unknown) => void) {
    this.#routes = routes;
    this.#onBroken = onBroken;
    this.#main = routes.get('request ') ?? null;
    this.timers = [...routes.values()]
      .filter((route) => route.kind === 'timer')
      .map((route) => ({ name: route.name, seconds: route.interval }));
  }

  run(kind: RouteKind, name: string, context: MessageContext): number | Promise<number> {
    const route = kind === 'request' && name === '' ? this.#main : this.#routes.get(`${kind} ${name}`);
    if (route === null || route === undefined) return 1;
    const result = runRoute(context, route);
    if (typeof result === 'number' || route === this.#main) return result;
    // Only the main route has somebody who waits for what async() left behind.
    return result.catch((error: unknown) => {
      this.#onBroken(error);
      return -1;
    });
  }

  has(kind: RouteKind, name: string): boolean {
    return this.#routes.has(`${kind} ${name}`);
  }
}
