/**
 * One run of a route from the outside: by the server for a message, by tm for a branch, reply or failure, by a timer,
 * or by async() when it resumes. Every run begins with `$rc` 1 and without `$var`s: OpenSIPS lets old values leak from
 * one message into the next, and scripts cannot rely on that.
 */

import { type CompiledRoute, type Signal, signals } from '#script/compilation.ts';
import type { ScriptFrame } from '#script/environment.ts';
import type { Value } from '#script/value.ts';
import type { Later } from '#script/waiting.ts';

/** The return code; a promise of it when the script waits or goes on later. What is thrown inside ends this run only. */
export function runRoute(
  frame: ScriptFrame,
  route: CompiledRoute,
  parameters: Value[] | null = null,
  returnCode = 1,
): number | Promise<number> {
  const depth = frame.routeStack.length;
  const parameterDepth = frame.parameters.length;
  if (depth === 0) frame.variables = null;
  frame.returnCode = returnCode;
  frame.routeStack.push(route.name === '' ? topName(route.kind) : route.name);
  if (parameters !== null) frame.parameters.push(parameters);
  const end = (): void => {
    // Not by their length: to set that is a call into the runtime.
    while (frame.routeStack.length > depth) frame.routeStack.pop();
    while (frame.parameters.length > parameterDepth) frame.parameters.pop();
  };
  let signal: Later<Signal>;
  try {
    signal = route.run(frame);
  } catch (error) {
    end();
    throw error;
  }
  if (!(signal instanceof Promise)) {
    end();
    return frame.pending ?? frame.returnCode;
  }
  return signal.finally(end).then(() => frame.pending ?? frame.returnCode);
}

/** As `$route` shows the routes that have no name of their own. */
function topName(kind: string): string {
  return kind === 'request' ? 'route' : `${kind}_route`;
}

/**
 * What a route launched beside the script works on: the same message, but its own variables and return code, and what
 * it changes does not reach the message that is on its way.
 */
export function detachedFrame(frame: ScriptFrame): ScriptFrame {
  const own: Partial<ScriptFrame> = {
    returnCode: 1,
    variables: null,
    parameters: [],
    returnValues: [],
    routeStack: [],
    dropped: false,
    pending: null,
  };
  return Object.assign(Object.create(frame) as ScriptFrame, own);
}

/** A route within a route: its code is the explicit one, or that of its last command. */
export function runSubroute(frame: ScriptFrame, route: CompiledRoute, parameters: Value[]): Later<number> {
  frame.parameters.push(parameters);
  frame.routeStack.push(route.name);
  const signal = route.run(frame);
  if (signal instanceof Promise) return signal.then((value) => leaveSubroute(frame, value));
  return leaveSubroute(frame, signal);
}

function leaveSubroute(frame: ScriptFrame, signal: Signal): number {
  frame.routeStack.pop();
  frame.parameters.pop();
  // exit inside the route ends everything; return 0 is the same.
  if (signal === signals.exit) frame.returnCode = 0;
  return frame.returnCode;
}
