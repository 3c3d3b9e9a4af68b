/** What nodes still hold after the calls are over. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from './lab.ts';

export interface Leftovers {
  readonly node: number;
  readonly transactions: number;
  readonly activeDialogs: number;
  readonly earlyDialogs: number;
  /** Since the node began: shows that dialogs are counted at all. */
  readonly processedDialogs: number;
}

const pollMilliseconds = 500;

async function readLeftovers(lab: Lab): Promise<Leftovers[]> {
  const rows: Leftovers[] = [];
  for (const node of lab.nodes) {
    if (!node.process.running) continue;
    const statistics = await node.statistics();
    if (statistics === null) continue;
    // A name that is missing must not read as zero.
    const value = (name: string): number => statistics[name] ?? Number.NaN;
    rows.push({
      node: node.number,
      transactions: value('tm:inuse_transactions'),
      activeDialogs: value('dialog:active_dialogs'),
      earlyDialogs: value('dialog:early_dialogs'),
      processedDialogs: value('dialog:processed_dialogs'),
    });
  }
  return rows;
}

export function dialogsOf(rows: readonly Leftovers[]): number {
  return rows.reduce((sum, row) => sum + row.activeDialogs + row.earlyDialogs, 0);
}

export function transactionsOf(rows: readonly Leftovers[]): number {
  return rows.reduce((sum, row) => sum + row.transactions, 0);
}

/** Polls until nothing is left that `count` counts, or the time is over. */
export async function waitForNone(
  lab: Lab,
  count: (rows: readonly Leftovers[]) => number,
  millisecondsMax: number,
): Promise<Leftovers[]> {
  const deadline = performance.now() + millisecondsMax;
  for (;;) {
    const rows = await readLeftovers(lab);
    if (count(rows) === 0 || performance.now() > deadline) return rows;
    await sleep(pollMilliseconds);
  }
}
