/**
 * `npm run simulate -- --seeds N [--nodes 3|5|16] [--seed S] [--directory home]`: runs N seeds, or one with every message printed. The
 * first seeds that fail are named; the exit code says whether there were any.
 */

import { Command, Option } from 'commander';
import { type NodeFault, nodeFaults, type StormResult } from './storm.ts';
import { runStorm } from './storm-run.ts';

const failuresShownMax = 20;

interface SimulateOptions {
  readonly seeds: number;
  readonly nodes: number;
  readonly calls: number;
  readonly from: number;
  /** True: the option without any kind. */
  readonly faults: readonly NodeFault[] | true;
  readonly seed?: number;
  readonly directory: 'all' | 'home';
}

function runSeed(seed: number, options: SimulateOptions, isTold: boolean): Promise<StormResult> {
  const { nodes, calls, faults, directory } = options;
  return runStorm({ seed, nodes, calls, faults: Array.isArray(faults) ? faults : [], directory, isTold });
}

function complain(seed: number, result: StormResult, options: SimulateOptions): void {
  console.log(`seed ${seed} failed (${result.faults.join('; ')}):`);
  for (const problem of result.problems) console.log(`  ${problem}`);
  const { nodes, calls, directory } = options;
  const kinds = Array.isArray(options.faults) ? options.faults.join(' ') : '';
  console.log(
    `  again: npm run simulate -- --seed ${seed} --nodes ${nodes} --calls ${calls} --directory ${directory} --faults ${kinds}`,
  );
}

async function simulate(options: SimulateOptions): Promise<number> {
  if (options.seed !== undefined) {
    const result = await runSeed(options.seed, options, true);
    for (const line of result.journal) console.log(line);
    console.log(result.faults.join('\n'));
    if (result.problems.length > 0) complain(options.seed, result, options);
    return result.problems.length;
  }
  let failed = 0;
  let calls = 0;
  let excused = 0;
  const begin = performance.now();
  for (let seed = options.from; seed < options.from + options.seeds; seed++) {
    const result = await runSeed(seed, options, false);
    calls += result.calls;
    excused += result.excused;
    if (result.problems.length === 0) continue;
    failed++;
    if (failed <= failuresShownMax) complain(seed, result, options);
  }
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  console.log(
    `${options.seeds} seeds, ${calls} calls, ${options.nodes} nodes: ${failed} failed, ${excused} calls excused (${seconds} s)`,
  );
  return failed;
}

const program = new Command('simulate')
  .description('whole clusters in memory, with calls and faults, from seeds')
  .option('--seeds <number>', 'seeds to run', Number, 100)
  .option('--from <number>', 'the first of them', Number, 1)
  .option('--nodes <number>', 'nodes of the cluster', Number, 3)
  .option('--calls <number>', 'calls of each run', Number, 8)
  .option('--faults [kind...]', 'what may happen to nodes and links', [...nodeFaults])
  .addOption(
    new Option('--directory <who>', 'who is told of a claim').choices(['all', 'home']).default('all'),
  )
  .option('--seed <number>', 'run this seed alone, and print every message', Number);
await program.parseAsync();
process.exitCode = (await simulate(program.opts<SimulateOptions>())) === 0 ? 0 : 1;
