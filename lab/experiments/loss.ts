/**
 * The router loses datagrams at random. Three nodes under per-packet balancing must not fail more calls than one node
 * without anycast fails at the same loss, and the callee must see each call once: whatever is repeated on the way.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable } from '#cli/table.ts';
import { type LabOptions, say, withLab } from '../lab.ts';
import { Capture, type Packet, titleOf } from '../packets.ts';
import { finishCallee, type SippCounters, startCallee, startCaller } from '../sipp.ts';
import type { CallLoad } from './calls.ts';

interface LossResult {
  readonly caller: SippCounters;
  readonly callee: SippCounters;
  readonly duplicates: Duplicates;
}

/** Calls of which the callee saw more than one INVITE, or BYE, that is not a repetition of the first. */
export interface Duplicates {
  readonly invites: number;
  readonly byes: number;
}

/** A difference below this is chance: two runs of one node differ as much. */
const failuresTolerated = 3;

async function runLossy(options: LabOptions, percent: number, load: CallLoad): Promise<LossResult> {
  return withLab(options, async (lab) => {
    await lab.balancer.setFaults({ lossPercent: percent });
    // Before the router loses anything: what the nodes sent counts, not what arrived.
    const capture = await Capture.start(lab.network, 'lan0');
    const callee = startCallee(lab.network, 'callee-lossy');
    await sleep(300);
    const caller = startCaller(lab.network, { scenario: 'caller-plain', ...load });
    await caller.process.ended;
    const packets = await capture.stop();
    const result = {
      caller: caller.counters(),
      // It waits for repeated BYEs for long; the caller has had all its answers.
      callee: await finishCallee(callee, 0),
      duplicates: countDuplicates(packets),
    };
    if (result.caller.failed > 0) say(`caller says:\n${caller.complaints()}`);
    return result;
  });
}

/**
 * Counts downstream transactions per call: a retransmission of the proxy keeps its branch, a second INVITE of the same
 * call under another branch is a fork that nobody asked for.
 */
export function countDuplicates(packets: readonly Packet[]): Duplicates {
  const branches = new Map<string, Set<string>>();
  for (const packet of packets) {
    const method = titleOf(packet);
    if (packet.to !== 'callee' || (method !== 'INVITE' && method !== 'BYE')) continue;
    const key = `${method} ${packet.callId} ${packet.cseq}`;
    const known = branches.get(key) ?? new Set<string>();
    branches.set(key, known.add(packet.branch));
  }
  const count = (method: string): number =>
    [...branches].filter(([key, known]) => key.startsWith(`${method} `) && known.size > 1).length;
  return { invites: count('INVITE'), byes: count('BYE') };
}

/** Distinct calls of which the callee saw an INVITE. */
export function countCallsSeen(packets: readonly Packet[]): number {
  const seen = packets.filter((packet) => packet.to === 'callee' && titleOf(packet) === 'INVITE');
  return new Set(seen.map((packet) => packet.callId)).size;
}

export async function runLoss(options: LabOptions, percent: number, load: CallLoad): Promise<string[]> {
  const single = await runLossy({ ...options, nodeCount: 1, anycast: false }, percent, load);
  const cluster = await runLossy(options, percent, load);
  const row = (name: string, { caller, callee, duplicates }: LossResult): (string | number)[] => [
    name,
    caller.calls,
    caller.successful,
    caller.failed,
    caller.retransmissions,
    callee.retransmissions,
    duplicates.invites,
    duplicates.byes,
  ];
  say(`\n${percent} % of all datagrams lost, ${load.calls} calls at ${load.rate}/s`);
  const headings = ['', 'calls', 'successful', 'failed', 'repeated by caller', 'by callee'];
  const rows = [
    row('one node, no anycast', single),
    row(`${options.nodeCount} nodes, ${options.mode}`, cluster),
  ];
  say(formatTable([...headings, 'INVITEs twice', 'BYEs twice'], rows));
  const broken: string[] = [];
  if (cluster.caller.failed > single.caller.failed + failuresTolerated) {
    broken.push(
      `loss ${percent} %: ${cluster.caller.failed} failed calls, one node has ${single.caller.failed}`,
    );
  }
  if (cluster.caller.calls !== load.calls)
    broken.push(`loss ${percent} %: ${cluster.caller.calls} calls were placed`);
  const { invites, byes } = cluster.duplicates;
  if (invites + byes > 0)
    broken.push(`loss ${percent} %: ${invites} INVITEs and ${byes} BYEs reached the callee twice`);
  return broken;
}
