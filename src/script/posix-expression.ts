/**
 * POSIX extended regular expressions, as scripts write them, in JavaScript's syntax: bracket expressions have no
 * escapes but have classes, and a `]` may stand first in them. Case never counts. GNU's `\<` and `\>` are word ends.
 */

const classes: Readonly<Record<string, string>> = {
  alpha: 'a-zA-Z',
  digit: '0-9',
  alnum: 'a-zA-Z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  space: '\\s',
  blank: ' \\t',
  cntrl: '\\x00-\\x1f\\x7f',
  graph: '!-~',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  xdigit: '0-9A-Fa-f',
};

/** Null when the text is no regular expression. */
export function posixExpression(text: string): RegExp | null {
  try {
    return new RegExp(translate(text), 'i');
  } catch {
    return null;
  }
}

function translate(text: string): string {
  if (!text.includes('[') && !text.includes('\\')) return text;
  let result = '';
  for (let at = 0; at < text.length; ) {
    const character = text[at]!;
    if (character === '\\') {
      const next = text[at + 1] ?? '';
      result += next === '<' || next === '>' ? '\\b' : character + next;
      at += 2;
    } else if (character === '[') {
      const end = bracketEnd(text, at);
      // Without its end JavaScript complains, which is what we want.
      result += end === -1 ? text.slice(at) : bracket(text.slice(at + 1, end));
      at = end === -1 ? text.length : end + 1;
    } else {
      result += character;
      at++;
    }
  }
  return result;
}

/** Offset of the `]` that ends the bracket expression at `start`; -1 without one. */
function bracketEnd(text: string, start: number): number {
  let at = start + 1;
  if (text[at] === '^') at++;
  if (text[at] === ']') at++;
  for (; at < text.length; at++) {
    if (text[at] === '[' && text[at + 1] === ':') {
      const close = text.indexOf(':]', at + 2);
      if (close !== -1) at = close + 1;
    } else if (text[at] === '\\' && text[at + 1] === ']' && text.includes(']', at + 2)) {
      // POSIX ends the brackets here; everybody who writes \] means the bracket itself.
      at++;
    } else if (text[at] === ']') return at;
  }
  return -1;
}

/** What stands between the brackets. A backslash is itself, but before what JavaScript would read otherwise. */
function bracket(inside: string): string {
  const negated = inside.startsWith('^');
  const content = (negated ? inside.slice(1) : inside)
    .replace(/\\(?![\]\\dDsSwW.+*?/()-])/g, '\\\\')
    .replace(/\[:([a-z]+):\]|\[/g, (all, name: string | undefined) =>
      name === undefined ? '\\[' : (classes[name] ?? all),
    )
    .replace(/^\]/, '\\]');
  return `[${negated ? '^' : ''}${content}]`;
}

/** For patterns out of variables: compiled anew only when the text changes. */
export function cachedPattern(): (text: string) => RegExp | null {
  let last = '';
  let pattern: RegExp | null = null;
  return (text) => {
    if (text !== last || pattern === null) {
      last = text;
      pattern = posixExpression(text);
    }
    return pattern;
  };
}
