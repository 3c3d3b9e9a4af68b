/** Three and five nodes in memory: coming up, going down, claims, forwards. No sleeping: the clock is ours. */

import { describe, expect, it } from 'vitest';
import type { ClaimOwner } from '#cluster/claim-directory.ts';
import { ClusterSimulation, datagram, memberOf } from './cluster-simulation.ts';

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

describe('links', () => {
  it('come up between all nodes, one per pair, and say so in the words operators look for', () => {
    const cluster = ClusterSimulation.running(5);
    expect(cluster.isWhole()).toBe(true);
    expect(cluster.network.openLinks()).toBe(5 * 4);
    for (const node of cluster.nodes.values()) {
      expect(node.says('is UP')).toBe(4);
      expect(node.says('is down')).toBe(0);
    }
    expect(cluster.at(1).says('Node [3] is UP')).toBe(1);
  });

  it('show a killed node as down at once, and as up when it is back with a new incarnation', () => {
    const cluster = ClusterSimulation.running(3);
    cluster.kill(3);
    cluster.run(10);
    expect(cluster.cluster(1).livePeers()).toEqual([2]);
    for (const node of [1, 2]) expect(cluster.at(node).says('node [3] is down')).toBe(1);
    cluster.run(2000);
    cluster.start(3, { incarnation: 2 });
    cluster.run(3000);
    expect(cluster.isWhole()).toBe(true);
    expect(cluster.cluster(1).incarnationOf(3)).toBe(2);
    for (const node of [1, 2]) {
      expect(cluster.at(node).says('Node [3] is UP')).toBe(2);
      expect(cluster.at(node).says('node [3] is down')).toBe(1);
    }
  });

  it('are given up after three missed heartbeats, without a flicker through the other node', () => {
    const cluster = ClusterSimulation.running(3);
    cluster.network.partition('10.0.0.1', '10.0.0.3');
    cluster.network.partition('10.0.0.2', '10.0.0.3');
    cluster.run(2500);
    expect(cluster.cluster(1).livePeers()).toEqual([2, 3]);
    cluster.run(2000);
    expect(cluster.cluster(1).livePeers()).toEqual([2]);
    expect(cluster.at(1).says('node [3] is down: 3 heartbeats missed (3 s)')).toBe(1);
    cluster.run(5000);
    expect(cluster.at(1).says('Node [3] is UP')).toBe(1);
    expect(cluster.at(1).says('node [3] is down')).toBe(1);
    cluster.network.heal('10.0.0.1', '10.0.0.3');
    cluster.network.heal('10.0.0.2', '10.0.0.3');
    cluster.run(10_000);
    expect(cluster.isWhole()).toBe(true);
  });

  it('measure the round trip', () => {
    const cluster = new ClusterSimulation(2);
    cluster.network.faults = { delay: [20, 20], chopChance: 0, cutChance: 0 };
    cluster.start(1);
    cluster.start(2);
    cluster.run(5000);
    const [peer] = cluster.cluster(1).peers();
    expect(peer!.roundTripMilliseconds).toBe(40);
  });

  it('come up when only the higher id can dial', () => {
    const cluster = new ClusterSimulation(2);
    cluster.members[1] = memberOf(2, { address: '10.9.9.9' });
    cluster.start(1);
    cluster.start(2);
    cluster.run(4000);
    expect(cluster.cluster(1).livePeers()).toEqual([]);
    cluster.run(8000);
    expect(cluster.cluster(1).livePeers()).toEqual([2]);
  });

  it('are closed with a word when a node stops', () => {
    const cluster = ClusterSimulation.running(3);
    cluster.cluster(2).stop(cluster.now, 'it is stopping for a test');
    cluster.run(20);
    expect(cluster.cluster(1).livePeers()).toEqual([3]);
    expect(cluster.at(1).says('node [2] is down: it is stopping for a test')).toBe(1);
  });
});

