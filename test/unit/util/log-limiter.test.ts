import { expect, it } from 'vitest';
import { LogLimiter } from '#util/log-limiter.ts';

it('passes one line per cause in half a minute, and says how many were kept back', () => {
  const limiter = new LogLimiter();
  expect(limiter.pass(0, 'a')).toBe(0);
  expect(limiter.pass(10, 'a')).toBeNull();
  expect(limiter.pass(29_999, 'a')).toBeNull();
  expect(limiter.pass(20, 'b')).toBe(0);
  expect(limiter.pass(30_000, 'a')).toBe(2);
  expect(limiter.pass(60_000, 'a')).toBe(0);
});

it('passes a bounded number of lines for all causes together, and tells of the others later', () => {
  const limiter = new LogLimiter();
  let passed = 0;
  for (let index = 0; index < 300; index++) if (limiter.pass(index, `cause ${index}`) !== null) passed++;
  expect(passed).toBe(64);
  expect(limiter.pass(29_999, 'another')).toBeNull();
  expect(limiter.pass(30_000, 'another')).toBe(237);
  expect(limiter.pass(30_000, 'one more')).toBe(0);
});

it('forgets the oldest causes', () => {
  const limiter = new LogLimiter();
  limiter.pass(0, 'first');
  limiter.pass(1, 'first');
  for (let index = 0; index < 300; index++)
    limiter.pass(30_000 * (1 + Math.floor(index / 60)), `cause ${index}`);
  expect(limiter.pass(200_000, 'first')).toBe(0);
});
