import { describe, expect, it } from 'vitest';
import { KeyedHash } from '#cluster/keyed-hash.ts';
import { rank, rankByHash, rendezvousWinner } from '#cluster/ownership.ts';

/** The authors' test vectors: key 00…07, text 00, 01, 02 … of length 0 to 8, and some longer ones. */
const vectors: Readonly<Record<number, string>> = {
  0: '218d1f59b9b83cc8',
  1: 'be552412f8387315',
  2: '064f39ef7c50eb57',
  3: 'ce0f1a45f7060679',
  4: 'd5e78a175be52ea1',
  5: 'cb9d7c3f2f3db580',
  6: 'ce3e91358aa2bc25',
  7: 'ff202728b07bc684',
  8: 'edfee820bce4858c',
  17: '37adc0641c4c4f6a',
  22: 'e20103fa1ba776ef',
};

describe('the keyed hash', () => {
  it.each(Object.entries(vectors))('is HalfSipHash-2-4 (%i bytes)', (length, expected) => {
    const hash = new KeyedHash(Buffer.from([0, 1, 2, 3, 4, 5, 6, 7]));
    hash.hash(String.fromCharCode(...Array.from({ length: Number(length) }, (_, index) => index)));
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(hash.low, 0);
    bytes.writeUInt32LE(hash.high, 4);
    expect(bytes.toString('hex')).toBe(expected);
  });

  it('depends on its key', () => {
    const results = ['a', 'b'].map((fill) => {
      const hash = new KeyedHash(Buffer.alloc(8, fill));
      hash.hash('z9hG4bK77');
      return `${hash.high} ${hash.low}`;
    });
    expect(results[0]).not.toBe(results[1]);
  });
});

describe('rendezvous hashing', () => {
  const keys = Array.from({ length: 9000 }, (_, index) => `call-${index}@192.0.2.1`);

  it('spreads keys evenly over the nodes', () => {
    const counts = new Map<number, number>();
    for (const key of keys) {
      const [first] = rank(key, [1, 2, 3]);
      counts.set(first!, (counts.get(first!) ?? 0) + 1);
    }
    for (const node of [1, 2, 3]) expect(Math.abs(counts.get(node)! - 3000)).toBeLessThan(300);
  });

  it('moves only the keys of a node that leaves', () => {
    for (const key of keys.slice(0, 500)) {
      const before = rank(key, [1, 2, 3, 4, 5]);
      const after = rank(key, [5, 1, 2, 4]);
      expect(after).toEqual(before.filter((node) => node !== 3));
    }
  });

  it('has one winner for two nodes, whoever computes it', () => {
    const hash = new KeyedHash(Buffer.alloc(8, 'k'));
    let first = 0;
    for (const key of keys.slice(0, 1000)) {
      hash.hash(key);
      const winner = rendezvousWinner(hash.high, hash.low, [4, 9]);
      expect(rendezvousWinner(hash.high, hash.low, [9, 4])).toBe(winner);
      expect(rankByHash(hash.high, hash.low, [9, 4])[0]).toBe(winner);
      if (winner === 4) first++;
    }
    expect(Math.abs(first - 500)).toBeLessThan(100);
  });
});
