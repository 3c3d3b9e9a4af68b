/** A node whose frames arrive with wrong bytes in them: it harms nobody else, and is whole again when that ends. */

import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../support/seeded-random.ts';
import { ClusterSimulation, datagram } from './cluster-simulation.ts';

describe('frames with wrong bytes', () => {
  it('cost the link that they come over, and nothing else', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const cluster = ClusterSimulation.running(3, { seed });
      const random = new SeededRandom(seed);
      cluster.network.faults = { delay: [1, 5], chopChance: 0.3, cutChance: 0 };
      cluster.network.translate = (owner, _link, bytes) => {
        if (owner !== '10.0.0.3' || random.next() < 0.7) return bytes;
        const changed = Buffer.from(bytes);
        for (let flips = 1 + random.below(4); flips > 0; flips--)
          changed[random.below(changed.length)] = random.below(256);
        return random.next() < 0.1 ? changed.subarray(0, random.below(changed.length)) : changed;
      };
      for (let step = 0; step < 40; step++) {
        const three = cluster.cluster(3);
        three.claim(cluster.now, `seed ${seed} step ${step}`, 60_000);
        three.forward(cluster.now, 1 + (step % 2), datagram('x'.repeat(step), { receivedAt: cluster.now }));
        three.broadcast(9, Buffer.alloc(step));
        cluster.run(random.below(300));
        expect(cluster.cluster(1).livePeers(), `seed ${seed}`).toContain(2);
      }
      for (const node of [1, 2]) expect(cluster.at(node).says(`node [${3 - node}] is down`)).toBe(0);
      cluster.network.translate = null;
      cluster.run(20_000);
      expect(cluster.isWhole(), `seed ${seed}`).toBe(true);
      cluster.cluster(3).claim(cluster.now, 'afterwards', 60_000);
      cluster.run(50);
      expect(cluster.cluster(1).owner(cluster.now, 'afterwards')?.node).toBe(3);
    }
  });
});
