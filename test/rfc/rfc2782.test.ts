/** RFC 2782: priorities, and the weighted lot among equals, with fixed randomness. */

import { describe, expect, it } from 'vitest';
import { orderServices } from '#sip/service-order.ts';

const record = (name: string, priority: number, weight: number) => ({ name, priority, weight, port: 5060 });
const names = (records: readonly { name: string }[]): string => records.map(({ name }) => name).join('');

describe('RFC 2782 order of servers', () => {
  it('has lower priorities first, whatever the weights', () => {
    const records = [record('c', 3, 1), record('a', 1, 0), record('b', 2, 9)];
    expect(names(orderServices(records, () => 0.999))).toBe('abc');
  });

  it('draws the first whose running sum reaches the number drawn', () => {
    const records = [record('a', 1, 10), record('b', 1, 30), record('c', 1, 60)];
    const drawn = (lot: number): string => names(orderServices(records, () => lot))[0]!;
    // From 0 to 100, both included: 0–10 a, 11–40 b, 41–100 c.
    expect([0, 10 / 101, 11.5 / 101, 40.5 / 101, 41.5 / 101, 0.9999].map(drawn).join('')).toBe('aabbcc');
  });

  it('draws those of weight 0 but rarely, and leaves nobody out', () => {
    const records = [record('b', 1, 99), record('a', 1, 0)];
    expect(names(orderServices(records, () => 0))).toBe('ab');
    expect(names(orderServices(records, () => 0.011))).toBe('ba');
  });

  it('draws each as often as its weight says', () => {
    const records = [record('a', 1, 25), record('b', 1, 75)];
    const lots = Array.from({ length: 1000 }, (_, index) => index / 1000);
    const first = lots.filter((lot) => names(orderServices(records, () => lot)) === 'ba').length;
    // 75 of the 101 numbers that can be drawn.
    expect(first).toBeGreaterThan(735);
    expect(first).toBeLessThan(750);
  });
});
