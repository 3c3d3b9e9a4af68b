/** Calls of functions and routes to closures: arguments are checked and bound once, when the script is loaded. */

import { type Compilation, posixRegExp, type Reader, signals, textOf } from '#script/compilation.ts';
import { suggestion } from '#script/diagnostic.ts';
import type { ArgumentShape, FunctionShape, ScriptFrame } from '#script/environment.ts';
import type { Argument, Call } from '#script/syntax.ts';
import type { Value } from '#script/value.ts';
import { compileText, compileVariable } from '#script/variable.ts';
import { isFailure } from '#util/failure.ts';

/** Value of the call; also left in the frame as `$rc`. */
export type CompiledCall = (frame: ScriptFrame) => number;
export type StartedCall = (frame: ScriptFrame) => number | Promise<number>;
type Bound = (frame: ScriptFrame) => unknown;

/** Routes that call themselves: deeper than this is a mistake (OpenSIPS has the same limit). */
const routeDepthMax = 100;

const failed: CompiledCall = () => -1;

export const callCompiler = {
  /** For conditions and statements. A function that answers later is not waited for here: that is what async is for. */
  compile(compilation: Compilation, call: Call): CompiledCall {
    if (call.name.text === 'route') return compileRouteCall(compilation, call);
    const started = callCompiler.start(compilation, call);
    return (frame) => {
      const result = started(frame);
      frame.returnCode = typeof result === 'number' ? result : 1;
      return frame.returnCode;
    };
  },

  /** The function itself, whose answer may come later. */
  start(compilation: Compilation, call: Call): StartedCall {
    const name = call.name.text;
    const found = compilation.environment.findFunction(name);
    if (found === null) {
      complainUnknown(compilation, call);
      return failed;
    }
    const { shape, holder } = found;
    if (!compilation.isSubroute && !shape.routes.includes(compilation.routeKind)) {
      compilation.complain(call.name, `${name}() cannot be used in a ${compilation.routeKind} route`);
    }
    const bound = bindArguments(compilation, call, shape);
    return invoke(shape.call, holder, bound);
  },
};

function complainUnknown(compilation: Compilation, call: Call): void {
  const name = call.name.text;
  const owner = compilation.environment.unloadedOwner('function', name);
  if (owner === null) {
    const known = [...compilation.environment.names('function'), 'route', 'exit', 'return', 'drop'];
    compilation.complain(call.name, `unknown function ${name}()${suggestion(name, known)}`);
  } else compilation.complain(call.name, `${name}() needs loadmodule "${owner}.so"`);
  for (const argument of call.arguments) {
    if (argument?.kind === 'variable') compileVariable(compilation, argument.at, argument.text);
  }
}

/** One closure per number of arguments: no list is made for the usual ones. */
function invoke(
  call: FunctionShape['call'],
  holder: { instance: unknown },
  bound: readonly Bound[],
): StartedCall {
  const [a, b, c] = bound;
  if (a === undefined) return (frame) => call(holder.instance, frame);
  if (b === undefined) return (frame) => call(holder.instance, frame, a(frame));
  if (c === undefined) return (frame) => call(holder.instance, frame, a(frame), b(frame));
  return (frame) => call(holder.instance, frame, ...bound.map((argument) => argument(frame)));
}

function bindArguments(compilation: Compilation, call: Call, shape: FunctionShape): Bound[] {
  const given = call.arguments;
  if (given.length > shape.arguments.length) {
    const most = shape.arguments.length;
    compilation.complain(
      call.name,
      `${shape.name}() takes ${most} argument${most === 1 ? '' : 's'}, not ${given.length}`,
    );
  }
  return shape.arguments.map((declared, index) => {
    const argument = given[index] ?? null;
    if (argument !== null) return bindArgument(compilation, argument, declared);
    if (declared.optional !== true) {
      compilation.complain(call.name, `${shape.name}() needs the argument "${declared.name}"`);
    }
    return () => null;
  });
}

function bindArgument(
  compilation: Compilation,
  argument: NonNullable<Argument>,
  declared: ArgumentShape,
): Bound {
  switch (declared.kind) {
    case 'integer':
      return bindInteger(compilation, argument, declared);
    case 'variable':
      return bindVariable(compilation, argument, declared);
    case 'regexp':
      return bindPattern(compilation, argument);
    case 'static':
      return bindStatic(compilation, argument, declared);
    case 'route':
      return bindRoute(compilation, argument, declared);
    default: {
      const read = reader(compilation, argument);
      return (frame) => {
        const value = read(frame);
        return value === null ? null : String(value);
      };
    }
  }
}

function reader(compilation: Compilation, argument: NonNullable<Argument>): Reader {
  if (argument.kind === 'variable') return compileVariable(compilation, argument.at, argument.text).read;
  if (argument.kind === 'string') return compileText(compilation, argument.at, argument.text);
  return () => argument.text;
}

