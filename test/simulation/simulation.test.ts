/**
 * Seeds of the simulation: `SIMULATION_SEEDS=2000` runs more of them, `npm run simulate -- --seed N` shows one message
 * by message.
 */

import { env } from 'node:process';
import { describe, expect, it } from 'vitest';
import type { NodeFault } from './storm.ts';
import { runStorm } from './storm-run.ts';

const seeds = Number(env.SIMULATION_SEEDS ?? 150);
/** On a busy machine, per seed and node. */
const seedMilliseconds = 100;

interface Cluster {
  readonly nodes: number;
  readonly share: number;
  readonly faults: readonly NodeFault[];
  readonly directory?: 'home';
}

const everything: readonly NodeFault[] = ['kill', 'stop', 'part', 'bar'];

const clusters: readonly Cluster[] = [
  { nodes: 3, share: 0.1, faults: [] },
  { nodes: 3, share: 0.2, faults: ['kill'] },
  { nodes: 3, share: 0.15, faults: ['stop'] },
  { nodes: 3, share: 0.1, faults: ['part'] },
  { nodes: 3, share: 0.1, faults: ['bar'] },
  { nodes: 3, share: 0.15, faults: everything },
  { nodes: 3, share: 0.1, faults: ['roll'] },
  { nodes: 5, share: 0.1, faults: everything },
  { nodes: 16, share: 0.02, faults: everything },
  { nodes: 5, share: 0.05, faults: [], directory: 'home' },
  { nodes: 3, share: 0.05, faults: ['kill'], directory: 'home' },
];

describe('calls through a cluster in a storm', () => {
  for (const { nodes, share, faults, directory = 'all' } of clusters) {
    const count = Math.ceil(seeds * share);
    it(
      `end as they must with ${nodes} nodes and faults [${faults.join(' ')}], claims told to ${directory}, ${count} seeds`,
      async () => {
        const failed: string[] = [];
        for (let seed = 1; seed <= count; seed++) {
          const { problems, faults: chosen } = await runStorm({ seed, nodes, calls: 8, faults, directory });
          if (problems.length > 0) failed.push(`seed ${seed} (${chosen.join('; ')}): ${problems.join('; ')}`);
        }
        expect(failed).toEqual([]);
      },
      10_000 + count * nodes * seedMilliseconds,
    );
  }

  it('end on every node, though a relay lost its own link with the news of a BYE in it', async () => {
    const { problems } = await runStorm({ seed: 2572, nodes: 5, calls: 8, faults: everything });
    expect(problems).toEqual([]);
  });

  it('are not answered in the name of peers that a node has not met since it began', async () => {
    const { problems } = await runStorm({ seed: 268, nodes: 3, calls: 8, faults: ['roll'] });
    expect(problems).toEqual([]);
  });

  it('fail when nobody takes over: the judge is not blind', async () => {
    let failed = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const { problems } = await runStorm({ seed, nodes: 3, calls: 8, faults: ['kill'], takeover: false });
      if (problems.length > 0) failed++;
    }
    // Most calls get through by the rules for orphans alone.
    expect(failed).toBeGreaterThan(2);
  });
});