describe('a link is refused loudly', () => {
  it('when the secrets differ', () => {
    const cluster = ClusterSimulation.running(2);
    cluster.members.push(memberOf(3));
    for (const node of [1, 2]) cluster.cluster(node).setMembers(cluster.now, cluster.members);
    const odd = cluster.start(3, { secret: Buffer.from('another') });
    cluster.run(25_000);
    expect(odd.node.livePeers()).toEqual([]);
    expect(cluster.cluster(1).livePeers()).toEqual([2]);
    // One line in half a minute at each end, however often it is dialled.
    expect(cluster.at(3).says('wrong shared secret')).toBe(2);
    expect(cluster.at(1).says('node [3] at 10.0.0.3:5566 refuses this node: wrong shared secret')).toBe(1);
    expect(odd.says('refused the link with node [1]')).toBe(1);
    expect(cluster.cluster(1).peers()[1]!.state).toBe('refused');
    cluster.run(10_000);
    expect(cluster.at(1).says('wrong shared secret')).toBe(2);
  });

  it('when only one side has a secret', () => {
    const cluster = new ClusterSimulation(2);
    cluster.start(1);
    const bare = cluster.start(2, { secret: null });
    cluster.run(3000);
    expect(bare.node.livePeers()).toEqual([]);
    expect(bare.says('node [1] has a shared secret, node [2] has none')).toBe(1);
    expect(cluster.at(1).says('refuses this node: node [1] has a shared secret, node [2] has none')).toBe(1);
  });

  it('when a second node has an id that is in use, whichever id that is', () => {
    for (const id of [1, 2, 3]) {
      const cluster = ClusterSimulation.running(3);
      const twin = cluster.start(id, { address: '10.0.0.9', incarnation: 7 });
      cluster.run(15_000);
      expect(cluster.isWhole()).toBe(true);
      expect(twin.node.livePeers()).toEqual([]);
      expect(twin.says(`duplicate node id: node [${id}] is up at`)).toBeGreaterThan(0);
      const others = [1, 2, 3].filter((other) => other !== id);
      const complaints = others.map((other) => cluster.at(other).says(`duplicate node id: node [${id}]`));
      expect(Math.max(...complaints)).toBeGreaterThan(0);
      for (const other of others) expect(cluster.at(other).says(`node [${id}] is down`)).toBe(0);
    }
  });

  it('when the cluster, the protocol or the node is another', () => {
    const cluster = new ClusterSimulation(1, { settings: {} });
    cluster.members.push(memberOf(2), memberOf(3, { enabled: false }));
    cluster.start(1);
    const foreign = cluster.start(2, { clusterId: 4 });
    foreign.node.setMembers(cluster.now, [memberOf(1, { clusterId: 4 })]);
    cluster.run(9000);
    expect(foreign.says('refused the link with node [1]')).toBe(1);
    expect(cluster.at(1).says('refuses this node: node [1] is of cluster 1, node [2] of cluster 4')).toBe(1);
    const disabled = cluster.start(3);
    disabled.node.setMembers(cluster.now, [memberOf(1)]);
    cluster.run(9000);
    expect(disabled.says('refuses this node: node [3] is disabled in the membership')).toBe(1);
    const unknown = cluster.start(8);
    cluster.run(9000);
    expect(unknown.says('refuses this node: node [8] is not a member of the cluster')).toBe(1);
  });

  it('when the protocol versions do not meet', () => {
    const old = new ClusterSimulation(2);
    old.start(1);
    const newer = old.start(2, {}, { protocol: { lowest: 2, highest: 3 } });
    old.run(3000);
    expect(newer.node.livePeers()).toEqual([]);
    const reason = 'node [1] speaks link protocol 1 to 1, node [2] 2 to 3';
    expect(old.at(1).says(`node [2] at 10.0.0.2:5566 refuses this node: ${reason}`)).toBe(1);
    expect(newer.says('refused the link with node [1]')).toBe(1);
    expect(newer.says(reason)).toBe(1);
  });

  it('when there is no secret and the address is not listed', () => {
    const cluster = new ClusterSimulation(3, { secret: null });
    cluster.start(1);
    cluster.start(2);
    cluster.start(3, { address: '10.0.0.33' });
    cluster.run(15_000);
    expect(cluster.at(1).says('no shared secret, so peers are known by their listed address alone')).toBe(1);
    expect(cluster.cluster(1).livePeers()).toEqual([2]);
    expect(cluster.at(3).says('refuses this node: node [3] is listed at 10.0.0.3')).toBeGreaterThan(0);
  });

  it('when the address leads back to the node itself', () => {
    const cluster = new ClusterSimulation(2);
    cluster.members[1] = memberOf(2, { address: '10.0.0.1' });
    cluster.start(1);
    cluster.run(3000);
    expect(cluster.at(1).says('leads back to this node')).toBeGreaterThan(0);
  });
});

