/**
 * Thousands of calls that are up at once: every node lists the same dialogs, and counts each call in its profile, at
 * every sample, while calls come, while a node is dead (`kill -9`) and starts again, and while they end.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable } from '#cli/table.ts';
import { type CallTrace, traceCalls } from '../call-trace.ts';
import { type Lab, say } from '../lab.ts';
import { dialogsOf, waitForNone } from '../leftovers.ts';
import { Capture } from '../packets.ts';
import type { LabNode } from '../program.ts';
import { finishCallee, startCallee, startCaller } from '../sipp.ts';

export interface DialogsRun {
  /** Up at once. */
  readonly calls: number;
  /** Calls per second, as they come and as they go. */
  readonly rate: number;
}

/** The callee of the scenario rings for so long. */
const ringSeconds = 2;
/** For what is done while all calls are up: listings, a death, a new start, listings. */
const plateauSeconds = 30;
/** In which a change is known to all nodes. */
const settledSeconds = 0.25;
const sampleMilliseconds = 1000;
const leftoverMilliseconds = 3000;

interface Sample {
  readonly node: number;
  /** Seconds since 1970, around the question. */
  readonly asked: number;
  readonly answered: number;
  readonly dialogs: number;
  readonly profile: number;
}

export async function runDialogs(lab: Lab, { calls, rate }: DialogsRun): Promise<string[]> {
  const capture = await Capture.start(lab.network, 'caller');
  const callee = startCallee(lab.network, 'callee-slow');
  await sleep(300);
  const rampSeconds = calls / rate;
  const holdSeconds = rampSeconds + ringSeconds + plateauSeconds;
  const load = { scenario: 'caller-hold', calls, rate, holdMilliseconds: holdSeconds * 1000 };
  const caller = startCaller(lab.network, load);
  const samples: Sample[] = [];
  const sampling = new AbortController();
  const sampled = sampleAll(lab, samples, sampling.signal);
  // What goes wrong there is thrown where it is waited for.
  sampled.catch(() => undefined);
  await sleep((rampSeconds + ringSeconds + 2) * 1000);
  const broken = await whileAllAreUp(lab, calls);
  await caller.process.ended;
  sampling.abort();
  await sampled;
  const left = await waitForNone(lab, dialogsOf, leftoverMilliseconds);
  const traces = traceCalls(await capture.stop());
  await finishCallee(callee, 0);
  return [
    ...broken,
    ...judgeCalls(traces, calls),
    ...judgeSamples(samples, traces),
    ...(dialogsOf(left) === 0 ? [] : [`${dialogsOf(left)} dialogs are left`]),
  ];
}

async function whileAllAreUp(lab: Lab, calls: number): Promise<string[]> {
  const broken = await compareLists(lab.nodes, calls, 'all calls up');
  const victim = lab.nodes.at(-1)!;
  victim.process.signal('SIGKILL');
  await lab.withdraw(victim.number);
  const survivors = lab.nodes.filter((node) => node !== victim);
  await sleep(2000);
  broken.push(...(await compareLists(survivors, calls, `node ${victim.number} dead`)));
  await victim.start();
  await lab.announce(victim.number);
  await sleep(2000);
  broken.push(...(await compareLists(lab.nodes, calls, `node ${victim.number} started again`)));
  return broken;
}

/** Every node must list the same `calls` dialogs. */
async function compareLists(nodes: readonly LabNode[], calls: number, when: string): Promise<string[]> {
  const lists = await Promise.all(nodes.map((node) => listDialogs(node)));
  const first = lists[0]!;
  const broken: string[] = [];
  for (const [index, list] of lists.entries()) {
    const { number } = nodes[index]!;
    if (list.size !== calls) broken.push(`${when}: node ${number} lists ${list.size} of ${calls} dialogs`);
    const differing = [...list].filter((id) => !first.has(id)).length;
    if (differing > 0) broken.push(`${when}: ${differing} ids of node ${number} are not those of another`);
  }
  const sizes = lists.map((list, index) => `node ${nodes[index]!.number}: ${list.size}`).join(', ');
  say(`${when}: dialogs listed by ${sizes}`);
  return broken;
}

