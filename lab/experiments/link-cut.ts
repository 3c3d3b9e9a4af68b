/** The link between two nodes is cut, both still have their routes: the third carries what they have for each other. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { CallKind } from '../kinds.ts';
import { type Lab, say } from '../lab.ts';
import { type CallLoad, runCalls } from './calls.ts';

/** Three missed heartbeats of 1 s, and one more second. */
const noticeMilliseconds = 4500;
const pair = [1, 2] as const;

export async function runLinkCut(lab: Lab, kinds: readonly CallKind[], load: CallLoad): Promise<string[]> {
  await lab.cut(pair);
  say(`the link between nodes ${pair.join(' and ')} is cut`);
  await sleep(noticeMilliseconds);
  const broken = await runCalls(lab, 'inc', kinds, load);
  await lab.cut(null);
  await lab.waitForMesh();
  say('the link is whole again, and the nodes see each other');
  return broken;
}
