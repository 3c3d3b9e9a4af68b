/**
 * Every node is stopped (SIGTERM: it drains) and started again, one after the other, under load. The route goes first,
 * as `withdraw_command` would have it. No call may fail.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { showFailures } from '../call-trace.ts';
import { type Lab, say } from '../lab.ts';
import { Capture } from '../packets.ts';
import { startCallee, startCaller } from '../sipp.ts';

/** The load goes on for longer than three drains, each of some 35 s, and is then cut. */
const loadSecondsMax = 240;
const exitMillisecondsMax = 90_000;

export async function runRolling(lab: Lab, rate: number): Promise<string[]> {
  const capture = await Capture.start(lab.network, 'lan0');
  const callee = startCallee(lab.network, 'callee-slow');
  await sleep(300);
  const caller = startCaller(lab.network, { scenario: 'caller-hold', calls: rate * loadSecondsMax, rate });
  await sleep(5000);
  const seconds: string[] = [];
  for (const node of lab.nodes) seconds.push(await restart(lab, node.number));
  await sleep(5000);
  // SIGUSR1: sipp begins no more calls, and ends when those that go on are over.
  caller.process.signal('SIGUSR1');
  await caller.process.ended;
  const packets = await capture.stop();
  const counters = caller.counters();
  await callee.process.stop('SIGTERM', 2000);
  const { calls, successful, failed, retransmissions } = counters;
  say(`\nrolling restart under ${rate} calls/s: each node drained in ${seconds.join(', ')} s`);
  say(
    `${calls} calls, ${successful} successful, ${failed} failed, ${retransmissions} retransmissions of the caller`,
  );
  if (failed === 0) return [];
  const complaints = caller.complaints();
  showFailures(packets, /Call-Id '([^']+)'/.exec(complaints)?.slice(1) ?? []);
  return [`${failed} of ${calls} calls failed`, complaints];
}

/** Seconds that the drain took. */
async function restart(lab: Lab, number: number): Promise<string> {
  const node = lab.node(number);
  await lab.withdraw(number);
  const begin = performance.now();
  node.process.signal('SIGTERM');
  while (node.process.running && performance.now() - begin < exitMillisecondsMax) await sleep(100);
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  await node.start();
  await lab.announce(number);
  return seconds;
}