async function listDialogs(node: LabNode): Promise<Set<string>> {
  const outcome = await node.look(['dialogs', '--json']);
  if (outcome.code !== 0) throw new Error(`node ${node.number} lists no dialogs: ${outcome.stderr}`);
  const { Dialogs: dialogs } = JSON.parse(outcome.stdout) as { Dialogs: { ID: string }[] };
  return new Set(dialogs.map((dialog) => dialog.ID));
}

async function sampleAll(lab: Lab, samples: Sample[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const node of lab.nodes) {
      if (!node.process.running) continue;
      const asked = Date.now() / 1000;
      const sizes = await sizesOf(node);
      if (sizes !== null) samples.push({ node: node.number, asked, answered: Date.now() / 1000, ...sizes });
    }
    await sleep(sampleMilliseconds);
  }
}

/** Null while the node starts or is gone. */
async function sizesOf(node: LabNode): Promise<{ dialogs: number; profile: number } | null> {
  const outcome = await node.look(['mi', 'profile_get_size', 'caller', '--json']);
  if (outcome.code !== 0) return null;
  const profile = (JSON.parse(outcome.stdout) as { Profile: { count: number } }).Profile.count;
  // It may be killed between the two questions.
  const statistics = await node.statistics().catch(() => null);
  if (statistics === null) return null;
  return {
    dialogs: (statistics['dialog:active_dialogs'] ?? 0) + (statistics['dialog:early_dialogs'] ?? 0),
    profile,
  };
}

function judgeCalls(traces: readonly CallTrace[], calls: number): string[] {
  const ended = traces.filter((call) => call.endedAt > 0).length;
  say(`${traces.length} calls, ${ended} ended normally`);
  return ended === calls ? [] : [`${ended} of ${calls} calls ended normally`];
}

/** Those that a node which knows everything that is older than `settledSeconds` may count. */
function boundsOf(traces: readonly CallTrace[], { asked, answered }: Sample): readonly [number, number] {
  let least = 0;
  let most = 0;
  for (const { inviteAt, byeAt } of traces) {
    if (inviteAt < answered && (byeAt === 0 || byeAt > asked - settledSeconds)) most++;
    if (inviteAt < asked - settledSeconds && (byeAt === 0 || byeAt > answered)) least++;
  }
  return [least, most];
}

function judgeSamples(samples: readonly Sample[], traces: readonly CallTrace[]): string[] {
  const wrong: string[] = [];
  const rows = new Map<number, { samples: number; exact: number; wrong: number; most: number }>();
  for (const sample of samples) {
    const row = rows.get(sample.node) ?? { samples: 0, exact: 0, wrong: 0, most: 0 };
    rows.set(sample.node, row);
    const [least, most] = boundsOf(traces, sample);
    row.samples++;
    row.most = Math.max(row.most, sample.profile);
    if (least === most) row.exact++;
    const { profile, dialogs } = sample;
    // That a call rings is known to its owner alone: its dialog counts as early there, and nowhere else.
    if (profile >= least && profile <= most && (least !== most || dialogs === least)) continue;
    row.wrong++;
    const sizes = `${sample.dialogs} dialogs, ${sample.profile} in the profile`;
    wrong.push(`node ${sample.node} counted ${sizes}, with ${least} to ${most} calls up`);
  }
  const headings = ['node', 'samples', 'of a steady number', 'largest profile', 'wrong'];
  const lines = [...rows].map(([node, row]) => [node, row.samples, row.exact, row.most, row.wrong]);
  say(formatTable(headings, lines));
  for (const text of wrong.slice(0, 10)) say(text);
  return wrong.length === 0 ? [] : [`${wrong.length} of ${samples.length} samples were wrong`];
}
