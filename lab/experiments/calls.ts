/** Calls of every kind under one way of balancing: all as intended, nothing repeated, nothing left behind. */

import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable } from '#cli/table.ts';
import type { BalanceMode } from '../balancer.ts';
import type { CallKind } from '../kinds.ts';
import { type Lab, say } from '../lab.ts';
import { dialogsOf, transactionsOf, waitForNone } from '../leftovers.ts';
import { finishCallee, registerCallee, type SippCounters, startCallee, startCaller } from '../sipp.ts';

export interface CallLoad {
  readonly calls: number;
  /** Calls per second. */
  readonly rate: number;
}

export interface KindResult {
  readonly kind: string;
  readonly caller: SippCounters;
  readonly callee: SippCounters;
  /** Sum over all nodes, 3 s after the last call; NaN when the program cannot say. */
  readonly dialogs: number;
  readonly complaints: string;
}

/** Timer J, and RFC 6026's Accepted, keep a transaction for 64*T1 = 32 s. */
const transactionEndMilliseconds = 45_000;
const dialogEndMilliseconds = 3000;
/** sipp binds its port within this. */
const calleeStartMilliseconds = 300;

/** One kind: callee up, caller to its end, both counters. */
export async function placeCalls(lab: Lab, kind: CallKind, load: CallLoad): Promise<KindResult> {
  if (kind.registered || lab.options.seed === 'seed-2.4') await registerEverywhere(lab, kind.user);
  const callee = startCallee(lab.network, kind.callee);
  await sleep(calleeStartMilliseconds);
  const caller = startCaller(lab.network, { scenario: kind.caller, user: kind.user, ...load });
  await caller.process.ended;
  const left =
    lab.options.program === 'anyvia' ? await waitForNone(lab, dialogsOf, dialogEndMilliseconds) : [];
  return {
    kind: kind.name,
    caller: caller.counters(),
    callee: await finishCallee(callee),
    dialogs: left.length === 0 ? Number.NaN : dialogsOf(left),
    complaints: caller.complaints() + callee.complaints(),
  };
}

/** Registers through the balanced address; where a node has not learnt of it, through that node alone. */
async function registerEverywhere(lab: Lab, user: string): Promise<void> {
  await registerCallee(lab.network, user);
  if (lab.options.program !== 'anyvia') return;
  await sleep(200);
  for (const node of lab.nodes) {
    const contacts = await node.look(['contacts', '--json']);
    if (contacts.code === 0 && contacts.stdout.includes(user)) continue;
    say(`node ${node.number} was not told of the contact of ${user}: it is registered there too`);
    await lab.balancer.pin([node.number]);
    await registerCallee(lab.network, user);
    await lab.balancer.pin(null);
  }
}

/** Promises that this result breaks. */
export function brokenPromises(result: KindResult, calls: number): string[] {
  const { caller, callee, dialogs, kind } = result;
  const broken: string[] = [];
  const check = (good: boolean, text: string): void => {
    if (!good) broken.push(`${kind}: ${text}`);
  };
  check(
    caller.successful === calls && caller.failed === 0,
    `caller: ${caller.successful} of ${calls} as intended`,
  );
  check(callee.calls === calls, `callee: saw ${callee.calls} calls instead of ${calls}`);
  check(callee.failed + callee.open === 0, `callee: ${callee.failed} failed, ${callee.open} never ended`);
  check(caller.unexpected + callee.unexpected === 0, 'unexpected messages');
  check(caller.stray + callee.stray === 0, `${caller.stray + callee.stray} messages outside of calls`);
  check(caller.retransmissions + callee.retransmissions === 0, 'retransmissions');
  check(Number.isNaN(dialogs) || dialogs === 0, `${dialogs} dialogs left`);
  return broken;
}

/** All kinds under one mode; prints the table; returns the broken promises. */
export async function runCalls(
  lab: Lab,
  mode: BalanceMode,
  kinds: readonly CallKind[],
  load: CallLoad,
): Promise<string[]> {
  await lab.balancer.setMode(mode);
  say(`\n${mode}: ${load.calls} calls of each kind at ${load.rate}/s`);
  const results: KindResult[] = [];
  for (const kind of kinds) results.push(await placeCalls(lab, kind, load));
  say(formatResults(results));
  const broken = results.flatMap((result) => {
    const list = brokenPromises(result, load.calls);
    if (list.length > 0 && result.complaints !== '')
      say(`${result.kind}: sipp says:\n${result.complaints}\n`);
    return list.map((text) => `${mode}: ${text}`);
  });
  if (lab.options.program === 'anyvia')
    broken.push(...(await checkNothingLeft(lab)).map((text) => `${mode}: ${text}`));
  return broken;
}

async function checkNothingLeft(lab: Lab): Promise<string[]> {
  const left = await waitForNone(
    lab,
    (rows) => transactionsOf(rows) + dialogsOf(rows),
    transactionEndMilliseconds,
  );
  const rows = left.map((row) => [
    `node${row.node}`,
    row.transactions,
    row.activeDialogs,
    row.earlyDialogs,
    row.processedDialogs,
  ]);
  const headings = ['transactions', 'active dialogs', 'early dialogs', 'processed dialogs'];
  say(formatTable(['after the calls', ...headings], rows));
  // Else the zeros above would only say that nobody counts.
  const counted = left.some((row) => row.processedDialogs > 0) ? [] : ['no node has counted a dialog'];
  const held = left
    .filter((row) => !(row.transactions + row.activeDialogs + row.earlyDialogs === 0))
    .map(
      (row) =>
        `node ${row.node} still holds ${row.transactions} transactions, ${row.activeDialogs} + ${row.earlyDialogs} dialogs`,
    );
  return [...counted, ...held];
}

function formatResults(results: readonly KindResult[]): string {
  const headings = [
    'kind',
    'calls',
    'as intended',
    'failed',
    'unexpected',
    'stray',
    'repeated by caller',
    'by callee',
  ];
  const rows = results.map(({ kind, caller, callee, dialogs }) => [
    kind,
    caller.calls,
    Math.min(caller.successful, callee.successful),
    Math.max(caller.failed, callee.failed),
    caller.unexpected + callee.unexpected,
    caller.stray + callee.stray,
    caller.retransmissions,
    callee.retransmissions,
    Number.isNaN(dialogs) ? '' : dialogs,
  ]);
  return formatTable([...headings, 'dialogs left'], rows);
}
