/**
 * `/expression/replacement/flags`, as `subst()` and `{re.subst}` take it: any character may be the divider; `\1`…`\9`
 * and `\0` in the replacement are groups and the whole match; flags are i (ignore case), g (every match), s (the dot
 * matches line ends).
 */

import { Failure } from '#util/failure.ts';

export class Substitution {
  readonly expression: RegExp;
  readonly replacement: string;

  constructor(expression: RegExp, replacement: string) {
    this.expression = expression;
    this.replacement = replacement;
  }

  /** Null when nothing matches. */
  apply(text: string): string | null {
    const { expression } = this;
    if (text.search(expression) === -1) return null;
    return text.replace(expression, (...groups: unknown[]) => {
      // Behind the groups come the offset and the whole text.
      return this.fill(
        groups.slice(
          0,
          groups.findIndex((group) => typeof group === 'number'),
        ),
      );
    });
  }

  /** The replacement with the groups of one match filled in; group 0 is the whole match. */
  fill(groups: readonly unknown[]): string {
    return this.replacement.replace(/\\(.)/g, (_all, character: string) => {
      if (character < '0' || character > '9') return controls[character] ?? character;
      const group = groups[Number(character)];
      return typeof group === 'string' ? group : '';
    });
  }
}

const controls: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t' };

/** A Failure MODULE_SUBSTITUTION_INVALID when the text has not this form or the expression cannot be compiled. */
export function parseSubstitution(text: string): Substitution | Failure {
  const divider = text.charAt(0);
  const parts = divider === '' ? [] : divide(text.slice(1), divider);
  if (parts.length !== 3 || !/^[igs]*$/.test(parts[2]!)) {
    return new Failure(
      'MODULE_SUBSTITUTION_INVALID',
      `"${text}" has not the form /expression/replacement/flags`,
    );
  }
  const [expression, replacement, flags] = parts as [string, string, string];
  const compiled = compilePosix(expression, flags);
  return compiled instanceof Failure ? compiled : new Substitution(compiled, replacement);
}

/** POSIX extended syntax; what JavaScript spells otherwise are the character classes. */
export function compilePosix(expression: string, flags: string): RegExp | Failure {
  const source = expression.replace(/\[:(\w+):\]/g, (text, name: string) => characterClasses[name] ?? text);
  try {
    return new RegExp(source, flags);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return new Failure('MODULE_EXPRESSION_INVALID', reason);
  }
}

const characterClasses: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z',
  digit: '0-9',
  alnum: 'A-Za-z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  space: '\\s',
  blank: ' \\t',
  xdigit: '0-9A-Fa-f',
  punct: '!-\\/:-@\\[-`{-~',
  print: ' -~',
  graph: '!-~',
  cntrl: '\\x00-\\x1f\\x7f',
};

/** Divides at `divider`; a backslash before it makes it an ordinary character. */
function divide(text: string, divider: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let position = 0; position < text.length; position++) {
    const character = text.charAt(position);
    if (character === '\\' && position + 1 < text.length) {
      const next = text.charAt(position + 1);
      part += next === divider ? next : character + next;
      position++;
    } else if (character === divider) {
      parts.push(part);
      part = '';
    } else part += character;
  }
  return [...parts, part];
}
