/**
 * The situations in which an anycast cluster must prove itself, numbered as the people who run such clusters count
 * them: each is a call whose messages reach the nodes that they should not. Whole nodes, in memory. The links'
 * situations (10 to 13, 17) are in situations-links.test.ts.
 */

import { describe, expect, it } from 'vitest';
import type { SipMessage } from '#sip/message.ts';
import { responseText } from '../simulation/wire.ts';
import { AnycastTrio, ackOf, calleeAddress, cancelOf, inDialog, invite } from './anycast-trio.ts';

/** An INVITE that node 1 owns, all claims known, the callee ringing. */
function ringing(trio: AnycastTrio, text = invite()): AnycastTrio {
  trio.arrive(1, text);
  trio.run(30);
  trio.answer(1, 180);
  trio.run(30);
  return trio;
}

/** The node that holds the checkpoints of node 1. */
function successorOf1(trio: AnycastTrio): number {
  return trio.at(1).node.takeover!.successor;
}

/** Both ways to keep claims. */
const directories = ['all', 'home'] as const;

describe.each(directories)('1. a reply on the wrong node (claims: %s)', (directory) => {
  it('1: reaches the caller once, and its route runs once, on the owner', () => {
    const trio = ringing(new AnycastTrio({ directory }));
    trio.answer(2, 200);
    trio.run(10);
    expect(trio.caller.names).toEqual(['100 INVITE', '180 INVITE', '200 INVITE']);
    expect(trio.logged('reply route: 200')).toEqual([1]);
    expect(trio.logged('request route')).toEqual([1]);
    expect([trio.statistic(2, 'tm:cluster_reply_sent'), trio.statistic(1, 'tm:cluster_reply_recv')]).toEqual([
      1, 1,
    ]);
    expect(trio.total('tm:orphan_replies')).toBe(0);
  });
});

describe.each(directories)('2. a CANCEL on the wrong node (claims: %s)', (directory) => {
  it('2: gets one 200, ends the INVITE with one 487 after one CANCEL downstream, and leaves nothing', () => {
    const trio = ringing(new AnycastTrio({ directory }));
    const text = invite();
    trio.arrive(3, cancelOf(text));
    trio.run(10);
    const cancel = trio.callee.last('CANCEL');
    expect(cancel.topVia.branch).toBe(trio.callee.last('INVITE').topVia.branch);
    trio.arrive(2, responseText(cancel, { status: 200, reason: 'OK', tag: 'callee' }), calleeAddress);
    trio.answer(3, 487, trio.callee.last('INVITE'));
    trio.run(10);
    trio.arrive(2, ackOf(text, trio.caller.last('487 INVITE')));
    trio.settle();
    expect(trio.callee.names).toEqual(['INVITE', 'CANCEL', 'ACK']);
    expect(trio.caller.names).toEqual(['100 INVITE', '180 INVITE', '200 CANCEL', '487 INVITE']);
    expect(trio.leftovers()).toEqual([]);
  });
});

describe.each(directories)('3. a CANCEL of nothing (claims: %s)', (directory) => {
  it('3: gets 481 as soon as every peer has said that it is not its own', () => {
    const trio = new AnycastTrio({ directory });
    trio.arrive(2, cancelOf(invite()));
    trio.run(10);
    expect(trio.caller.names).toEqual(['481 CANCEL']);
    expect(trio.callee.names).toEqual([]);
    trio.settle();
    expect(trio.leftovers()).toEqual([]);
  });

  it('3: with a peer that stands still: no guess, and 481 to the repetition once that peer is given up', () => {
    const trio = new AnycastTrio({ directory });
    trio.at(3).stop();
    trio.arrive(2, cancelOf(invite()));
    trio.run(500);
    expect(trio.caller.names).toEqual([]);
    // Timer E of the caller.
    for (const pause of [1000, 2000, 4000, 4000]) {
      trio.arrive(2, cancelOf(invite()));
      trio.run(pause);
    }
    expect(trio.caller.names).toEqual(['481 CANCEL']);
  });
});

