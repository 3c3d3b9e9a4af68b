/** Expressions to closures, with OpenSIPS's rules for truth, comparison and 32-bit arithmetic. */

import { callCompiler } from '#script/call-compiler.ts';
import { type Compilation, type Reader, textOf } from '#script/compilation.ts';
import type { ScriptFrame } from '#script/environment.ts';
import { modernComparison } from '#script/old-comparison.ts';
import { cachedPattern, posixExpression } from '#script/posix-expression.ts';
import type { Expression } from '#script/syntax.ts';
import type { Value } from '#script/value.ts';
import { compileFormat, compileVariable, unknownVariable } from '#script/variable.ts';
import { isInNetwork, parseIp, parseNetwork } from '#util/ip-address.ts';

export type Test = (frame: ScriptFrame) => boolean;

/** NULL and "" are false, 0 is false; the string "0" is true. */
function isTrue(value: Value): boolean {
  return typeof value === 'number' ? value !== 0 : value !== null && value !== '';
}

export function compileTest(compilation: Compilation, expression: Expression): Test {
  switch (expression.kind) {
    case 'not': {
      const operand = compileTest(compilation, expression.operand);
      return (frame) => !operand(frame);
    }
    case 'group':
      return compileTest(compilation, expression.operand);
    case 'call': {
      const call = callCompiler.compile(compilation, expression.call);
      return (frame) => call(frame) > 0;
    }
    case 'assign': {
      const assign = compileAssignment(compilation, expression);
      return (frame) => {
        assign(frame);
        return true;
      };
    }
    case 'string':
      compilation.complain(expression.token, 'a string alone is no condition');
      return () => false;
    case 'binary':
      return compileBinaryTest(compilation, expression);
    case 'old': {
      const modern = modernComparison(compilation, expression);
      return modern === null ? () => false : compileTest(compilation, modern);
    }
    default: {
      const read = compileValue(compilation, expression);
      return (frame) => isTrue(read(frame));
    }
  }
}

type Binary = Extract<Expression, { kind: 'binary' }>;

function compileBinaryTest(compilation: Compilation, expression: Binary): Test {
  const operator = expression.operator.text;
  if (operator === '&&' || operator === 'and' || operator === '||' || operator === 'or') {
    const left = compileTest(compilation, expression.left);
    const right = compileTest(compilation, expression.right);
    // A command that returned 0 has ended the script: nothing more of the condition runs.
    if (operator === '&&' || operator === 'and')
      return (frame) => left(frame) && frame.returnCode !== 0 && right(frame);
    return (frame) => left(frame) || (frame.returnCode !== 0 && right(frame));
  }
  if (operator === '=~' || operator === '!~') return compileMatch(compilation, expression);
  if (['==', '!=', '<', '>', '<=', '>='].includes(operator))
    return compileComparison(compilation, expression);
  const read = compileValue(compilation, expression);
  return (frame) => isTrue(read(frame));
}

function compileMatch(compilation: Compilation, expression: Binary): Test {
  const left = compileLeft(compilation, expression);
  const negated = expression.operator.text === '!~';
  const { right } = expression;
  if (right.kind === 'string' && !/\$[A-Za-z(]/.test(right.token.text)) {
    const pattern = compilePattern(compilation, right.token.text, expression);
    return (frame) => {
      const value = left(frame);
      return (value === null ? false : pattern.test(String(value))) !== negated;
    };
  }
  const text = compileValue(compilation, right);
  const patternOf = cachedPattern();
  return (frame) => {
    const value = left(frame);
    const pattern = patternOf(textOf(text(frame)));
    return (value === null || pattern === null ? false : pattern.test(String(value))) !== negated;
  };
}

/** The left side is a variable, or arithmetic with one; a function's value is compared as `$rc`. */
function compileLeft(compilation: Compilation, expression: Binary): Reader {
  const { left, operator } = expression;
  if (left.kind === 'call')
    compilation.complain(operator, 'a call cannot be compared: call it first, then compare $rc');
  if (left.kind === 'string' || left.kind === 'null')
    compilation.complain(operator, 'the left side of a comparison must be a variable');
  return compileValue(compilation, left);
}

function compilePattern(compilation: Compilation, text: string, expression: Binary): RegExp {
  const pattern = posixExpression(text);
  if (pattern !== null) return pattern;
  compilation.complain(expression.operator, `"${text}" is no regular expression`);
  return /$^/;
}

function compileComparison(compilation: Compilation, expression: Binary): Test {
  const left = compileLeft(compilation, expression);
  const operator = expression.operator.text;
  const { right } = expression;
  const isEquality = operator === '==' || operator === '!=';
  if (isEquality && right.kind === 'null') {
    return operator === '==' ? (frame) => left(frame) === null : (frame) => left(frame) !== null;
  }
  if (isEquality && right.kind === 'address')
    return compileAddressTest(left, right.token.text, operator === '!=');
  if (!isEquality && (right.kind === 'null' || right.kind === 'address'))
    compilation.complain(expression.operator, `${right.token.text} can only be compared with == and !=`);
  if (right.kind === 'number') return numberComparison(left, operator, Number(right.token.text));
  if (right.kind === 'string' && isEquality && !right.token.text.includes('$')) {
    const wanted = right.token.text.toLowerCase();
    const same = operator === '==';
    return (frame) => {
      const value = left(frame);
      return value === null ? !same : (String(value).toLowerCase() === wanted) === same;
    };
  }
  const other = compileValue(compilation, right);
  return (frame) => compareValues(left(frame), other(frame), operator);
}

/** An integer literal beside a text that is no number: the condition is false, for == and != alike. */
function numberComparison(left: Reader, operator: string, wanted: number): Test {
  return (frame) => {
    const value = left(frame);
    if (value === null) return operator === '!=';
    const number = typeof value === 'number' ? value : /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
    return Number.isNaN(number) ? false : compareNumbers(number, wanted, operator);
  };
}

function compareNumbers(a: number, b: number, operator: string): boolean {
  switch (operator) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '>':
      return a > b;
    case '<=':
      return a <= b;
    default:
      return a >= b;
  }
}

