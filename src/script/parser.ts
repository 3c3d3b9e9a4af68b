/** Tokens to a syntax tree. After a mistake it goes on behind the next `;` or `}`, to find all of them in one go. */

import { type Diagnostic, diagnostic } from '#script/diagnostic.ts';
import { endlessString, positionOf, Source, scan, type Token } from '#script/scanner.ts';
import { StatementParser } from '#script/statement-parser.ts';
import type { GlobalAssignment, LoadModule, RouteBlock, Script, SetParameter } from '#script/syntax.ts';
import { HopelessScript, SyntaxProblem, type TokenStream, tokenStream } from '#script/token-stream.ts';

export const routeKeywords = [
  'route',
  'branch_route',
  'failure_route',
  'onreply_route',
  'error_route',
  'local_route',
  'startup_route',
  'timer_route',
  'event_route',
] as const;

/** The others may stand without a name, or must. */
const namedRoutes = ['branch_route', 'failure_route', 'event_route'];

/** Their value is the rest of the line: it holds colons, dots and blanks of its own. */
const lineGlobals = [
  'socket',
  'listen',
  'alias',
  'bin_listen',
  'dst_blacklist',
  'auto_scaling_profile',
  'bond',
  'advertised_address',
  'mem-group',
  'tcp_no_new_conn_bflag',
  'tcp_no_new_conn_rplflag',
];

/** Includes inside includes: deeper is a circle. */
const includeDepthMax = 50;

export interface ParseInput {
  readonly path: string;
  readonly text: string;
  /** Text of an included file; throws when it cannot be read. */
  readFile(path: string): string;
}

/** Null when a missing quote turns all that follows inside out: nothing but the complaints so far is of use then. */
export function parseScript(input: ParseInput, diagnostics: Diagnostic[]): Script | null {
  const tokens = expand(new Source(input.path, input.text), input, diagnostics, 0);
  if (diagnostics.some(({ cause }) => cause === endlessString)) return null;
  try {
    return new ScriptParser(tokenStream(tokens, diagnostics)).parse();
  } catch (problem) {
    if (problem instanceof HopelessScript) return null;
    throw problem;
  }
}

/** The tokens of a file with those of its includes in their places. */
function expand(source: Source, input: ParseInput, diagnostics: Diagnostic[], depth: number): Token[] {
  const own = scan(source, diagnostics);
  const result: Token[] = [];
  for (let index = 0; index < own.length; index++) {
    const token = own[index]!;
    const isInclude = token.text === 'include_file' || token.text === 'import_file';
    const next = own[index + 1];
    if (token.kind !== 'identifier' || !isInclude || next?.kind !== 'string') {
      result.push(token);
      continue;
    }
    index++;
    const included = readIncluded(next, input, diagnostics, depth);
    if (included !== null) result.push(...expand(included, input, diagnostics, depth + 1).slice(0, -1));
  }
  return result;
}

function readIncluded(
  path: Token,
  input: ParseInput,
  diagnostics: Diagnostic[],
  depth: number,
): Source | null {
  if (depth >= includeDepthMax) {
    diagnostics.push(diagnostic(positionOf(path), `includes are nested more than ${includeDepthMax} deep`));
    return null;
  }
  const folder = path.source.file.slice(0, path.source.file.lastIndexOf('/') + 1);
  for (const candidate of [path.text, folder + path.text]) {
    try {
      return new Source(candidate, input.readFile(candidate));
    } catch {
      // The other place is tried before anybody complains.
    }
  }
  diagnostics.push(diagnostic(positionOf(path), `the file "${path.text}" cannot be read`));
  return null;
}

class ScriptParser {
  readonly #tokens: TokenStream;
  readonly #globals: GlobalAssignment[] = [];
  readonly #steps: (LoadModule | SetParameter)[] = [];
  readonly #routes: RouteBlock[] = [];

  constructor(tokens: TokenStream) {
    this.#tokens = tokens;
  }

