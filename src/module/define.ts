/**
 * How a module says what it offers: one declaration that the script's checker, its compiler, the generated
 * documentation and the management interface all read. A declaration holds no state; what a running node needs is
 * made by `create`, so that several nodes can live in one process.
 */

import type { MessageContext } from '#module/context.ts';
import type { ModuleHost } from '#module/host.ts';
import type { Value } from '#script/value.ts';
import type { Failure } from '#util/failure.ts';

/** OpenSIPS's route types; a function names those that may call it. */
export type RouteKind =
  | 'request'
  | 'branch'
  | 'failure'
  | 'onreply'
  | 'error'
  | 'local'
  | 'startup'
  | 'timer'
  | 'event';

export const everyRoute: readonly RouteKind[] = [
  'request',
  'branch',
  'failure',
  'onreply',
  'error',
  'local',
  'startup',
  'timer',
  'event',
];

/**
 * What an argument is, and what `call` receives for it (`null` when an optional one is absent or evaluates to null):
 * - `integer`: number
 * - `string`: string, variables in it expanded
 * - `variable`: {@link VariableReference}, writable
 * - `regexp`: RegExp (POSIX extended syntax, case-insensitive), compiled once when it is a literal
 * - `static`: whatever `parse` made of the literal when the script was loaded
 * - `route`: string, name of a route of kind `routeKind` that exists (checked at load)
 */
export type ArgumentKind = 'integer' | 'string' | 'variable' | 'regexp' | 'static' | 'route';

export interface ArgumentDeclaration {
  readonly name: string;
  readonly kind: ArgumentKind;
  readonly optional?: boolean;
  /** For `route`: the kind of route named. */
  readonly routeKind?: RouteKind;
  /** For `static`: checks and converts the literal at load time. A Failure becomes a diagnostic at the argument. */
  readonly parse?: (literal: string) => unknown;
  /** For `static`: variables are allowed, and the text is parsed when its value changes; null when it is no good. */
  readonly dynamic?: boolean;
}

export interface VariableReference {
  read(context: MessageContext): Value;
  write(context: MessageContext, value: Value): void;
}

/** > 0 true, < 0 false, 0 stops the script. A promise only from a function declared `asynchronous` or `waits`. */
export type ReturnCode = number;

export interface FunctionDeclaration<Instance> {
  readonly name: string;
  readonly routes: readonly RouteKind[];
  readonly arguments: readonly ArgumentDeclaration[];
  /** One or two sentences for docs/modules.md: what it does and what it returns. */
  readonly help: string;
  /** May be used in `async(…)`. */
  readonly asynchronous?: boolean;
  /** The script waits for its promise wherever the call stands, while other messages go on. Bounds its own waits. */
  readonly waits?: boolean;
  readonly call: (
    instance: Instance,
    context: MessageContext,
    // biome-ignore lint/suspicious/noExplicitAny: each declaration narrows its own arguments by `kind`.
    ...values: any[]
  ) => ReturnCode | Promise<ReturnCode>;
}

/** `$name`, `$name(inner)`, `$(name(inner)[index])`. `inner` has its own variables expanded already. */
export interface VariableDeclaration<Instance> {
  /** All spellings: `['rU', 'ruri.user']`. */
  readonly names: readonly string[];
  readonly inner: 'none' | 'optional' | 'required';
  readonly help: string;
  /** `index`: number from `[n]` (negative counts from the end), `'*'` for all joined by ", ", null when not given. */
  readonly read: (
    instance: Instance,
    context: MessageContext,
    inner: string | null,
    index: number | '*' | null,
  ) => Value;
  /** Absent: read-only. `replace` is true for `:=`, false for `=` (which pushes on an AVP). */
  readonly write?: (
    instance: Instance,
    context: MessageContext,
    value: Value,
    inner: string | null,
    index: number | '*' | null,
    replace: boolean,
  ) => void;
  /** Every value, for `for ($var(x) in $(name(inner)[*]))`. */
  readonly readAll?: (instance: Instance, context: MessageContext, inner: string | null) => readonly Value[];
}

/** `{name,argument,…}` behind a variable: a pure function of the value. */
export interface TransformationDeclaration {
  /** With its class: `s.len`. */
  readonly name: string;
  readonly help: string;
  /** A value that cannot be transformed gives null. `args` have their variables expanded. */
  readonly apply: (value: Value, args: readonly Value[]) => Value;
}

export interface ParameterDeclaration {
  readonly name: string;
  readonly kind: 'integer' | 'string';
  /** Null: unset. A repeatable parameter's value is always an array. */
  readonly default: number | string | null;
  readonly repeatable?: boolean;
  /** Names a flag: old scripts number theirs, `5` is the flag "5". */
  readonly isFlag?: true;
  /** Older or newer OpenSIPS spellings of the same parameter. */
  readonly aliases?: readonly string[];
  /** Accepted for scripts' sake and without effect here; the reason is what `anyvia check` may tell. */
  readonly ignored?: string;
  readonly help: string;
}

/** Parameters as the script set them (by primary name), defaults filled in. */
export type ParameterValues = Readonly<Record<string, number | string | null | readonly (number | string)[]>>;

/** A management method (`anyvia mi NAME …`), found by its full name or any alias. */
export interface CommandDeclaration<Instance> {
  /** OpenSIPS 4.0 name, `group:name`. */
  readonly name: string;
  readonly aliases?: readonly string[];
  /** Names of the parameters, in positional order; optional ones end in `?`. */
  readonly parameters: readonly string[];
  readonly help: string;
  readonly run: (
    instance: Instance,
    parameters: Readonly<Record<string, unknown>>,
  ) => unknown | Failure | Promise<unknown | Failure>;
}

export interface ModuleDeclaration<Instance = unknown> {
  readonly name: string;
  readonly help: string;
  /** Other OpenSIPS module names that load this one. */
  readonly aliases?: readonly string[];
  /** Modules that must be loaded too; they are created first. */
  readonly needs?: readonly string[];
  readonly parameters?: readonly ParameterDeclaration[];
  readonly functions?: readonly FunctionDeclaration<Instance>[];
  readonly variables?: readonly VariableDeclaration<Instance>[];
  readonly commands?: readonly CommandDeclaration<Instance>[];
  readonly transformations?: readonly TransformationDeclaration[];
  /** Names of this group's statistics, for the documentation and the check of `$stat(…)`. */
  readonly statistics?: readonly string[];
  /** Makes what a running node holds. Called once per node, after those it needs. A Failure is bad configuration. */
  readonly create: (host: ModuleHost, parameters: ParameterValues) => Instance | Failure;
}

/** Keeps the instance type between `create` and the functions; nothing else happens here. */
export function defineModule<Instance>(
  declaration: ModuleDeclaration<Instance>,
): ModuleDeclaration<Instance> {
  return declaration;
}
