/** The tokens of a script one after the other, and what all parsers do with them. */

import { type Diagnostic, diagnostic } from '#script/diagnostic.ts';
import { lastLineOf, missingQuote, positionOf, type Token } from '#script/scanner.ts';

/** A mistake in the script; thrown only inside the parser, which is never on the path of a message. */
export class SyntaxProblem extends Error {
  readonly token: Token;

  constructor(token: Token, cause: string) {
    super(cause);
    this.token = token;
  }
}

/** Thrown when what follows is read wrongly from here on, so that no further complaint would be of use. */
export class HopelessScript extends Error {}

const booleans: Readonly<Record<string, number>> = {
  yes: 1,
  true: 1,
  on: 1,
  enable: 1,
  no: 0,
  false: 0,
  off: 0,
  disable: 0,
};

/** Null when the word is none. Any case is accepted. */
export function booleanWord(word: string): number | null {
  return booleans[word.toLowerCase()] ?? null;
}

/** Decimal, 0x hex, 0 octal. */
export function numberOf(text: string): number {
  if (/^0[0-7]+$/.test(text)) return Number.parseInt(text, 8);
  return Number(text);
}

export interface TokenStream {
  peek(ahead?: number): Token;
  next(): Token;
  /** The token taken last. */
  previous(): Token;
  /** Takes the symbol or word if it is next. */
  take(text: string): boolean;
  expect(text: string): Token;
  expectKind(kind: Token['kind'], what: string): Token;
  /** A number with its sign, or a boolean word; null when something else is next. */
  signedNumber(): number | null;
  /** The text behind `after` up to the end of its line, comments left out; its tokens are skipped. */
  restOfLine(after: Token): string;
  /** Throws {@link HopelessScript} when a quote seems to be missing. */
  report(problem: SyntaxProblem): void;
  /** Skips to where the next top-level item seems to begin. */
  recoverItem(keywords: readonly string[]): void;
  /** Skips behind the next `;` or the next block, or to the `}` around. */
  recoverStatement(): void;
}

export function tokenStream(tokens: readonly Token[], diagnostics: Diagnostic[]): TokenStream {
  return new Stream(tokens, diagnostics);
}

class Stream implements TokenStream {
  readonly #tokens: readonly Token[];
  readonly #diagnostics: Diagnostic[];
  #at = 0;

  constructor(tokens: readonly Token[], diagnostics: Diagnostic[]) {
    this.#tokens = tokens;
    this.#diagnostics = diagnostics;
  }

  peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]!;
  }

  next(): Token {
    const token = this.peek();
    if (this.#at < this.#tokens.length - 1) this.#at++;
    return token;
  }

  previous(): Token {
    return this.#tokens[Math.max(0, this.#at - 1)]!;
  }

  take(text: string): boolean {
    const token = this.peek();
    if (token.text !== text || (token.kind !== 'symbol' && token.kind !== 'identifier')) return false;
    this.next();
    return true;
  }

  expect(text: string): Token {
    const token = this.peek();
    if (token.text !== text || (token.kind !== 'symbol' && token.kind !== 'identifier')) {
      throw new SyntaxProblem(token, `"${text}" is expected here, not ${describe(token)}`);
    }
    return this.next();
  }

  expectKind(kind: Token['kind'], what: string): Token {
    const token = this.peek();
    if (token.kind !== kind)
      throw new SyntaxProblem(token, `${what} is expected here, not ${describe(token)}`);
    return this.next();
  }

  signedNumber(): number | null {
    const token = this.peek();
    const sign = token.kind === 'symbol' && (token.text === '-' || token.text === '+') ? token.text : '';
    const digits = this.peek(sign === '' ? 0 : 1);
    if (digits.kind === 'number') {
      if (sign !== '') this.next();
      this.next();
      return sign === '-' ? -numberOf(digits.text) : numberOf(digits.text);
    }
    const word = token.kind === 'identifier' ? booleanWord(token.text) : null;
    if (word !== null) this.next();
    return word;
  }

  restOfLine(after: Token): string {
    const { source } = after;
    let end = source.text.indexOf('\n', after.end);
    if (end === -1) end = source.text.length;
    // A definition in braces goes on to their end.
    const brace = source.text.indexOf('{', after.end);
    if (brace !== -1 && brace < end) end = source.text.indexOf('}', brace) + 1 || source.text.length;
    while (this.peek().kind !== 'end' && this.peek().source === source && this.peek().start < end)
      this.next();
    const line = source.text.slice(after.end, end);
    return line.replace(/#.*$/gm, '').replace(/;\s*$/, '').trim();
  }

  report(problem: SyntaxProblem): void {
    const long = this.#longString(problem.token);
    if (long !== undefined) {
      this.#diagnostics.push(diagnostic(positionOf(long), missingQuote(long)));
      throw new HopelessScript();
    }
    this.#diagnostics.push(diagnostic(positionOf(problem.token), problem.message));
  }

  /** A string over several lines just before the problem or on its line. */
  #longString(problem: Token): Token | undefined {
    const line = positionOf(problem).line;
    const near = [this.previous(), problem];
    for (
      let ahead = 0;
      this.peek(ahead).kind !== 'end' && positionOf(this.peek(ahead)).line === line;
      ahead++
    )
      near.push(this.peek(ahead));
    return near.find((token) => lastLineOf(token) > 0);
  }

  recoverItem(keywords: readonly string[]): void {
    if (this.peek().kind !== 'end') this.next();
    let depth = 0;
    while (this.peek().kind !== 'end') {
      const { text, kind } = this.peek();
      if (kind === 'symbol' && text === '{') depth++;
      if (kind === 'symbol' && text === '}') depth = Math.max(0, depth - 1);
      const isLineStart = this.peek().source.position(this.peek().start).column === 1;
      if (depth === 0 && kind === 'identifier' && (isLineStart || keywords.includes(text))) return;
      this.next();
    }
  }

  recoverStatement(): void {
    let depth = 0;
    while (this.peek().kind !== 'end') {
      const { text, kind } = this.peek();
      if (kind === 'symbol' && text === '}' && depth === 0) return;
      this.next();
      if (kind !== 'symbol') continue;
      if (text === '{') depth++;
      else if (text === '}' && --depth === 0) return;
      else if (text === ';' && depth === 0) return;
    }
  }
}

function describe(token: Token): string {
  if (token.kind === 'end') return 'the end of the script';
  return token.kind === 'string' ? 'a string' : `"${token.text}"`;
}
