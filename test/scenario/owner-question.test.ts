/** The way out when no claim is known: every peer is asked, within a bounded time. */

import { describe, expect, it } from 'vitest';
import { ClusterSimulation } from './cluster-simulation.ts';

describe('asking for an owner', () => {
  it('finds the one that has it, although its claim has not come', () => {
    const cluster = ClusterSimulation.running(3);
    cluster.at(3).owned.add('invite 1');
    const found: unknown[] = [];
    cluster.cluster(1).ask(cluster.now, 'invite 1', (owner, _now, all) => found.push(owner, all));
    cluster.run(10);
    expect(found).toEqual([{ node: 3, incarnation: 1 }, true]);
  });

  it('ends early when everybody said no', () => {
    const cluster = ClusterSimulation.running(3);
    const found: unknown[] = [];
    cluster
      .cluster(1)
      .ask(cluster.now, 'nothing', (owner, now, all) => found.push(owner, now - cluster.now, all));
    const asked = cluster.now;
    cluster.run(10);
    expect(found).toEqual([null, expect.any(Number), true]);
    expect(asked + 10).toBe(cluster.now);
  });

  it('ends by time when a peer is silent, at once when there is none', () => {
    const cluster = ClusterSimulation.running(2);
    cluster.network.partition('10.0.0.1', '10.0.0.2');
    const found: unknown[] = [];
    cluster.cluster(1).ask(cluster.now, 'nothing', (owner, _now, all) => found.push(owner, all));
    cluster.run(49);
    expect(found).toEqual([]);
    cluster.run(2);
    expect(found).toEqual([null, false]);
    cluster.run(5000);
    cluster.cluster(1).ask(cluster.now, 'nothing', (owner, _now, all) => found.push(owner, all));
    expect(found).toEqual([null, false, null, true]);
  });

  it('takes a dying peer as a no', () => {
    const cluster = ClusterSimulation.running(2);
    const found: unknown[] = [];
    cluster.kill(2);
    cluster.cluster(1).ask(cluster.now, 'nothing', (owner, _now, all) => found.push(owner, all));
    cluster.run(5);
    expect(found).toEqual([null, true]);
  });
});
