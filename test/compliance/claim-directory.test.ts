/** Both ways to keep claims, `all` nodes and the `home` alone, seen from outside: who owns what, and who does not. */

import { describe, expect, it } from 'vitest';
import type { ClaimOwner } from '#cluster/claim-directory.ts';
import type { ClusterSettings } from '#cluster/ports.ts';
import { ClusterSimulation, memberOf } from '../scenario/cluster-simulation.ts';

interface Located {
  readonly owner: ClaimOwner | null;
  readonly isSure: boolean;
  /** ms until the answer. */
  readonly after: number;
}

describe.each(['all', 'home'] as const)('claims told to %s', (claimDirectory) => {
  const settings: Partial<ClusterSettings> = { claimDirectory };

  /** Runs until the node has its answer. */
  function locate(cluster: ClusterSimulation, node: number, key: string, reserves = false): Located {
    const found: Located[] = [];
    const start = cluster.now;
    cluster.cluster(node).locate(start, key, reserves, (owner, now, isSure) => {
      found.push({ owner, isSure, after: now - start });
    });
    cluster.run(120);
    expect(found).toHaveLength(1);
    return found[0]!;
  }

  function settled(nodes: number): ClusterSimulation {
    const cluster = ClusterSimulation.running(nodes, { settings });
    cluster.run(3000);
    return cluster;
  }

  const keys = Array.from({ length: 40 }, (_, index) => `call ${index}`);

  it('are found from every node, and nobody owns what nobody claimed', () => {
    const cluster = settled(5);
    for (const [index, key] of keys.entries())
      cluster.cluster((index % 5) + 1).claim(cluster.now, key, 60_000);
    cluster.run(30);
    for (const [index, key] of keys.entries()) {
      const asking = ((index * 3) % 5) + 1;
      expect(locate(cluster, asking, key)).toMatchObject({
        owner: { node: (index % 5) + 1, incarnation: 1 },
        isSure: true,
      });
    }
    expect(locate(cluster, 2, 'nobody has it')).toMatchObject({ owner: null, isSure: true });
  });

  it('end with their lifetime, and when they are released', () => {
    const cluster = settled(3);
    const one = cluster.cluster(1);
    one.claim(cluster.now, 'ends', 3000);
    one.claim(cluster.now, 'is released', 60_000);
    one.claim(cluster.now, 'stays', 60_000);
    cluster.run(30);
    one.release(cluster.now, 'is released');
    cluster.run(5000);
    for (const node of [2, 3]) {
      expect(locate(cluster, node, 'ends').owner).toBeNull();
      expect(locate(cluster, node, 'is released').owner).toBeNull();
      expect(locate(cluster, node, 'stays').owner).toEqual({ node: 1, incarnation: 1 });
    }
  });

  it('of a dead node are found by whoever was told, with the life that is over', () => {
    const cluster = settled(3);
    for (const key of keys) cluster.cluster(1).claim(cluster.now, key, 60_000);
    cluster.run(30);
    cluster.kill(1);
    cluster.run(3000);
    const found = keys.map((key) => locate(cluster, 2, key).owner);
    // What node 1 kept as a home itself died with it.
    for (const owner of found) if (owner !== null) expect(owner).toEqual({ node: 1, incarnation: 1 });
    expect(found.filter((owner) => owner !== null).length).toBeGreaterThan(
      claimDirectory === 'all' ? 39 : 15,
    );
    expect(cluster.cluster(2).lifeOf(cluster.now, 1, 1)).toBe('over');
  });

  it('are found again when the one that kept them died', () => {
    const cluster = settled(3);
    for (const key of keys) cluster.cluster(1).claim(cluster.now, key, 60_000);
    cluster.run(30);
    cluster.kill(2);
    cluster.run(1000);
    for (const key of keys) expect(locate(cluster, 3, key).owner).toEqual({ node: 1, incarnation: 1 });
  });

  it('are found by a node that joins, and through it', () => {
    const cluster = settled(2);
    for (const key of keys) cluster.cluster(1).claim(cluster.now, key, 60_000);
    cluster.members.push(memberOf(3));
    for (const node of [1, 2]) cluster.cluster(node).setMembers(cluster.now, cluster.members);
    cluster.start(3, {}, settings);
    cluster.run(3000);
    for (const node of [2, 3]) for (const key of keys) expect(locate(cluster, node, key).owner?.node).toBe(1);
  });

  it('of two nodes for one key: all agree on the winner, and the loser is told', () => {
    const cluster = settled(3);
    for (const key of keys) {
      cluster.cluster(1).claim(cluster.now, key, 60_000);
      cluster.cluster(2).claim(cluster.now, key, 60_000);
    }
    cluster.run(40);
    let lost = 0;
    for (const key of keys) {
      const winner = locate(cluster, 3, key).owner!.node;
      const loser = winner === 1 ? 2 : 1;
      expect(cluster.at(loser).lost).toContain(`${key} to ${winner}`);
      expect(cluster.at(winner).lost).not.toContain(`${key} to ${loser}`);
      if (loser === 1) lost++;
    }
    expect(lost).toBeGreaterThan(8);
    expect(lost).toBeLessThan(32);
  });

  it('are asked of everybody while the one that keeps them does not answer, within a bounded time', () => {
    const cluster = settled(3);
    for (const key of keys) {
      cluster.cluster(1).claim(cluster.now, key, 60_000);
      cluster.at(1).owned.add(key);
    }
    cluster.run(30);
    cluster.network.partition('10.0.0.2', '10.0.0.3');
    for (const key of keys) {
      const { owner, after } = locate(cluster, 3, key, true);
      expect(owner).toEqual({ node: 1, incarnation: 1 });
      expect(after).toBeLessThanOrEqual(100);
      if (cluster.cluster(3).livePeers().length < 2) break;
    }
  });
});

describe('claims told to their home', () => {
  it('are kept by two nodes each, and a question for something new reserves it', () => {
    const cluster = ClusterSimulation.running(8, { settings: { claimDirectory: 'home' } });
    cluster.run(3000);
    for (let index = 0; index < 800; index++)
      cluster.cluster((index % 8) + 1).claim(cluster.now, `call ${index}`, 60_000);
    cluster.run(50);
    const kept = [...cluster.nodes.values()].map(({ node }) => node.counters().claims!);
    const total = kept.reduce((sum, count) => sum + count, 0);
    // Its owner and its home, which is the same node for one claim in eight.
    expect(total).toBeGreaterThan(1450);
    expect(total).toBeLessThan(1550);

    // Two copies of a new request at two nodes at once: one of them has it before either did anything.
    const owners: (number | null)[] = [];
    for (let index = 0; index < 20; index++) {
      for (const node of [1, 2])
        cluster
          .cluster(node)
          .locate(cluster.now, `new ${index}`, true, (owner) =>
            owners.push(owner === null ? node : owner.node),
          );
      cluster.run(20);
      expect(owners.splice(0)).toEqual(expect.objectContaining({ length: 2 }));
    }
  });

  it('say so when the others keep them otherwise', () => {
    const cluster = new ClusterSimulation(2);
    cluster.start(1, {}, { claimDirectory: 'home' });
    cluster.start(2, {}, { claimDirectory: 'all' });
    cluster.run(2000);
    for (const node of [1, 2])
      expect(cluster.at(node).says(`claim_directory of node [${3 - node}] is not that of this node`)).toBe(1);
  });
});
