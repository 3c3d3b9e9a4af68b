/** A rolling upgrade: one node of the next version among two of this one, and calls whose messages reach all three. */

import { describe, expect, it } from 'vitest';
import type { PeerView } from '#cluster/peer.ts';
import { responseText } from '../simulation/wire.ts';
import { AnycastTrio, ackOf, calleeAddress, cancelOf, inDialog, invite } from './anycast-trio.ts';
import { NextVersion } from './next-version.ts';

/** Node 2 is started again with the next version; the others stay as they are. */
function upgraded(): { trio: AnycastTrio; next: NextVersion } {
  const trio = new AnycastTrio();
  const next = new NextVersion();
  trio.kill(2);
  trio.run(2000);
  trio.world.links.translate = (owner, link, bytes) =>
    owner === '10.0.0.2' ? next.translate(link, bytes) : bytes;
  trio.start(2);
  trio.run(5000);
  return { trio, next };
}

function viewOf(trio: AnycastTrio, node: number, peer: number): PeerView {
  return trio
    .at(node)
    .node.cluster!.peers()
    .find((entry) => entry.nodeId === peer)!;
}

describe('two versions in one cluster', () => {
  it('have links, skip what they do not know, and count it', () => {
    const { trio, next } = upgraded();
    trio.run(10_000);
    for (const node of [1, 3]) {
      const view = viewOf(trio, node, 2);
      expect([view.state, view.counters.linksLost, view.counters.drops.malformed]).toEqual(['up', 1, 0]);
      expect(view.counters.drops.unknownType).toBeGreaterThan(9);
      expect(view.roundTripMilliseconds).not.toBeNull();
    }
    expect(trio.statistic(1, 'clusterer:dropped_unknown_type')).toBe(
      viewOf(trio, 1, 2).counters.drops.unknownType,
    );
    const figures = Object.keys(trio.at(1).node.cluster!.counters());
    for (const name of figures) {
      const statistic = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      expect(trio.at(1).node.statistics.find(`clusterer:${statistic}`), name).not.toBeNull();
    }
    expect(next.unknownSent).toBeGreaterThan(20);
    expect(viewOf(trio, 2, 1).state).toBe('up');
  });

  it.each([
    { owner: 1, other: 2, third: 3 },
    { owner: 2, other: 1, third: 3 },
    { owner: 3, other: 1, third: 2 },
  ])('make a call of node $owner whose messages reach the others', ({ owner, other, third }) => {
    const { trio } = upgraded();
    trio.arrive(owner, invite());
    trio.run(30);
    trio.arrive(other, invite());
    trio.answer(third, 180);
    trio.run(30);
    trio.answer(other, 200);
    trio.run(30);
    const ok = trio.caller.last('200 INVITE');
    trio.arrive(third, inDialog(ok, 'ACK', 1));
    trio.run(30);
    trio.arrive(other, inDialog(ok, 'BYE', 2));
    trio.run(20);
    trio.answer(third, 200, trio.callee.last('BYE'));
    trio.run(20);
    expect(trio.callee.names).toEqual(['INVITE', 'ACK', 'BYE']);
    expect(trio.caller.count('200 BYE')).toBe(1);
    trio.settle();
    expect(trio.leftovers()).toEqual([]);
  });

  it.each([
    { owner: 1, other: 2 },
    { owner: 2, other: 1 },
  ])('cancel a call of node $owner that is cancelled at node $other', ({ owner, other }) => {
    const { trio } = upgraded();
    const text = invite();
    trio.arrive(owner, text);
    trio.run(30);
    trio.answer(other, 180);
    trio.run(30);
    trio.arrive(other, cancelOf(text));
    trio.run(20);
    const cancel = trio.callee.last('CANCEL');
    trio.arrive(other, responseText(cancel, { status: 200, reason: 'OK', tag: 'callee' }), calleeAddress);
    trio.answer(other, 487, trio.callee.last('INVITE'));
    trio.run(20);
    trio.arrive(other, ackOf(text, trio.caller.last('487 INVITE')));
    trio.settle();
    expect(trio.callee.names).toEqual(['INVITE', 'CANCEL', 'ACK']);
    expect(trio.leftovers()).toEqual([]);
  });
});