describe('membership', () => {
  it('is applied as a difference: links of unchanged members stay', () => {
    const cluster = ClusterSimulation.running(3);
    const links = cluster
      .cluster(1)
      .peers()
      .map((peer) => peer.since);
    cluster.members[2] = memberOf(3, { description: 'renamed', priority: 7 });
    cluster.members.push(memberOf(4));
    for (const node of [1, 2, 3]) {
      const change = cluster.cluster(node).setMembers(cluster.now, cluster.members);
      expect(change).toEqual({ added: [4], changed: node === 3 ? [] : [3], removed: [] });
    }
    cluster.start(4);
    cluster.run(2000);
    expect(cluster.isWhole()).toBe(true);
    expect(
      cluster
        .cluster(1)
        .peers()
        .slice(0, 2)
        .map((peer) => peer.since),
    ).toEqual(links);
    expect(cluster.cluster(1).peers()[1]!.description).toBe('renamed');
  });

  it('lets go of a removed and of a disabled member, and takes it back', () => {
    const cluster = ClusterSimulation.running(3);
    expect(
      cluster.cluster(1).setMembers(cluster.now, [memberOf(1), memberOf(2), memberOf(3, { enabled: false })]),
    ).toEqual({
      added: [],
      changed: [3],
      removed: [],
    });
    cluster.run(3000);
    expect(cluster.cluster(1).livePeers()).toEqual([2]);
    expect(cluster.cluster(1).peers()[1]!.state).toBe('disabled');
    expect(cluster.at(3).says('node [1] is down: it is disabled in the membership')).toBe(1);
    cluster.cluster(1).setMembers(cluster.now, [memberOf(1), memberOf(3)]);
    cluster.run(6000);
    expect(
      cluster
        .cluster(1)
        .peers()
        .map((peer) => peer.nodeId),
    ).toEqual([3]);
    expect(cluster.cluster(1).livePeers()).toEqual([3]);
    expect(cluster.at(1).says('node [2] is down')).toBe(1);
  });

  it('takes this node out when its own row is disabled', () => {
    const cluster = ClusterSimulation.running(3);
    cluster.cluster(2).setMembers(cluster.now, [memberOf(1), memberOf(2, { enabled: false }), memberOf(3)]);
    cluster.run(1000);
    expect(cluster.cluster(2).livePeers()).toEqual([]);
    expect(cluster.cluster(1).livePeers()).toEqual([3]);
    cluster.cluster(2).setMembers(cluster.now, cluster.members);
    cluster.run(9000);
    expect(cluster.isWhole()).toBe(true);
  });

  it('follows a member that moves', () => {
    const cluster = ClusterSimulation.running(2);
    cluster.kill(2);
    cluster.members[1] = memberOf(2, { address: '10.0.0.22' });
    cluster.cluster(1).setMembers(cluster.now, cluster.members);
    cluster.start(2, { address: '10.0.0.22', incarnation: 2 });
    cluster.run(3000);
    expect(cluster.isWhole()).toBe(true);
  });

  it('leaves members of other clusters out', () => {
    const cluster = ClusterSimulation.running(2);
    cluster.cluster(1).setMembers(cluster.now, [...cluster.members, memberOf(9, { clusterId: 2 })]);
    expect(
      cluster
        .cluster(1)
        .peers()
        .map((peer) => peer.nodeId),
    ).toEqual([2]);
  });
});

