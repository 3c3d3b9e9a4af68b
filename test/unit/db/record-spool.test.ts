/** Records that wait in a file: what a killed process left is found once, and the file does not grow without end. */

import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FileRecordSpool } from '#db/record-spool.ts';
import type { SpooledRecord } from '#module/services.ts';
import { Failure } from '#util/failure.ts';

const folder = mkdtempSync(join(tmpdir(), 'anyvia-spool-'));
let files = 0;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function record(key: string, text = 'ü'): SpooledRecord {
  return { table: 'acc', key, columns: { callid: key, text, none: null, number: 1 } };
}

function open(path: string, bytesMax?: number) {
  const found: SpooledRecord[] = [];
  const logged: string[] = [];
  const log = { error: (text: string) => void logged.push(text) };
  const limit = bytesMax === undefined ? {} : { bytesMax };
  const spool = FileRecordSpool.open(path, { log, ...limit }, (one) => found.push(one));
  if (spool instanceof Failure) throw new Error(spool.message);
  return { spool, found, logged };
}

describe('records that wait in a file', () => {
  it('are found by the next life, without those that were written, each once', () => {
    const path = join(folder, String(++files));
    const { spool } = open(path);
    for (const key of ['a', 'b', 'b', 'c']) spool.add(record(key));
    spool.done('acc', ['b']);
    spool.done('missed_calls', ['a']);
    // No close: the process was killed.
    const { found, spool: next } = open(path);
    // Its line still stands there; the key in the table lets it be written twice.
    expect(found).toEqual([record('a'), record('b'), record('c')]);
    next.done('acc', ['a', 'b', 'c']);
    expect(statSync(path).size).toBe(0);
    expect(open(path).found).toEqual([]);
  });

  it('skip a torn line, and say so', () => {
    const path = join(folder, String(++files));
    const { spool } = open(path);
    spool.add(record('a'));
    appendFileSync(path, '{"table":"acc","key":"to');
    const second = open(path);
    expect(second.found).toEqual([record('a')]);
    expect(second.logged[0]).toContain('1 records cannot be read');
    second.spool.add(record('b'));
    expect(open(path).found).toEqual([record('a'), record('b')]);
  });

  it('take no more than the limit, and count the rest', () => {
    const path = join(folder, String(++files));
    const { spool, logged } = open(path, 500);
    for (let index = 0; index < 20; index++) spool.add(record(`k${index}`));
    expect(statSync(path).size).toBeLessThanOrEqual(500);
    expect(spool.figures.bytes).toBe(statSync(path).size);
    expect(spool.figures.dropped).toBeGreaterThan(10);
    expect(logged).toHaveLength(1);
    expect(open(path).found.length + spool.figures.dropped).toBe(20);
  });

  it('leave a small file although some always wait', () => {
    const path = join(folder, String(++files));
    const { spool } = open(path);
    const text = 'x'.repeat(1000);
    for (let index = 0; index < 20_000; index++) {
      spool.add(record(`k${index}`, text));
      if (index >= 10) spool.done('acc', [`k${index - 10}`]);
    }
    expect(statSync(path).size).toBeLessThan(1_100_000);
    expect(spool.figures.bytes).toBe(statSync(path).size);
    expect(readFileSync(path, 'utf8')).toContain('"k19999"');
    expect(
      open(path)
        .found.slice(-10)
        .map(({ key }) => key),
    ).toEqual(Array.from({ length: 10 }, (_, index) => `k${19_990 + index}`));
  });

  it('need a place that can be written', () => {
    const outcome = FileRecordSpool.open(`${folder}/nowhere/file`, { log: { error: () => {} } }, () => {});
    expect(outcome).toMatchObject({ code: 'DB_SPOOL_UNUSABLE' });
  });
});
