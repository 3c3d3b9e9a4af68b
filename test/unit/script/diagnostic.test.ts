/** How a mistake is shown. */

import { describe, expect, it } from 'vitest';
import { diagnostic, suggestion } from '#script/diagnostic.ts';

describe('a diagnostic', () => {
  it('has place, line and caret, tabs kept so that the caret stands right', () => {
    const position = { file: 'a.cfg', line: 3, column: 8, text: '\tif (t_rely()) exit;' };
    expect(diagnostic(position, 'unknown').text).toBe('a.cfg:3:8: unknown\n\tif (t_rely()) exit;\n\t      ^');
  });
});

describe('the nearest name', () => {
  it('is one that is near', () => {
    expect(suggestion('t_rely', ['t_reply', 't_relay', 'xlog'])).toMatch(/t_rel?a?p?l?y/);
    expect(suggestion('T_RELAY', ['t_relay'])).toBe(' (did you mean "t_relay"?)');
    expect(suggestion('frobnicate', ['t_relay', 'xlog'])).toBe('');
    expect(suggestion('x', [])).toBe('');
  });
});
