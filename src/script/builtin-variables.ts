/** The variables that belong to the language itself: `$var`, `$param`, `$rc`, `$return`, `$route`. */

import type { ScriptFrame, VariableShape } from '#script/environment.ts';
import type { Value } from '#script/value.ts';

function variable(
  inner: VariableShape['inner'],
  read: (frame: ScriptFrame, inner: string | null) => Value,
  write?: (frame: ScriptFrame, value: Value, inner: string | null) => void,
): VariableShape {
  return {
    inner,
    read: (_none: unknown, frame: ScriptFrame, name: string | null) => read(frame, name),
    ...(write === undefined
      ? {}
      : {
          write: (_none: unknown, frame: ScriptFrame, value: Value, name: string | null) =>
            write(frame, value, name),
        }),
  };
}

const returnCode = variable('none', (frame) => frame.returnCode);

/** Event routes have named parameters; all others number them from 1. */
function parameter(
  frame: ScriptFrame & { eventParameters?: Map<string, Value> | null },
  name: string | null,
): Value {
  const named = frame.eventParameters?.get(name ?? '');
  if (named !== undefined) return named;
  return frame.parameters.at(-1)?.[Number(name) - 1] ?? null;
}

export const builtinVariables: Readonly<Record<string, VariableShape>> = {
  var: variable(
    'required',
    (frame, name) => frame.variables?.get(name ?? '') ?? null,
    (frame, value, name) => {
      frame.variables ??= new Map();
      frame.variables.set(name ?? '', value);
    },
  ),
  param: variable('required', parameter),
  rc: returnCode,
  retcode: returnCode,
  return: variable('required', (frame, name) => frame.returnValues[Number(name) - 1] ?? null),
  route: variable('none', (frame) => `/${frame.routeStack.join('/')}`),
  'route.name': variable('none', (frame) => frame.routeStack.at(-1) ?? ''),
  'route.type': variable('none', (frame) => frame.routeKind),
};
