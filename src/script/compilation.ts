/** What the parts of the compiler share: the environment, the routes, and the list of complaints. */

import { type Diagnostic, diagnostic } from '#script/diagnostic.ts';
import type { ScriptEnvironment, ScriptFrame } from '#script/environment.ts';
import { positionOf, type Token } from '#script/scanner.ts';
import type { Value } from '#script/value.ts';
import { type Later, WaitingParts } from '#script/waiting.ts';

export type Reader = (frame: ScriptFrame) => Value;
/** What a statement tells the one around it. */
export type Signal = 0 | 1 | 2 | 3;
export const signals = { goOn: 0, break: 1, return: 2, exit: 3 } as const;
export type Runner = (frame: ScriptFrame) => Signal;
/** One with a function in it that may have to be waited for. */
export type WaitingRunner = (frame: ScriptFrame) => Later<Signal>;

export interface CompiledRoute {
  readonly kind: string;
  readonly name: string;
  /** Seconds of a timer route, else 0. */
  readonly interval: number;
  run: WaitingRunner;
}

/** A function used in a route[name], judged when it is known which kinds of route lead there. */
interface SubrouteUse {
  readonly token: Token;
  readonly routes: readonly string[];
}

/** What stands in one route block: which routes it calls, which functions it uses. */
interface Subroute {
  readonly calls: Set<string>;
  readonly uses: SubrouteUse[];
}

export interface CompilationOptions {
  readonly whileLoopsMax: number;
  readonly assertsEnabled: boolean;
  /** What is unknown is worth a warning and does nothing, instead of stopping the start. */
  readonly isLenient: boolean;
}

export class Compilation {
  readonly environment: ScriptEnvironment;
  readonly diagnostics: Diagnostic[];
  readonly warnings: Diagnostic[];
  readonly options: CompilationOptions;
  /** Key: `kind name`. Known before any body is compiled, so that routes may call each other. */
  readonly routes = new Map<string, CompiledRoute>();
  /** Which statements and routes may have to wait. Set before any body is compiled. */
  waiting: WaitingParts;
  /** Loops and switches around the statement that is being compiled. */
  loopDepth = 0;
  readonly #bodies = new Map<string, Subroute>();
  readonly #warned = new Set<string>();
  #current: CompiledRoute | null = null;
  #body: Subroute = { calls: new Set(), uses: [] };

  constructor(
    environment: ScriptEnvironment,
    lists: { readonly diagnostics: Diagnostic[]; readonly warnings: Diagnostic[] },
    options: CompilationOptions,
  ) {
    this.environment = environment;
    this.waiting = new WaitingParts(environment, []);
    this.diagnostics = lists.diagnostics;
    this.warnings = lists.warnings;
    this.options = options;
  }

  /** Points at `fragment` when the source has it inside the token (a variable in a string), else at the token. */
  complain(token: Token, cause: string, fragment = ''): void {
    this.diagnostics.push(placed(token, cause, fragment));
  }

  /** Once per cause. */
  warn(token: Token, cause: string, fragment = ''): void {
    if (this.#warned.has(cause)) return;
    this.#warned.add(cause);
    this.warnings.push(placed(token, cause, fragment));
  }

  /** Something that no loaded module offers: an error, or in lenient mode one warning. */
  complainUnknown(token: Token, cause: string, fragment = ''): void {
    if (this.options.isLenient) this.warn(token, cause, fragment);
    else this.complain(token, cause, fragment);
  }

  routeNames(kind: string): string[] {
    return [...this.routes.values()].filter((route) => route.kind === kind).map((route) => route.name);
  }

  // ── which functions may stand where ───────────────────────────────────────────────────────────────────────────

  enter(route: CompiledRoute): void {
    this.#current = route;
    this.#body = { calls: new Set(), uses: [] };
    this.#bodies.set(keyOf(route), this.#body);
    this.loopDepth = 0;
  }

  /** False in timer, startup and event routes. */
  get hasMessage(): boolean {
    return !['timer', 'startup', 'event'].includes(this.#current?.kind ?? '');
  }

  noteCall(routeName: string): void {
    this.#body.calls.add(`request ${routeName}`);
  }

  /** A function whose declaration allows only some kinds of route. */
  noteUse(token: Token, routes: readonly string[]): void {
    const current = this.#current;
    if (current === null) return;
    if (isSubroute(current)) this.#body.uses.push({ token, routes });
    else if (!routes.includes(current.kind))
      this.complain(token, `${token.text}() cannot be used in a ${current.kind} route`);
  }

  /**
   * route[x] may be called from routes of any kind: a function in it should be allowed in one of those that lead there.
   * OpenSIPS takes every such block for a request route; what it would accept is no more than worth a warning.
   */
  checkSubroutes(): void {
    const kinds = new Map<string, Set<string>>();
    for (const route of this.routes.values()) {
      if (!isSubroute(route)) this.#spread(keyOf(route), route.kind, kinds);
    }
    for (const [key, body] of this.#bodies) {
      const callers = kinds.get(key) ?? new Set(['request']);
      for (const { token, routes } of body.uses) {
        if (routes.some((kind) => callers.has(kind))) continue;
        const places = [...callers].join(' or ');
        const cause = `${token.text}() cannot be used in a ${places} route`;
        if (routes.includes('request')) this.warn(token, cause);
        else this.complain(token, cause);
      }
    }
  }

  #spread(key: string, kind: string, kinds: Map<string, Set<string>>): void {
    const known = kinds.get(key) ?? new Set<string>();
    if (known.has(kind)) return;
    kinds.set(key, known.add(kind));
    for (const called of this.#bodies.get(key)?.calls ?? []) this.#spread(called, kind, kinds);
  }
}

function keyOf(route: CompiledRoute): string {
  return `${route.kind} ${route.name}`;
}

function isSubroute(route: CompiledRoute): boolean {
  return route.kind === 'request' && route.name !== '';
}

function placed(token: Token, cause: string, fragment: string): Diagnostic {
  const { source } = token;
  const at = fragment === '' ? -1 : source.text.indexOf(fragment, token.start);
  const isInside = at !== -1 && at + fragment.length <= token.end;
  return diagnostic(isInside ? source.position(at) : positionOf(token), cause);
}

export function textOf(value: Value): string {
  return value === null ? '' : String(value);
}
