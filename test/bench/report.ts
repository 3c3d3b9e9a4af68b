/** The measurements as a table for RESULTS.md, with what they were measured on. */

import { execFileSync } from 'node:child_process';
import { cpus, release } from 'node:os';
import type { Measurement } from './subject.ts';

/** Markdown: a heading with date and commit, the machine, and one row per subject and rate. */
export function formatReport(measurements: readonly Measurement[], date: Date): string {
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, Linux ${release()}, Node ${process.versions.node}`;
  const lines = [
    `## ${date.toISOString().slice(0, 10)}, commit ${commit()}`,
    '',
    `${machine}, Kamailio ${kamailioVersion()} (\`-x fm\`). CPU of all processes per call, user and system, idle subtracted; median of the repetitions, smallest and largest in brackets.`,
    '',
    '| subject | calls/s | µs per call | calls | failed | repeated by the caller |',
    '|---|---:|---:|---:|---:|---:|',
  ];
  for (const group of groups(measurements)) {
    const { subject, rate } = group[0]!;
    const costs = group.map((one) => one.microsecondsPerCall).sort((one, other) => one - other);
    const range = `${Math.round(costs[0]!)}–${Math.round(costs.at(-1)!)}`;
    const sum = (key: 'calls' | 'failed' | 'retransmissions'): number =>
      group.reduce((total, one) => total + one[key], 0);
    const cells = [subject, rate, `${Math.round(median(costs))} (${range})`, sum('calls'), sum('failed')];
    lines.push(`| ${[...cells, sum('retransmissions')].join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}

/** In the order in which subject and rate appear first. */
function groups(measurements: readonly Measurement[]): Measurement[][] {
  const bySubject = new Map<string, Measurement[]>();
  for (const measurement of measurements) {
    const key = `${measurement.rate} ${measurement.subject}`;
    bySubject.set(key, [...(bySubject.get(key) ?? []), measurement]);
  }
  return [...bySubject.values()];
}

/** Of sorted values. */
function median(values: readonly number[]): number {
  const middle = Math.floor(values.length / 2);
  return values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2;
}

function commit(): string {
  const git = (...parameters: string[]): string =>
    execFileSync('git', parameters, { cwd: import.meta.dirname, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', '../../src') === '' ? '' : ' with changes';
  return `${git('rev-parse', '--short', 'HEAD')}${changed}`;
}

function kamailioVersion(): string {
  const text = execFileSync('kamailio', ['-v'], { encoding: 'utf8' });
  return /version: kamailio (\S+)/.exec(text)?.[1] ?? 'unknown';
}
