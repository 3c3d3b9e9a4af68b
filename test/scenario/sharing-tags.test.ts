/** Sharing tags in clusters of two to five nodes: one holder at most at any moment, whatever happens to the network. */

import { describe, expect, it } from 'vitest';
import { SharingTags, type SharingTagsParts } from '#cluster/sharing-tags.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { ClusterSimulation, memberOf } from './cluster-simulation.ts';

const channel = 8;
const leaseMilliseconds = 4000;
/** A node that has just started gives no vote for so long. */
const graceMilliseconds = 7100;

class TagCluster {
  readonly cluster: ClusterSimulation;
  readonly tags = new Map<number, SharingTags>();
  readonly log: string[] = [];
  readonly #options: Partial<SharingTagsParts>;
  readonly #incarnations = new Map<number, number>();
  /** Most nodes that had the tag at one moment. */
  holdersMost = 0;

  constructor(size: number, options: Partial<SharingTagsParts> & { seed?: number } = {}) {
    const { seed = 1, ...rest } = options;
    this.#options = rest;
    this.cluster = new ClusterSimulation(size, { seed });
    for (const { nodeId } of this.cluster.members) this.start(nodeId);
    this.run(graceMilliseconds);
  }

  get nodes(): number[] {
    return [...this.cluster.nodes.keys()];
  }

