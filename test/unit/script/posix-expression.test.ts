/** POSIX patterns and what JavaScript would make of them. */

import { describe, expect, it } from 'vitest';
import { posixExpression } from '#script/posix-expression.ts';

describe('posixExpression', () => {
  it.each([
    ['^sip:', 'SIP:bob@x', true],
    ['^(4..|5..)$', '486', true],
    ['[[:digit:]]+', 'abc', false],
    ['[[:digit:]]+', 'ab1', true],
    ['^[^[:space:]@]+@', 'bob@x', true],
    ['^[]a]+$', ']a', true],
    ['^[^]]+$', 'a]', false],
    ['[a\\]b]', ']', true],
    ['^[\\.]$', '.', true],
    ['^[\\d]+$', '12', true],
    ['^[[]$', '[', true],
    ['\\<bob\\>', 'hi bob!', true],
    ['\\<bob\\>', 'bobby', false],
    ['^\\+[0-9]{3,}$', '+123', true],
    ['^1$|^2', '1', true],
  ])('%s on %s', (pattern, text, matches) => {
    expect(posixExpression(pattern)?.test(text)).toBe(matches);
  });

  it.each(['(', '[a', '*a', 'a{2,1}'])('%s is none', (pattern) => {
    expect(posixExpression(pattern)).toBeNull();
  });
});
