/** `npm run lab`: the anycast experiment in network namespaces, as root. One command per experiment. */

import { Command, Option } from 'commander';
import { type BalanceMode, balanceModes } from './balancer.ts';
import { runCalls } from './experiments/calls.ts';
import { callKinds } from './kinds.ts';
import { type Lab, type LabOptions, say, withLab } from './lab.ts';
import { removeNamespaces } from './network.ts';
import { labObstacles } from './obstacles.ts';
import { programNames, seedNames } from './program.ts';

const program = new Command('lab').description('the anycast experiment in network namespaces');

function labCommand(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .addOption(new Option('--program <name>', 'program under test').choices(programNames).default('anyvia'))
    .addOption(new Option('--seed <name>', 'script of the nodes').choices(seedNames).default('seed-4.0'))
    .addOption(new Option('--mode <mode...>', 'how the router spreads packets').choices(balanceModes))
    .option('--nodes <number>', 'nodes', Number, 3)
    .option('--keep', 'keep the files of the run', false);
}

function readLabOptions(options: Record<string, unknown>): LabOptions {
  const modes = (options.mode ?? ['random']) as BalanceMode[];
  return {
    program: options.program as LabOptions['program'],
    seed: options.seed as LabOptions['seed'],
    anycast: true,
    nodeCount: options.nodes as number,
    mode: modes[0]!,
    keep: options.keep as boolean,
  };
}

/** Runs one experiment; the exit code says whether its promises were kept. */
async function experiment(options: LabOptions, work: (lab: Lab) => Promise<string[]>): Promise<void> {
  const obstacles = labObstacles();
  if (obstacles !== '') {
    say(`The lab cannot run here: ${obstacles}.`);
    process.exitCode = 1;
    return;
  }
  const broken = await withLab(options, work);
  for (const text of broken) say(`BROKEN: ${text}`);
  say(broken.length === 0 ? 'All promises kept.' : `${broken.length} promises broken.`);
  process.exitCode = broken.length === 0 ? 0 : 1;
}

labCommand('calls', 'calls of every kind, under each mode')
  .option('--calls <number>', 'calls of each kind', Number, 2000)
  .option('--rate <number>', 'calls per second', Number, 200)
  .option('--kind <name...>', 'only these kinds')
  .action(async (options) => {
    const kinds = callKinds.filter((kind) => options.kind === undefined || options.kind.includes(kind.name));
    await experiment(readLabOptions(options), async (lab) => {
      const broken: string[] = [];
      for (const mode of (options.mode ?? ['random', 'inc']) as BalanceMode[]) {
        broken.push(...(await runCalls(lab, mode, kinds, { calls: options.calls, rate: options.rate })));
      }
      return broken;
    });
  });

program
  .command('clean <prefix>')
  .description('take down what a killed run left behind; the prefix stands in its first line')
  .action(async (prefix: string) => {
    if (!/^anyvia-[0-9a-f]{6}$/.test(prefix)) throw new Error('a prefix looks like anyvia-0a1b2c');
    say(`${await removeNamespaces(prefix)} namespaces removed`);
  });

await program.parseAsync();
