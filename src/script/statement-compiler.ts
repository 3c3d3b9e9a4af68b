/** Statements to closures. Each answers with a signal: go on, break, return, exit. */

import { callCompiler } from '#script/call-compiler.ts';
import {
  type Compilation,
  type CompiledRoute,
  type Runner,
  type Signal,
  signals,
  type WaitingRunner,
} from '#script/compilation.ts';
import { suggestion } from '#script/diagnostic.ts';
import type { ScriptFrame } from '#script/environment.ts';
import { compileAssignment, compileTest, compileValue } from '#script/expression-compiler.ts';
import { detachedFrame, runRoute } from '#script/run.ts';
import type { Token } from '#script/scanner.ts';
import type { Argument, Statement, SwitchCase } from '#script/syntax.ts';
import type { Value } from '#script/value.ts';
import { compileText, compileVariable, unknownVariable } from '#script/variable.ts';
import {
  complainOfPlace,
  waitingAssignment,
  waitingBodies,
  waitingCall,
  waitingIf,
  waitingSequence,
  waitingWhile,
} from '#script/waiting-compiler.ts';
import { InvariantBroken } from '#util/assert.ts';

const { goOn, break: stopLoop, return: leaveRoute, exit } = signals;

/** Makes the transaction that keeps a request while its script waits. */
const newTransactionFunction = 't_newtran';

/** A body that nothing has to be waited for answers at once; another is a {@link WaitingRunner}. */
export function compileBody(compilation: Compilation, statements: readonly Statement[]): WaitingRunner {
  if (statements.some((statement) => compilation.waiting.ofStatement(statement)))
    return waitingSequence(statements.map((statement) => compileAny(compilation, statement)));
  return compileQuickBody(compilation, statements);
}

function compileQuickBody(compilation: Compilation, statements: readonly Statement[]): Runner {
  const runners = statements.map((statement) => compileStatement(compilation, statement));
  const [first, second] = runners;
  if (first === undefined) return () => goOn;
  if (second === undefined) return first;
  return (frame) => {
    for (const run of runners) {
      const signal = run(frame);
      if (signal !== goOn) return signal;
    }
    return goOn;
  };
}

function compileAny(compilation: Compilation, statement: Statement): WaitingRunner {
  if (!compilation.waiting.ofStatement(statement)) return compileStatement(compilation, statement);
  switch (statement.kind) {
    case 'block':
      return compileBody(compilation, statement.body);
    case 'if': {
      const consequence = compileAny(compilation, statement.consequence);
      const otherwise = statement.otherwise === null ? null : compileAny(compilation, statement.otherwise);
      return waitingIf(compilation, statement, { consequence, otherwise });
    }
    case 'while': {
      const body = compileLoopBody(compilation, () => compileAny(compilation, statement.body));
      return waitingWhile(compilation, statement, body);
    }
    case 'for':
      return compileWaitingFor(compilation, statement);
    case 'switch':
      return compileWaitingSwitch(compilation, statement);
    case 'assign':
      return waitingAssignment(compilation, statement);
    case 'call':
      return waitingCall(compilation, statement);
    case 'assert':
      complainOfPlace(compilation, statement.test);
      return () => goOn;
    default:
      for (const value of statement.kind === 'return' ? statement.values : [])
        complainOfPlace(compilation, value);
      return () => goOn;
  }
}

function compileStatement(compilation: Compilation, statement: Statement): Runner {
  switch (statement.kind) {
    case 'block':
      return compileQuickBody(compilation, statement.body);
    case 'if':
      return compileIf(compilation, statement);
    case 'while':
      return compileWhile(compilation, statement);
    case 'for':
      return compileFor(compilation, statement);
    case 'switch':
      return compileSwitch(compilation, statement);
    case 'assign': {
      const assign = compileAssignment(compilation, statement);
      // The right side may be a call that ends the script.
      return (frame) => {
        assign(frame);
        return frame.returnCode === 0 ? exit : goOn;
      };
    }
    case 'call': {
      const call = callCompiler.compile(compilation, statement.call);
      return (frame) => (call(frame) === 0 ? exit : goOn);
    }
    case 'async':
      return compileAsync(compilation, statement);
    case 'launch':
      return compileLaunch(compilation, statement);
    case 'assert':
      return compileAssert(compilation, statement);
    case 'return':
      return compileReturn(compilation, statement);
    case 'break':
      if (compilation.loopDepth === 0) compilation.complain(statement.at, 'break stands outside of any loop');
      return () => stopLoop;
    case 'exit':
      return () => exit;
    case 'drop':
      return (frame) => {
        frame.dropped = true;
        return exit;
      };
  }
}

