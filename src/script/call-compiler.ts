/** Calls of functions and routes to closures: arguments are checked and bound once, when the script is loaded. */

import { type Compilation, type CompiledRoute, type Reader, textOf } from '#script/compilation.ts';
import { suggestion } from '#script/diagnostic.ts';
import type { ArgumentShape, FunctionShape, ScriptFrame } from '#script/environment.ts';
import { cachedPattern, posixExpression } from '#script/posix-expression.ts';
import { runSubroute } from '#script/run.ts';
import { variableEnd } from '#script/scanner.ts';
import type { Argument, Call } from '#script/syntax.ts';
import { booleanWord, numberOf } from '#script/token-stream.ts';
import type { Value } from '#script/value.ts';
import { compileText, compileVariable, unknownVariable } from '#script/variable.ts';
import { type Later, whenDone } from '#script/waiting.ts';
import { InvariantBroken } from '#util/assert.ts';
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
    // Only a call that never waits is compiled here: the value is there.
    if (call.name.text === 'route') return compileRouteCall(compilation, call) as CompiledCall;
    const started = callCompiler.start(compilation, call);
    if (compilation.environment.findFunction(call.name.text)?.shape.asynchronous === true) {
      compilation.warn(
        call.name,
        `${call.name.text}() is not waited for here: use async(${call.name.text}(...), route)`,
      );
    }
    return (frame) => {
      const result = started(frame);
      frame.returnCode = typeof result === 'number' ? result : 1;
      return frame.returnCode;
    };
  },

  /** For calls that are waited for: those of functions that say so, and of routes with such calls in them. */
  compileWaiting(compilation: Compilation, call: Call): StartedCall {
    if (call.name.text === 'route') return compileRouteCall(compilation, call);
    const started = callCompiler.start(compilation, call);
    return (frame) =>
      whenDone(started(frame), (code) => {
        frame.returnCode = code;
        return code;
      });
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
    compilation.noteUse(call.name, shape.routes);
    checkLevel(compilation, call);
    const bound = bindArguments(compilation, call, shape);
    return invoke(shape.call, holder, bound);
  },
};

function complainUnknown(compilation: Compilation, call: Call): void {
  const name = call.name.text;
  const owner = compilation.environment.unloadedOwner('function', name);
  if (owner === null) {
    const known = [...compilation.environment.names('function'), 'route', 'exit', 'return', 'drop'];
    compilation.complainUnknown(call.name, `unknown function ${name}()${suggestion(name, known)}`);
  } else compilation.complainUnknown(call.name, `${name}() needs loadmodule "${owner}.so"`);
  for (const argument of call.arguments) {
    if (argument !== null && argument.kind !== 'bare') reader(compilation, argument);
  }
}

