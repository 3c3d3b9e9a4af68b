/** Every clause that the code obeys has a test that says so, and every test of a clause has its place in the code. */

import { describe, expect, it } from 'vitest';
import {
  clausesIn,
  clausesOfTests,
  collectCodeClauses,
  collectTestClauses,
  gaps,
} from '../../scripts/rfc-index.ts';
import { root } from './source-files.ts';

describe('the RFC index', () => {
  it('has no clause of the watched chapters in the code without a test, nor the reverse', () => {
    expect(gaps(collectCodeClauses(root), collectTestClauses(root))).toEqual([]);
  });

  it('would tell of either', () => {
    const code = { clause: '3261 16.7 step 5', file: 'src/a.ts' };
    const test = { clause: '3261 16.7 step 6', file: 'test/a.test.ts' };
    expect(gaps([code], [code])).toEqual([]);
    expect(gaps([code], [test])).toEqual([
      'RFC 3261 16.7 step 5 (src/a.ts) has no test: name one "RFC … clause"',
      'RFC 3261 16.7 step 6 (test/a.test.ts) has no place in src: tag the line that obeys it',
    ]);
  });
});

describe('clauses in a text', () => {
  it.each([
    ['RFC 3261 17.2.1: the last response', ['3261 17.2.1']],
    ['RFC 3261 16.6 steps 4 and 6 and RFC 3581 4.', ['3261 16.6 step 4', '3261 16.6 step 6', '3581 4']],
    ['(RFC 3261 16.4, 16.12)', ['3261 16.4', '3261 16.12']],
    ['RFC 3261 16.7 step 6/7', ['3261 16.7 step 6', '3261 16.7 step 7']],
    ['RFC 3261 17 and 64 × T1', []],
    ['RFC 6026', []],
  ])('%s', (text, clauses) => expect(clausesIn(text)).toEqual(clauses));

  it('of tests are those of the groups around them, with the step that they name', () => {
    const source = [
      "describe('RFC 3261 16.7 responses', () => {",
      "  it('step 5: a 2xx', () => {});",
      '  it.each([',
      '    [1, 2],',
      "  ])('step 6: of %j', () => {});",
      '});',
      "describe('other', () => {",
      "  it('step 9: is about nothing', () => {});",
      '});',
    ].join('\n');
    expect(clausesOfTests(source)).toEqual(['3261 16.7', '3261 16.7 step 5', '3261 16.7 step 6']);
  });
});
