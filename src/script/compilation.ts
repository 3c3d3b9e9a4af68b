/** What the parts of the compiler share: the environment, the routes, and the list of complaints. */

import { type Diagnostic, diagnostic } from '#script/diagnostic.ts';
import type { ScriptEnvironment, ScriptFrame } from '#script/environment.ts';
import { positionOf, type Token } from '#script/scanner.ts';
import type { Value } from '#script/value.ts';

export type Reader = (frame: ScriptFrame) => Value;
/** What a statement tells the one around it. */
export type Signal = 0 | 1 | 2 | 3;
export const signals = { goOn: 0, break: 1, return: 2, exit: 3 } as const;
export type Runner = (frame: ScriptFrame) => Signal;

export interface CompiledRoute {
  readonly kind: string;
  readonly name: string;
  readonly interval: number;
  run: Runner;
}

export class Compilation {
  readonly environment: ScriptEnvironment;
  readonly diagnostics: Diagnostic[];
  readonly warnings: Diagnostic[];
  /** Key: `kind name`. Known before any body is compiled, so that routes may call each other. */
  readonly routes = new Map<string, CompiledRoute>();
  readonly whileLoopsMax: number;
  readonly assertsEnabled: boolean;
  /** Kind of the route that is being compiled. */
  routeKind = 'request';
  /** route[x] may be called from routes of any kind, so its functions are not checked against one. */
  isSubroute = false;

  constructor(
    environment: ScriptEnvironment,
    lists: { readonly diagnostics: Diagnostic[]; readonly warnings: Diagnostic[] },
    options: { readonly whileLoopsMax: number; readonly assertsEnabled: boolean },
  ) {
    this.environment = environment;
    this.diagnostics = lists.diagnostics;
    this.warnings = lists.warnings;
    this.whileLoopsMax = options.whileLoopsMax;
    this.assertsEnabled = options.assertsEnabled;
  }

  complain(token: Token, cause: string): void {
    this.diagnostics.push(diagnostic(positionOf(token), cause));
  }

  warn(token: Token, cause: string): void {
    this.warnings.push(diagnostic(positionOf(token), cause));
  }

  routeNames(kind: string): string[] {
    return [...this.routes.values()].filter((route) => route.kind === kind).map((route) => route.name);
  }
}

export function textOf(value: Value): string {
  return value === null ? '' : String(value);
}

/** POSIX extended syntax, case-insensitive, to JavaScript's; throws SyntaxError. */
export function posixRegExp(text: string): RegExp {
  const classes: Record<string, string> = {
    alpha: 'a-zA-Z',
    digit: '0-9',
    alnum: 'a-zA-Z0-9',
    upper: 'A-Z',
    lower: 'a-z',
    space: '\\s',
    blank: ' \\t',
    punct: '!-\\/:-@\\[-`{-~',
    xdigit: '0-9A-Fa-f',
  };
  const source = text.replace(/\[:([a-z]+):\]/g, (all, name: string) => classes[name] ?? all);
  return new RegExp(source, 'i');
}