  parse(): Script {
    while (this.#tokens.peek().kind !== 'end') {
      try {
        this.#item();
      } catch (problem) {
        if (!(problem instanceof SyntaxProblem)) throw problem;
        this.#tokens.report(problem);
        this.#tokens.recoverItem([...routeKeywords, 'loadmodule', 'modparam']);
      }
    }
    return { globals: this.#globals, steps: this.#steps, routes: this.#routes };
  }

  #item(): void {
    const tokens = this.#tokens;
    if (tokens.take(';')) return;
    const first = tokens.peek();
    if (first.kind !== 'identifier') throw new SyntaxProblem(first, `"${first.text}" cannot stand here`);
    if (first.text === 'loadmodule') this.#loadModule();
    else if (first.text === 'modparam') this.#setParameter();
    else if ((routeKeywords as readonly string[]).includes(first.text)) this.#routes.push(this.#route());
    else this.#global();
  }

  #loadModule(): void {
    this.#tokens.next();
    const at = this.#tokens.expectKind('string', 'the name of a module');
    this.#steps.push({ kind: 'load', at, name: at.text });
  }

  #setParameter(): void {
    const tokens = this.#tokens;
    tokens.next();
    tokens.expect('(');
    const modules = tokens.expectKind('string', 'the name of a module');
    tokens.expect(',');
    const name = tokens.expectKind('string', 'the name of a parameter');
    tokens.expect(',');
    const valueAt = tokens.peek();
    const value = this.#parameterValue();
    tokens.expect(')');
    this.#steps.push({ kind: 'parameter', modules, name, value, valueAt });
  }

  #parameterValue(): string | number {
    const tokens = this.#tokens;
    if (tokens.peek().kind === 'string') {
      let text = tokens.next().text;
      while (tokens.peek().kind === 'string') text += tokens.next().text;
      return text;
    }
    const number = tokens.signedNumber();
    if (number !== null) return number;
    throw new SyntaxProblem(tokens.peek(), 'a parameter is a string or a number');
  }

  #global(): void {
    const tokens = this.#tokens;
    let name = tokens.next();
    // The one name with a hyphen.
    if (name.text === 'mem' && tokens.take('-')) name = { ...tokens.expect('group'), text: 'mem-group' };
    const equals = tokens.expect('=');
    const at = tokens.peek();
    if (lineGlobals.includes(name.text)) {
      const value = tokens.restOfLine(equals);
      if (value === '') throw new SyntaxProblem(name, `${name.text} needs a value`);
      this.#globals.push({ name, at, value, number: null });
      return;
    }
    const number = tokens.signedNumber();
    if (number !== null) {
      this.#globals.push({ name, at, value: String(number), number });
      return;
    }
    const token = tokens.next();
    if (token.kind === 'symbol' || token.kind === 'end')
      throw new SyntaxProblem(token, `${name.text} needs a value`);
    this.#globals.push({ name, at, value: token.text, number: null });
  }

  #route(): RouteBlock {
    const tokens = this.#tokens;
    const at = tokens.next();
    let name = '';
    let interval = 0;
    if (tokens.take('[')) {
      const label = tokens.next();
      if (label.kind === 'symbol' || label.kind === 'end')
        throw new SyntaxProblem(label, 'a route needs a name here');
      name = label.text;
      if (tokens.take(',')) interval = this.#interval(at);
      tokens.expect(']');
    }
    if (at.text === 'timer_route' && interval <= 0)
      tokens.report(new SyntaxProblem(at, 'timer_route needs a name and seconds: timer_route[name, 30]'));
    else if (namedRoutes.includes(at.text) && name === '')
      tokens.report(new SyntaxProblem(at, `${at.text} needs a name: ${at.text}[name]`));
    // route[0] is the main route.
    if (at.text === 'route' && name === '0') name = '';
    const open = tokens.expect('{');
    const body = new StatementParser(tokens).body();
    if (body.length === 0) tokens.report(new SyntaxProblem(open, `${at.text} is empty`));
    return { at, kind: at.text, name, interval, body };
  }

  /** Seconds of a timer route; `sync` or `async` of an event route (OpenSIPS 2.x). */
  #interval(at: Token): number {
    const token = this.#tokens.next();
    if (at.text === 'timer_route' && token.kind === 'number') return Number(token.text);
    if (at.text === 'event_route' && token.kind === 'identifier') return 0;
    throw new SyntaxProblem(
      token,
      at.text === 'timer_route' ? 'seconds are expected' : 'only a name stands here',
    );
  }
}
