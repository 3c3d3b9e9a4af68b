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

it('remembers a bounded number of causes', () => {
  const limiter = new LogLimiter();
  for (let index = 0; index < 300; index++) limiter.pass(0, `cause ${index}`);
  expect(limiter.pass(1, 'cause 299')).toBeNull();
  expect(limiter.pass(1, 'cause 0')).toBe(0);
});
