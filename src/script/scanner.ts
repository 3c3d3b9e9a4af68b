/**
 * Text to tokens: comments that nest, strings with OpenSIPS's escapes, numbers (decimal, hex, octal), `$…` variables
 * as one token each. Includes are spliced in as tokens, so every token knows its own file and line.
 */

import { type Diagnostic, diagnostic, type Position } from '#script/diagnostic.ts';

export type TokenKind = 'identifier' | 'number' | 'string' | 'variable' | 'address' | 'symbol' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Strings: the value, escapes resolved. Variables: with the `$`. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly source: Source;
}

/** One file of the script. */
export class Source {
  readonly file: string;
  readonly text: string;
  readonly #lineStarts: number[] = [0];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1))
      this.#lineStarts.push(at + 1);
  }

  position(offset: number): Position {
    let line = this.#lineStarts.findLastIndex((start) => start <= offset);
    if (line < 0) line = 0;
    const start = this.#lineStarts[line]!;
    const next = this.#lineStarts[line + 1];
    const text = this.text.slice(start, next === undefined ? undefined : next - 1).replace(/\r$/, '');
    return { file: this.file, line: line + 1, column: offset - start + 1, text };
  }
}

export function positionOf(token: Token): Position {
  return token.source.position(token.start);
}

/** Line on which a string ends that goes over several lines; 0 for all others. */
export function lastLineOf(token: Token): number {
  const { source, start, end, kind } = token;
  if (kind !== 'string' || !source.text.slice(start, end).includes('\n')) return 0;
  return source.position(end - 1).line;
}

export const endlessString = 'the string that begins here never ends';

export function missingQuote(token: Token): string {
  return `this string ends on line ${lastLineOf(token)}: is its quote missing?`;
}

/** Longest first. */
const symbols = [
  ':=',
  '+=',
  '-=',
  '*=',
  '/=',
  '%=',
  '&=',
  '|=',
  '^=',
  '==',
  '!=',
  '<=',
  '>=',
  '=~',
  '!~',
  '&&',
  '||',
  '<<',
  '>>',
];

const letter = /[A-Za-z_]/;
const hexDigit = /[0-9a-fA-F]/;
/** At least two colons: `case 1:` and `msg:len` are none. */
const ipv6 =
  /^(?:\[[0-9a-fA-F]*(?::[0-9a-fA-F.]*){2,}\]|[0-9a-fA-F]*(?::[0-9a-fA-F]*){2,}(?:\.\d+){0,3})(?:\/\d{1,3})?(?!\w)/;
/** 39 characters, brackets and a mask. */
const ipv6LengthMax = 60;
const wordPart = /[A-Za-z0-9_]/;

export function scan(source: Source, diagnostics: Diagnostic[]): Token[] {
  const scanner = new Scanner(source, diagnostics);
  return scanner.scan();
}

class Scanner {
  readonly #source: Source;
  readonly #text: string;
  readonly #diagnostics: Diagnostic[];
  readonly #tokens: Token[] = [];
  #at = 0;

  constructor(source: Source, diagnostics: Diagnostic[]) {
    this.#source = source;
    this.#text = source.text;
    this.#diagnostics = diagnostics;
  }

  scan(): Token[] {
    while (this.#skipBlanks()) this.#next();
    this.#push('end', this.#at, '');
    return this.#tokens;
  }

  /** False at the end of the text. */
  #skipBlanks(): boolean {
    const text = this.#text;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (Number.isNaN(code)) return false;
      if (code <= 32) this.#at++;
      else if (code === 35) this.#at = this.#lineEnd();
      else if (code === 47 && text[this.#at + 1] === '*') this.#skipComment();
      else return true;
    }
  }

  #lineEnd(): number {
    const end = this.#text.indexOf('\n', this.#at);
    return end === -1 ? this.#text.length : end;
  }

