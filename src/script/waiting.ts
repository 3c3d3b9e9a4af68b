/**
 * Which parts of a script may have to wait for a function's answer (a database, a peer). Only those are compiled to
 * closures that can go on later; everything else stays as fast as it is without such functions. While one message
 * waits, others go on.
 */

import type { ScriptEnvironment } from '#script/environment.ts';
import type { Call, Expression, RouteBlock, Statement } from '#script/syntax.ts';

/** What is there at once, or later. */
export type Later<T> = T | Promise<T>;

/** Goes on with `next` at once when the value is there, so that nothing is deferred without need. */
export function whenDone<A, B>(value: Later<A>, next: (value: A) => Later<B>): Later<B> {
  return value instanceof Promise ? value.then(next) : next(value);
}

export class WaitingParts {
  readonly #environment: ScriptEnvironment;
  /** Names of the subroutes that may wait. */
  readonly #routes = new Set<string>();

  constructor(environment: ScriptEnvironment, blocks: readonly RouteBlock[]) {
    this.#environment = environment;
    const subroutes = blocks.filter((block) => block.kind === 'route');
    // A route that calls one that waits, waits too: until nothing new is found.
    for (let known = -1; known !== this.#routes.size; ) {
      known = this.#routes.size;
      for (const { name, body } of subroutes)
        if (body.some((part) => this.ofStatement(part))) this.#routes.add(name);
    }
  }

  ofStatement(statement: Statement): boolean {
    switch (statement.kind) {
      case 'block':
        return statement.body.some((part) => this.ofStatement(part));
      case 'if':
        return (
          this.ofExpression(statement.test) ||
          this.ofStatement(statement.consequence) ||
          (statement.otherwise !== null && this.ofStatement(statement.otherwise))
        );
      case 'while':
        return this.ofExpression(statement.test) || this.ofStatement(statement.body);
      case 'for':
        return this.ofStatement(statement.body);
      case 'switch':
        return statement.cases.some(({ body }) => body.some((part) => this.ofStatement(part)));
      case 'assign':
        return this.ofExpression(statement.value);
      case 'call':
        return this.ofCall(statement.call);
      case 'assert':
        return this.ofExpression(statement.test);
      case 'return':
        return statement.values.some((value) => this.ofExpression(value));
      default:
        return false;
    }
  }

  ofExpression(expression: Expression): boolean {
    switch (expression.kind) {
      case 'binary':
        return this.ofExpression(expression.left) || this.ofExpression(expression.right);
      case 'not':
      case 'complement':
      case 'group':
        return this.ofExpression(expression.operand);
      case 'assign':
        return this.ofExpression(expression.value);
      case 'call':
        return this.ofCall(expression.call);
      default:
        return false;
    }
  }

  ofCall(call: Call): boolean {
    const name = call.name.text;
    if (name !== 'route') return this.#environment.findFunction(name)?.shape.waits === true;
    const target = call.arguments[0] ?? null;
    if (target === null) return false;
    const isDynamic = target.kind === 'variable' || (target.kind === 'string' && target.text.includes('$'));
    return isDynamic ? this.#routes.size > 0 : this.#routes.has(target.text === '0' ? '' : target.text);
  }
}
