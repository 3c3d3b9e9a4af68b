import { describe, expect, it } from 'vitest';
import { NameCache, type NameClient, type TimedRecords } from '#net/name-cache.ts';
import type { NameKind } from '#sip/name-port.ts';
import { Failure, isFailure } from '#util/failure.ts';

type Answer = (answer: TimedRecords<NameKind> | Failure) => void;

class Bench {
  now = 0;
  readonly questions: { readonly question: string; readonly answer: Answer }[] = [];
  readonly cache: NameCache;
  readonly heard: unknown[] = [];

  constructor() {
    const client: NameClient = {
      ask: (kind, name, done) => this.questions.push({ question: `${kind} ${name}`, answer: done as Answer }),
    };
    this.cache = new NameCache(client, () => this.now);
  }

  ask(name: string): void {
    this.cache.ask('A', name, (answer) =>
      this.heard.push(isFailure(answer) ? answer.code : answer.join(' ')),
    );
  }

  /** Answers the one question that there is. */
  answer(records: readonly string[] | Failure, life = 60): void {
    expect(this.questions).toHaveLength(1);
    this.questions.shift()!.answer(isFailure(records) ? records : { records, life });
  }

  take(): unknown[] {
    return this.heard.splice(0);
  }
}

const silence = new Failure('NET_NAME_UNANSWERED', 'nobody answers');

describe('name cache', () => {
  it('asks once for a thousand calls to one name, whatever its case', () => {
    const bench = new Bench();
    for (let call = 0; call < 1000; call++) bench.ask(call % 2 === 0 ? 'Example.com' : 'example.COM.');
    expect(bench.cache.waiting).toBe(1000);
    bench.answer(['192.0.2.1']);
    expect(bench.take()).toEqual(Array.from({ length: 1000 }, () => '192.0.2.1'));
    expect(bench.cache.counters).toMatchObject({ questions: 1, shared: 999 });
    expect(bench.cache.waiting).toBe(0);
  });

  it('asks again when the lifetime is over', () => {
    const bench = new Bench();
    bench.ask('a');
    bench.answer(['192.0.2.1'], 10);
    bench.now = 9999;
    bench.ask('a');
    expect(bench.take()).toEqual(['192.0.2.1', '192.0.2.1']);
    bench.now = 10_000;
    bench.ask('a');
    expect(bench.take()).toEqual([]);
    bench.answer(['192.0.2.2']);
    expect(bench.take()).toEqual(['192.0.2.2']);
  });

  it('keeps lifetimes within limits', () => {
    const bench = new Bench();
    bench.ask('a');
    bench.answer(['192.0.2.1'], 0);
    bench.now = 999;
    bench.ask('a');
    expect(bench.questions).toHaveLength(0);
    bench.now = 1000;
    bench.ask('a');
    bench.answer(['192.0.2.1'], 1_000_000);
    bench.now += 3_600_000;
    bench.ask('a');
    expect(bench.questions).toHaveLength(1);
  });

  it('remembers that a name has no records', () => {
    const bench = new Bench();
    bench.ask('a');
    bench.answer([], 30);
    bench.ask('a');
    expect(bench.take()).toEqual(['', '']);
    bench.now = 30_000;
    bench.ask('a');
    expect(bench.questions).toHaveLength(1);
  });

  it('uses on what ran out while no server answers, and asks but now and then', () => {
    const bench = new Bench();
    bench.ask('a');
    bench.answer(['192.0.2.1'], 10);
    bench.now = 20_000;
    bench.ask('a');
    bench.answer(silence);
    bench.ask('a');
    expect(bench.take()).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.1']);
    expect(bench.cache.counters).toMatchObject({ questions: 2, failures: 1, stale: 1 });
    bench.now = 25_000;
    bench.ask('a');
    bench.answer(['192.0.2.2']);
    expect(bench.take()).toEqual(['192.0.2.2']);
  });

  it('gives up on what ran out an hour ago', () => {
    const bench = new Bench();
    bench.ask('a');
    bench.answer(['192.0.2.1'], 10);
    bench.now = 10_000 + 3_600_000;
    bench.ask('a');
    bench.answer(silence);
    expect(bench.take()).toEqual(['192.0.2.1', 'NET_NAME_UNANSWERED']);
  });

  it('asks a silent server about a name every five seconds at most', () => {
    const bench = new Bench();
    bench.ask('a');
    bench.answer(silence);
    bench.now = 4999;
    bench.ask('a');
    expect(bench.take()).toEqual(['NET_NAME_UNANSWERED', 'NET_NAME_UNANSWERED']);
    bench.now = 5000;
    bench.ask('a');
    expect(bench.questions).toHaveLength(1);
  });

  it('lets no more than a thousand questions be under way, and counts the others', () => {
    const bench = new Bench();
    for (let index = 0; index < 1001; index++) bench.ask(`name${index}`);
    expect(bench.questions).toHaveLength(1000);
    expect(bench.take()).toEqual(['NET_NAME_QUESTIONS_TOO_MANY']);
    expect(bench.cache.counters.rejected).toBe(1);
    // Those who join a question are let in.
    bench.ask('name7');
    expect(bench.cache.counters.shared).toBe(1);
  });

  it('shows what it knows, and forgets it on command', () => {
    const bench = new Bench();
    bench.ask('a');
    bench.answer(['192.0.2.1', '192.0.2.2'], 60);
    expect(bench.cache.list()).toEqual([{ Type: 'A', Name: 'a', Left: 60, Answer: '192.0.2.1, 192.0.2.2' }]);
    expect(bench.cache.flush()).toBe(1);
    bench.ask('a');
    expect(bench.questions).toHaveLength(1);
  });
});
