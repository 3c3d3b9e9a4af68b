/** The location table: versions, order, expiry, counts and fingerprints. */

import { describe, expect, it } from 'vitest';
import { type Binding, bindingId, contactIdText, removalOf } from '#registrar/binding.ts';
import { bucketOf, bucketsCount, LocationTable } from '#registrar/location-table.ts';

const wall = 1_800_000_000_000;

function binding(uri: string, more: Partial<Binding> = {}): Binding {
  return {
    key: uri,
    ...bindingId('bob', uri),
    removed: false,
    uri,
    parameters: '',
    received: '',
    path: '',
    q: -1,
    callId: 'c',
    cseq: 1,
    mark: 0,
    userAgent: '',
    socket: '',
    methods: 0,
    expires: wall + 60_000,
    flags: 0,
    changed: wall,
    node: 1,
    ...more,
  };
}

const everything = { expiresAfter: 0, changedUntil: Infinity };

describe('versions', () => {
  it('the later one wins in whatever order they come, of equal times the higher node', () => {
    const versions = [
      binding('sip:a', { changed: wall, node: 2 }),
      binding('sip:a', { changed: wall + 1, node: 1 }),
      binding('sip:a', { changed: wall + 1, node: 3 }),
    ];
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [0, 2, 1],
    ]) {
      const table = new LocationTable();
      for (const index of order) table.apply('bob', versions[index]!, wall);
      expect(table.version('bob', 'sip:a')).toBe(versions[2]);
      expect(table.size).toBe(1);
    }
  });

  it('the same one twice is no change', () => {
    const table = new LocationTable();
    expect(table.apply('bob', binding('sip:a'), wall)).toBe(true);
    expect(table.apply('bob', binding('sip:a'), wall)).toBe(false);
  });

  it('that are over already are not taken, and end what they replace', () => {
    const table = new LocationTable();
    expect(table.apply('bob', binding('sip:a', { expires: wall }), wall)).toBe(false);
    table.apply('bob', binding('sip:b'), wall);
    expect(table.apply('bob', binding('sip:b', { changed: wall + 1, expires: wall }), wall)).toBe(true);
    expect([table.size, table.addresses]).toEqual([0, 0]);
  });
});

describe('lookup', () => {
  it('has the best q first, then the latest, and nothing that is over', () => {
    const table = new LocationTable();
    table.apply('bob', binding('sip:old', { q: 500, changed: wall - 5 }), wall);
    table.apply('bob', binding('sip:none'), wall);
    table.apply('bob', binding('sip:new', { q: 500 }), wall);
    table.apply('bob', binding('sip:best', { q: 1000 }), wall);
    table.apply('bob', binding('sip:over', { q: 1000, expires: wall + 5 }), wall);
    expect(table.lookup('bob', wall + 5).map((found) => found.uri)).toEqual([
      'sip:best',
      'sip:new',
      'sip:old',
      'sip:none',
    ]);
    expect(table.lookup('alice', wall)).toEqual([]);
  });
});

describe('expiry and counts', () => {
  it('sweeps a piece at a time and tells of bindings, not of removals', () => {
    const table = new LocationTable();
    for (let index = 0; index < 100; index++) table.apply(`user${index}`, binding(`sip:${index}`), wall);
    const gone = binding('sip:0', {});
    table.apply('user0', removalOf(gone, gone, wall), wall);
    expect([table.size, table.addresses, table.removals]).toEqual([99, 99, 1]);
    const expired: string[] = [];
    const later = wall + 60_000;
    for (let first = 0; first < bucketsCount; first += 64) {
      table.expire(first, 64, later, (address) => expired.push(address));
    }
    expect(expired).toHaveLength(99);
    expect([table.size, table.addresses, table.removals]).toEqual([0, 0, 1]);
    table.expire(0, bucketsCount, wall + 120_001, () => {});
    expect(table.removals).toBe(0);
  });

  it('is full at its limit', () => {
    const table = new LocationTable(2);
    table.apply('a', binding('sip:a'), wall);
    expect(table.isFull).toBe(false);
    table.apply('b', binding('sip:b'), wall);
    expect(table.isFull).toBe(true);
  });

  it('forgets removals rather than growing without end, and says how many', () => {
    const table = new LocationTable();
    for (let index = 0; index < 100_001; index++) {
      const known = binding(`sip:${index}`);
      table.apply(`user${index}`, removalOf(known, known, wall), wall);
    }
    expect(table.removals).toBeLessThanOrEqual(90_200);
    expect(table.forgotten).toBeGreaterThanOrEqual(10_000);
  });
});

describe('fingerprints', () => {
  it('are equal for equal bindings in any order, and change with every version', () => {
    const one = new LocationTable();
    const other = new LocationTable();
    const bucket = bucketOf('bob');
    const bindings = [binding('sip:a'), binding('sip:b'), binding('sip:c')];
    for (const each of bindings) one.apply('bob', each, wall);
    for (const each of bindings.toReversed()) other.apply('bob', each, wall);
    expect(one.digest(bucket, everything)).toEqual(other.digest(bucket, everything));
    const before = one.digest(bucket, everything);
    one.apply('bob', binding('sip:a', { changed: wall + 1 }), wall);
    expect(one.digest(bucket, everything)).not.toEqual(before);
    other.apply('bob', binding('sip:a', { changed: wall, node: 2 }), wall);
    expect(other.digest(bucket, everything)).not.toEqual(before);
  });

  it('leave out removals, what is nearly over and what is too new', () => {
    const table = new LocationTable();
    const bucket = bucketOf('bob');
    const empty = { high: 0, low: 0 };
    table.apply('bob', binding('sip:a', { changed: wall }), wall);
    expect(table.digest(bucket, { expiresAfter: wall + 60_000, changedUntil: Infinity })).toEqual(empty);
    expect(table.digest(bucket, { expiresAfter: 0, changedUntil: wall - 1 })).toEqual(empty);
    expect(table.digest(bucket, everything)).not.toEqual(empty);
    const known = table.version('bob', 'sip:a')!;
    table.apply('bob', removalOf(known, known, wall), wall);
    expect(table.digest(bucket, everything)).toEqual(empty);
  });

  it('ids are 63 bits, equal everywhere', () => {
    expect(contactIdText(bindingId('bob@example.org', 'sip:bob@192.0.2.1'))).toBe('4855312786946741286');
  });
});
