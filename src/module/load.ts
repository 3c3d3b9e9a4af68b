/** From the text of a script to something that runs: parse, check, compile. All problems are found in one go. */

import type { MessageContext } from '#module/context.ts';
import type { ModuleDeclaration, ParameterValues, RouteKind } from '#module/define.ts';
import { ModuleRegistry } from '#module/registry.ts';
import { Compilation, type CompiledRoute, signals } from '#script/compilation.ts';
import { type Diagnostic, suggestion } from '#script/diagnostic.ts';
import { globalParameterNames, isGlobalParameter } from '#script/global-parameter.ts';
import { type ParseInput, parseScript } from '#script/parser.ts';
import { parseAliases, parseSocket, type SocketDefinition } from '#script/socket-definition.ts';
import { compileBody } from '#script/statement-compiler.ts';
import type { GlobalAssignment, RouteBlock, Script } from '#script/syntax.ts';
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
  /** Ties the script to the module instances of one node. A script is bound once. */
  bind(instances: ReadonlyMap<string, unknown>): BoundScript;
}

/** OpenSIPS's default. */
const whileLoopsDefault = 10_000;

export function isDiagnostics(loaded: LoadedScript | readonly Diagnostic[]): loaded is readonly Diagnostic[] {
  return Array.isArray(loaded);
}

export function loadScript(options: LoadOptions): LoadedScript | readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const warnings: Diagnostic[] = [];
  const script = parseScript(options, diagnostics);
  const registry = new ModuleRegistry(options.modules);
  const plain = new Map(script.globals.map(({ name, value, number }) => [name.text, number ?? value]));
  const compilation = new Compilation(
    registry,
    { diagnostics, warnings },
    {
      whileLoopsMax: Number(plain.get('max_while_loops') ?? whileLoopsDefault),
      assertsEnabled: plain.get('enable_asserts') === 1,
    },
  );
  const isLenient = plain.get('compatibility') === 'lenient';
  const { sockets, aliases } = readGlobals(script.globals, compilation, isLenient);
  for (const step of script.steps) {
    if (step.kind === 'load') registry.load(step, compilation);
    else registry.setParameter(step, compilation);
  }
  compileRoutes(script, compilation);
  const end = script.steps.at(-1)?.at ?? script.routes.at(-1)?.at;
  const modules = registry.ordered((cause) => {
    if (end !== undefined) compilation.complain(end, cause);
  });
  if (diagnostics.length > 0) return sorted(diagnostics);
  const bind = (instances: ReadonlyMap<string, unknown>): BoundScript => {
    registry.bind(instances);
    return new Routes(compilation.routes);
  };
  return { globals: plain, sockets, aliases, modules, warnings, bind };
}

function readGlobals(
  globals: readonly GlobalAssignment[],
  compilation: Compilation,
  isLenient: boolean,
): { sockets: SocketDefinition[]; aliases: { host: string; port: number }[] } {
  const sockets: SocketDefinition[] = [];
  const aliases: { host: string; port: number }[] = [];
  for (const { name, value } of globals) {
    if (name.text === 'alias') aliases.push(...parseAliases(value));
    else if (name.text === 'socket' || name.text === 'listen') {
      const socket = parseSocket(value);
      if (isFailure(socket)) compilation.complain(name, socket.message);
      else sockets.push(socket);
    } else if (!isGlobalParameter(name.text) && !name.text.startsWith('tls_')) {
      const cause = `unknown global parameter "${name.text}"${suggestion(name.text, globalParameterNames())}`;
      if (isLenient) compilation.warn(name, cause);
      else compilation.complain(name, cause);
    }
  }
  return { sockets, aliases };
}

/** `failure_route` → `failure`; the main route and route[x] are of kind `request`. */
function kindOf(block: RouteBlock): string {
  return block.kind === 'route' ? 'request' : block.kind.replace('_route', '');
}

function compileRoutes(script: Script, compilation: Compilation): void {
  const compiled: { block: RouteBlock; route: CompiledRoute }[] = [];
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
    compilation.routeKind = route.kind;
    // route[x] may be called from routes of every kind: what it may call depends on its callers.
    compilation.isSubroute = block.kind === 'route' && block.name !== '';
    route.run = compileBody(compilation, block.body);
  }
}

function sorted(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return [...diagnostics].sort(
    (a, b) =>
      a.position.file.localeCompare(b.position.file) ||
      a.position.line - b.position.line ||
      a.position.column - b.position.column,
  );
}

class Routes implements BoundScript {
  readonly #routes: ReadonlyMap<string, CompiledRoute>;
  readonly #main: CompiledRoute | null;
  readonly timers: readonly { readonly name: string; readonly seconds: number }[];

  constructor(routes: ReadonlyMap<string, CompiledRoute>) {
    this.#routes = routes;
    this.#main = routes.get('request ') ?? null;
    this.timers = [...routes.values()]
      .filter((route) => route.kind === 'timer')
      .map((route) => ({ name: route.name, seconds: route.interval }));
  }

  run(kind: RouteKind, name: string, context: MessageContext): number | Promise<number> {
    const route = kind === 'request' && name === '' ? this.#main : this.#routes.get(`${kind} ${name}`);
    if (route === null || route === undefined) return 1;
    route.run(context);
    return context.pending ?? context.returnCode;
  }

  has(kind: RouteKind, name: string): boolean {
    return this.#routes.has(`${kind} ${name}`);
  }
}