type Of<Kind extends Statement['kind']> = Extract<Statement, { kind: Kind }>;

function compileIf(compilation: Compilation, statement: Of<'if'>): Runner {
  const test = compileTest(compilation, statement.test);
  const consequence = compileStatement(compilation, statement.consequence);
  const otherwise = statement.otherwise === null ? null : compileStatement(compilation, statement.otherwise);
  return (frame) => {
    const isTrue = test(frame);
    if (frame.returnCode === 0) return exit;
    if (isTrue) return consequence(frame);
    return otherwise === null ? goOn : otherwise(frame);
  };
}

function compileWhile(compilation: Compilation, statement: Of<'while'>): Runner {
  const test = compileTest(compilation, statement.test);
  const body = compileLoopBody(compilation, () => compileStatement(compilation, statement.body));
  const most = compilation.options.whileLoopsMax;
  return (frame) => {
    for (let count = 0; count < most && test(frame); count++) {
      if (frame.returnCode === 0) return exit;
      const signal = body(frame);
      if (signal === stopLoop) return goOn;
      if (signal !== goOn) return signal;
    }
    return frame.returnCode === 0 ? exit : goOn;
  };
}

/** Where `break` may stand. */
function compileLoopBody<Body>(compilation: Compilation, compile: () => Body): Body {
  compilation.loopDepth++;
  const body = compile();
  compilation.loopDepth--;
  return body;
}

function compileForHead(
  compilation: Compilation,
  statement: Of<'for'>,
): {
  readonly write: ((frame: ScriptFrame, value: Value) => void) | null;
  readonly readAll: (frame: ScriptFrame) => readonly Value[];
} {
  const item = compileVariable(compilation, statement.item, statement.item.text);
  const list = compileVariable(compilation, statement.list, statement.list.text);
  const { write } = item;
  if (write === null && item !== unknownVariable)
    compilation.complain(statement.item, `${statement.item.text} cannot be assigned to`);
  return {
    write: write === null ? null : (frame, value) => write(frame, value, true),
    readAll: list.readAll,
  };
}

function compileWaitingFor(compilation: Compilation, statement: Of<'for'>): WaitingRunner {
  const { write, readAll } = compileForHead(compilation, statement);
  const body = compileLoopBody(compilation, () => compileAny(compilation, statement.body));
  if (write === null) return () => goOn;
  return (frame) => {
    const values = [...readAll(frame)];
    return waitingBodies(values.length, (index) => {
      write(frame, values[index]!);
      return body(frame);
    });
  };
}

function compileFor(compilation: Compilation, statement: Of<'for'>): Runner {
  const { write, readAll } = compileForHead(compilation, statement);
  const body = compileLoopBody(compilation, () => compileStatement(compilation, statement.body));
  if (write === null) return () => goOn;
  return (frame) => {
    for (const value of readAll(frame)) {
      write(frame, value);
      const signal = body(frame);
      if (signal === stopLoop) return goOn;
      if (signal !== goOn) return signal;
    }
    return goOn;
  };
}

/** Index of the case to begin with; -1 when none fits. */
function compileChoice(compilation: Compilation, statement: Of<'switch'>): (frame: ScriptFrame) => number {
  const subject = compileVariable(compilation, statement.subject, statement.subject.text).read;
  const labels = statement.cases.map(({ label }) => (label === null ? null : String(label).toLowerCase()));
  checkLabels(compilation, statement.cases);
  return (frame) => {
    const value = subject(frame);
    const start = value === null ? -1 : labels.indexOf(String(value).toLowerCase());
    return start === -1 ? labels.indexOf(null) : start;
  };
}

function compileWaitingSwitch(compilation: Compilation, statement: Of<'switch'>): WaitingRunner {
  const choose = compileChoice(compilation, statement);
  const bodies = compileLoopBody(compilation, () =>
    statement.cases.map(({ body }) => compileBody(compilation, body)),
  );
  return (frame) => {
    const start = choose(frame);
    if (start === -1) return goOn;
    return waitingBodies(bodies.length - start, (index) => bodies[start + index]!(frame));
  };
}

