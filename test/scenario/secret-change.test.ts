/** The cluster's secret is changed while calls go on: one node after the other believes both, then uses the new one. */

import { describe, expect, it } from 'vitest';
import { BranchCodec } from '#transaction/branch.ts';
import { ClusterSimulation } from './cluster-simulation.ts';

const former = Buffer.from('former');
const coming = Buffer.from('coming');

/** Three nodes, each with its secret and the one that it believes beside it. */
function clusterOf(secrets: readonly (readonly [Buffer, Buffer | null])[]): ClusterSimulation {
  const cluster = new ClusterSimulation(3);
  for (const [index, [secret, otherSecret]] of secrets.entries())
    cluster.start(index + 1, { secret, otherSecret });
  cluster.run(3000);
  return cluster;
}

describe('a cluster whose secret is being changed', () => {
  it('is whole while some believe the coming one already', () => {
    const cluster = clusterOf([
      [former, coming],
      [former, null],
      [former, null],
    ]);
    expect(cluster.isWhole()).toBe(true);
  });

  it('is whole while some use the new one, and finds the claims of those', () => {
    const cluster = clusterOf([
      [coming, former],
      [former, coming],
      [coming, former],
    ]);
    expect(cluster.isWhole()).toBe(true);
    for (const node of [1, 2, 3]) cluster.cluster(node).claim(cluster.now, `call of ${node}`, 60_000);
    cluster.run(100);
    for (const asked of [1, 2, 3])
      for (const node of [1, 2, 3])
        expect(cluster.cluster(asked).owner(cluster.now, `call of ${node}`)?.node).toBe(node);
  });

  it('refuses a node that knows only the former one when nobody believes it any more', () => {
    const cluster = clusterOf([
      [coming, null],
      [former, null],
      [coming, null],
    ]);
    expect(cluster.cluster(1).livePeers()).toEqual([3]);
    expect(cluster.at(1).says('wrong shared secret')).toBeGreaterThan(0);
    expect(cluster.at(2).says('wrong shared secret')).toBeGreaterThan(0);
  });

  it('believes branches of both', () => {
    const identity = { node: 1, incarnation: 1, worker: 0 };
    const both = new BranchCodec(identity, [coming, former]);
    expect(both.verify(new BranchCodec(identity, [former]).write(1, 1, 0))).toBe(true);
    expect(both.verify(new BranchCodec(identity, [coming]).write(1, 1, 0))).toBe(true);
    expect(
      new BranchCodec(identity, [coming]).verify(new BranchCodec(identity, [former]).write(1, 1, 0)),
    ).toBe(false);
  });
});
