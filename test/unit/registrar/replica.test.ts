/** Location tables of a cluster become equal, whatever is lost, late, cut or killed. */

import { describe, expect, it } from 'vitest';
import { LocationCluster } from '../../support/location-cluster.ts';

describe('changes', () => {
  it('are on every node within milliseconds, with all that belongs to them', () => {
    const cluster = LocationCluster.running(3);
    const made = cluster.at(1).bind('bob@example.org', 'sip:bob@192.0.2.1', {
      parameters: ';+sip.instance="<urn:x>"',
      received: 'sip:203.0.113.9:4000',
      path: '<sip:edge;lr>',
      q: 700,
      callId: 'c',
      cseq: 4_294_967_295,
      mark: -5,
      methods: 8191,
      flags: 1,
    });
    cluster.run(10);
    for (const id of [2, 3])
      expect(cluster.at(id).table.lookup('bob@example.org', cluster.at(id).wall)).toEqual([made]);
    cluster.at(3).unbind('bob@example.org', made.uri);
    cluster.run(10);
    expect(cluster.agreed()).toEqual([]);
    expect(cluster.at(1).table.size).toBe(0);
    expect(cluster.at(1).table.removals).toBe(1);
  });

  it('of one binding on two nodes at once: the same one wins everywhere', () => {
    const cluster = LocationCluster.running(3);
    cluster.at(1).bind('bob', 'sip:bob@a', { callId: 'one' });
    cluster.at(2).bind('bob', 'sip:bob@a', { callId: 'two' });
    cluster.at(3).bind('bob', 'sip:bob@a', { callId: 'three' });
    cluster.run(50);
    cluster.agreed();
    expect(cluster.at(1).table.version('bob', 'sip:bob@a')!.callId).toBe('three');
  });

  it('a node whose clock is behind can change what another has made', () => {
    const cluster = LocationCluster.running(2);
    cluster.at(2).skew = -120_000;
    cluster.at(1).bind('bob', 'sip:bob@a', { cseq: 1 });
    cluster.run(10);
    cluster.at(2).bind('bob', 'sip:bob@a', { cseq: 2 });
    cluster.run(10);
    expect(cluster.at(1).table.version('bob', 'sip:bob@a')!.cseq).toBe(2);
    cluster.at(2).unbind('bob', 'sip:bob@a');
    cluster.run(10);
    expect(cluster.agreed()).toEqual([]);
  });

  it('RFC 3261 10.3 step 7: of one Call-ID the higher CSeq wins, though its version is the older one', () => {
    const cluster = LocationCluster.running(3);
    cluster.at(2).bind('bob', 'sip:bob@a', { callId: 'same', cseq: 6 });
    cluster.at(1).bind('bob', 'sip:bob@a', { callId: 'same', cseq: 5, changed: cluster.at(1).wall + 3 });
    cluster.run(50);
    cluster.agreed();
    expect(cluster.at(3).table.version('bob', 'sip:bob@a')!.cseq).toBe(6);
    expect(cluster.at(1).replica.conflicts).toBe(1);
  });

  it('that are no message of ours are counted and change nothing', () => {
    const cluster = LocationCluster.running(2);
    for (const bytes of [[], [9, 9], [1, 255, 255, 255, 255], [2, 255, 255, 0], [4, 0, 0]]) {
      cluster.at(1).replica.engine.onMessage(2, Uint8Array.from(bytes), cluster.now);
    }
    expect(cluster.at(1).replica.engine.counters.unreadable).toBe(5);
  });
});

describe('removals', () => {
  it('are remembered until the last copy of what they removed has expired', () => {
    const cluster = LocationCluster.running(2);
    const node = cluster.at(1);
    const made = node.bind('bob', 'sip:bob@a', { expires: node.wall + 100_000 });
    node.unbind('bob', 'sip:bob@a');
    cluster.run(90_000);
    node.table.expire(0, 1024, node.wall, () => {});
    expect(node.table.apply('bob', made, node.wall)).toBe(false);
    cluster.run(80_000);
    node.table.expire(0, 1024, node.wall, () => {});
    expect(node.table.removals).toBe(0);
  });

  it('while a link was cut win over what the other side still has', () => {
    const cluster = LocationCluster.running(2);
    cluster.at(1).bind('bob', 'sip:bob@a');
    cluster.at(1).bind('eve', 'sip:eve@a');
    cluster.run(3000);
    cluster.cut(1, 2);
    cluster.at(2).unbind('bob', 'sip:bob@a');
    cluster.at(1).unbind('eve', 'sip:eve@a');
    cluster.run(10_000);
    cluster.join(1, 2);
    cluster.run(10_000);
    expect(cluster.agreed()).toEqual([]);
  });
});

