/** Shared state, calls to other nodes, relaying and draining of a cluster on a simulated network and clock. */

import { describe, expect, it } from 'vitest';
import { isFailure } from '#util/failure.ts';
import { ClusterSimulation, datagram } from './cluster-simulation.ts';

/** More than any batch of claims waits. */
const batchMilliseconds = 50;

function texts(received: readonly { readonly datagram: { readonly bytes: Uint8Array } }[]): string[] {
  return received.map((entry) => String(entry.datagram.bytes));
}

function droppedBy(cluster: ClusterSimulation, node: number, peer: number): Record<string, number> {
  const view = cluster
    .cluster(node)
    .peers()
    .find((entry) => entry.nodeId === peer)!;
  return Object.fromEntries(Object.entries(view.counters.drops).filter(([, count]) => count > 0));
}

describe('shared state', () => {
  it('is broadcast in order to all live nodes', () => {
    const cluster = ClusterSimulation.running(3);
    const heard: string[] = [];
    for (const node of [2, 3]) {
      cluster.cluster(node).subscribe(2, {
        onMessage: (from, body) => heard.push(`${node} hears ${body} of ${from}`),
        onPeerUp: (peer, incarnation) => heard.push(`${node}: ${peer} up ${incarnation}`),
        onPeerDown: (peer) => heard.push(`${node}: ${peer} down`),
      });
    }
    expect(heard).toEqual(['2: 1 up 1', '2: 3 up 1', '3: 1 up 1', '3: 2 up 1']);
    heard.length = 0;
    for (const text of ['a', 'b']) cluster.cluster(1).broadcast(2, Buffer.from(text));
    cluster.run(5);
    expect(heard.sort()).toEqual(['2 hears a of 1', '2 hears b of 1', '3 hears a of 1', '3 hears b of 1']);
    heard.length = 0;
    cluster.kill(1);
    cluster.run(5);
    expect(heard).toEqual(['2: 1 down', '3: 1 down']);
  });

  it('that is patient waits for company, and overtakes nothing', () => {
    const cluster = ClusterSimulation.running(2);
    const heard: string[] = [];
    cluster.cluster(2).subscribe(2, {
      onMessage: (_from, body) => heard.push(String(body)),
      onPeerUp: () => {},
      onPeerDown: () => {},
    });
    const node = cluster.cluster(1);
    node.broadcast(2, Buffer.from('a'), true);
    cluster.run(3);
    expect(heard).toEqual([]);
    node.broadcast(2, Buffer.from('b'));
    cluster.run(3);
    expect(heard).toEqual(['a', 'b']);
    node.broadcast(2, Buffer.from('c'), true);
    cluster.run(batchMilliseconds + 5);
    expect(heard).toEqual(['a', 'b', 'c']);
  });

  it('on a channel that nobody knows is counted', () => {
    const cluster = ClusterSimulation.running(2);
    cluster.cluster(1).broadcast(99, Buffer.from('x'));
    cluster.run(5);
    expect(droppedBy(cluster, 2, 1)).toEqual({ unknownType: 1 });
  });
});

describe('a call to another node', () => {
  it('brings its result, or the reason why there is none', () => {
    const cluster = ClusterSimulation.running(3);
    const results: string[] = [];
    const call = (node: number, method: string): void =>
      cluster.cluster(1).call(cluster.now, node, { method, parameters: '{"a":1}' }, (result) => {
        results.push(isFailure(result) ? result.code : result);
      });
    call(2, 'echo');
    call(2, 'silence');
    call(2, 'large');
    call(9, 'echo');
    expect(results).toEqual(['CLUSTER_CALL_UNREACHABLE']);
    cluster.run(200);
    expect(results.slice(1)).toEqual(['{"from":1,"parameters":{"a":1}}', 'CLUSTER_CALL_FAILED']);
    cluster.run(6000);
    expect(results.slice(3)).toEqual(['CLUSTER_CALL_TIMEOUT']);
    call(3, 'silence');
    cluster.kill(3);
    cluster.run(10);
    expect(results.slice(4)).toEqual(['CLUSTER_CALL_UNREACHABLE']);
  });
});

describe('one relay hop', () => {
  function firewalled(): ClusterSimulation {
    const cluster = ClusterSimulation.running(3);
    cluster.network.bar('10.0.0.1', '10.0.0.3');
    cluster.run(3000);
    return cluster;
  }

  it('carries everything when the direct link is down', () => {
    const cluster = firewalled();
    expect(cluster.isWhole()).toBe(true);
    const view = cluster.cluster(1).peers()[1]!;
    expect([view.state, view.through]).toEqual(['relayed', 2]);
    expect(cluster.at(1).says('Node [3] is UP (through node [2], no direct link)')).toBe(1);
    cluster.cluster(1).claim(cluster.now, 'far', 60_000);
    cluster.cluster(1).forward(cluster.now, 3, datagram('over there', { receivedAt: cluster.now }));
    const results: string[] = [];
    cluster
      .cluster(3)
      .call(cluster.now, 1, { method: 'echo', parameters: '{}' }, (result) => results.push(String(result)));
    cluster.run(20);
    expect(texts(cluster.at(3).received)).toEqual(['over there']);
    expect(cluster.at(3).received[0]!.from).toBe(1);
    expect(cluster.cluster(3).owner(cluster.now, 'far')).toEqual({ node: 1, incarnation: 1 });
    expect(results).toEqual(['{"from":3,"parameters":{}}']);
    expect(cluster.cluster(2).peers()[0]!.counters.relayed).toBeGreaterThan(0);
  });

  it('goes back to the direct link when it is there again', () => {
    const cluster = firewalled();
    cluster.network.unbar('10.0.0.1', '10.0.0.3');
    cluster.run(5000);
    expect(cluster.cluster(1).peers()[1]!.state).toBe('up');
    expect(cluster.at(1).says('direct link to node [3] is there again')).toBe(1);
  });

  it('ends when the node behind it dies', () => {
    const cluster = firewalled();
    cluster.kill(3);
    cluster.run(50);
    expect(cluster.cluster(1).livePeers()).toEqual([2]);
    expect(cluster.at(1).says('node [3] is down')).toBe(2);
  });

  it('is never two: a chain of four does not reach its other end', () => {
    const cluster = ClusterSimulation.running(4);
    for (const [left, right] of [
      [1, 3],
      [1, 4],
      [2, 4],
    ] as const)
      cluster.network.bar(`10.0.0.${left}`, `10.0.0.${right}`);
    cluster.run(4000);
    expect(cluster.cluster(1).livePeers()).toEqual([2, 3]);
    expect(cluster.cluster(4).livePeers()).toEqual([2, 3]);
  });
});

describe('draining', () => {
  it('is told to the peers, which then leave the node out', () => {
    const cluster = ClusterSimulation.running(3);
    cluster.cluster(2).setDraining(true);
    cluster.run(10);
    expect(cluster.cluster(1).takingPeers()).toEqual([3]);
    expect(cluster.cluster(1).livePeers()).toEqual([2, 3]);
    cluster.cluster(2).setDraining(false);
    cluster.run(10);
    expect(cluster.cluster(1).takingPeers()).toEqual([2, 3]);
  });
});