/** Texts are compared without regard to case; NULL equals NULL, and is neither less nor more than anything. */
function compareValues(a: Value, b: Value, operator: string): boolean {
  if (a === null || b === null) {
    if (operator === '==') return a === b;
    return operator === '!=' ? a !== b : false;
  }
  if (typeof a === 'number' && typeof b === 'number') return compareNumbers(a, b, operator);
  const left = String(a).toLowerCase();
  const right = String(b).toLowerCase();
  return compareNumbers(left < right ? -1 : left > right ? 1 : 0, 0, operator);
}

function compileAddressTest(left: Reader, text: string, negated: boolean): Test {
  const network = parseNetwork(text);
  return (frame) => {
    const value = left(frame);
    const address = value === null ? null : parseIp(String(value));
    const isInside = address !== null && network !== null && isInNetwork(address, network);
    return isInside !== negated;
  };
}

export function compileValue(compilation: Compilation, expression: Expression): Reader {
  switch (expression.kind) {
    case 'number': {
      const number = Number(expression.token.text) | 0;
      return () => number;
    }
    case 'string':
      return compileFormat(compilation, expression.token, expression.token.text);
    case 'address': {
      const { text } = expression.token;
      return () => text;
    }
    case 'null':
      return () => null;
    case 'variable':
      return compileVariable(compilation, expression.token, expression.token.text).read;
    case 'group':
      return compileValue(compilation, expression.operand);
    case 'complement': {
      const operand = compileValue(compilation, expression.operand);
      return (frame) => ~Number(operand(frame) ?? 0);
    }
    case 'call': {
      const call = callCompiler.compile(compilation, expression.call);
      return (frame) => call(frame);
    }
    case 'binary':
      return compileBinaryValue(compilation, expression);
    default: {
      const test = compileTest(compilation, expression);
      return (frame) => (test(frame) ? 1 : 0);
    }
  }
}

function compileBinaryValue(compilation: Compilation, expression: Binary): Reader {
  const operator = expression.operator.text;
  if (!['+', '-', '*', '/', '%', '|', '&', '^', '<<', '>>'].includes(operator)) {
    const test = compileBinaryTest(compilation, expression);
    return (frame) => (test(frame) ? 1 : 0);
  }
  const left = compileValue(compilation, expression.left);
  const right = compileValue(compilation, expression.right);
  // Beside a literal number + adds; beside a text it joins.
  if (operator === '+' && (expression.left.kind === 'number' || expression.right.kind === 'number'))
    return (frame) => add(left(frame), right(frame));
  return (frame) => calculate(left(frame), right(frame), operator);
}

/** Texts must be numbers here. */
function add(a: Value, b: Value): Value {
  const sum = Number(a ?? 0) + Number(b ?? 0);
  return Number.isNaN(sum) || a === '' || b === '' ? null : sum | 0;
}

/** 32-bit signed, wrapping; division by 0 and arithmetic with texts give NULL; + joins texts. */
export function calculate(a: Value, b: Value, operator: string): Value {
  if (operator === '+' && (typeof a === 'string' || typeof b === 'string')) return textOf(a) + textOf(b);
  const x = Number(a ?? 0);
  const y = Number(b ?? 0);
  if (Number.isNaN(x) || Number.isNaN(y)) return null;
  switch (operator) {
    case '+':
      return (x + y) | 0;
    case '-':
      return (x - y) | 0;
    case '*':
      return Math.imul(x, y);
    case '/':
      return y === 0 ? null : (x / y) | 0;
    case '%':
      return y === 0 ? null : (x % y) | 0;
    case '|':
      return x | y;
    case '&':
      return x & y;
    case '^':
      return x ^ y;
    case '<<':
      return x << y;
    default:
      return x >> y;
  }
}

type Assignment = Pick<Extract<Expression, { kind: 'assign' }>, 'target' | 'operator' | 'value'>;

export function compileAssignment(
  compilation: Compilation,
  assignment: Assignment,
): (frame: ScriptFrame) => void {
  const { target, operator } = assignment;
  const access = compileVariable(compilation, target, target.text);
  const value = compileValue(compilation, assignment.value);
  const { write } = access;
  if (write === null) {
    if (access !== unknownVariable) compilation.complain(target, `${target.text} cannot be assigned to`);
    return () => {};
  }
  if (operator.text === '=' || operator.text === ':=') {
    const replace = operator.text === ':=';
    return (frame) => write(frame, value(frame), replace);
  }
  const operation = operator.text.slice(0, -1);
  return (frame) => write(frame, calculate(access.read(frame), value(frame), operation), true);
}