describe('a node that begins', () => {
  function filled(contacts: number): LocationCluster {
    const cluster = LocationCluster.running(2);
    for (let index = 0; index < contacts; index++) {
      cluster.at(1 + (index % 2)).bind(`user${index}@example.org`, `sip:user${index}@192.0.2.1:5060`);
    }
    cluster.run(3000);
    return cluster;
  }

  it('takes a snapshot in pieces of bounded size', () => {
    const cluster = filled(3000);
    cluster.bytesMost = 0;
    const joining = cluster.add(3);
    cluster.run(1000);
    expect(joining.synchronisedFrom).toBe('peer');
    expect(joining.table.size).toBe(3000);
    expect(cluster.bytesMost).toBeLessThan(80 * 1024);
    cluster.agreed();
  });

  it('applies what changes meanwhile', () => {
    const cluster = filled(3000);
    const joining = cluster.add(3);
    for (let round = 0; round < 30; round++) {
      cluster.at(1).unbind(`user${round}@example.org`, `sip:user${round}@192.0.2.1:5060`);
      cluster
        .at(2)
        .bind(`user${round + 100}@example.org`, `sip:user${round + 100}@192.0.2.1:5060`, { cseq: 2 });
      joining.bind(`new${round}@example.org`, `sip:new${round}@192.0.2.1`);
      cluster.run(3);
    }
    cluster.run(2000);
    expect(joining.synchronisedFrom).toBe('peer');
    expect(cluster.agreed()).toHaveLength(3000);
    expect(joining.table.version('user100@example.org', 'sip:user100@192.0.2.1:5060')!.cseq).toBe(2);
  });

  it('goes on with another donor when its donor dies', () => {
    const cluster = filled(3000);
    const joining = cluster.add(3);
    cluster.run(6);
    const before = joining.table.size;
    expect(before).toBeLessThan(3000);
    cluster.kill(1);
    cluster.run(3000);
    expect(joining.synchronisedFrom).toBe('peer');
    expect(cluster.agreed()).toHaveLength(3000);
  });

  it('asks again when the answer is lost', () => {
    const cluster = filled(500);
    cluster.lossPercent = 40;
    const joining = cluster.add(3);
    cluster.run(60_000);
    cluster.lossPercent = 0;
    cluster.run(70_000);
    expect(joining.replica.engine.isSynchronised).toBe(true);
    expect(cluster.agreed()).toHaveLength(500);
  });

  it('waits for nobody when all begin at once', () => {
    const cluster = LocationCluster.running(3);
    expect([1, 2, 3].map((id) => cluster.at(id).synchronisedFrom)).toEqual(['nobody', 'nobody', 'nobody']);
  });

  it('is no donor before it is synchronised itself', () => {
    const cluster = new LocationCluster();
    cluster.add(1);
    cluster.add(2);
    cluster.run(500);
    expect(cluster.at(1).replica.engine.isSynchronised).toBe(false);
    expect(cluster.at(2).replica.engine.isSynchronised).toBe(false);
  });
});

describe('drift', () => {
  it('is found by the fingerprints and repaired on both sides, without a word when there is none', () => {
    const cluster = LocationCluster.running(3);
    for (let index = 0; index < 200; index++) cluster.at(1).bind(`user${index}`, `sip:user${index}@a`);
    cluster.run(70_000);
    cluster.agreed();
    expect(cluster.at(2).replica.engine.counters.bucketsDiffering).toBe(0);
    cluster.lossPercent = 100;
    cluster.at(1).bind('lost1', 'sip:lost1@a');
    cluster.at(2).bind('lost2', 'sip:lost2@a');
    cluster.at(3).unbind('user7', 'sip:user7@a');
    cluster.lossPercent = 0;
    cluster.run(70_000);
    expect(cluster.agreed()).toHaveLength(201);
    const repaired = [1, 2, 3].map((id) => cluster.at(id).replica.engine.counters.recordsRepaired);
    expect(repaired.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(3);
    expect(cluster.at(2).replica.engine.repairsWaiting).toBe(0);
  });

  it.each([1, 2, 3, 4, 5, 6])('never lasts: random changes, losses, cuts and deaths, seed %i', (seed) => {
    const cluster = LocationCluster.running(3, seed);
    const { random } = cluster;
    const ids = [1, 2, 3];
    let cutPair: readonly [number, number] | null = null;
    for (let step = 0; step < 400; step++) {
      cluster.lossPercent = random.below(3) === 0 ? 30 : 0;
      const node = cluster.at(ids[random.below(3)]!);
      const user = `user${random.below(12)}`;
      const uri = `sip:${user}@host${random.below(3)}`;
      if (random.below(4) === 0) node.unbind(user, uri);
      else node.bind(user, uri, { callId: `c${random.below(2)}`, cseq: step });
      if (random.below(40) === 0) {
        if (cutPair === null) {
          cutPair = [1 + random.below(2), 3];
          cluster.cut(...cutPair);
        } else {
          cluster.join(...cutPair);
          cutPair = null;
        }
      }
      if (cutPair === null && random.below(80) === 0) {
        cluster.kill(2);
        cluster.add(2);
      }
      cluster.run(random.below(60));
    }
    cluster.lossPercent = 0;
    if (cutPair !== null) cluster.join(...cutPair);
    cluster.run(70_000);
    expect(cluster.agreed().length, `seed ${seed}`).toBeGreaterThan(0);
  });
});
