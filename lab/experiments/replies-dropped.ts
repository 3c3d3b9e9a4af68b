/**
 * The caller gets no provisional reply and not all of the 200s, so it repeats its INVITEs and BYEs, and each
 * repetition goes to whichever node it likes. The callee must see exactly one INVITE and one BYE per call.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable } from '#cli/table.ts';
import { type Lab, say } from '../lab.ts';
import { Capture, type Packet, titleOf } from '../packets.ts';
import { startCallee, startCaller } from '../sipp.ts';
import type { CallLoad } from './calls.ts';
import { countCallsSeen, countDuplicates } from './loss.ts';

/**
 * sipp gives up after eleven BYEs. With half of the 200s lost that happens by chance to one call in 2,000, and a run of
 * some hundred calls fails now and then for nothing; with a quarter it does not, and enough is still repeated.
 */
const lost200Percent = 25;

export async function runRepliesDropped(lab: Lab, load: CallLoad): Promise<string[]> {
  await lab.balancer.setFaults({ caller200LossPercent: lost200Percent });
  const atCallee = await Capture.start(lab.network, 'callee');
  const atCaller = await Capture.start(lab.network, 'caller');
  const callee = startCallee(lab.network, 'callee-slow');
  await sleep(300);
  const caller = startCaller(lab.network, { scenario: 'caller-plain', ...load });
  await caller.process.ended;
  const [down, up] = [await atCallee.stop(), await atCaller.stop()];
  await callee.process.stop('SIGTERM', 2000);
  await lab.balancer.setFaults({});
  const counters = caller.counters();
  const requests = (packets: readonly Packet[], host: 'from' | 'to', method: string): number =>
    packets.filter(
      (packet) => packet[host] === (host === 'to' ? 'callee' : 'caller') && titleOf(packet) === method,
    ).length;
  const rows = ['INVITE', 'BYE'].map((method) => [
    method,
    load.calls,
    requests(up, 'from', method),
    requests(down, 'to', method),
  ]);
  say(`\nprovisional replies and ${lost200Percent} % of the 200s to the caller dropped, ${load.calls} calls`);
  say(formatTable(['request', 'calls', 'sent by the caller', 'seen by the callee'], rows));
  say(`${counters.successful} calls ended as intended, ${counters.failed} failed`);
  const broken: string[] = [];
  if (counters.successful !== load.calls)
    broken.push(`${counters.failed} calls failed:\n${caller.complaints()}`);
  if (countCallsSeen(down) !== load.calls) broken.push(`the callee saw ${countCallsSeen(down)} calls`);
  const twice = countDuplicates(down);
  if (twice.invites + twice.byes > 0) {
    broken.push(
      `${twice.invites} calls had more than one downstream INVITE, ${twice.byes} more than one BYE`,
    );
  }
  for (const [method, , sent, seen] of rows) {
    if (Number(seen) !== load.calls) broken.push(`${method}: ${seen} downstream for ${load.calls} calls`);
    // Without repetitions the experiment has shown nothing.
    if (Number(sent) <= load.calls) broken.push(`${method}: the caller repeated nothing`);
  }
  return broken;
}