describe('claims', () => {
  it('are known everywhere after one batch, gone when they end or are released; a dead node is known to be dead', () => {
    const cluster = ClusterSimulation.running(3);
    const one = cluster.cluster(1);
    one.claim(cluster.now, 'ends', 3000);
    one.claim(cluster.now, 'is released', 60_000);
    one.claim(cluster.now, 'stays', 60_000);
    cluster.run(10);
    const owner: ClaimOwner = { node: 1, incarnation: 1 };
    for (const node of [1, 2, 3]) expect(cluster.cluster(node).owner(cluster.now, 'stays')).toEqual(owner);
    expect(cluster.cluster(2).owner(cluster.now, 'nobody knows')).toBeNull();
    one.release(cluster.now, 'is released');
    cluster.run(5000);
    expect(cluster.cluster(2).owner(cluster.now, 'ends')).toBeNull();
    expect(cluster.cluster(2).owner(cluster.now, 'is released')).toBeNull();
    expect(cluster.cluster(2).owner(cluster.now, 'stays')).toEqual(owner);
    cluster.kill(1);
    cluster.run(10);
    expect(cluster.cluster(2).lifeOf(cluster.now, 1, 1)).toBe('unsure');
    cluster.run(500);
    expect(cluster.cluster(2).lifeOf(cluster.now, 1, 1)).toBe('over');
  });

  it('of a node that fell silent: it is dead for the larger part, unseen for the smaller', () => {
    const cluster = ClusterSimulation.running(3);
    for (const other of [2, 3]) cluster.network.partition('10.0.0.1', `10.0.0.${other}`);
    cluster.run(6000);
    expect(cluster.cluster(2).lifeOf(cluster.now, 1, 1)).toBe('over');
    expect(cluster.cluster(1).lifeOf(cluster.now, 2, 1)).toBe('unseen');
    expect(cluster.cluster(1).isAnyoneUnsure(cluster.now)).toBe(true);
    // Nobody has met its next life yet.
    expect(cluster.cluster(2).lifeOf(cluster.now, 3, 2)).toBe('unsure');
  });

  it('of nodes whose machines refuse connections: they are dead, also for the last one', () => {
    const cluster = ClusterSimulation.running(3);
    for (const node of [2, 3]) cluster.kill(node);
    cluster.run(1000);
    for (const node of [2, 3]) expect(cluster.cluster(1).lifeOf(cluster.now, node, 1)).toBe('over');
  });

  it('of a former incarnation are not believed', () => {
    const cluster = ClusterSimulation.running(2);
    cluster.cluster(1).claim(cluster.now, 'old', 60_000);
    cluster.run(10);
    cluster.kill(1);
    cluster.start(1, { incarnation: 2 });
    cluster.run(3000);
    expect(cluster.isWhole()).toBe(true);
    expect(cluster.cluster(2).lifeOf(cluster.now, 1, 1)).toBe('over');
  });

  it('reach a node that joins later, as a snapshot', () => {
    const cluster = ClusterSimulation.running(2);
    for (let index = 0; index < 10_000; index++)
      cluster.cluster(1).claim(cluster.now, `call ${index}`, 60_000);
    cluster.members.push(memberOf(3));
    for (const node of [1, 2]) cluster.cluster(node).setMembers(cluster.now, cluster.members);
    cluster.start(3);
    cluster.run(2000);
    const three = cluster.cluster(3);
    const known = Array.from(
      { length: 10_000 },
      (_, index) => three.owner(cluster.now, `call ${index}`)?.node,
    );
    expect(known.every((node) => node === 1)).toBe(true);
  });

  it('of two nodes for one key: all agree on the winner, and the loser is told', () => {
    const cluster = ClusterSimulation.running(3);
    let lost = 0;
    for (let index = 0; index < 50; index++) {
      const key = `both ${index}`;
      cluster.cluster(1).claim(cluster.now, key, 60_000);
      cluster.cluster(2).claim(cluster.now, key, 60_000);
    }
    cluster.run(20);
    for (let index = 0; index < 50; index++) {
      const key = `both ${index}`;
      const owners = [1, 2, 3].map((node) => cluster.cluster(node).owner(cluster.now, key)!.node);
      expect(new Set(owners).size).toBe(1);
      const loser = owners[0] === 1 ? 2 : 1;
      expect(cluster.at(loser).lost).toContain(`${key} to ${owners[0]}`);
      if (loser === 1) lost++;
    }
    expect(cluster.at(1).lost).toHaveLength(lost);
    expect(cluster.at(2).lost).toHaveLength(50 - lost);
    expect(lost).toBeGreaterThan(10);
    expect(lost).toBeLessThan(40);
  });

  it('ride along with a datagram, and wake nobody else for it', () => {
    const cluster = ClusterSimulation.running(3, { settings: { claimBatch: 200 } });
    cluster.run(100);
    const one = cluster.cluster(1);
    one.claim(cluster.now, 'rides', 60_000);
    const before = cluster.network.writes;
    one.forward(cluster.now, 2, datagram('x', { receivedAt: cluster.now }));
    cluster.run(2);
    expect(cluster.network.writes - before).toBe(1);
    expect(cluster.cluster(2).owner(cluster.now, 'rides')?.node).toBe(1);
    expect(cluster.cluster(3).owner(cluster.now, 'rides')).toBeNull();
    cluster.run(300);
    expect(cluster.cluster(3).owner(cluster.now, 'rides')?.node).toBe(1);
  });

  it('and everything else of one turn leave in one write per peer', () => {
    const cluster = ClusterSimulation.running(3, { settings: { claimBatch: 0 } });
    cluster.run(50);
    const before = cluster.network.writes;
    for (let index = 0; index < 100; index++) {
      cluster.cluster(1).claim(cluster.now, `call ${index}`, 60_000);
      cluster.cluster(1).forward(cluster.now, 2, datagram(`x${index}`, { receivedAt: cluster.now }));
    }
    cluster.run(2);
    expect(cluster.network.writes - before).toBe(2);
    expect(cluster.at(2).received).toHaveLength(100);
  });
});