  #skipComment(): void {
    const start = this.#at;
    let depth = 0;
    do {
      if (this.#text.startsWith('/*', this.#at)) {
        depth++;
        this.#at += 2;
      } else if (this.#text.startsWith('*/', this.#at)) {
        depth--;
        this.#at += 2;
      } else this.#at++;
      if (this.#at >= this.#text.length && depth > 0) {
        this.#complain(start, 'the comment that begins here never ends');
        return;
      }
    } while (depth > 0);
  }

  #next(): void {
    const text = this.#text;
    const start = this.#at;
    const character = text[start]!;
    if (character === '"') this.#string();
    else if (character === "'") this.#plainString();
    else if (character === '$') this.#variable();
    else if ((character === '[' || character === ':' || hexDigit.test(character)) && this.#ipv6()) return;
    else if (/[0-9]/.test(character)) this.#numberOrAddress();
    else if (letter.test(character)) this.#word();
    else if (character === '/' && text[start + 1] === '/') {
      this.#complain(start, 'comments begin with # here, not with //');
      this.#at = this.#lineEnd();
    } else {
      const symbol = symbols.find((candidate) => text.startsWith(candidate, start)) ?? character;
      this.#push('symbol', start, symbol);
    }
  }

  /** An IPv6 address or network, bare or in brackets; false when something else stands here. */
  #ipv6(): boolean {
    const start = this.#at;
    const found = ipv6.exec(this.#text.slice(start, start + ipv6LengthMax));
    if (found === null) return false;
    this.#push('address', start, found[0]);
    return true;
  }

  #word(): void {
    const start = this.#at;
    let end = start + 1;
    while (end < this.#text.length && wordPart.test(this.#text[end]!)) end++;
    this.#push('identifier', start, this.#text.slice(start, end));
  }

  #numberOrAddress(): void {
    const start = this.#at;
    const rest = this.#text.slice(start, start + 60);
    const address = /^\d{1,3}(\.\d{1,3}){3}(\/(\d{1,3}(\.\d{1,3}){3}|\d{1,2}))?/.exec(rest);
    const word = address ?? /^(0x[0-9a-fA-F]+|\d+)/.exec(rest)!;
    this.#push(address === null ? 'number' : 'address', start, word[0]);
  }

  #string(): void {
    const start = this.#at;
    let value = '';
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at]!;
      if (character === '"') {
        this.#push('string', start, value, this.#at + 1);
        return;
      }
      value += character === '\\' ? this.#escape() : character;
    }
    this.#endless(start);
  }

  /** Often an earlier string lacks its quote and took another's: the first of several lines is named as well. */
  #endless(start: number): void {
    this.#complain(start, endlessString);
    const long = this.#tokens.find((token) => lastLineOf(token) > 0);
    if (long !== undefined) this.#complain(long.start, missingQuote(long));
  }

  /** At a backslash; leaves the place at the last character used. Unknown escapes stay as they are. */
  #escape(): string {
    const rest = this.#text.slice(this.#at + 1, this.#at + 5);
    const simple: Record<string, string> = { n: '\n', r: '\r', a: '\x07', t: '\t', '"': '"', '\\': '\\' };
    const plain = simple[rest[0] ?? ''];
    if (plain !== undefined) {
      this.#at++;
      return plain;
    }
    if (rest[0] === '\n') {
      this.#at++;
      return '';
    }
    const hex = /^x([0-9a-fA-F]{1,2})/.exec(rest);
    const octal = hex === null ? /^([0-7]{2,3})/.exec(rest) : null;
    if (hex === null && octal === null) return '\\';
    this.#at += (hex ?? octal)![0].length;
    return String.fromCharCode(
      hex === null ? Number.parseInt(octal![1]!, 8) & 255 : Number.parseInt(hex[1]!, 16),
    );
  }

  #plainString(): void {
    const start = this.#at;
    const end = this.#text.indexOf("'", start + 1);
    if (end === -1) {
      this.#endless(start);
      this.#at = this.#text.length;
      return;
    }
    this.#push('string', start, this.#text.slice(start + 1, end), end + 1);
  }

  #variable(): void {
    const start = this.#at;
    const end = variableEnd(this.#text, start);
    this.#push('variable', start, this.#text.slice(start, end));
  }

  #push(kind: TokenKind, start: number, text: string, end = start + text.length): void {
    this.#tokens.push({ kind, text, start, end, source: this.#source });
    this.#at = end;
  }

  #complain(offset: number, cause: string): void {
    this.#diagnostics.push(diagnostic(this.#source.position(offset), cause));
  }
}

/** Offset behind the variable that begins with the `$` at `start`: name, then balanced (…), or all of `$(…)`. */
export function variableEnd(text: string, start: number): number {
  let at = start + 1;
  if (text[at] !== '(') {
    while (at < text.length && isNameCharacter(text, at)) at++;
  }
  return text[at] === '(' ? balancedEnd(text, at) : at;
}

/** A dot belongs to a name only when the name goes on behind it: `$fu.` at the end of a sentence is `$fu`. */
function isNameCharacter(text: string, at: number): boolean {
  if (wordPart.test(text[at]!)) return true;
  return text[at] === '.' && at + 1 < text.length && letter.test(text[at + 1]!);
}

/** Offset behind the bracket that closes the one at `start`; the text's length when none does. */
export function balancedEnd(text: string, start: number): number {
  const open = text[start]!;
  const close = open === '(' ? ')' : open === '{' ? '}' : ']';
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === open) depth++;
    else if (text[at] === close && --depth === 0) return at + 1;
  }
  return text.length;
}
