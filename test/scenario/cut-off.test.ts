/**
 * A node that lost the links to all its peers, while the routers still send it packets: it hears a third of what is
 * answered. Its calls must neither be given up by it, nor begun anew behind its back.
 */

import { describe, expect, it } from 'vitest';
import type { SipMessage } from '#sip/message.ts';
import { addressOf } from '../simulation/simulated-node.ts';
import { AnycastTrio, ackOf, inDialog, invite } from './anycast-trio.ts';

function cut(trio: AnycastTrio, node: number): void {
  for (const other of [1, 2, 3])
    if (other !== node) trio.world.links.partition(addressOf(node), addressOf(other));
}

function heal(trio: AnycastTrio, node: number): void {
  for (const other of [1, 2, 3]) if (other !== node) trio.world.links.heal(addressOf(node), addressOf(other));
}

/** A call that node 1 owns, answered and acknowledged; returns its 200. */
function establish(trio: AnycastTrio): SipMessage {
  trio.arrive(1, invite());
  trio.run(30);
  trio.answer(1, 200);
  trio.run(10);
  const ok = trio.caller.last('200 INVITE');
  trio.arrive(2, inDialog(ok, 'ACK', 1));
  return ok;
}

function hangUp(trio: AnycastTrio): void {
  const ok = trio.caller.last('200 INVITE');
  trio.arrive(2, inDialog(ok, 'ACK', 1));
  trio.arrive(3, inDialog(ok, 'BYE', 2));
  trio.run(20);
  trio.answer(1, 200, trio.callee.last('BYE'));
  trio.settle();
}

/** As long as nobody has given a silent link up: three heartbeats. */
const unnoticed = 2000;
/** Until the others go on without it. */
const takenOver = 6000;

describe('a link that is cut in silence', () => {
  it('is gone round after one and a half heartbeats, long before it is given up', () => {
    const trio = new AnycastTrio();
    trio.run(3000);
    trio.arrive(1, invite());
    trio.run(30);
    trio.world.links.partition(addressOf(1), addressOf(2));
    trio.run(1000);
    trio.answer(2, 180);
    trio.run(10);
    expect(trio.caller.count('180 INVITE')).toBe(0);
    trio.run(1500);
    expect(trio.logged('node [1] lost')).toEqual([]);
    trio.answer(2, 200);
    trio.run(10);
    expect(trio.caller.count('200 INVITE')).toBe(1);
    trio.run(3000);
    hangUp(trio);
    expect(trio.leftovers()).toEqual([]);
  });
});

describe('a node that lost all its links', () => {
  it('gives no INVITE up: a call that others let through is answered once, with 200', () => {
    const trio = new AnycastTrio({ parameters: 'modparam("tm", "fr_timer", 5)' });
    cut(trio, 1);
    trio.run(500);
    trio.arrive(1, invite());
    trio.run(takenOver);
    trio.answer(2, 200);
    trio.run(5000);
    expect(trio.caller.names.filter((name) => name !== '100 INVITE')).toEqual(['200 INVITE']);
    heal(trio, 1);
    trio.run(5000);
    // The owner was told: what it passes on is the same answer once more.
    expect(trio.caller.names.filter((name) => name.startsWith('4'))).toEqual([]);
    expect(trio.total('tm:passed_answers_delivered')).toBe(1);
    hangUp(trio);
    expect(trio.leftovers()).toEqual([]);
  });

  it('gives up what nobody answered, once it hears the others again', () => {
    const trio = new AnycastTrio({ parameters: 'modparam("tm", "fr_timer", 5)' });
    cut(trio, 1);
    trio.run(500);
    trio.arrive(1, invite());
    trio.run(20_000);
    expect(trio.caller.count('408 INVITE')).toBe(0);
    heal(trio, 1);
    trio.run(15_000);
    expect(trio.caller.count('408 INVITE')).toBeGreaterThan(0);
    trio.arrive(1, ackOf(invite(), trio.caller.last('408 INVITE')));
    trio.settle();
    expect(trio.leftovers()).toEqual([]);
  });

  it('goes on with a BYE until it hears the answer', () => {
    const trio = new AnycastTrio({ parameters: 'modparam("tm", "fr_timer", 5)' });
    const ok = establish(trio);
    trio.run(5000);
    cut(trio, 1);
    trio.arrive(1, inDialog(ok, 'BYE', 2));
    trio.run(1500);
    trio.answer(2, 200, trio.callee.last('BYE'));
    trio.run(6000);
    expect(trio.caller.count('200 BYE')).toBe(0);
    heal(trio, 1);
    const { length } = trio.callee.messages;
    trio.run(5000);
    expect(trio.callee.messages.length).toBeGreaterThan(length);
    trio.answer(3, 200, trio.callee.last('BYE'));
    trio.run(10);
    expect(trio.caller.count('200 BYE')).toBe(1);
    trio.settle();
    expect(trio.leftovers()).toEqual([]);
  });

  it('has its call gone on with, of which the caller hears nothing that was said before', () => {
    const trio = new AnycastTrio();
    trio.arrive(1, invite());
    trio.run(1);
    trio.answer(1, 180);
    trio.run(500);
    cut(trio, 1);
    trio.run(unnoticed);
    // It is answered behind the backs of the others.
    trio.answer(1, 200);
    trio.run(takenOver);
    expect(trio.total('tm:takeover_adopted')).toBe(1);
    expect(trio.caller.names).toEqual(['100 INVITE', '180 INVITE', '200 INVITE']);
    heal(trio, 1);
    trio.run(5000);
    hangUp(trio);
    expect(trio.leftovers()).toEqual([]);
  });

  it('is known to be cut off after one and a half heartbeats, and not when only one peer is silent', () => {
    const trio = new AnycastTrio();
    const { links } = trio.world;
    const cluster = trio.at(1).node.cluster!;
    trio.run(3000);
    links.partition(addressOf(1), addressOf(2));
    trio.run(2600);
    expect(cluster.heardPeers(trio.world.now)).toEqual([3]);
    expect(cluster.isCutOff(trio.world.now)).toBe(false);
    cut(trio, 1);
    trio.run(2600);
    expect(cluster.heardPeers(trio.world.now)).toEqual([]);
    expect(cluster.isCutOff(trio.world.now)).toBe(true);
    heal(trio, 1);
    trio.run(6000);
    expect(cluster.heardPeers(trio.world.now)).toEqual([2, 3]);
    expect(cluster.isCutOff(trio.world.now)).toBe(false);
  });
});

describe('a node that dies with a BYE', () => {
  it('leaves no dialog behind, though it told nobody: the response says that it is over', async () => {
    const trio = new AnycastTrio();
    const ok = establish(trio);
    trio.run(1000);
    expect(await trio.profileSizes()).toEqual([1, 1, 1]);
    // What it has to tell waits for the end of the turn, and is lost with it.
    cut(trio, 3);
    trio.arrive(3, inDialog(ok, 'BYE', 2));
    trio.kill(3);
    trio.run(6000);
    expect(await trio.profileSizes()).toEqual([1, 1]);
    trio.answer(2, 200, trio.callee.last('BYE'));
    trio.run(50);
    expect(trio.caller.count('200 BYE')).toBe(1);
    expect(await trio.profileSizes()).toEqual([0, 0]);
    trio.settle();
    expect(trio.leftovers()).toEqual([]);
  });
});