  start(node: number): void {
    const incarnation = (this.#incarnations.get(node) ?? 0) + 1;
    this.#incarnations.set(node, incarnation);
    const { node: member, timers } = this.cluster.start(node, { incarnation });
    const tags = new SharingTags({
      self: { node, incarnation },
      timers,
      startedAt: this.cluster.now,
      leaseMilliseconds,
      quorum: 'majority',
      electorate: (now, milliseconds) => member.electorate(now, milliseconds),
      incarnationOf: (other) => member.incarnationOf(other),
      isProvedDead: (now, holder) => member.isProvedDead(now, holder),
      send: (other, body) => void member.send(other, channel, body),
      onChange: (tag, isActive, _epoch, reason) =>
        this.log.push(`${node} ${tag} ${isActive ? 'active' : `backup: ${reason}`}`),
      ...this.#options,
    });
    member.subscribe(channel, tags);
    this.tags.set(node, tags);
    tags.declare(this.cluster.now, 'vip', node === 1);
  }

  kill(node: number): void {
    this.cluster.kill(node);
    this.tags.delete(node);
  }

  /** Looks at every step whether two have it. */
  run(milliseconds: number): void {
    const end = this.cluster.now + milliseconds;
    while (this.cluster.now < end) {
      this.cluster.run(Math.min(25, end - this.cluster.now));
      this.holdersMost = Math.max(this.holdersMost, this.holders().length);
    }
  }

  holders(): number[] {
    return [...this.tags].filter(([, tags]) => tags.isActive(this.cluster.now, 'vip')).map(([node]) => node);
  }

  part(left: readonly number[], right: readonly number[]): void {
    for (const one of left)
      for (const other of right) this.cluster.network.partition(`10.0.0.${one}`, `10.0.0.${other}`);
  }

  heal(): void {
    for (const one of this.cluster.members)
      for (const other of this.cluster.members)
        if (one.nodeId < other.nodeId)
          this.cluster.network.heal(`10.0.0.${one.nodeId}`, `10.0.0.${other.nodeId}`);
  }
}

describe('a sharing tag', () => {
  it('goes to the node that the script prefers, and stays', () => {
    const trio = new TagCluster(3);
    trio.run(1000);
    expect(trio.holders()).toEqual([1]);
    trio.run(60_000);
    expect(trio.log).toEqual(['1 vip active']);
    expect(trio.tags.get(3)!.view(trio.cluster.now)).toEqual([
      { tag: 'vip', isActive: false, epoch: 1, holder: 1 },
    ]);
  });

  it('goes on within two seconds when its holder is killed, and is not stolen when that one is back', () => {
    const trio = new TagCluster(3);
    trio.run(1000);
    trio.kill(1);
    trio.run(2000);
    expect(trio.holders()).toEqual([2]);
    trio.start(1);
    trio.run(30_000);
    expect(trio.holders()).toEqual([2]);
    expect(trio.log).toEqual(['1 vip active', '2 vip active']);
  });

  it('is given up by a minority when its lease is over, and taken by the majority only then', () => {
    const trio = new TagCluster(3);
    trio.run(1000);
    trio.part([1], [2, 3]);
    trio.run(leaseMilliseconds);
    expect(trio.holders()).not.toContain(1);
    expect(trio.log[1]).toBe('1 vip backup: no majority renewed its lease in time');
    trio.run(6000);
    expect(trio.holders()).toEqual([2]);
    trio.heal();
    trio.run(30_000);
    expect(trio.holders()).toEqual([2]);
    expect(trio.holdersMost).toBe(1);
  });

  it('survives one of two nodes whichever it is, and stays with the lower one when the link breaks', () => {
    const pair = new TagCluster(2);
    pair.run(1000);
    expect(pair.holders()).toEqual([1]);
    pair.kill(1);
    pair.run(3000);
    expect(pair.holders()).toEqual([2]);
    pair.run(30_000);
    pair.start(1);
    pair.run(20_000);
    expect(pair.log).toEqual(['1 vip active', '2 vip active']);
    pair.part([1], [2]);
    pair.run(20_000);
    expect(pair.holders()).toEqual([1]);
    expect(pair.holdersMost).toBe(1);
  });

  it('is taken by the node that is told to, at once, and by nobody without a majority', () => {
    const trio = new TagCluster(3);
    trio.run(1000);
    trio.tags.get(3)!.activate(trio.cluster.now, 'vip');
    trio.run(400);
    expect(trio.holders()).toEqual([3]);
    expect(trio.log.slice(1)).toEqual(['1 vip backup: node [3] was told to take it', '3 vip active']);
    trio.run(20_000);
    expect(trio.holders()).toEqual([3]);
    trio.part([1], [2, 3]);
    trio.run(8000);
    trio.tags.get(1)!.activate(trio.cluster.now, 'vip');
    trio.run(8000);
    expect(trio.holders()).toEqual([3]);
    expect(trio.holdersMost).toBe(1);
  });

  it('that is nowhere active stays so until somebody is told to take it', () => {
    const trio = new TagCluster(3);
    for (const tags of trio.tags.values()) tags.declare(trio.cluster.now, 'spare');
    trio.run(20_000);
    expect(trio.log.filter((line) => line.includes('spare'))).toEqual([]);
    trio.tags.get(2)!.activate(trio.cluster.now, 'spare');
    trio.run(500);
    expect(trio.tags.get(2)!.isActive(trio.cluster.now, 'spare')).toBe(true);
    trio.run(6000);
    trio.kill(2);
    trio.run(4000);
    expect(trio.tags.get(1)!.isActive(trio.cluster.now, 'spare')).toBe(true);
  });

  it('is let go by a node that is about to stop, and by one that stood still before it does anything', () => {
    const trio = new TagCluster(3);
    trio.run(1000);
    const one = trio.tags.get(1)!;
    expect(one.isActive(trio.cluster.now + leaseMilliseconds, 'vip')).toBe(false);
    one.setWilling(trio.cluster.now, false);
    expect(trio.holders()).toEqual([]);
    trio.run(2500);
    expect(trio.holders()).toEqual([2]);
  });

  it('is left by a node that is taken out of the membership', () => {
    const trio = new TagCluster(3);
    trio.run(1000);
    const members = [memberOf(1, { enabled: false }), memberOf(2), memberOf(3)];
    for (const node of trio.nodes) trio.cluster.cluster(node).setMembers(trio.cluster.now, members);
    trio.run(10_000);
    expect(trio.holders()).toEqual([2]);
    expect(trio.holdersMost).toBe(1);
  });

  it('with the quorum of those that are reachable is held on both sides, until they meet again', () => {
    const pair = new TagCluster(2, { quorum: 'reachable' });
    pair.run(1000);
    pair.part([1], [2]);
    pair.run(12_000);
    expect(pair.holders()).toEqual([1, 2]);
    pair.heal();
    pair.run(12_000);
    expect(pair.holders()).toHaveLength(1);
  });
});

/** 135: a voter died whose promise the holder relied on, while the third was cut off. */
const seeds = [...Array.from({ length: 25 }, (_, index) => index + 1), 135];

describe('sharing tags on a bad network', () => {
  it.each([2, 3, 5])('have one holder at most among %i nodes, and one again when it is calm', (size) => {
    for (const seed of seeds) {
      const random = new SeededRandom(seed);
      const group = new TagCluster(size, { seed });
      group.cluster.network.faults = { delay: [1, 40], chopChance: 0.1, cutChance: 0.002 };
      for (let step = 0; step < 25; step++) {
        const node = 1 + random.below(size);
        const others = group.cluster.members.map(({ nodeId }) => nodeId).filter((other) => other !== node);
        const dice = random.next();
        if (dice < 0.25) group.part([node], others.slice(random.below(others.length)));
        else if (dice < 0.45) group.heal();
        else if (dice < 0.6 && group.tags.has(node)) group.kill(node);
        else if (dice < 0.85 && !group.tags.has(node)) group.start(node);
        else if (group.tags.has(node)) group.tags.get(node)!.activate(group.cluster.now, 'vip');
        group.run(random.below(5000));
        expect(group.holdersMost, `seed ${seed}, step ${step}`).toBeLessThanOrEqual(1);
      }
      group.heal();
      for (const { nodeId } of group.cluster.members) if (!group.tags.has(nodeId)) group.start(nodeId);
      group.run(25_000);
      expect(group.holders(), `seed ${seed}, calm`).toHaveLength(1);
    }
  });
});
