import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Dueable, DueWheel } from '#dialog/due-wheel.ts';

function item(): Dueable {
  return { due: 0 };
}

describe('a due wheel', () => {
  it('gives out what is due, once', () => {
    const wheel = new DueWheel<Dueable>();
    const [early, late] = [item(), item()];
    wheel.schedule(early, 100);
    wheel.schedule(late, 102);
    expect(wheel.take(99)).toEqual([]);
    expect(wheel.take(100)).toEqual([early]);
    expect(wheel.take(101)).toEqual([]);
    expect(wheel.take(200)).toEqual([late]);
    expect(wheel.take(300)).toEqual([]);
  });

  it('moves an item that is scheduled again, and forgets one that is taken out', () => {
    const wheel = new DueWheel<Dueable>();
    const [moved, cancelled] = [item(), item()];
    wheel.schedule(moved, 100);
    wheel.schedule(moved, 105);
    wheel.schedule(cancelled, 100);
    wheel.cancel(cancelled);
    expect(wheel.take(104)).toEqual([]);
    expect(wheel.take(105)).toEqual([moved]);
  });

  it('gives out next what was due before', () => {
    const wheel = new DueWheel<Dueable>();
    wheel.take(1000);
    const past = item();
    wheel.schedule(past, 10);
    expect(wheel.take(1001)).toEqual([past]);
  });

  it('gives each item out in the first look at or after its second, however the clock moves', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 500 }), { maxLength: 50 }),
        fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 20 }),
        (seconds, steps) => {
          const wheel = new DueWheel<Dueable & { second: number }>();
          for (const second of seconds) wheel.schedule({ due: 0, second }, second);
          let now = 0;
          for (const step of steps) {
            const before = now;
            now += step;
            const taken = wheel.take(now).map(({ second }) => second);
            const expected = seconds.filter((second) => second <= now && (second > before || before === 0));
            expect(taken.sort()).toEqual(expected.sort());
          }
        },
      ),
    );
  });
});
