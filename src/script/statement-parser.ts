/** Statements and expressions of a route, with OpenSIPS's odd precedences: `||` and `&&` are one level, so are + and *. */

import type { Token } from '#script/scanner.ts';
import type { Argument, Call, Expression, OldComparison, Statement, SwitchCase } from '#script/syntax.ts';
import { booleanWord, SyntaxProblem, type TokenStream } from '#script/token-stream.ts';

const assignments = ['=', ':=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^='];
const comparisons = ['==', '!=', '<', '>', '<=', '>=', '=~', '!~'];
const bitOperators = ['|', '&', '^', '<<', '>>'];
const arithmetic = ['+', '-', '*', '/', '%'];

export class StatementParser {
  readonly #tokens: TokenStream;

  constructor(tokens: TokenStream) {
    this.#tokens = tokens;
  }

  /** Statements up to and with the closing brace. */
  body(): Statement[] {
    const statements: Statement[] = [];
    while (!this.#tokens.take('}')) {
      if (this.#tokens.peek().kind === 'end') {
        this.#tokens.report(new SyntaxProblem(this.#tokens.peek(), 'a "}" is missing'));
        return statements;
      }
      try {
        const statement = this.#statement();
        if (statement !== null) statements.push(statement);
      } catch (problem) {
        if (!(problem instanceof SyntaxProblem)) throw problem;
        this.#tokens.report(problem);
        this.#tokens.recoverStatement();
        // The if that it belonged to was skipped.
        this.#tokens.take('else');
      }
    }
    return statements;
  }

