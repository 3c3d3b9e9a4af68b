import { describe, expect, it } from 'vitest';
import { formatCluster, formatClusterOfAll } from '#cli/cluster-view.ts';

const kinds = { reply: 0, request: 0, cancel: 0, ack: 0 };

function peer(nodeId: number, changes: object = {}): object {
  return {
    nodeId,
    state: 'up',
    through: 0,
    stateMilliseconds: 3_725_000,
    roundTripMilliseconds: 2,
    queueFrames: 0,
    queueBytes: 0,
    incarnation: 7,
    software: '0.1.0',
    draining: false,
    address: `10.0.0.${nodeId}`,
    port: 5566,
    secure: false,
    problem: '',
    counters: {
      framesIn: 11,
      framesOut: 12,
      bytesIn: 13,
      bytesOut: 14,
      relayed: 0,
      heartbeatsMissed: 1,
      linksLost: 0,
      forwardsIn: { ...kinds, reply: 5 },
      forwardsOut: { ...kinds, cancel: 6 },
      drops: { stale: 0, queueFull: 3 },
    },
    ...changes,
  };
}

function node(id: number, peers: readonly object[]): object {
  return {
    node_id: id,
    cluster_id: 1,
    incarnation: 9,
    software: '0.1.0',
    draining: false,
    counters: { claims: 4, claimsLost: 0 },
    peers,
  };
}

describe('anyvia cluster', () => {
  it('shows a node, its peers, what went over the links, and what did not', () => {
    const text = formatCluster(
      node(1, [peer(2), peer(3, { address: 'fd00::3', secure: true, through: 2, state: 'relayed' })]),
    );
    expect(text).toContain(
      'node 1 of cluster 1, incarnation 9, version 0.1.0, takes new work\nclaims 4, claims lost 0\n',
    );
    expect(text).toMatch(/^ *2 +up +1h2m +2 +0 +0 +7 +0\.1\.0 +bin:10\.0\.0\.2:5566$/m);
    expect(text).toMatch(/^ *3 +via 2 .*bins:\[fd00::3\]:5566$/m);
    expect(text).toMatch(/^ *2 +11 +12 +13 +14 +0 +1 +0 +5\/0 +0\/0 +0\/6 +0\/0$/m);
    expect(text).toMatch(/^ *2 +queue full +3$/m);
    expect(text).not.toContain('stale');
  });

  it('says that a node stands alone', () => {
    expect(formatCluster({ node_id: 1, cluster_id: 0, software: '0.1.0', peers: [] })).toBe(
      'node 1 stands alone, version 0.1.0\n\n(no peers)\n',
    );
  });

  it('shows who reaches whom, with the nodes that did not answer', () => {
    const text = formatClusterOfAll({
      1: node(1, [peer(2), peer(3, { state: 'down' })]),
      2: node(2, [peer(1), peer(3, { through: 1, state: 'relayed' })]),
    });
    expect(text.split('\n').slice(0, 4)).toEqual([
      'reaches  node 1  node 2  node 3',
      'node 1   -       up      down',
      'node 2   up      -       via 1',
      'node 3                   -',
    ]);
  });
});
