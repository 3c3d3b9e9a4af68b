/** What must hold when a storm is over: compared with calls through one proxy that never fails. */

import type { Call } from './call.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { Storm } from './storm.ts';

/** Adds what does not hold to the world's problems. */
export async function judge(storm: Storm): Promise<void> {
  if (!storm.diedTogether) for (const call of storm.calls) judgeCall(storm, call);
  for (const node of storm.nodes.values()) await judgeNode(storm, node);
}

function judgeCall(storm: Storm, call: Call): void {
  const { plan, branches } = call;
  const { world } = storm;
  const say = (text: string): void => world.problem(`${plan.id}: ${text} ${JSON.stringify(plan)}`);
  if (call.status === 0) say(call.timedOut ? 'nobody ever answered the INVITE' : 'no final response');
  // A copy that reaches two nodes before the claim does makes two; nothing else may.
  const isDoubled = world.hadDoubles || storm.nodesFailed || storm.linksFailed;
  if (branches.size > 1 && !isDoubled) say(`${branches.size} branches reached the callee`);
  if (call.answered !== null && call.status >= 200 && call.status < 300 && !call.answered.isAcknowledged)
    say('the 200 was never acknowledged');
  if (isDoubled && branches.size > 1) return;
  const expected = expectedStatus(call);
  if (!expected.includes(call.status)) say(`ended with ${call.status}, not ${expected.join(' or ')}`);
  const isUp = call.status >= 200 && call.status < 300;
  if (isUp && call.byeStatus !== 200) say(`its BYE got ${call.byeStatus}`);
  if (isUp && plan.renews !== null && !call.cancelSent && call.renewStatus !== 200)
    if (call.renewStatus !== 0) say(`the renewed INVITE got ${call.renewStatus}`);
}

/** Where a CANCEL races with the answer, both outcomes are right. */
function expectedStatus({ plan, cancelSent }: Call): number[] {
  const answers: number[] = plan.answer === 0 ? [] : [plan.answer];
  // Cancelled while the first place refuses: no second place is tried.
  if (cancelSent && plan.target.startsWith('f')) answers.push(486);
  return cancelSent ? [...answers, 487] : answers.length === 0 ? [487, 408] : answers;
}

async function judgeNode(storm: Storm, simulated: SimulatedNode): Promise<void> {
  const { world } = storm;
  const { node, id } = simulated;
  const say = (text: string): void => world.problem(`node ${id}: ${text}`);
  if (node.table.serverCount > 0) {
    const left = node.table.describe(world.now, 3).map((one) => JSON.stringify(one));
    say(`${node.table.serverCount} server transactions left: ${left.join(' ')}`);
  }
  if (node.table.clientCount > 0) say(`${node.table.clientCount} client transactions left`);
  node.cluster!.owner(world.now, 'nothing');
  const { claims, questionsOpen } = node.cluster!.counters();
  if (claims !== 0) say(`${claims} claims left`);
  if (questionsOpen !== 0) say(`${questionsOpen} questions left`);
  const broken = node.statistics.find('core:broken_invariants') ?? 0;
  if (broken > 0) say(`${broken} broken invariants`);
  const dialogs = ['dialog:active_dialogs', 'dialog:early_dialogs'];
  const known = dialogs.reduce((sum, name) => sum + (node.statistics.find(name) ?? 0), 0);
  const existing = storm.calls.filter(callExists).length;
  if (known !== existing)
    say(
      `${known} dialogs, but ${existing} calls exist: ${await node.control.runForPeer('dialog:list', '{}')}`,
    );
  const size = await profileSize(simulated);
  if (size !== existing) say(`the profile counts ${size}, but ${existing} calls exist`);
  if (node.cluster!.livePeers().length !== storm.nodes.size - 1) say('it does not reach every peer');
}

/** Answered, and not ended by a BYE that anybody heard. */
function callExists(call: Call): boolean {
  return call.status >= 200 && call.status < 300 && call.byeStatus !== 200;
}

async function profileSize(simulated: SimulatedNode): Promise<number> {
  const answer = await simulated.node.control.runForPeer(
    'dialog:profile_get_size',
    JSON.stringify({ profile: 'calls' }),
  );
  return (JSON.parse(answer) as { Profile: { count: number } }).Profile.count;
}
