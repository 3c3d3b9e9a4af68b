/**
 * What single steps cost in one process, hot: `node test/bench/micro.ts`, or with `npm run bench`. Each case is warmed
 * up, then timed in rounds; the median round counts. Figures of different machines mean nothing beside each other.
 */

import { callCases } from './call.bench.ts';
import { codecCases } from './codec.bench.ts';
import { parseCases } from './parse.bench.ts';
import { transactionCases } from './transaction.bench.ts';

export interface MicroCase {
  readonly name: string;
  /** Runs it that many times. */
  run(times: number): void;
}

export interface MicroResult {
  readonly name: string;
  readonly nanoseconds: number;
}

const rounds = 9;
const roundMilliseconds = 100;
const warmUpMilliseconds = 400;

export function measureMicro(): MicroResult[] {
  return [...callCases(), ...parseCases(), ...transactionCases(), ...codecCases()].map(measure);
}

/** Markdown. */
export function formatMicro(results: readonly MicroResult[]): string {
  const rows = results.map(({ name, nanoseconds }) => `| ${name} | ${withUnit(nanoseconds)} |`);
  return ['| step | median |', '|---|---:|', ...rows].join('\n');
}

function measure({ name, run }: MicroCase): MicroResult {
  const end = performance.now() + warmUpMilliseconds;
  let times = 1;
  let elapsed = 0;
  while (performance.now() < end || elapsed < roundMilliseconds / 2) {
    elapsed = timed(run, times);
    if (elapsed < roundMilliseconds) times *= 2;
  }
  const costs = Array.from({ length: rounds }, () => timed(run, times) / times).sort((a, b) => a - b);
  return { name, nanoseconds: costs[Math.floor(rounds / 2)]! * 1e6 };
}

function timed(run: MicroCase['run'], times: number): number {
  const begin = performance.now();
  run(times);
  return performance.now() - begin;
}

function withUnit(nanoseconds: number): string {
  return nanoseconds < 1000 ? `${Math.round(nanoseconds)} ns` : `${(nanoseconds / 1000).toFixed(2)} µs`;
}

if (import.meta.main) process.stdout.write(`${formatMicro(measureMicro())}\n`);
