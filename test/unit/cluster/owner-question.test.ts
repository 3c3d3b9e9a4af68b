/** Who is believed when several peers answer a question for the owner of a transaction. */

import { describe, expect, it } from 'vitest';
import type { ClaimOwner } from '#cluster/claim-directory.ts';
import { holdings, OwnerQuestions } from '#cluster/owner-question.ts';
import { TimerQueue } from '#util/timer-queue.ts';

const second: ClaimOwner = { node: 2, incarnation: 5 };
const third: ClaimOwner = { node: 3, incarnation: 8 };

interface Found {
  readonly owner: ClaimOwner | null;
  readonly everyoneAnswered: boolean;
}

function ask(): { questions: OwnerQuestions; found: Found[]; timers: TimerQueue } {
  const timers = new TimerQueue();
  const questions = new OwnerQuestions(timers, { send: () => true }, 50);
  const found: Found[] = [];
  questions.ask(0, 'key', [2, 3], (owner, _now, everyoneAnswered) => found.push({ owner, everyoneAnswered }));
  return { questions, found, timers };
}

describe('a question for the owner', () => {
  it('is over with the first peer that has the transaction', () => {
    const { questions, found } = ask();
    questions.onAnswer(1, third, { id: 1, holds: holdings.transaction });
    questions.onAnswer(2, second, { id: 1, holds: holdings.nothing });
    expect(found).toEqual([{ owner: third, everyoneAnswered: true }]);
  });

  it('waits for the owner although a peer with a copy answers first', () => {
    const { questions, found } = ask();
    questions.onAnswer(1, second, { id: 1, holds: holdings.copy });
    expect(found).toEqual([]);
    questions.onAnswer(2, third, { id: 1, holds: holdings.transaction });
    expect(found).toEqual([{ owner: third, everyoneAnswered: true }]);
  });

  it('leads to the copy when the owner dies before it answers', () => {
    const { questions, found } = ask();
    questions.onAnswer(1, second, { id: 1, holds: holdings.copy });
    questions.onNodeDown(2, 3);
    expect(found).toEqual([{ owner: second, everyoneAnswered: true }]);
  });

  it('leads to the copy when the owner says nothing in time, and to nobody without one', () => {
    const withCopy = ask();
    withCopy.questions.onAnswer(1, second, { id: 1, holds: holdings.copy });
    withCopy.timers.advance(50);
    expect(withCopy.found).toEqual([{ owner: second, everyoneAnswered: false }]);
    const without = ask();
    without.questions.onAnswer(1, second, { id: 1, holds: holdings.nothing });
    without.timers.advance(50);
    expect(without.found).toEqual([{ owner: null, everyoneAnswered: false }]);
  });
});
