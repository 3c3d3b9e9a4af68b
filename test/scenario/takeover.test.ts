/** What becomes of a call when the node that owns its INVITE dies: whole nodes in memory, phones that obey RFC 3261. */

import { describe, expect, it } from 'vitest';
import type { Call, CallPlan } from '../simulation/call.ts';
import { Storm } from '../simulation/storm.ts';

const plain: CallPlan = {
  id: 'call',
  target: 'd20000',
  startsAt: 0,
  ringAfter: 10,
  answerAfter: 3000,
  answer: 200,
  cancelAfter: 0,
  holdFor: 2000,
  ends: 'caller',
  renews: null,
};

interface Ending {
  readonly call: Call;
  readonly storm: Storm;
  readonly adopted: number;
}

/** A call, the death of its owner at `diesAt` ms, and the end of everything. */
function callWithDeath(changes: Partial<CallPlan>, diesAt: number, backAfter = 100_000): Ending {
  const storm = new Storm({ seed: 7, nodes: 3, calls: 0, faults: [] });
  const { world } = storm;
  world.faults = { lossChance: 0, doubleChance: 0, delay: [1, 3] };
  const call = storm.place({ ...plain, ...changes });
  world.run(world.now + diesAt);
  storm.killOwner(backAfter);
  world.run(world.now + 80_000);
  const adopted = [...storm.nodes.values()].map((one) => one.node.takeover?.counters.adopted ?? 0);
  return { call, storm, adopted: adopted.reduce((sum, count) => sum + count, 0) };
}

describe('the owner dies while the callee rings', () => {
  it('and the call is answered, with one branch at the callee', () => {
    const { call, adopted, storm } = callWithDeath({}, 1000);
    expect([call.status, call.byeStatus, call.branches.size, adopted]).toEqual([200, 200, 1, 1]);
    expect(storm.world.problems).toEqual([]);
  });

  it('and is started again at once: it does not answer for its former life', () => {
    const { call, adopted, storm } = callWithDeath({}, 1000, 150);
    expect([call.status, call.byeStatus, call.branches.size, adopted]).toEqual([200, 200, 1, 1]);
    expect(storm.world.problems).toEqual([]);
  });

  it('and the CANCEL ends the call: 487, and the callee hears of it', () => {
    const { call, storm } = callWithDeath({ answer: 0, cancelAfter: 2500 }, 1000);
    expect([call.status, call.branches.size]).toEqual([487, 1]);
    expect(storm.world.problems).toEqual([]);
  });

  it('and the CANCEL comes at the very moment when nobody knows yet', () => {
    const { call, storm } = callWithDeath({ answer: 0, cancelAfter: 1050 }, 1000);
    expect([call.status, call.branches.size]).toEqual([487, 1]);
    expect(storm.world.problems).toEqual([]);
  });

  it('and the failure goes to the caller once', () => {
    const { call, storm } = callWithDeath({ answer: 486 }, 1000);
    expect([call.status, call.branches.size]).toEqual([486, 1]);
    expect(storm.world.problems).toEqual([]);
  });

  it('at the second place: the first one, refused before, is not asked again', () => {
    const { call, storm } = callWithDeath({ target: 'f20000' }, 1000);
    expect([call.status, call.byeStatus, call.branches.size]).toEqual([200, 200, 1]);
    expect(storm.world.problems).toEqual([]);
  });
});

describe('the owner dies right after it forwarded the INVITE', () => {
  it('before anybody was told, and the answer goes on without it', () => {
    const { call, storm, adopted } = callWithDeath({}, 4);
    expect([call.status, call.byeStatus, adopted]).toEqual([200, 200, 0]);
    expect(storm.world.problems).toEqual([]);
  });
});

describe('the owner dies when the call is up', () => {
  it('and the call ends by its BYE', () => {
    const { call, storm } = callWithDeath({ answerAfter: 100 }, 1000);
    expect([call.status, call.byeStatus]).toEqual([200, 200]);
    expect(storm.world.problems).toEqual([]);
  });
});
