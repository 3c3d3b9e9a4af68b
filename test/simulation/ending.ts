/** What must hold when a storm is over: compared with calls through one proxy that never fails. */

import type { Call } from './call.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { Storm } from './storm.ts';

export interface Verdict {
  readonly problems: readonly string[];
  /** Calls for which nothing can be promised. */
  readonly excused: number;
}

export async function judge(storm: Storm): Promise<Verdict> {
  const { world, troubles } = storm;
  const excused = new Set<string>();
  for (const { plan, branches, status, byeStatus, renewStatus } of storm.calls) {
    const timedOut = [status, byeStatus, renewStatus].includes(408);
    const excuse = troubles.excuse(world.handings.get(plan.id) ?? [], { branches: branches.size, timedOut });
    if (excuse === '') continue;
    excused.add(plan.id);
    world.tell(`EXCUSED ${plan.id}: ${excuse}`);
  }
  for (const call of storm.calls) judgeCall(storm, call);
  for (const node of storm.nodes.values()) await judgeNode(storm, node, excused);
  const problems = world.problems.filter((problem) => !excused.has(problem.call));
  return { problems: problems.map((problem) => problem.text), excused: excused.size };
}

function judgeCall(storm: Storm, call: Call): void {
  const { plan, branches } = call;
  const say = (text: string): void =>
    storm.world.problem(`${plan.id}: ${text} ${JSON.stringify(plan)}`, plan.id);
  if (call.status === 0) say(call.timedOut ? 'nobody ever answered the INVITE' : 'no final response');
  if (branches.size > 1) say(`${branches.size} branches reached the callee`);
  if (call.answered !== null && call.status >= 200 && call.status < 300 && !call.answered.isAcknowledged)
    say('the 200 was never acknowledged');
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

async function judgeNode(
  storm: Storm,
  simulated: SimulatedNode,
  excused: ReadonlySet<string>,
): Promise<void> {
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
  await judgeDialogs(storm, simulated, excused);
  if (node.cluster!.livePeers().length !== storm.nodes.size - 1) say('it does not reach every peer');
}

/** Every node knows the calls that exist and no other, and the profile counts what it knows. */
async function judgeDialogs(
  storm: Storm,
  simulated: SimulatedNode,
  excused: ReadonlySet<string>,
): Promise<void> {
  const { node, id } = simulated;
  const say = (text: string): void => storm.world.problem(`node ${id}: ${text}`);
  const list = await node.control.runForPeer('dialog:list', '{}');
  const known = (JSON.parse(list) as { Dialogs: readonly { callid: string; state: number }[] }).Dialogs;
  const living = known.filter(({ state }) => state < endedState);
  const judged = living.filter(({ callid }) => !excused.has(callid)).map(({ callid }) => callid);
  const existing = storm.calls.filter((call) => !excused.has(call.plan.id) && callExists(call));
  const wanted = existing.map((call) => call.plan.id);
  if (judged.sort().join() !== wanted.sort().join())
    say(`it knows the dialogs [${judged.join()}], but the calls [${wanted.join()}] exist: ${list}`);
  const counted = ['dialog:active_dialogs', 'dialog:early_dialogs'];
  const total = counted.reduce((sum, name) => sum + (node.statistics.find(name) ?? 0), 0);
  if (total !== living.length) say(`it counts ${total} dialogs and lists ${living.length}: ${list}`);
  const size = await profileSize(simulated);
  if (size !== living.length)
    say(`the profile counts ${size}, but there are ${living.length} dialogs: ${list}`);
}

/** OpenSIPS's number of the state of a dialog that is over. */
const endedState = 5;

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