function bindInteger(
  compilation: Compilation,
  argument: NonNullable<Argument>,
  declared: ArgumentShape,
): Bound {
  if (/^[+-]?(0x[0-9a-fA-F]+|\d+)$/.test(argument.text.trim())) {
    const number = Number(argument.text);
    return () => number;
  }
  if (!argument.text.includes('$')) {
    compilation.complain(argument.at, `"${declared.name}" must be a number, not "${argument.text}"`);
    return () => null;
  }
  const read = reader(compilation, argument);
  return (frame) => {
    const value = read(frame);
    const number = Number(value);
    return value === null || Number.isNaN(number) ? null : number;
  };
}

function bindVariable(
  compilation: Compilation,
  argument: NonNullable<Argument>,
  declared: ArgumentShape,
): Bound {
  const text = argument.text.trim();
  if (!text.startsWith('$')) {
    compilation.complain(argument.at, `"${declared.name}" must be a variable that can be written`);
    return () => null;
  }
  const access = compileVariable(compilation, argument.at, text);
  const { read, write } = access;
  if (write === null) {
    compilation.complain(argument.at, `${text} cannot be written to`);
    return () => null;
  }
  const reference = {
    read,
    write: (frame: ScriptFrame, value: Value) => write(frame, value, true),
  };
  return () => reference;
}

function bindPattern(compilation: Compilation, argument: NonNullable<Argument>): Bound {
  const compile = (text: string): RegExp | null => {
    try {
      return posixRegExp(text);
    } catch {
      return null;
    }
  };
  if (argument.kind !== 'variable' && !/\$[A-Za-z(]/.test(argument.text)) {
    const pattern = compile(argument.text);
    if (pattern === null) compilation.complain(argument.at, `"${argument.text}" is no regular expression`);
    return () => pattern;
  }
  const read = reader(compilation, argument);
  return (frame) => compile(textOf(read(frame)));
}

function bindStatic(
  compilation: Compilation,
  argument: NonNullable<Argument>,
  declared: ArgumentShape,
): Bound {
  // A bare variable is text too: functions that name an AVP read it themselves.
  const parsed = declared.parse === undefined ? argument.text : declared.parse(argument.text);
  if (isFailure(parsed)) compilation.complain(argument.at, parsed.message);
  return () => parsed;
}

function bindRoute(
  compilation: Compilation,
  argument: NonNullable<Argument>,
  declared: ArgumentShape,
): Bound {
  const kind = declared.routeKind ?? 'request';
  const name = argument.text;
  if (argument.kind === 'variable' || name.includes('$')) return reader(compilation, argument);
  if (name !== '' && name !== '0' && !compilation.routes.has(`${kind} ${name}`)) {
    const hint = suggestion(name, compilation.routeNames(kind));
    compilation.complain(argument.at, `there is no ${kind}_route[${name}]${hint}`);
  }
  return () => name;
}

// ── route(name, arguments…) ───────────────────────────────────────────────────────────────────────────────────────

function compileRouteCall(compilation: Compilation, call: Call): CompiledCall {
  const [target, ...rest] = call.arguments;
  if (target === undefined || target === null) {
    compilation.complain(call.name, 'route() needs the name of a route');
    return failed;
  }
  const values = rest.map((argument) =>
    argument === null ? (): Value => null : valueReader(compilation, argument),
  );
  const isDynamic = target.kind === 'variable' || (target.kind === 'string' && target.text.includes('$'));
  const { routes } = compilation;
  if (isDynamic) {
    const name = reader(compilation, target);
    return (frame) => runNamed(frame, routes.get(`request ${textOf(name(frame))}`), values);
  }
  const key = `request ${target.text === '0' ? '' : target.text}`;
  if (!routes.has(key)) {
    const hint = suggestion(target.text, compilation.routeNames('request'));
    compilation.complain(target.at, `there is no route[${target.text}]${hint}`);
    return failed;
  }
  const route = routes.get(key);
  return (frame) => runNamed(frame, route, values);
}

function valueReader(compilation: Compilation, argument: NonNullable<Argument>): Reader {
  if (argument.kind === 'number') {
    const number = Number(argument.text);
    return () => number;
  }
  if (argument.kind === 'bare' && argument.text.toUpperCase() === 'NULL') return () => null;
  return reader(compilation, argument);
}

function runNamed(
  frame: ScriptFrame,
  route: { readonly name: string; run: (frame: ScriptFrame) => number } | undefined,
  values: readonly Reader[],
): number {
  if (route === undefined || frame.routeStack.length >= routeDepthMax) {
    frame.returnCode = -1;
    return -1;
  }
  frame.parameters.push(values.map((value) => value(frame)));
  frame.routeStack.push(route.name);
  const signal = route.run(frame);
  frame.routeStack.pop();
  frame.parameters.pop();
  // exit inside the route ends everything; return 0 is the same.
  if (signal === signals.exit) frame.returnCode = 0;
  return frame.returnCode;
}