describe.each(directories)('4. the ACK of a failure on the wrong node (claims: %s)', (directory) => {
  it('4: stops the repetitions of the owner, and is seen by nobody else', () => {
    const trio = ringing(new AnycastTrio({ directory }));
    trio.answer(1, 486);
    trio.run(600);
    expect(trio.caller.count('486 INVITE')).toBe(2);
    trio.arrive(3, ackOf(invite(), trio.caller.last('486 INVITE')));
    trio.run(32_000);
    expect(trio.caller.count('486 INVITE')).toBe(2);
    expect([1, 2, 3].map((node) => trio.statistic(node, 'tm:cluster_request_recv'))).toEqual([1, 0, 0]);
    expect(trio.callee.count('ACK')).toBe(1);
    expect(trio.logged('request route: ACK')).toEqual([]);
    trio.settle();
    expect(trio.leftovers()).toEqual([]);
  });
});

describe.each(directories)('5. a repeated INVITE on the wrong node (claims: %s)', (directory) => {
  it('5: makes no second call: the owner answers it with its last reply', () => {
    const trio = new AnycastTrio({ directory });
    trio.arrive(1, invite());
    trio.run(30);
    trio.arrive(2, invite());
    trio.run(10);
    expect(trio.callee.count('INVITE')).toBe(1);
    expect(trio.caller.names).toEqual(['100 INVITE', '100 INVITE']);
    trio.answer(3, 180);
    trio.run(1000);
    trio.arrive(3, invite());
    trio.run(10);
    expect(trio.caller.names.slice(2)).toEqual(['180 INVITE', '180 INVITE']);
    expect(trio.callee.count('INVITE')).toBe(1);
    expect(trio.logged('request route')).toEqual([1]);
  });
});

describe('6. two copies of an INVITE at two nodes at once', () => {
  it('6: the lower rendezvous hash wins everywhere, and the other branch is cancelled without a word upstream', () => {
    const winners = new Set<number>();
    for (let index = 0; index < 12; index++) {
      const trio = new AnycastTrio();
      const text = invite({ call: `both${index}` });
      for (const node of [1, 2]) trio.arrive(node, text);
      trio.run(40);
      const kept = [1, 2].filter((node) => trio.at(node).node.cluster!.counters().claimsLost === 0);
      expect(kept).toHaveLength(1);
      winners.add(kept[0]!);
      ringOnBothBranches(trio);
      const [winner] = trio.callee.messages.filter((one) => one.topVia.branch.includes(`1-${kept[0]}.`));
      trio.answer(3, 200, winner);
      trio.run(20);
      expect(trio.callee.count('CANCEL')).toBe(1);
      expect(trio.callee.last('CANCEL').topVia.branch).not.toBe(winner!.topVia.branch);
      expect(trio.caller.count('200 INVITE')).toBe(1);
      expect(trio.caller.count('487 INVITE')).toBe(0);
    }
    expect(winners.size).toBe(2);
  });

  it('6: the home of their claim tells them apart before anything is sent', () => {
    const owners = new Set<number>();
    const trio = new AnycastTrio({ directory: 'home' });
    trio.run(2000);
    for (let index = 0; index < 12; index++) {
      const text = invite({ call: `home${index}`, branch: `z9hG4bKhome${index}` });
      for (const node of [1, 2]) trio.arrive(node, text);
      trio.run(40);
      const invites = trio.callee.messages.filter((one) => one.callId.startsWith(`home${index}`));
      expect(invites).toHaveLength(1);
      owners.add(Number(/1-(\d+)\./.exec(invites[0]!.topVia.branch)![1]));
    }
    expect(owners).toEqual(new Set([1, 2]));
  });
});

describe('6. and the CANCEL that a peer hands to the loser of the two', () => {
  it('6: is handed on to the winner', () => {
    for (let index = 0; index < 8; index++) {
      const trio = new AnycastTrio();
      const text = invite({ call: `both${index}` });
      for (const node of [1, 2]) trio.arrive(node, text);
      // Node 3 asks, hears the loser's yes, and the claims meet before the CANCEL is there.
      trio.run(17);
      trio.arrive(3, cancelOf(text));
      trio.run(60);
      expect(trio.caller.names.filter((name) => name.endsWith('CANCEL'))).toEqual(['200 CANCEL']);
    }
  });
});

