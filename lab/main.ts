/** `npm run lab`: the anycast experiment in network namespaces, as root. One command per experiment. */

import { readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { type BalanceMode, balanceModes } from './balancer.ts';
import { runBadInput } from './experiments/bad-input.ts';
import { type CallLoad, runCalls } from './experiments/calls.ts';
import { runChaos } from './experiments/chaos.ts';
import { runDialogs } from './experiments/dialogs.ts';
import { type FaultName, faultTitles, runFault } from './experiments/fault.ts';
import { runFlows } from './experiments/flows.ts';
import { runLinkCut } from './experiments/link-cut.ts';
import { runLoss } from './experiments/loss.ts';
import { showPackets } from './experiments/packets.ts';
import { runRepliesDropped } from './experiments/replies-dropped.ts';
import { runRolling } from './experiments/rolling.ts';
import { runUserAgents } from './experiments/user-agents.ts';
import { type CallKind, callKinds, plainCall } from './kinds.ts';
import { type Lab, type LabOptions, say, withLab } from './lab.ts';
import { removeNamespaces } from './network.ts';
import { labObstacles } from './obstacles.ts';
import { programNames } from './program.ts';
import { removeRoutingFolders } from './routing.ts';

const program = new Command('lab').description('the anycast experiment in network namespaces');

function labCommand(name: string, description: string): Command {
  return program
    .command(name, { isDefault: name === 'experiment' })
    .description(description)
    .addOption(new Option('--program <name>', 'program under test').choices(programNames).default('anyvia'))
    .option('--seed <name>', 'script of node 1: seed-2.4, seed-4.0 or a path', 'seed-4.0')
    .addOption(new Option('--mode <mode...>', 'how the router spreads packets').choices(balanceModes))
    .option('--nodes <number>', 'nodes', Number, 3)
    .option('--keep', 'keep the files of the run', false);
}

function readLabOptions(options: Record<string, unknown>): LabOptions {
  const modes = (options.mode ?? ['random']) as BalanceMode[];
  return {
    program: options.program as LabOptions['program'],
    seed: options.seed as string,
    anycast: true,
    nodeCount: options.nodes as number,
    mode: modes[0]!,
    keep: options.keep as boolean,
  };
}

/** Runs one experiment in a lab of its own. */
function experiment(options: LabOptions, work: (lab: Lab) => Promise<string[]>): Promise<void> {
  return conclude(() => withLab(options, work));
}

/** Prints the promises that were broken; the exit code says whether there were any. */
async function conclude(work: () => Promise<string[]>): Promise<void> {
  const obstacles = labObstacles();
  if (obstacles !== '') {
    say(`The lab cannot run here: ${obstacles}.`);
    process.exitCode = 1;
    return;
  }
  const broken = await work();
  for (const text of broken) say(`BROKEN: ${text}`);
  say(broken.length === 0 ? 'All promises kept.' : `${broken.length} promises broken.`);
  process.exitCode = broken.length === 0 ? 0 : 1;
}

function chosenKinds(names: readonly string[] | undefined): readonly CallKind[] {
  return callKinds.filter((kind) => names === undefined || names.includes(kind.name));
}

interface LoadOptions extends CallLoad {
  readonly mode?: readonly BalanceMode[];
}

/** Without a wish: both ways of balancing per packet. */
async function runModes(lab: Lab, options: LoadOptions, kinds: readonly CallKind[]): Promise<string[]> {
  const broken: string[] = [];
  for (const mode of options.mode ?? (['random', 'inc'] as const)) {
    broken.push(...(await runCalls(lab, mode, kinds, { calls: options.calls, rate: options.rate })));
  }
  return broken;
}

labCommand('experiment', 'packets, then calls: what runs when no command is given')
  .option('--calls <number>', 'calls of each kind', Number, 200)
  .option('--rate <number>', 'calls per second', Number, 100)
  .action(async (options) => {
    await experiment(readLabOptions(options), async (lab) => [
      ...(await showPackets(lab, [plainCall, ...callKinds.filter((kind) => kind.name === 'cancelled')])),
      ...(await runModes(lab, options, callKinds)),
    ]);
  });

labCommand('calls', 'calls of every kind, under each mode')
  .option('--calls <number>', 'calls of each kind', Number, 2000)
  .option('--rate <number>', 'calls per second', Number, 200)
  .option('--kind <name...>', 'only these kinds')
  .action(async (options) => {
    await experiment(readLabOptions(options), (lab) => runModes(lab, options, chosenKinds(options.kind)));
  });

labCommand('packets', 'one call of each kind, message by message, with the node that got each one')
  .option('--kind <name...>', 'only these kinds')
  .action(async (options) => {
    await experiment(readLabOptions(options), (lab) => showPackets(lab, chosenKinds(options.kind)));
  });

labCommand('loss', 'random loss on the router, against one node without anycast')
  .argument('[percent...]', 'percent of all datagrams', ['2', '5'])
  .option('--calls <number>', 'calls', Number, 1000)
  .option('--rate <number>', 'calls per second', Number, 50)
  .action(async (percents: string[], options) => {
    const load = { calls: options.calls, rate: options.rate };
    const lab = readLabOptions(options);
    await conclude(async () => {
      const broken: string[] = [];
      for (const percent of percents) broken.push(...(await runLoss(lab, Number(percent), load)));
      return broken;
    });
  });

labCommand(
  'replies-dropped',
  'replies to the caller dropped: one INVITE and one BYE per call reach the callee',
)
  .option('--calls <number>', 'calls', Number, 200)
  .option('--rate <number>', 'calls per second', Number, 20)
  .action(async (options) => {
    const load = { calls: options.calls, rate: options.rate };
    await experiment(readLabOptions(options), (lab) => runRepliesDropped(lab, load));
  });

for (const [fault, title] of Object.entries(faultTitles) as [FaultName, string][]) {
  labCommand(fault, `${title}, under load, calls ringing and up; one node after the other`)
    .option('--rate <number>', 'calls per second', Number, 50)
    .option('--repetitions <number>', 'how often', Number, 1)
    .option('--loss <percent>', 'of all datagrams between users and nodes', Number, 0)
    .action(async (options) => {
      const { rate, repetitions, loss } = options as { rate: number; repetitions: number; loss: number };
      const run = { fault, rate, repetitions, lossPercent: loss };
      await experiment(readLabOptions(options), (lab) => runFault(lab, run));
    });
}

labCommand('dialogs', 'thousands of calls up at once, a node killed and started again, every node counting')
  .option('--calls <number>', 'calls up at once', Number, 5000)
  .option('--rate <number>', 'calls per second', Number, 200)
  .action(async (options) => {
    const run = { calls: options.calls, rate: options.rate };
    await experiment(readLabOptions(options), (lab) => runDialogs(lab, run));
  });

labCommand('rolling', 'every node stopped and started again, one after the other, under load')
  .option('--rate <number>', 'calls per second', Number, 50)
  .action(async (options) => {
    await experiment(readLabOptions(options), (lab) => runRolling(lab, options.rate));
  });

labCommand('chaos', 'minutes of random faults under load, one at a time, from a seed')
  .option('--fault-seed <number>', 'repeats a run', Number, 1)
  .option('--seconds <number>', 'how long faults come', Number, 600)
  .option('--rate <number>', 'calls per second', Number, 50)
  .action(async (options) => {
    const run = { seed: options.faultSeed, seconds: options.seconds, rate: options.rate };
    await experiment(readLabOptions(options), (lab) => runChaos(lab, run));
  });

labCommand('link-cut', 'the link between two nodes cut, calls of every kind')
  .option('--calls <number>', 'calls of each kind', Number, 200)
  .option('--rate <number>', 'calls per second', Number, 50)
  .option('--kind <name...>', 'only these kinds')
  .action(async (options) => {
    const load = { calls: options.calls, rate: options.rate };
    await experiment(readLabOptions(options), (lab) => runLinkCut(lab, chosenKinds(options.kind), load));
  });

labCommand('user-agents', 'two baresips register, call, hold, resume and hang up')
  .option('--calls <number>', 'calls of each of the two', Number, 10)
  .action(async (options) => {
    await experiment(readLabOptions(options), (lab) => runUserAgents(lab, options.calls));
  });

program
  .command('flows')
  .description('the flows of RFC 3665 through one node and through three: what each side saw, by message')
  .option('--calls <number>', 'calls of each flow', Number, 5)
  .option('--keep', 'keep the files of the run', false)
  .action(async ({ calls, keep }: { calls: number; keep: boolean }) => {
    await conclude(() => runFlows(calls, keep));
  });

labCommand('bad-input', 'garbage, wrong scripts, wrong peers, no database, while calls go on').action(
  async (options) => {
    await experiment(readLabOptions(options), runBadInput);
  },
);

program
  .command('clean <prefix>')
  .description('take down what a killed run left behind; the prefix stands in its first line')
  .action(async (prefix: string) => {
    if (!/^anyvia-[0-9a-f]{6}$/.test(prefix)) throw new Error('a prefix looks like anyvia-0a1b2c');
    say(`${await removeNamespaces(prefix)} namespaces removed`);
    removeRoutingFolders(prefix);
    for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith(`${prefix}-`))) {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  });

await program.parseAsync();
