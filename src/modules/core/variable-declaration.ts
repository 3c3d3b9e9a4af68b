/** Short forms of variable declarations, and the choice of one value out of several by index. */

import type { MessageContext } from '#module/context.ts';
import type { VariableDeclaration } from '#module/define.ts';
import type { CoreModule } from '#modules/core/core-module.ts';
import type { Value } from '#script/value.ts';

export type Variable = VariableDeclaration<CoreModule>;

/** A variable that takes neither name nor index and cannot be written. */
export function plain(
  names: readonly string[],
  help: string,
  read: (context: MessageContext, core: CoreModule) => Value,
): Variable {
  return { names, inner: 'none', help, read: (core, context) => read(context, core) };
}

/** The same, writable. */
export function writable(
  names: readonly string[],
  help: string,
  read: (context: MessageContext, core: CoreModule) => Value,
  write: (context: MessageContext, value: Value, core: CoreModule) => void,
): Variable {
  return {
    names,
    inner: 'none',
    help,
    read: (core, context) => read(context, core),
    write: (core, context, value) => write(context, value, core),
  };
}

/** A list of values, chosen from by index. */
export function listed(
  names: readonly string[],
  inner: 'none' | 'optional' | 'required',
  help: string,
  values: (context: MessageContext, inner: string | null, core: CoreModule) => readonly Value[],
): Variable {
  return {
    names,
    inner,
    help,
    read: (core, context, name, index) => pick(values(context, name, core), index),
    readAll: (core, context, name) => values(context, name, core),
  };
}

/** No index: the first; negative: from the end; `*`: all, joined by ", ". Null when there is none. */
export function pick(values: readonly Value[], index: number | '*' | null): Value {
  if (index === '*') return values.length === 0 ? null : values.map((value) => value ?? '').join(', ');
  return values.at(index ?? 0) ?? null;
}

export function orNull(text: string): string | null {
  return text === '' ? null : text;
}