/** ACK and BYE of an answered call, on other nodes than its own. */
function endCall(trio: AnycastTrio, ok: SipMessage): void {
  trio.arrive(2, inDialog(ok, 'ACK', 1));
  trio.arrive(3, inDialog(ok, 'BYE', 2));
  trio.run(20);
  trio.answer(2, 200, trio.callee.last('BYE'));
  trio.run(20);
}

/** Both branches ring; the cancelled one is answered as it must be. */
function ringOnBothBranches(trio: AnycastTrio): void {
  for (const branch of trio.callee.messages.filter((one) => one.method === 'INVITE'))
    trio.answer(3, 180, branch);
  trio.run(20);
  const cancel = trio.callee.last('CANCEL');
  trio.arrive(3, responseText(cancel, { status: 200, reason: 'OK', tag: 'callee' }), calleeAddress);
  const cancelled = trio.callee.messages.find(
    (one) => one.method === 'INVITE' && one.topVia.branch === cancel.topVia.branch,
  );
  trio.answer(3, 487, cancelled);
  trio.run(20);
}

const withoutTakeover = 'modparam("tm", "takeover", 0)';

describe.each(directories)('7. the owner is killed after it sent the INVITE (claims: %s)', (directory) => {
  it('7: its 200 reaches the caller by any node', () => {
    const trio = ringing(new AnycastTrio({ directory, parameters: withoutTakeover }));
    trio.kill(1);
    trio.run(1000);
    trio.answer(2, 200);
    trio.run(10);
    expect(trio.caller.names.slice(2)).toEqual(['200 INVITE']);
    expect(trio.statistic(2, 'tm:orphan_replies')).toBe(1);
  });

  it('7: its 486 reaches the caller, and is acknowledged in the name of the dead', () => {
    const trio = ringing(new AnycastTrio({ directory, parameters: withoutTakeover }));
    trio.kill(1);
    trio.run(1000);
    trio.answer(3, 486);
    trio.run(10);
    expect(trio.caller.names.slice(2)).toEqual(['486 INVITE']);
    expect(trio.callee.last('ACK').topVia.branch).toBe(trio.callee.last('INVITE').topVia.branch);
    expect(trio.callee.last('ACK').toTag).toBe('callee');
  });

  it('7: with takeover the successor goes on: one 486 upstream, one ACK downstream, by its own transaction', () => {
    const trio = ringing(new AnycastTrio({ directory }));
    const successor = successorOf1(trio);
    trio.kill(1);
    trio.run(1000);
    trio.answer(successor === 2 ? 3 : 2, 486);
    trio.run(10);
    expect(trio.total('tm:takeover_adopted')).toBe(1);
    expect(trio.caller.count('486 INVITE')).toBe(1);
    expect([trio.callee.branches, trio.callee.count('ACK')]).toEqual([1, 1]);
    trio.arrive(successor, ackOf(invite(), trio.caller.last('486 INVITE')));
    trio.settle();
    expect(trio.leftovers()).toEqual([]);
  });
});

describe.each(directories)('8. the owner is started again with the same id (claims: %s)', (directory) => {
  it('8: replies to its former life are those of an orphan: passed on, and never taken for its own', () => {
    const trio = ringing(new AnycastTrio({ directory, parameters: withoutTakeover }));
    trio.kill(1);
    trio.run(500);
    trio.start(1);
    trio.run(3000);
    trio.answer(1, 486);
    trio.run(10);
    expect(trio.caller.names.slice(2)).toEqual(['486 INVITE']);
    expect(trio.callee.last('ACK').topVia.branch).toBe(trio.callee.last('INVITE').topVia.branch);
    expect(trio.statistic(1, 'tm:orphan_replies')).toBe(1);
    // A new call of the new life may have the same place in the table as the old one had.
    trio.arrive(1, invite({ call: 'new' }));
    trio.run(30);
    expect(trio.callee.last('INVITE').topVia.branch).toMatch(/^z9hG4bK1-1\.2\./);
  });

  it('8: with takeover they go to the heir of that life, the repeated INVITE and the CANCEL too', () => {
    const trio = ringing(new AnycastTrio({ directory }));
    trio.kill(1);
    trio.run(100);
    trio.start(1);
    trio.run(3000);
    // The heir repeats the INVITE: it cannot know that the callee rings already.
    trio.answer(1, 180);
    trio.arrive(1, cancelOf(invite()));
    trio.run(100);
    expect(trio.caller.count('200 CANCEL')).toBe(1);
    const cancel = trio.callee.last('CANCEL');
    trio.arrive(1, responseText(cancel, { status: 200, reason: 'OK', tag: 'callee' }), calleeAddress);
    trio.answer(1, 487, trio.callee.last('INVITE'));
    trio.run(10);
    expect(trio.caller.count('487 INVITE')).toBe(1);
    expect(trio.callee.branches).toBe(1);
    trio.arrive(1, ackOf(invite(), trio.caller.last('487 INVITE')));
    trio.settle();
    expect(trio.leftovers()).toEqual([]);
  });
});

