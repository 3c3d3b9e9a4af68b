/** Three and five nodes in memory: coming up, going down, claims, forwards, relay. No sleeping: the clock is ours. */

import { describe, expect, it } from 'vitest';
import { ClusterSimulation, datagram } from './cluster-simulation.ts';

describe('three nodes', () => {
  it('find each other and say so in the words operators look for', () => {
    const cluster = ClusterSimulation.running(3);
    expect(cluster.isWhole()).toBe(true);
    expect(cluster.at(1).says('Node [3] is UP')).toBe(1);
    expect(cluster.at(3).says('Node [1] is UP')).toBe(1);
    expect(cluster.network.openLinks()).toBe(6);
    expect(
      cluster
        .cluster(1)
        .peers()
        .map((peer) => peer.state),
    ).toEqual(['up', 'up']);
  });

  it('notice a killed node at once', () => {
    const cluster = ClusterSimulation.running(3);
    cluster.kill(3);
    cluster.run(10);
    expect(cluster.cluster(1).livePeers()).toEqual([2]);
    expect(cluster.at(1).says('node [3] is down')).toBe(1);
    expect(cluster.at(2).says('node [3] is down')).toBe(1);
  });

  it('carry claims and datagrams', () => {
    const cluster = ClusterSimulation.running(3);
    cluster.cluster(1).claim(cluster.now, 'call-1', 32_000);
    cluster.run(10);
    expect(cluster.cluster(2).owner(cluster.now, 'call-1')).toEqual({ node: 1, incarnation: 1 });
    expect(cluster.cluster(3).owner(cluster.now, 'call-2')).toBeNull();
    expect(
      cluster.cluster(3).forward(cluster.now, 1, datagram('SIP/2.0 200 OK', { receivedAt: cluster.now })),
    ).toBe(true);
    cluster.run(10);
    expect(cluster.at(1).received.map(({ from, datagram: { bytes } }) => [from, String(bytes)])).toEqual([
      [3, 'SIP/2.0 200 OK'],
    ]);
  });
});
