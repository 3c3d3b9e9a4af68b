/**
 * What the compiler needs to know of the world: functions, variables and transformations by name. The module layer
 * implements it from its declarations; nothing here knows a module or a message.
 */

import type { Value } from '#script/value.ts';

/** What a run of the script keeps beside the message; the message context has all of it. */
export interface ScriptFrame {
  routeKind: string;
  /** `$rc`: value of the last command. 0 = the script has ended. */
  returnCode: number;
  /** Null until one is set. */
  variables: Map<string, Value> | null;
  readonly parameters: Value[][];
  returnValues: Value[];
  routeStack: string[];
  dropped: boolean;
  /** Set by `async`: the rest of the run. */
  pending: Promise<number> | null;
}

export interface ArgumentShape {
  readonly name: string;
  readonly kind: 'integer' | 'string' | 'variable' | 'regexp' | 'static' | 'route';
  readonly optional?: boolean;
  readonly routeKind?: string;
  readonly parse?: (literal: string) => unknown;
  readonly dynamic?: boolean;
}

export interface FunctionShape {
  readonly name: string;
  readonly routes: readonly string[];
  readonly arguments: readonly ArgumentShape[];
  readonly asynchronous?: boolean;
  /** The script waits for its answer wherever the call stands. */
  readonly waits?: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: the declaration narrows instance, context and values itself.
  readonly call: (instance: any, context: any, ...values: any[]) => number | Promise<number>;
}

export type Index = number | '*' | null;

export interface VariableShape {
  readonly inner: 'none' | 'optional' | 'required';
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly read: (instance: any, context: any, inner: string | null, index: Index) => Value;
  readonly write?: (
    // biome-ignore lint/suspicious/noExplicitAny: as above.
    instance: any,
    // biome-ignore lint/suspicious/noExplicitAny: as above.
    context: any,
    value: Value,
    inner: string | null,
    index: Index,
    replace: boolean,
  ) => void;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly readAll?: (instance: any, context: any, inner: string | null) => readonly Value[];
}

/** Filled when the script is bound to a node: the module's instance there. */
export interface InstanceHolder {
  instance: unknown;
}

export interface Found<Shape> {
  readonly shape: Shape;
  readonly holder: InstanceHolder;
}

export interface ScriptEnvironment {
  findFunction(name: string): Found<FunctionShape> | null;
  findVariable(name: string): Found<VariableShape> | null;
  findTransformation(name: string): ((value: Value, args: readonly Value[]) => Value) | null;
  /** Module that offers the name but is not loaded; null when none does. */
  unloadedOwner(kind: 'function' | 'variable' | 'transformation', name: string): string | null;
  /** For `$(<request>…)` and `$(<reply>…)`: the frame as if that message were being handled; null without one. */
  otherMessage(frame: ScriptFrame, which: 'request' | 'reply'): ScriptFrame | null;
  /** A run that nobody waits for was broken off by an error. */
  reportBroken(error: unknown): void;
  names(kind: 'function' | 'variable' | 'transformation'): Iterable<string>;
}
