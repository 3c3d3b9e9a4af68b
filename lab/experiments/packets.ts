/** One call of each kind, message by message: where the router sent it, and who owned its transaction. */

import type { CallKind } from '../kinds.ts';
import { type Lab, say } from '../lab.ts';
import { Capture, countElsewhere, formatPackets } from '../packets.ts';
import { brokenPromises, placeCalls } from './calls.ts';

export async function showPackets(lab: Lab, kinds: readonly CallKind[]): Promise<string[]> {
  const broken: string[] = [];
  for (const kind of kinds) {
    const capture = await Capture.start(lab.network, 'lan0');
    const result = await placeCalls(lab, kind, { calls: 1, rate: 1 });
    const packets = await capture.stop();
    const { towardsNodes, elsewhere } = countElsewhere(packets);
    say(`\n${kind.name}:\n${formatPackets(packets)}`);
    say(`${elsewhere} of ${towardsNodes} messages came to a node that does not own their transaction.`);
    broken.push(...brokenPromises(result, 1));
  }
  return broken;
}
