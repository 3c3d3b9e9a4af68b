/**
 * Statements and conditions that may wait, to closures: the same rules as in `statement-compiler.ts` and
 * `expression-compiler.ts`, but each step may end later. A value that is there at once is used at once.
 */

import { callCompiler } from '#script/call-compiler.ts';
import {
  type Compilation,
  type Runner,
  type Signal,
  signals,
  type WaitingRunner,
} from '#script/compilation.ts';
import type { ScriptFrame } from '#script/environment.ts';
import { compileTest } from '#script/expression-compiler.ts';
import type { Expression, Statement } from '#script/syntax.ts';
import { compileVariable, unknownVariable } from '#script/variable.ts';
import { type Later, whenDone } from '#script/waiting.ts';

const { goOn, break: stopLoop, exit } = signals;

type WaitingTest = (frame: ScriptFrame) => Later<boolean>;
type Of<Kind extends Statement['kind']> = Extract<Statement, { kind: Kind }>;

/** One after the other, from the first; what follows a step that waits runs when it is done. */
export function waitingSequence(runners: readonly (Runner | WaitingRunner)[]): WaitingRunner {
  const runFrom = (frame: ScriptFrame, start: number): Later<Signal> => {
    for (let index = start; index < runners.length; index++) {
      const signal = runners[index]!(frame);
      if (signal instanceof Promise)
        return signal.then((value) => (value === goOn ? runFrom(frame, index + 1) : value));
      if (signal !== goOn) return signal;
    }
    return goOn;
  };
  return (frame) => runFrom(frame, 0);
}

export function waitingIf(
  compilation: Compilation,
  statement: Of<'if'>,
  branches: { readonly consequence: WaitingRunner; readonly otherwise: WaitingRunner | null },
): WaitingRunner {
  const test = waitingTest(compilation, statement.test);
  const { consequence, otherwise } = branches;
  return (frame) =>
    whenDone(test(frame), (isTrue): Later<Signal> => {
      if (frame.returnCode === 0) return exit;
      if (isTrue) return consequence(frame);
      return otherwise === null ? goOn : otherwise(frame);
    });
}

export function waitingWhile(
  compilation: Compilation,
  statement: Of<'while'>,
  body: WaitingRunner,
): WaitingRunner {
  const test = waitingTest(compilation, statement.test);
  const most = compilation.options.whileLoopsMax;
  const turn = (frame: ScriptFrame, count: number): Later<Signal> => {
    if (count >= most) return goOn;
    return whenDone(test(frame), (isTrue): Later<Signal> => {
      if (frame.returnCode === 0) return exit;
      if (!isTrue) return goOn;
      return whenDone(body(frame), (signal): Later<Signal> => {
        if (signal === stopLoop) return goOn;
        return signal === goOn ? turn(frame, count + 1) : signal;
      });
    });
  };
  return (frame) => turn(frame, 0);
}

/** The bodies of a `for` or of the cases that a `switch` falls through: a break ends all of them. */
export function waitingBodies(count: number, run: (index: number) => Later<Signal>): Later<Signal> {
  const runFrom = (start: number): Later<Signal> => {
    for (let index = start; index < count; index++) {
      const signal = run(index);
      if (signal instanceof Promise) {
        return signal.then((value) => {
          if (value === stopLoop) return goOn;
          return value === goOn ? runFrom(index + 1) : value;
        });
      }
      if (signal === stopLoop) return goOn;
      if (signal !== goOn) return signal;
    }
    return goOn;
  };
  return runFrom(0);
}

export function waitingCall(compilation: Compilation, statement: Of<'call'>): WaitingRunner {
  const call = callCompiler.compileWaiting(compilation, statement.call);
  return (frame) => whenDone(call(frame), (code): Signal => (code === 0 ? exit : goOn));
}

/** `$var(x) = f()`: the call stands alone on the right side. */
export function waitingAssignment(compilation: Compilation, statement: Of<'assign'>): WaitingRunner {
  const { target, operator, value } = statement;
  if (value.kind !== 'call' || (operator.text !== '=' && operator.text !== ':=')) {
    complainOfPlace(compilation, value);
    return () => goOn;
  }
  const call = callCompiler.compileWaiting(compilation, value.call);
  const access = compileVariable(compilation, target, target.text);
  const { write } = access;
  if (write === null) {
    if (access !== unknownVariable) compilation.complain(target, `${target.text} cannot be assigned to`);
    return () => goOn;
  }
  const replace = operator.text === ':=';
  return (frame) =>
    whenDone(call(frame), (code): Signal => {
      write(frame, code, replace);
      return frame.returnCode === 0 ? exit : goOn;
    });
}

/** Calls joined by and, or, not. */
function waitingTest(compilation: Compilation, expression: Expression): WaitingTest {
  if (!compilation.waiting.ofExpression(expression)) return compileTest(compilation, expression);
  if (expression.kind === 'group') return waitingTest(compilation, expression.operand);
  if (expression.kind === 'not') {
    const operand = waitingTest(compilation, expression.operand);
    return (frame) => whenDone(operand(frame), (isTrue) => !isTrue);
  }
  if (expression.kind === 'call') {
    const call = callCompiler.compileWaiting(compilation, expression.call);
    return (frame) => whenDone(call(frame), (code) => code > 0);
  }
  const operator = expression.kind === 'binary' ? expression.operator.text : '';
  if (expression.kind === 'binary' && ['&&', 'and', '||', 'or'].includes(operator)) {
    const left = waitingTest(compilation, expression.left);
    const right = waitingTest(compilation, expression.right);
    const decides = operator === '||' || operator === 'or';
    return (frame) =>
      whenDone(left(frame), (isTrue): Later<boolean> => {
        if (isTrue === decides) return isTrue;
        // A command that returned 0 has ended the script: nothing more of the condition runs.
        return frame.returnCode === 0 ? false : right(frame);
      });
  }
  complainOfPlace(compilation, expression);
  return () => false;
}

/** A call inside arithmetic, a comparison, a return or an assert. */
export function complainOfPlace(compilation: Compilation, expression: Expression): void {
  const call = firstWaitingCall(compilation, expression);
  if (call === null) return;
  compilation.complain(
    call,
    `${call.text}() has to be waited for: call it alone or in a condition, then use $rc`,
  );
}

function firstWaitingCall(
  compilation: Compilation,
  expression: Expression,
): Extract<Expression, { kind: 'call' }>['call']['name'] | null {
  switch (expression.kind) {
    case 'binary':
      return (
        firstWaitingCall(compilation, expression.left) ?? firstWaitingCall(compilation, expression.right)
      );
    case 'not':
    case 'complement':
    case 'group':
      return firstWaitingCall(compilation, expression.operand);
    case 'assign':
      return firstWaitingCall(compilation, expression.value);
    case 'call':
      return compilation.waiting.ofCall(expression.call) ? expression.call.name : null;
    default:
      return null;
  }
}
