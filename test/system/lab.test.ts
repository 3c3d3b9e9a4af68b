/** The lab's short version: the experiments of `npm run lab` with few calls, in one set of network namespaces. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCalls } from '../../lab/experiments/calls.ts';
import { runFault } from '../../lab/experiments/fault.ts';
import { showPackets } from '../../lab/experiments/packets.ts';
import { runRepliesDropped } from '../../lab/experiments/replies-dropped.ts';
import { runUserAgents } from '../../lab/experiments/user-agents.ts';
import { callKinds, plainCall } from '../../lab/kinds.ts';
import { Lab } from '../../lab/lab.ts';
import { labObstacles } from '../../lab/obstacles.ts';

const obstacles = labObstacles();
if (obstacles !== '') console.log(`Skipped: the lab in network namespaces: ${obstacles}.`);

const openMilliseconds = 90_000;
const experimentMilliseconds = 240_000;

describe.skipIf(obstacles !== '')('three nodes behind a router that balances per packet', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = new Lab({
      program: 'anyvia',
      seed: 'seed-4.0',
      anycast: true,
      nodeCount: 3,
      mode: 'random',
      keep: false,
    });
    await lab.open();
  }, openMilliseconds);

  afterAll(async () => {
    await lab.close();
  }, openMilliseconds);

  it('have three next hops on the router, and marks that follow OSPF', async () => {
    expect(await lab.routing.nextHops()).toEqual(['10.10.0.1', '10.10.0.2', '10.10.0.3']);
    await lab.routing.withdraw(2);
    await lab.routing.waitForNextHops([1, 3]);
    await expect.poll(() => lab.balancer.nodes, { timeout: 5000 }).toEqual([1, 3]);
    await lab.routing.announce(2);
    await lab.routing.waitForNextHops([1, 2, 3]);
    await expect.poll(() => lab.balancer.nodes, { timeout: 5000 }).toEqual([1, 2, 3]);
  });

  it(
    'carry one call, whichever node each packet reaches',
    async () => {
      expect(await showPackets(lab, [plainCall])).toEqual([]);
    },
    experimentMilliseconds,
  );

  it(
    'carry calls of every kind, round robin per packet, and keep nothing',
    async () => {
      expect(await runCalls(lab, 'inc', callKinds, { calls: 100, rate: 50 })).toEqual([]);
    },
    experimentMilliseconds,
  );

  it(
    'send one INVITE and one BYE per call to the callee, however often the caller repeats them elsewhere',
    async () => {
      await lab.balancer.setMode('random');
      expect(await runRepliesDropped(lab, { calls: 40, rate: 20 })).toEqual([]);
    },
    experimentMilliseconds,
  );

  it(
    'carry calls of real user agents: registered, held, resumed and hung up',
    async () => {
      expect(await runUserAgents(lab, 2)).toEqual([]);
    },
    experimentMilliseconds,
  );

  it(
    'lose no call when one of them is killed and its route is gone',
    async () => {
      expect(await runFault(lab, { fault: 'kill', rate: 20, repetitions: 1, lossPercent: 0 })).toEqual([]);
    },
    experimentMilliseconds,
  );
});
