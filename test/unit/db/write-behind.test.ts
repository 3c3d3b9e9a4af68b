/** Writing behind: what is noted, what is written, and what happens while the database cannot. */

import { describe, expect, it } from 'vitest';
import { type RowWriter, WriteBehind } from '#db/write-behind.ts';
import { ManualClock } from '#util/clock.ts';
import { Failure } from '#util/failure.ts';

/** A table in memory that can be made to fail. */
class Bench implements RowWriter<string> {
  readonly clock = new ManualClock();
  readonly memory = new Map<string, string>();
  readonly table = new Map<string, string>();
  readonly batches: string[] = [];
  readonly log: string[] = [];
  readonly poisoned = new Set<string>();
  isDown = false;
  /** Called in the middle of a write. */
  meanwhile: () => void = () => {};
  readonly writes: WriteBehind<string>;

  constructor(limits: { keysMax?: number; batchRowsMax?: number } = {}) {
    const say = (level: string) => (text: string) => {
      this.log.push(`${level} ${text}`);
    };
    const source = {
      read: (key: string) => {
        const value = this.memory.get(key);
        return value === undefined ? null : `${key}=${value}`;
      },
      keys: () => this.memory.keys(),
    };
    this.writes = new WriteBehind(this, source, {
      name: 'table t',
      monotonic: () => this.clock.monotonic(),
      log: { warn: say('warn'), info: say('info'), error: say('error') },
      ...limits,
    });
  }

  set(key: string, value: string | null): void {
    if (value === null) this.memory.delete(key);
    else this.memory.set(key, value);
    this.writes.touch(key);
  }

  /** What one pump() does, to its end. */
  async pump(): Promise<void> {
    this.writes.pump();
    await this.settle();
  }

  /** Every promise that is ready, and the turns between batches. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  async write(rows: readonly string[], removed: readonly string[]): Promise<Failure | null> {
    this.batches.push([...rows, ...removed.map((key) => `-${key}`)].join(' '));
    this.meanwhile();
    await Promise.resolve();
    if (this.isDown) return new Failure('DB_SERVER_UNREACHABLE', 'nobody there');
    const bad = rows.find((row) => this.poisoned.has(row.split('=')[0]!));
    if (bad !== undefined) return new Failure('DB_ROW_REFUSED', `${bad} is too long`);
    for (const row of rows) this.table.set(...(row.split('=') as [string, string]));
    for (const key of removed) this.table.delete(key);
    return null;
  }
}

describe('a row', () => {
  it('that changes many times is written once, as it is then', async () => {
    const bench = new Bench();
    for (const value of ['1', '2', '3']) bench.set('a', value);
    bench.set('b', '1');
    bench.set('b', null);
    expect(bench.writes.figures.waiting).toBe(2);
    await bench.pump();
    expect(bench.batches).toEqual(['a=3 -b']);
    expect(bench.writes.figures).toEqual({
      waiting: 0,
      written: 1,
      removed: 1,
      failures: 0,
      refused: 0,
      overflowed: 0,
    });
  });

  it('that changes while it is being written is written again', async () => {
    const bench = new Bench();
    bench.meanwhile = () => {
      bench.meanwhile = () => {};
      bench.set('a', '2');
    };
    bench.set('a', '1');
    await bench.pump();
    expect(bench.batches).toEqual(['a=1', 'a=2']);
    expect(bench.table.get('a')).toBe('2');
  });

  it('that the database never takes does not hold up the others', async () => {
    const bench = new Bench();
    bench.poisoned.add('c');
    for (const key of ['a', 'b', 'c', 'd', 'e']) bench.set(key, '1');
    await bench.pump();
    expect([...bench.table.keys()].sort()).toEqual(['a', 'b', 'd', 'e']);
    expect(bench.writes.figures).toMatchObject({ waiting: 0, written: 4, refused: 1, failures: 0 });
    expect(bench.log).toEqual(['error table t: a row is not taken: c=1 is too long']);
  });
});

describe('batches', () => {
  it('have a limit and follow each other; two never run at once', async () => {
    const bench = new Bench({ batchRowsMax: 2 });
    for (const key of ['a', 'b', 'c', 'd', 'e']) bench.set(key, '1');
    bench.writes.pump();
    bench.writes.pump();
    await bench.settle();
    expect(bench.batches).toEqual(['a=1 b=1', 'c=1 d=1', 'e=1']);
  });
});

describe('a database that is away', () => {
  it('is tried with growing pauses, and caught up without loss or repetition', async () => {
    const bench = new Bench();
    bench.isDown = true;
    bench.set('a', '1');
    await bench.pump();
    for (let index = 0; index < 60; index++) {
      bench.set('a', String(index));
      bench.clock.advance(1000);
      await bench.pump();
    }
    // 0.5, 1, 2, 4, 8, 15 s … apart.
    expect(bench.batches.length).toBeLessThan(10);
    expect(bench.batches.length).toBeGreaterThan(5);
    expect(bench.writes.figures).toMatchObject({ waiting: 1, failures: bench.batches.length, written: 0 });
    bench.isDown = false;
    bench.clock.advance(15_000);
    await bench.pump();
    expect(bench.table.get('a')).toBe('59');
    expect(bench.writes.figures).toMatchObject({ waiting: 0, written: 1 });
    // One line when it goes, one when it comes back.
    expect(bench.log).toEqual([
      'error table t: 1 changes wait: nobody there',
      'info table t: writing again after 75 s, 0 changes to catch up',
    ]);
  });

  it('that throws is no different', async () => {
    const bench = new Bench();
    bench.meanwhile = () => {
      throw new Error('broken');
    };
    bench.set('a', '1');
    await bench.pump();
    bench.meanwhile = () => {};
    expect(bench.writes.figures).toMatchObject({ waiting: 1, failures: 1 });
    expect(await bench.writes.flush()).toBe(true);
    expect(bench.table.get('a')).toBe('1');
  });

  it('flush() says whether something is left', async () => {
    const bench = new Bench();
    bench.set('a', '1');
    bench.isDown = true;
    expect(await bench.writes.flush()).toBe(false);
    bench.isDown = false;
    expect(await bench.writes.flush()).toBe(true);
  });
});

describe('memory', () => {
  it('is bounded: what does not fit is counted, and everything is written when there is room again', async () => {
    const bench = new Bench({ keysMax: 3, batchRowsMax: 2 });
    bench.isDown = true;
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) bench.set(key, '1');
    bench.set('a', '2');
    await bench.pump();
    expect(bench.writes.figures).toMatchObject({ waiting: 3, overflowed: 3 });
    bench.isDown = false;
    bench.clock.advance(60_000);
    await bench.pump();
    expect(Object.fromEntries(bench.table)).toEqual({ a: '2', b: '1', c: '1', d: '1', e: '1', f: '1' });
    expect(bench.writes.figures.waiting).toBe(0);
  });
});