describe.each(directories)('9. a forged tag (claims: %s)', (directory) => {
  it('9: is passed on to nobody, inside or outside', () => {
    const trio = ringing(new AnycastTrio({ directory }));
    const { branch } = trio.callee.last('INVITE').topVia;
    const forged = branch.replace(/\.[^.]*$/, (mac) => mac.replace(/[^.]/g, 'A'));
    const text = responseText(trio.callee.last('INVITE'), { status: 200, reason: 'OK', tag: 'thief' });
    const before = trio.caller.messages.length;
    trio.arrive(2, text.replace(branch, forged), '203.0.113.66:5060');
    trio.arrive(2, text.replace(branch, branch.replace('1-1.', '1-3.')), '203.0.113.66:5060');
    trio.run(100);
    expect(trio.statistic(2, 'tm:bad_tags')).toBe(2);
    expect(trio.statistic(2, 'tm:cluster_reply_sent')).toBe(0);
    expect(trio.caller.messages).toHaveLength(before);
  });
});

describe.each(directories)('14. branches without the cookie of RFC 3261 (claims: %s)', (directory) => {
  it('14: CANCEL and ACK on other nodes are matched by the rules of RFC 2543', () => {
    const text = invite({ branch: '17' });
    const trio = ringing(new AnycastTrio({ directory }), text);
    trio.arrive(2, cancelOf(text));
    trio.run(10);
    expect(trio.caller.count('200 CANCEL')).toBe(1);
    const cancel = trio.callee.last('CANCEL');
    trio.arrive(3, responseText(cancel, { status: 200, reason: 'OK', tag: 'callee' }), calleeAddress);
    trio.answer(2, 487, trio.callee.last('INVITE'));
    trio.run(600);
    expect(trio.caller.count('487 INVITE')).toBe(2);
    trio.arrive(3, ackOf(text, trio.caller.last('487 INVITE')));
    trio.run(10_000);
    expect(trio.caller.count('487 INVITE')).toBe(2);
    expect(trio.callee.names).toEqual(['INVITE', 'CANCEL', 'ACK']);
    trio.settle();
    expect(trio.leftovers()).toEqual([]);
  });

  it('14: a repeated INVITE on another node makes no second call', () => {
    const text = invite({ branch: '17' });
    const trio = ringing(new AnycastTrio({ directory }), text);
    trio.arrive(2, text);
    trio.run(10);
    expect(trio.callee.count('INVITE')).toBe(1);
    expect(trio.caller.count('180 INVITE')).toBe(2);
  });
});

