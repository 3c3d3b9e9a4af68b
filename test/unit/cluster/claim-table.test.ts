import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClaimTable } from '#cluster/claim-table.ts';

interface Expected {
  readonly node: number;
  readonly until: number;
}

const claim = (node: number, lifetimeMilliseconds: number): Parameters<ClaimTable['put']>[3] => ({
  node,
  incarnation: 1,
  lifetimeMilliseconds,
  key: `key of ${node}`,
});

describe('the claim table', () => {
  const action = fc.record({
    kind: fc.constantFrom('put', 'put', 'put', 'remove', 'wait'),
    high: fc.nat(3),
    low: fc.constantFrom(0, 1, 5, 1029, 0xffff_ffff),
    node: fc.integer({ min: 1, max: 3 }),
    time: fc.integer({ min: 1, max: 900_000 }),
  });

  it('holds what a plain map would, for as long as it lives and at most a second longer', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const table = new ClaimTable(1000);
        const model = new Map<string, Expected>();
        let now = 12_345;
        for (const { kind, high, low, node, time } of actions) {
          const name = `${high} ${low}`;
          if (kind === 'wait') now += Math.ceil(time / 10);
          if (kind === 'put') {
            table.put(now, high, low, claim(node, time));
            model.set(name, { node, until: now + time });
          }
          if (kind === 'remove') {
            const index = table.find(now, high, low);
            if (index !== -1) table.remove(index);
            model.delete(name);
          }
          for (const [key, { node: owner, until }] of model) {
            const [keyHigh, keyLow] = key.split(' ').map(Number) as [number, number];
            const index = table.find(now, keyHigh, keyLow);
            if (now <= until) expect(index === -1 ? -1 : table.node(index)).toBe(owner);
            if (now > until + 1000) expect(index).toBe(-1);
          }
        }
        const alive = [...model.values()].filter(({ until }) => now <= until).length;
        expect(table.size).toBeGreaterThanOrEqual(alive);
        expect(table.size).toBeLessThanOrEqual(model.size);
      }),
    );
  });

  it('grows, empties itself by time, and lists what belongs to a node', () => {
    const table = new ClaimTable(100_000);
    for (let index = 0; index < 50_000; index++) {
      table.put(0, index * 7, index, claim(1 + (index % 2), 1000 * (1 + (index % 100))));
    }
    expect(table.size).toBe(50_000);
    for (let index = 0; index < 50_000; index += 997) expect(table.find(0, index * 7, index)).not.toBe(-1);
    let listed = 0;
    table.eachOf(500, 2, (_high, low, lifetime) => {
      listed++;
      expect(low % 2).toBe(1);
      expect(lifetime).toBe(1000 * (1 + (low % 100)) - 500);
    });
    expect(listed).toBe(25_000);
    table.expire(51_000);
    expect(table.size).toBe(24_500);
    table.expire(10_000_000);
    expect(table.size).toBe(0);
    table.eachOf(10_000_000, 2, () => expect.unreachable());
  });

  it('is bounded: what ends first makes room, and is counted', () => {
    const table = new ClaimTable(10);
    for (let index = 0; index < 12; index++) table.put(0, 0, index, claim(1, 60_000 - index * 1000));
    expect(table.size).toBe(10);
    expect(table.evicted).toBe(2);
    expect(table.find(0, 0, 0)).not.toBe(-1);
    expect(table.find(0, 0, 9)).toBe(-1);
  });

  it('caps a lifetime that is longer than its wheel', () => {
    const table = new ClaimTable(10);
    table.put(0, 1, 1, claim(1, 10_000_000));
    expect(table.find(1_020_000, 1, 1)).not.toBe(-1);
    expect(table.find(1_024_000, 1, 1)).toBe(-1);
  });

  it('knows the key of a claim until it goes', () => {
    const table = new ClaimTable(10);
    table.put(0, 1, 1, claim(3, 5000));
    expect(table.key(table.find(0, 1, 1))).toBe('key of 3');
    expect(table.incarnation(table.find(0, 1, 1))).toBe(1);
  });
});