function compileSwitch(compilation: Compilation, statement: Of<'switch'>): Runner {
  const choose = compileChoice(compilation, statement);
  const bodies = compileLoopBody(compilation, () =>
    statement.cases.map(({ body }) => compileQuickBody(compilation, body)),
  );
  return (frame) => {
    const start = choose(frame);
    if (start === -1) return goOn;
    // Cases fall through until a break.
    for (let index = start; index < bodies.length; index++) {
      const signal = bodies[index]!(frame);
      if (signal === stopLoop) return goOn;
      if (signal !== goOn) return signal;
    }
    return goOn;
  };
}

function checkLabels(compilation: Compilation, cases: readonly SwitchCase[]): void {
  const seen = new Set<string | null>();
  for (const [index, { label, at }] of cases.entries()) {
    const key = label === null ? null : String(label).toLowerCase();
    if (seen.has(key)) compilation.complain(at, `${key === null ? 'default' : `case ${key}`} stands twice`);
    else if (label === null && index !== cases.length - 1)
      compilation.complain(at, 'default must stand last');
    seen.add(key);
  }
}

/** `return` alone is 1; `return 0` ends the script; further values are `$return(1)`… */
function compileReturn(compilation: Compilation, statement: Of<'return'>): Runner {
  const [code, ...rest] = statement.values.map((value) => compileValue(compilation, value));
  return (frame) => {
    const value = code === undefined ? 1 : Number(code(frame) ?? -1);
    frame.returnValues = rest.map((read) => read(frame));
    frame.returnCode = Number.isNaN(value) ? -1 : value;
    return frame.returnCode === 0 ? exit : leaveRoute;
  };
}

/** Name and route of `async(f(), name)` and `launch(f(), name)`; complains when there is none. */
function laterRoute(
  compilation: Compilation,
  argument: NonNullable<Argument>,
  purpose: string,
): CompiledRoute | null {
  const route = compilation.routes.get(`request ${argument.text}`);
  if (route === undefined) {
    const hint = suggestion(argument.text, compilation.routeNames('request'));
    compilation.complain(argument.at, `there is no route[${argument.text}] to ${purpose}${hint}`);
    return null;
  }
  compilation.noteCall(argument.text);
  return route;
}

function checkAsynchronous(compilation: Compilation, name: Token, statement: string): void {
  const found = compilation.environment.findFunction(name.text);
  if (found !== null && found.shape.asynchronous !== true)
    compilation.complain(name, `${name.text}() cannot be used in ${statement}()`);
}

/** Ends this run; the resume route goes on with the function's value as `$rc`. Needs tm, which keeps the request. */
function compileAsync(compilation: Compilation, statement: Of<'async'>): Runner {
  const start = callCompiler.start(compilation, statement.call);
  checkAsynchronous(compilation, statement.call.name, 'async');
  if (statement.resume === null) return () => exit;
  const route = laterRoute(compilation, statement.resume, 'resume in');
  const keep = compilation.environment.findFunction(newTransactionFunction);
  if (keep === null && compilation.hasMessage)
    compilation.complainUnknown(statement.at, 'async() needs loadmodule "tm.so"');
  if (route === null) return () => exit;
  return (frame) => {
    if (frame.routeKind === 'request') void keep?.shape.call(keep.holder.instance, frame);
    frame.pending = Promise.resolve(start(frame)).then((result) => {
      frame.pending = null;
      return runRoute(frame, route, null, result);
    });
    return exit;
  };
}

/** The script goes on at once; a report route runs when the function is done, with `$param(1)`. */
function compileLaunch(compilation: Compilation, statement: Of<'launch'>): Runner {
  const start = callCompiler.start(compilation, statement.call);
  checkAsynchronous(compilation, statement.call.name, 'launch');
  const route = statement.report === null ? null : laterRoute(compilation, statement.report, 'report to');
  const parameter =
    statement.parameter === null
      ? null
      : compileText(compilation, statement.parameter.at, statement.parameter.text);
  return (frame) => {
    const own = detachedFrame(frame);
    const parameters = parameter === null ? null : [parameter(frame)];
    const result = start(own);
    if (route !== null) {
      Promise.resolve(result)
        .then((code) => runRoute(own, route, parameters, code))
        .catch((error: unknown) => compilation.environment.reportBroken(error));
    }
    return goOn;
  };
}

function compileAssert(compilation: Compilation, statement: Of<'assert'>): Runner {
  const test = compileTest(compilation, statement.test);
  const { message } = statement;
  if (!compilation.options.assertsEnabled) return (): Signal => goOn;
  return (frame: ScriptFrame) => {
    if (!test(frame)) throw new InvariantBroken(`assert in the script: ${message}`);
    return goOn;
  };
}