describe('datagrams', () => {
  it('arrive as the network brought them, with their age', () => {
    const cluster = ClusterSimulation.running(3);
    const text = 'SIP/2.0 180 Ringing\r\n\r\n\xff\x00binary';
    const sent = datagram(text, {
      kind: 'cancel',
      receivedAt: cluster.now - 30,
      sourceAddress: '2001:db8::7',
    });
    expect(cluster.cluster(3).forward(cluster.now, 1, sent)).toBe(true);
    cluster.run(5);
    const { datagram: got, from } = cluster.at(1).received[0]!;
    expect(from).toBe(3);
    expect(Buffer.from(got.bytes).toString('latin1')).toBe(text);
    expect([got.kind, got.sourceAddress, got.sourcePort, got.socket]).toEqual([
      'cancel',
      '2001:db8::7',
      5060,
      sent.socket,
    ]);
    expect(cluster.now - got.receivedAt).toBeGreaterThanOrEqual(30);
    expect(cluster.now - got.receivedAt).toBeLessThan(40);
    const [peer] = cluster.cluster(1).peers().slice(1);
    expect(peer!.counters.forwardsIn).toEqual({ reply: 0, request: 0, cancel: 1, ack: 0 });
    expect(cluster.cluster(3).peers()[0]!.counters.forwardsOut.cancel).toBe(1);
  });

  it('come back when the receiver does not own the transaction', () => {
    const cluster = ClusterSimulation.running(2);
    cluster.at(2).acceptsForwards = false;
    cluster.cluster(1).forward(cluster.now, 2, datagram('ACK', { kind: 'ack', receivedAt: cluster.now }));
    cluster.run(10);
    expect(texts(cluster.at(1).refused)).toEqual(['ACK']);
    expect(cluster.at(1).refused[0]!.from).toBe(2);
  });

  it('for a node that is down are not sent, and counted', () => {
    const cluster = ClusterSimulation.running(3);
    cluster.kill(3);
    cluster.run(10);
    expect(cluster.cluster(1).forward(cluster.now, 3, datagram('x'))).toBe(false);
    expect(cluster.cluster(1).forward(cluster.now, 77, datagram('x'))).toBe(false);
    expect(droppedBy(cluster, 1, 3)).toEqual({ unreachable: 1 });
  });

  it('that waited longer than T1 behind a full link are dropped, heartbeats and fresh ones are not', () => {
    const cluster = ClusterSimulation.running(2);
    cluster.network.faults = { delay: [600, 600], chopChance: 0, cutChance: 0 };
    const one = cluster.cluster(1);
    const bytes = Buffer.alloc(60_000, 1);
    for (let index = 0; index < 4; index++) {
      one.forward(cluster.now, 2, datagram('', { bytes, receivedAt: cluster.now }));
    }
    cluster.run(610);
    one.forward(cluster.now, 2, datagram('fresh', { receivedAt: cluster.now }));
    cluster.run(1300);
    const arrived = cluster.at(2).received.length;
    expect(texts(cluster.at(2).received)).toContain('fresh');
    expect(droppedBy(cluster, 1, 2)).toEqual({ stale: 5 - arrived });
    expect(arrived).toBeLessThan(5);
  });

  it('overtake bulk, and a queue that is full drops and counts', () => {
    const cluster = ClusterSimulation.running(2);
    const order: string[] = [];
    cluster.cluster(2).subscribe(1, {
      onMessage: () => order.push('bulk'),
      onPeerUp: () => undefined,
      onPeerDown: () => undefined,
    });
    const one = cluster.cluster(1);
    const body = Buffer.alloc(1_000_000);
    for (let index = 0; index < 70; index++) one.send(2, 1, body);
    const refused = droppedBy(cluster, 1, 2).queueFull!;
    expect(refused).toBeGreaterThan(0);
    one.forward(cluster.now, 2, datagram('first', { receivedAt: cluster.now }));
    cluster.run(3);
    expect(texts(cluster.at(2).received)).toEqual(['first']);
    expect(order.length).toBeLessThan(5);
    cluster.run(500);
    expect(order).toHaveLength(70 - refused);
  });
});
