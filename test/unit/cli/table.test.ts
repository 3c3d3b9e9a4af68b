import { describe, expect, it } from 'vitest';
import { cellOf, formatPairs, formatTable, formatValue } from '#cli/table.ts';

describe('formatTable', () => {
  it('aligns columns, numbers to the right, and leaves no blanks at line ends', () => {
    const text = formatTable(
      ['name', 'count', 'note'],
      [
        ['a', 5, 'x'],
        ['longer', 12345, ''],
      ],
    );
    expect(text).toBe('name    count  note\na           5  x\nlonger  12345\n');
  });

  it('is empty without rows', () => {
    expect(formatTable(['a'], [])).toBe('');
  });
});

describe('formatPairs', () => {
  it('aligns the values', () => {
    expect(
      formatPairs([
        ['tm:inuse_transactions', 3],
        ['a', 'b'],
      ]),
    ).toBe('tm:inuse_transactions  3\na                      b\n');
  });
});

describe('formatValue', () => {
  it('shows plain members first, lists of objects as tables below their name', () => {
    const value = { node: 1, nodes: [{ id: 1, state: 'up' }, { id: 2 }], state: 'ready' };
    expect(formatValue(value)).toBe('node   1\nstate  ready\n\nnodes:\n  id  state\n   1  up\n   2\n');
  });

  it('shows rows that hold lists one by one, so that nothing is left out', () => {
    expect(formatValue([{ id: 1, links: [{ to: 2 }] }])).toBe('id  1\n\nlinks:\n  to\n   2\n');
  });

  it.each([
    ['OK', 'OK\n'],
    [7, '7\n'],
    [[], '(none)\n'],
    [['a', 'b'], 'a\nb\n'],
  ])('shows %j', (value, text) => {
    expect(formatValue(value)).toBe(text);
  });
});

describe('cellOf', () => {
  it('lets no control character of a message reach the terminal', () => {
    expect(cellOf('a\u001b[2Jb\r\nc\u009b')).toBe('a?[2Jb??c?');
  });
});
