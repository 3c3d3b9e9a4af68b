/** The flows of RFC 3665 through three nodes behind a router that balances per packet: `npm run lab -- flows`, in short. */

import { describe, expect, it } from 'vitest';
import { allFlows, flowProblems, flowSettings, playFlows, withFlowLab } from '../../lab/experiments/flows.ts';
import { labObstacles } from '../../lab/obstacles.ts';

const obstacles = labObstacles();
if (obstacles !== '') console.log(`Skipped: the flows of RFC 3665: ${obstacles}.`);

const calls = 2;
const millisecondsMax = 180_000;

describe.skipIf(obstacles !== '')('the flows of RFC 3665', () => {
  it(
    'show each user agent what the RFC does, whichever node each packet reaches',
    async () => {
      const setting = flowSettings.find(({ nodeCount, mode }) => nodeCount === 3 && mode === 'random')!;
      const outcomes = await withFlowLab(setting, false, (lab) => playFlows(lab, allFlows, calls));
      expect(outcomes.flatMap((outcome) => flowProblems(outcome, calls))).toEqual([]);
      expect(outcomes).toHaveLength(allFlows.length);
    },
    millisecondsMax,
  );
});