describe.each(directories)(
  '15. sockets of both families, and private ones that each node has for itself (claims: %s)',
  (directory) => {
    const sockets = (node: number): string => `socket=udp:[2001:db8::1]:5060 anycast
socket=udp:10.9.0.${node}:5070 anycast tag inside`;

    it('15: a call over IPv6 whose CANCEL comes to another node leaves by the same socket', () => {
      const trio = new AnycastTrio({ directory, sockets });
      const from = '[2001:db8::9]:5060';
      const box = trio.mailbox(from);
      const text = invite({ from });
      trio.arrive(1, text, from, 1);
      trio.run(30);
      trio.answer(1, 180);
      trio.arrive(2, cancelOf(text), from, 1);
      trio.run(30);
      expect(box.names).toEqual(['100 INVITE', '180 INVITE', '200 CANCEL']);
      expect(new Set(box.senders)).toEqual(new Set(['[2001:db8::1]:5060']));
      expect(trio.callee.count('CANCEL')).toBe(1);
    });

    const beforeRelay = (node: number): string => `force_send_socket("udp:10.9.0.${node}:5070");`;

    it('15: what comes to the private socket of a wrong node is handled as if it had come to that of the owner', () => {
      const trio = new AnycastTrio({ directory, sockets, beforeRelay });
      trio.arrive(1, invite());
      trio.run(30);
      expect(trio.callee.senders).toEqual(['10.9.0.1:5070']);
      const ok = responseText(trio.callee.last('INVITE'), { status: 180, reason: 'Ringing', tag: 'callee' });
      trio.arrive(2, ok, calleeAddress, 2);
      trio.run(10);
      expect(trio.caller.names).toEqual(['100 INVITE', '180 INVITE']);
    });

    it('15: who takes a call over goes on from its own private socket of that tag', () => {
      const trio = new AnycastTrio({ directory, sockets, beforeRelay });
      trio.arrive(1, invite());
      trio.run(30);
      trio.answer(1, 180);
      trio.run(30);
      const successor = successorOf1(trio);
      trio.kill(1);
      trio.run(1000);
      trio.answer(successor, 180);
      trio.arrive(successor, cancelOf(invite()));
      trio.run(30);
      expect(trio.callee.last('CANCEL').topVia.branch).toBe(trio.callee.last('INVITE').topVia.branch);
      expect(trio.callee.senders.at(-1)).toBe(`10.9.0.${successor}:5070`);
    });
  },
);

describe.each(directories)(
  '16. a node that drains while calls are being set up (claims: %s)',
  (directory) => {
    it('16: no call fails: what is under way ends there, what is new goes to a peer, what comes later to the rest', () => {
      const trio = ringing(new AnycastTrio({ directory }));
      trio.at(1).node.ownership!.draining = true;
      trio.at(1).node.cluster!.setDraining(true);
      trio.run(20);
      // The router still believes in node 1.
      trio.arrive(1, invite({ call: 'new' }));
      trio.run(30);
      const fresh = trio.callee.last('INVITE');
      expect(fresh.callId).toBe('new');
      expect(fresh.topVia.branch).not.toMatch(/^z9hG4bK1-1\./);
      const old = trio.callee.messages.find((one) => one.callId === 'call')!;
      trio.answer(2, 200, old);
      trio.answer(1, 200, fresh);
      trio.run(50);
      expect(trio.caller.messages.filter((one) => one.status === 200).map((one) => one.callId)).toEqual([
        'call',
        'new',
      ]);
      trio.run(40_000);
      expect(trio.at(1).node.table.serverCount).toBe(0);
      trio.at(1).node.cluster!.stop(trio.world.now);
      trio.at(1).endTurn();
      trio.kill(1);
      trio.run(1000);
      for (const ok of trio.caller.messages.filter((one) => one.status === 200)) endCall(trio, ok);
      expect(trio.caller.count('200 BYE')).toBe(2);
      expect([trio.callee.count('ACK'), trio.callee.count('INVITE')]).toEqual([2, 2]);
      trio.settle();
      expect(trio.leftovers()).toEqual([]);
    });
  },
);

describe.each(directories)('18. provisional and final reply by different nodes (claims: %s)', (directory) => {
  it('18: the 200 that overtakes its 180 is the last that the caller hears', () => {
    const trio = new AnycastTrio({ directory });
    trio.arrive(1, invite());
    trio.run(30);
    trio.world.links.faults = { delay: [0.2, 0.2], chopChance: 0, cutChance: 0 };
    trio.answer(2, 200);
    trio.answer(3, 180);
    trio.run(50);
    expect(trio.caller.names).toEqual(['100 INVITE', '200 INVITE']);
  });

  it('18: in order they arrive in order', () => {
    const trio = new AnycastTrio({ directory });
    trio.arrive(1, invite());
    trio.run(30);
    trio.answer(2, 180);
    trio.run(2);
    trio.answer(3, 200);
    trio.run(50);
    expect(trio.caller.names).toEqual(['100 INVITE', '180 INVITE', '200 INVITE']);
  });
});
