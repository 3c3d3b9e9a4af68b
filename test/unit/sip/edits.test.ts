import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageEdits } from '#sip/edits.ts';

const text = '0123456789';

type Step = (edits: MessageEdits) => void;
const insert =
  (offset: number, put: string): Step =>
  (edits) =>
    edits.insert(offset, put);
const remove =
  (start: number, end: number): Step =>
  (edits) =>
    edits.remove(start, end);
const replace =
  (start: number, end: number, put: string): Step =>
  (edits) =>
    edits.replace(start, end, put);
const overwrite =
  (start: number, end: number, put: string): Step =>
  (edits) =>
    edits.overwrite(start, end, put);

describe('MessageEdits', () => {
  it.each<[string, Step[], string]>([
    ['without edits gives the text back', [], text],
    ['inserts', [insert(3, 'ab')], '012ab3456789'],
    ['inserts at both ends', [insert(10, 'z'), insert(0, 'a')], 'a0123456789z'],
    ['removes', [remove(2, 5)], '0156789'],
    ['replaces', [replace(2, 5, 'x')], '01x56789'],
    ['keeps the order of inserts', [insert(1, 'a'), insert(1, 'b')], '0ab123456789'],
    ['merges removals', [remove(2, 6), remove(4, 8)], '0189'],
    ['removes the same twice', [remove(2, 4), remove(2, 4)], '01456789'],
    ['puts text before what is removed', [remove(2, 4), insert(2, 'x')], '01x456789'],
    ['overwrites a replacement', [replace(2, 4, 'a'), overwrite(2, 4, 'b')], '01b456789'],
    ['overwrites what was as it came', [overwrite(2, 4, 'b')], '01b456789'],
  ])('%s', (_name, steps, expected) => {
    const edits = new MessageEdits();
    for (const step of steps) step(edits);
    expect(edits.apply(text)).toBe(expected);
  });

  it('knows what it touches', () => {
    const edits = new MessageEdits();
    edits.replace(2, 5, '');
    expect(edits.touches(4, 9)).toBe(true);
    expect(edits.touches(5, 9)).toBe(false);
    expect(edits.touches(0, 2)).toBe(false);
    expect(edits.count).toBe(1);
  });

  it('knows what it inserts', () => {
    const edits = new MessageEdits();
    edits.insert(5, 'Max-Forwards: 70');
    expect(edits.insertsAt(5, 'Max-Forwards')).toBe(true);
    expect(edits.insertsAt(5, 'Route')).toBe(false);
    expect(edits.insertsAt(4, 'Max-Forwards')).toBe(false);
  });

  it('has copies of its own', () => {
    const edits = new MessageEdits();
    edits.insert(0, 'a');
    const copy = edits.clone();
    copy.insert(0, 'b');
    edits.insert(10, 'c');
    expect([edits.apply(text), copy.apply(text)]).toEqual(['a0123456789c', 'ab0123456789']);
  });
});

interface Change {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A text, and changes of parts of it that do not overlap: each has a range of its own. */
const changes = fc
  .array(fc.record({ kept: fc.string(), cut: fc.string({ minLength: 1 }), put: fc.string() }), {
    maxLength: 12,
  })
  .map((parts) => {
    let original = '';
    let expected = '';
    const list: Change[] = [];
    for (const { kept, cut, put } of parts) {
      const start = original.length + kept.length;
      list.push({ start, end: start + cut.length, text: put });
      original += kept + cut;
      expected += kept + put;
    }
    return { original: `${original}.`, expected: `${expected}.`, list };
  });

function apply(list: readonly Change[]): MessageEdits {
  const edits = new MessageEdits();
  for (const change of list) {
    if (change.text === '') edits.remove(change.start, change.end);
    else edits.replace(change.start, change.end, change.text);
  }
  return edits;
}

describe('the algebra of edits', () => {
  it('gives what stands between the changes as it was, and the changes', () => {
    fc.assert(
      fc.property(changes, ({ original, expected, list }) => {
        expect(apply(list).apply(original)).toBe(expected);
      }),
    );
  });

  it('does not depend on the order of changes that do not overlap', () => {
    fc.assert(
      fc.property(changes, fc.integer(), ({ original, expected, list }, seed) => {
        const shuffled = list.toSorted(
          (a, b) => ((a.start * 7919 + seed) % 101) - ((b.start * 7919 + seed) % 101),
        );
        expect(apply(shuffled).apply(original)).toBe(expected);
      }),
    );
  });

  it('applies to a part what it applies to that part of the whole', () => {
    fc.assert(
      fc.property(changes, fc.nat(), ({ original, expected, list }, number) => {
        const edits = apply(list);
        // A cut between two changes, never inside of one.
        const cuts = [0, ...list.map((change) => change.end), original.length];
        const cut = cuts[number % cuts.length]!;
        const parts = edits.apply(original, 0, cut) + edits.apply(original, cut);
        expect(parts).toBe(expected);
      }),
    );
  });

  it('never loses or doubles what nothing touched, even when removals overlap', () => {
    const range = fc.tuple(fc.nat(60), fc.nat(60)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 10 }), (ranges) => {
        const original = Array.from({ length: 61 }, (_, index) => String.fromCharCode(200 + index)).join('');
        const edits = new MessageEdits();
        for (const [start, end] of ranges) edits.remove(start, end);
        const expected = [...original].filter(
          (_, index) => !ranges.some(([start, end]) => index >= start && index < end),
        );
        expect(edits.apply(original)).toBe(expected.join(''));
      }),
    );
  });
});
