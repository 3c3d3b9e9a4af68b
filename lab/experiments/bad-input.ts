/**
 * Bad input while calls go on: each must end in one clear line that names the cause and the place, nothing may crash,
 * and no call of anybody else may be lost. Node 3 is the one that is misconfigured; its route is withdrawn meanwhile.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable } from '#cli/table.ts';
import { type Lab, say } from '../lab.ts';
import { anycastAddress } from '../network.ts';
import { anyviaCommand, type LabNode } from '../program.ts';
import { finishCallee, startCallee, startCaller } from '../sipp.ts';

interface CaseResult {
  readonly good: boolean;
  /** The line that an operator reads. */
  readonly line: string;
}

const garbageCount = 2000;
const rate = 20;
const loadSeconds = 60;
const lineMilliseconds = 10_000;
const exitConfiguration = 78;
const exitUnavailable = 69;

type Case = (lab: Lab, bad: LabNode) => Promise<CaseResult>;

const cases: readonly (readonly [string, Case])[] = [
  ['2,000 datagrams of garbage', sendGarbage],
  [
    'an unknown option',
    (lab, bad) =>
      startWith(lab, bad.script().replace('log_level=3', 'log_lvel=3'), {
        code: exitConfiguration,
        line: /node3-bad\.cfg:\d+:\d+.*log_lvel/,
      }),
  ],
  [
    'an address that is not ours',
    (lab, bad) =>
      startWith(lab, bad.script().replace('udp:10.206.206.1', 'udp:10.99.99.99'), {
        code: exitUnavailable,
        line: /10\.99\.99\.99.*(EADDRNOTAVAIL|not available|cannot|no address)/i,
      }),
  ],
  ['a wrong secret', wrongSecret],
  ['a duplicate node id', duplicateId],
  ['a database that is down', databaseDown],
];

export async function runBadInput(lab: Lab): Promise<string[]> {
  const bad = lab.nodes.at(-1)!;
  await lab.routing.withdraw(bad.number);
  await lab.routing.waitForNextHops(lab.nodes.slice(0, -1).map((node) => node.number));
  await lab.balancer.update();
  await bad.stop();
  const callee = startCallee(lab.network, 'callee-plain');
  await sleep(300);
  const calls = rate * loadSeconds;
  const caller = startCaller(lab.network, { scenario: 'caller-plain', calls, rate });
  const broken: string[] = [];
  const rows: string[][] = [];
  for (const [name, work] of cases) {
    const { good, line } = await work(lab, bad);
    rows.push([name, good ? 'good' : 'BAD', line.trim().slice(0, 200)]);
    if (!good) broken.push(`bad input: ${name}: no clear line: ${line.trim().slice(-600)}`);
    for (const node of lab.nodes.slice(0, -1)) {
      if (!node.process.running) broken.push(`bad input: ${name} ended node ${node.number}`);
    }
  }
  if (!caller.process.running) broken.push('bad input: the calls were over before the last case');
  await caller.process.ended;
  await finishCallee(callee);
  say(`\n${formatTable(['bad input', '', 'what the log says'], rows)}`);
  const counters = caller.counters();
  say(`calls meanwhile: ${counters.successful} of ${calls} as intended, ${counters.failed} failed`);
  if (counters.successful !== calls)
    broken.push(`bad input: ${counters.failed} calls were lost:\n${caller.complaints()}`);
  return broken;
}

async function sendGarbage(lab: Lab): Promise<CaseResult> {
  const healthy = lab.nodes.slice(0, -1);
  const watches = healthy.map((node) => logWatch(node));
  const script = join(import.meta.dirname, '..', 'garbage.ts');
  await lab.network.run('caller', [process.execPath, script, anycastAddress, '5060', String(garbageCount)]);
  const line = await firstLine(watches, /10\.20\.1\.2/);
  const answering = (await Promise.all(healthy.map((node) => node.statistics()))).every(
    (one) => one !== null,
  );
  return { good: line !== '' && answering, line };
}

/** A start that must fail at once, with this exit code and a line like that. */
async function startWith(
  lab: Lab,
  script: string,
  wanted: { code: number; line: RegExp },
): Promise<CaseResult> {
  const file = lab.network.file('node3-bad.cfg');
  writeFileSync(file, script);
  const command = ['timeout', '15', ...anyviaCommand, 'start', '-f', file];
  const { code, stdout, stderr } = await lab.network.execute(`node${lab.nodes.length}`, command);
  const text = stderr + stdout;
  const line = text.split('\n').find((one) => wanted.line.test(one)) ?? '';
  return { good: code === wanted.code && line !== '', line: line || `exit ${code}: ${text}` };
}

async function wrongSecret(lab: Lab, bad: LabNode): Promise<CaseResult> {
  const module = 'loadmodule "clusterer.so"';
  const script = bad
    .script()
    .replace(module, `${module}\nmodparam("clusterer", "shared_secret", "not the secret of the others")`);
  return launchBad(lab, bad, { script, line: /secret|authentic/i });
}

async function duplicateId(lab: Lab, bad: LabNode): Promise<CaseResult> {
  const script = bad.script().replace(/("(?:current_id|my_node_id)", )\d+/, '$12');
  return launchBad(lab, bad, { script, line: /duplicate|already|same (node )?id/i });
}

/** Starts the bad node, waits for the line at any node, and stops it. */
async function launchBad(
  lab: Lab,
  bad: LabNode,
  wanted: { script: string; line: RegExp },
): Promise<CaseResult> {
  const watches = lab.nodes.slice(0, -1).map((node) => logWatch(node));
  bad.launch(wanted.script);
  const line = await firstLine([...watches, logWatch(bad, 0)], wanted.line);
  const own = readFileSync(bad.logFile, 'utf8');
  await bad.stop();
  return { good: line !== '', line: line || own };
}

/** The running nodes go on, and a node that starts says what it misses, or starts with what it knew. */
async function databaseDown(lab: Lab, bad: LabNode): Promise<CaseResult> {
  await lab.database.stop();
  bad.launch();
  const line = await firstLine([logWatch(bad, 0)], /10\.10\.0\.10|database/i);
  await sleep(500);
  const code = bad.process.running ? 0 : await bad.process.ended;
  await bad.stop();
  return { good: line !== '' && (code === 0 || code === exitUnavailable), line: line || `exit ${code}` };
}

interface LogWatch {
  readonly file: string;
  readonly offset: number;
}

function logWatch(node: LabNode, offset?: number): LogWatch {
  const file = node.logFile;
  return { file, offset: offset ?? (existsSync(file) ? readFileSync(file).length : 0) };
}

/** The first new line of any of the logs that matches; '' when none comes in time. */
async function firstLine(watches: readonly LogWatch[], pattern: RegExp): Promise<string> {
  const deadline = performance.now() + lineMilliseconds;
  for (;;) {
    for (const { file, offset } of watches) {
      const lines = readFileSync(file).subarray(offset).toString('utf8').split('\n');
      const line = lines.find((one) => pattern.test(one));
      if (line !== undefined) return line;
    }
    if (performance.now() > deadline) return '';
    await sleep(50);
  }
}