  /** Null for an empty statement. */
  #statement(): Statement | null {
    const tokens = this.#tokens;
    const first = tokens.peek();
    if (tokens.take(';')) return null;
    if (tokens.take('{')) return { kind: 'block', body: this.body() };
    if (first.kind === 'variable') return this.#assignment();
    if (first.kind !== 'identifier')
      throw new SyntaxProblem(first, `a statement cannot begin with "${first.text}"`);
    switch (first.text) {
      case 'if':
        return this.#if();
      case 'while':
        return this.#while();
      case 'for':
        return this.#for();
      case 'switch':
        return this.#switch();
      default:
        return this.#action(first);
    }
  }

  #action(first: Token): Statement {
    let statement: Statement;
    switch (first.text) {
      case 'exit':
      case 'drop':
      case 'break':
      case 'esac':
        this.#tokens.next();
        this.#emptyParentheses();
        statement = { kind: first.text === 'esac' ? 'break' : first.text, at: first };
        break;
      case 'return':
        statement = this.#return();
        break;
      case 'async':
      case 'launch':
        statement = this.#detached(first.text);
        break;
      case 'assert':
        statement = this.#assert();
        break;
      default:
        statement = { kind: 'call', call: this.#call() };
    }
    this.#semicolon();
    return statement;
  }

  /** A forgotten one at the end of a line is reported there, and the next line is read as usual. */
  #semicolon(): void {
    const tokens = this.#tokens;
    if (tokens.take(';')) return;
    const last = tokens.previous();
    const next = tokens.peek();
    const between = last.source === next.source ? last.source.text.slice(last.end, next.start) : '\n';
    if (!between.includes('\n') && next.text !== '}') tokens.expect(';');
    tokens.report(new SyntaxProblem({ ...last, start: last.end }, 'a ";" is missing'));
  }

  #emptyParentheses(): void {
    if (this.#tokens.take('(')) this.#tokens.expect(')');
  }

  #assignment(): Statement {
    const target = this.#tokens.next();
    const operator = this.#tokens.next();
    if (!assignments.includes(operator.text)) {
      throw new SyntaxProblem(
        operator,
        `an assignment (=, :=, += and so on) is expected behind ${target.text}`,
      );
    }
    const value = this.#value();
    this.#semicolon();
    return { kind: 'assign', target, operator, value };
  }

  #if(): Statement {
    this.#tokens.next();
    const test = this.#condition();
    const consequence = this.#statement() ?? { kind: 'block', body: [] };
    if (!this.#tokens.take('else')) return { kind: 'if', test, consequence, otherwise: null };
    return { kind: 'if', test, consequence, otherwise: this.#statement() };
  }

  #while(): Statement {
    this.#tokens.next();
    const test = this.#condition();
    return { kind: 'while', test, body: this.#statement() ?? { kind: 'block', body: [] } };
  }

  #for(): Statement {
    const tokens = this.#tokens;
    tokens.next();
    tokens.expect('(');
    const item = tokens.expectKind('variable', 'a variable');
    tokens.expect('in');
    const list = tokens.expectKind('variable', 'a variable with [*]');
    tokens.expect(')');
    return { kind: 'for', item, list, body: this.#statement() ?? { kind: 'block', body: [] } };
  }

  #switch(): Statement {
    const tokens = this.#tokens;
    tokens.next();
    tokens.expect('(');
    const subject = tokens.expectKind('variable', 'a variable');
    tokens.expect(')');
    tokens.expect('{');
    const cases: SwitchCase[] = [];
    while (!tokens.take('}')) cases.push(this.#case());
    return { kind: 'switch', subject, cases };
  }

  #case(): SwitchCase {
    const tokens = this.#tokens;
    let label: string | number | null = null;
    const at = tokens.peek();
    if (!tokens.take('default')) {
      tokens.expect('case');
      label = tokens.signedNumber() ?? tokens.expectKind('string', 'a number or a string').text;
    }
    tokens.expect(':');
    const body: Statement[] = [];
    while (!['case', 'default', '}'].includes(tokens.peek().text) && tokens.peek().kind !== 'end') {
      const statement = this.#statement();
      if (statement !== null) body.push(statement);
    }
    return { label, at, body };
  }

  #return(): Statement {
    const tokens = this.#tokens;
    tokens.next();
    const values: Expression[] = [];
    if (tokens.take('(')) {
      while (!tokens.take(')')) {
        values.push(this.#value());
        if (tokens.peek().text !== ')') tokens.expect(',');
      }
    } else if (tokens.peek().text !== ';') values.push(this.#value());
    return { kind: 'return', values };
  }

  #detached(kind: 'async' | 'launch'): Statement {
    const tokens = this.#tokens;
    const at = tokens.next();
    tokens.expect('(');
    const call = this.#call();
    let route: Argument = null;
    let parameter: Argument = null;
    if (tokens.take(',')) route = this.#argument();
    // For async it is a time limit: the functions have their own.
    if (tokens.take(',')) parameter = this.#argument();
    tokens.expect(')');
    if (kind === 'launch') return { kind, at, call, report: route, parameter };
    if (route === null) throw new SyntaxProblem(at, 'async() needs a route to resume in');
    return { kind, at, call, resume: route };
  }

  #assert(): Statement {
    const tokens = this.#tokens;
    tokens.next();
    tokens.expect('(');
    const test = this.#logical();
    const message = tokens.take(',') ? tokens.expectKind('string', 'a message').text : 'assertion failed';
    tokens.expect(')');
    return { kind: 'assert', test, message };
  }

  // ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #call(): Call {
    const tokens = this.#tokens;
    const name = tokens.expectKind('identifier', 'a function');
    tokens.expect('(');
    const list: Argument[] = [];
    if (tokens.take(')')) return { name, arguments: list };
    for (;;) {
      list.push(this.#argument());
      if (tokens.take(')')) return { name, arguments: list };
      tokens.expect(',');
    }
  }

  /** A literal, a variable, or bare words (`udp:1.2.3.4:5060`, NAT) up to the comma; null when nothing stands there. */
  #argument(): Argument {
    const tokens = this.#tokens;
    const at = tokens.peek();
    if (at.text === ',' || at.text === ')') {
      if (at.kind === 'symbol') return null;
    }
    const isLast = [',', ')'].includes(tokens.peek(1).text) && tokens.peek(1).kind === 'symbol';
    if (at.kind === 'string') return this.#stringArgument(at);
    if (isLast && at.kind === 'variable') return { at: tokens.next(), kind: 'variable', text: at.text };
    const number = tokens.peek().kind === 'identifier' ? null : tokens.signedNumber();
    if (number !== null && [',', ')'].includes(tokens.peek().text))
      return { at, kind: 'number', text: String(number) };
    return this.#bareArgument(at);
  }

  /** Adjacent strings are one (xlog folds them, and it does no harm elsewhere). */
  #stringArgument(at: Token): Argument {
    let text = '';
    while (this.#tokens.peek().kind === 'string') text += this.#tokens.next().text;
    return { at, kind: 'string', text };
  }

  #bareArgument(at: Token): Argument {
    const tokens = this.#tokens;
    let { end } = at;
    let depth = 0;
    while (tokens.peek().kind !== 'end') {
      const { text } = tokens.peek();
      if (depth === 0 && (text === ',' || text === ')')) break;
      if (text === ';') throw new SyntaxProblem(tokens.peek(), 'a ")" is missing');
      if (text === '(') depth++;
      if (text === ')') depth--;
      end = tokens.next().end;
    }
    return { at, kind: 'bare', text: at.source.text.slice(at.start, end) };
  }

  // ── expressions ───────────────────────────────────────────────────────────────────────────────────────────────

  #condition(): Expression {
    // Without parentheses too: OpenSIPS took that until 3.0.
    return this.#logical();
  }

  #logical(): Expression {
    let left = this.#operand();
    for (;;) {
      const operator = this.#tokens.peek();
      const isLogical = ['||', '&&', 'and', 'or'].includes(operator.text);
      if (!isLogical || (operator.kind !== 'symbol' && operator.kind !== 'identifier')) return left;
      this.#tokens.next();
      left = { kind: 'binary', operator, left, right: this.#operand() };
    }
  }

  /** A comparison is one operand: `!$var(z)==1` negates the comparison. */
  #operand(): Expression {
    const tokens = this.#tokens;
    const at = tokens.peek();
    if (at.kind === 'symbol' && at.text === '!') {
      tokens.next();
      return { kind: 'not', operand: this.#operand(), at };
    }
    if (at.kind === 'identifier' && at.text === 'not') {
      tokens.next();
      return { kind: 'not', operand: this.#operand(), at };
    }
    const old = this.#oldComparison();
    if (old !== null) return old;
    const left = this.#primary();
    const operator = tokens.peek();
    if (operator.kind === 'symbol' && comparisons.includes(operator.text)) {
      tokens.next();
      return { kind: 'binary', operator, left, right: this.#arithmetic() };
    }
    if (operator.kind === 'symbol' && assignments.includes(operator.text) && left.kind === 'variable') {
      tokens.next();
      return { kind: 'assign', target: left.token, operator, value: this.#value() };
    }
    return left;
  }

  /** `msg:len >= 2048` and its like; null when something else stands here. */
  #oldComparison(): OldComparison | null {
    const tokens = this.#tokens;
    const at = tokens.peek();
    if (at.kind !== 'identifier') return null;
    const isMessageLength = at.text === 'msg' && tokens.peek(1).text === ':';
    const operator = tokens.peek(isMessageLength ? 3 : 1);
    if (operator.kind !== 'symbol' || !comparisons.includes(operator.text)) return null;
    if (booleanWord(at.text) !== null || at.text.toUpperCase() === 'NULL') return null;
    for (let count = isMessageLength ? 4 : 2; count > 0; count--) tokens.next();
    const right = tokens.next();
    if (right.kind === 'symbol' || right.kind === 'end')
      throw new SyntaxProblem(right, `"${right.text}" is no value`);
    return { kind: 'old', name: isMessageLength ? 'msg:len' : at.text, at, operator, right };
  }

  #primary(): Expression {
    const tokens = this.#tokens;
    const at = tokens.peek();
    if (tokens.take('(')) {
      const operand = this.#logical();
      tokens.expect(')');
      return { kind: 'group', operand, at };
    }
    if (tokens.take('[')) {
      const operand = this.#bits();
      tokens.expect(']');
      return operand;
    }
    return this.#arithmetic();
  }

  /** Right side of an assignment, argument of return. */
  #value(): Expression {
    return this.#bits();
  }

  #bits(): Expression {
    let left = this.#arithmetic();
    while (this.#tokens.peek().kind === 'symbol' && bitOperators.includes(this.#tokens.peek().text)) {
      const operator = this.#tokens.next();
      left = { kind: 'binary', operator, left, right: this.#arithmetic() };
    }
    return left;
  }

  #arithmetic(): Expression {
    let left = this.#term();
    while (this.#tokens.peek().kind === 'symbol' && arithmetic.includes(this.#tokens.peek().text)) {
      const operator = this.#tokens.next();
      left = { kind: 'binary', operator, left, right: this.#term() };
    }
    return left;
  }

  #term(): Expression {
    const tokens = this.#tokens;
    const at = tokens.peek();
    if (at.kind === 'symbol' && at.text === '~') {
      tokens.next();
      return { kind: 'complement', operand: this.#term(), at };
    }
    if (tokens.take('(')) {
      const operand = this.#bits();
      tokens.expect(')');
      return { kind: 'group', operand, at };
    }
    if (at.kind === 'variable' || at.kind === 'string' || at.kind === 'address') {
      return { kind: at.kind, token: tokens.next() };
    }
    const number = tokens.peek(1).text === '(' ? null : tokens.signedNumber();
    if (number !== null) return { kind: 'number', token: { ...at, text: String(number) } };
    if (at.text === 'NULL' || at.text === 'null') return { kind: 'null', token: tokens.next() };
    if (at.kind === 'identifier' && tokens.peek(1).text === '(') return { kind: 'call', call: this.#call() };
    throw new SyntaxProblem(at, `"${at.text}" is no value`);
  }
}