/** Only the third character counts: "L_ERROR" is a level, "INFO" is none (OpenSIPS does not start with it). */
function checkLevel(compilation: Compilation, call: Call): void {
  const [level, text] = call.arguments;
  if (!['xlog', 'log'].includes(call.name.text) || text === undefined || level?.kind !== 'string') return;
  if (/^L_[ACEWNID]/.test(level.text) || level.text.includes('$')) return;
  compilation.warn(
    level.at,
    `"${level.text}" is no log level (L_ALERT, L_CRIT, L_ERR, L_WARN, L_NOTICE, L_INFO, L_DBG)`,
  );
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
      `${shape.name}() takes ${most === 0 ? 'no arguments' : countOf(most)}, not ${given.length}`,
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

function countOf(most: number): string {
  return most === 1 ? 'one argument' : `at most ${most} arguments`;
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
  const literal = literalInteger(argument);
  if (literal !== null) return () => literal;
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

/** `404`, `"404"`, `-1`, `0x1f`, `yes`; null for anything else. */
function literalInteger(argument: NonNullable<Argument>): number | null {
  const text = argument.text.trim();
  const number = /^([+-]?)(0x[0-9a-fA-F]+|\d+)$/.exec(text);
  if (number !== null) {
    // Number arguments were read by the parser; 0666 in quotes is octal as without them.
    const value = numberOf(number[2]!);
    return number[1] === '-' ? -value : value;
  }
  return argument.kind === 'bare' ? booleanWord(text) : null;
}

function bindVariable(
  compilation: Compilation,
  argument: NonNullable<Argument>,
  declared: ArgumentShape,
): Bound {
  const text = argument.text.trim();
  if (!text.startsWith('$') || variableEnd(text, 0) !== text.length) {
    compilation.complain(argument.at, `"${declared.name}" must be a variable that can be written`);
    return () => null;
  }
  const access = compileVariable(compilation, argument.at, text);
  const { read, write } = access;
  if (write === null) {
    if (access !== unknownVariable) compilation.complain(argument.at, `${text} cannot be written to`);
    return () => null;
  }
  const reference = {
    read,
    write: (frame: ScriptFrame, value: Value) => write(frame, value, true),
  };
  return () => reference;
}

function bindPattern(compilation: Compilation, argument: NonNullable<Argument>): Bound {
  if (argument.kind !== 'variable' && !/\$[A-Za-z(]/.test(argument.text)) {
    const pattern = posixExpression(argument.text);
    if (pattern === null) compilation.complain(argument.at, `"${argument.text}" is no regular expression`);
    return () => pattern;
  }
  const read = reader(compilation, argument);
  const patternOf = cachedPattern();
  return (frame) => {
    const value = read(frame);
    return value === null ? null : patternOf(String(value));
  };
}

function bindStatic(
  compilation: Compilation,
  argument: NonNullable<Argument>,
  declared: ArgumentShape,
): Bound {
  if (declared.dynamic === true && declared.parse !== undefined && argument.text.includes('$'))
    return bindDynamic(reader(compilation, argument), declared.parse);
  // A bare variable is text too: functions that name an AVP read it themselves.
  const parsed = declared.parse === undefined ? argument.text : declared.parse(argument.text);
  if (isFailure(parsed)) compilation.complain(argument.at, parsed.message);
  return () => parsed;
}

/** The last value is kept: what a script puts into a variable rarely changes from call to call. */
function bindDynamic(read: Reader, parse: (literal: string) => unknown): Bound {
  let text: string | null = null;
  let parsed: unknown = null;
  return (frame) => {
    const value = read(frame);
    if (value === null) return null;
    if (String(value) !== text) {
      text = String(value);
      parsed = parse(text);
    }
    return isFailure(parsed) ? null : parsed;
  };
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
    const route = kind === 'request' ? 'route' : `${kind}_route`;
    compilation.complain(argument.at, `there is no ${route}[${name}]${hint}`);
  }
  return () => name;
}

// ── route(name, arguments…) ───────────────────────────────────────────────────────────────────────────────────────

function compileRouteCall(compilation: Compilation, call: Call): StartedCall {
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
    for (const name of compilation.routeNames('request')) compilation.noteCall(name);
    const name = reader(compilation, target);
    return (frame) => callRoute(frame, routes.get(`request ${routeName(textOf(name(frame)))}`), values);
  }
  const key = `request ${routeName(target.text)}`;
  const route = routes.get(key);
  if (route === undefined) {
    const hint = suggestion(target.text, compilation.routeNames('request'));
    compilation.complain(target.at, `there is no route[${target.text}]${hint}`);
    return failed;
  }
  compilation.noteCall(routeName(target.text));
  return (frame) => callRoute(frame, route, values);
}

/** route[0] is the main route. */
function routeName(name: string): string {
  return name === '0' ? '' : name;
}

function valueReader(compilation: Compilation, argument: NonNullable<Argument>): Reader {
  if (argument.kind === 'number') {
    const number = Number(argument.text);
    return () => number;
  }
  if (argument.kind === 'bare' && argument.text.toUpperCase() === 'NULL') return () => null;
  return reader(compilation, argument);
}

function callRoute(
  frame: ScriptFrame,
  route: CompiledRoute | undefined,
  values: readonly Reader[],
): Later<number> {
  if (route === undefined) {
    frame.returnCode = -1;
    return -1;
  }
  if (frame.routeStack.length >= routeDepthMax)
    throw new InvariantBroken(`route[${route.name}] is called ${routeDepthMax} routes deep`);
  return runSubroute(
    frame,
    route,
    values.map((value) => value(frame)),
  );
}
