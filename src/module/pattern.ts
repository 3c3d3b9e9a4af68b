/** Regular expressions in module parameters: the same POSIX syntax, ignoring case, as those in the script's text. */

import { posixExpression } from '#script/posix-expression.ts';

/** Null when the text is no regular expression. */
export function compilePattern(text: string): RegExp | null {
  return posixExpression(text);
}
