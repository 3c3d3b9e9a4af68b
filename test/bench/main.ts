/**
 * `npm run bench`: CPU time per call of one node against Kamailio in the same run, and of three nodes under per-packet
 * balancing; INVITE 100 180 200 ACK BYE 200 with Record-Route and a dialog. Programs take turns, so that a slow minute
 * of the machine hits all of them. Prints the table that RESULTS.md collects.
 */

import { Command } from 'commander';
import { say, withLab } from '../../lab/lab.ts';
import { labObstacles } from '../../lab/obstacles.ts';
import { isInstalled } from '../../scripts/system-programs.ts';
import { formatMicro, measureMicro } from './micro.ts';
import { formatReport } from './report.ts';
import { type Measurement, measureSubject, type Subject } from './subject.ts';

const subjects: readonly Subject[] = [
  { name: 'anyvia, one node', program: 'anyvia', nodes: [1] },
  { name: 'Kamailio, one node', program: 'kamailio-stateful', nodes: [1] },
  { name: 'anyvia, three nodes, random per packet', program: 'anyvia', nodes: [1, 2, 3] },
];

const program = new Command('bench')
  .description('CPU time per call')
  .option('--rates <number...>', 'calls per second', (text, rates: number[] = []) => [...rates, Number(text)])
  .option('--seconds <number>', 'load per measurement', Number, 10)
  .option('--repetitions <number>', 'rounds', Number, 3)
  .option('--seed <name>', 'script of anyvia: a name in config/ or a path', 'seed-4.0')
  .option('--against <path>', 'also another checkout of anyvia: a gain is a ratio within one run')
  .option('--only <text>', 'only subjects whose name holds this')
  .option('--no-micro', 'leave out the micro benchmarks');
await program.parseAsync();
const options = program.opts();

/** Each beside its like, in the same order. */
function otherSubjects(checkout: string | undefined): Subject[] {
  if (checkout === undefined) return [];
  const own = subjects.filter((subject) => subject.program === 'anyvia');
  return own.map((subject) => ({ ...subject, name: `${subject.name}, the other checkout`, checkout }));
}

async function measureCalls(): Promise<void> {
  const chosen = [...subjects, ...otherSubjects(options.against)].filter((subject) =>
    subject.name.includes(options.only ?? ''),
  );
  const plan = { rates: options.rates ?? [200, 1200], loadSeconds: options.seconds, seed: options.seed };
  const measurements: Measurement[] = [];
  const lab = {
    nodeCount: 3,
    mode: 'random',
    program: 'anyvia',
    seed: 'seed-4.0',
    anycast: true,
    keep: false,
  } as const;
  await withLab({ ...lab, startNodes: false }, async (standing) => {
    for (let round = 1; round <= options.repetitions; round += 1) {
      for (const subject of chosen) {
        const results = await measureSubject(standing, subject, plan);
        measurements.push(...results);
        for (const { rate, microsecondsPerCall, failed } of results) {
          say(
            `round ${round}: ${subject.name}, ${rate}/s: ${Math.round(microsecondsPerCall)} µs per call, ${failed} failed`,
          );
        }
      }
    }
  });
  say(`\n${formatReport(measurements, new Date())}`);
}

const obstacles = [labObstacles(), isInstalled('kamailio') ? '' : 'missing: kamailio (package kamailio)'];
const reason = obstacles.filter((text) => text !== '').join('; ');
if (reason === '') await measureCalls();
else say(`No calls are measured here: ${reason}.`);
if (options.micro) say(`\n${formatMicro(measureMicro())}`);
