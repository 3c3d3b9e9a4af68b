/**
 * A node dies (`kill -9`) or freezes (SIGSTOP) under load, with calls before, during and after ringing. Its peers must
 * notice, take its INVITEs over, and no call may fail: both of its ends are alive. Repeated, a victim after the other.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable } from '#cli/table.ts';
import { type CallTrace, showFailures, traceCalls } from '../call-trace.ts';
import { type Lab, say } from '../lab.ts';
import { Capture } from '../packets.ts';
import { finishCallee, startCallee, startCaller } from '../sipp.ts';

const loadSeconds = 20;
const faultAfterSeconds = 8;
/** Calls of the scenario `caller-hold` are up for 5 s. */
const callUpSeconds = 1;
/** A frozen process comes back after this time: its peers have given it up by then. */
const frozenSeconds = 7;

/** How a node fails, how soon its peers must notice and go on with its calls, and when its route goes. */
interface Fault {
  readonly name: string;
  readonly downMillisecondsMax: number;
  readonly takeoverMillisecondsMax: number;
  /** ms that a health check of the router takes to find out. */
  readonly routeAfter: number;
}

const faults = {
  kill: { name: 'kill -9', downMillisecondsMax: 1000, takeoverMillisecondsMax: 1500, routeAfter: 0 },
  stop: { name: 'SIGSTOP', downMillisecondsMax: 4500, takeoverMillisecondsMax: 6500, routeAfter: 1000 },
} as const satisfies Record<string, Fault>;
export type FaultName = keyof typeof faults;

interface Deaths {
  readonly victim: number;
  /** Seconds since 1970. */
  readonly killedAt: number;
  readonly routeGoneAt: number;
  readonly downMilliseconds: readonly number[];
  /** Until the successor said that it goes on; NaN when it did not. */
  readonly takeoverMilliseconds: number;
}

export interface FaultRun {
  readonly fault: FaultName;
  readonly rate: number;
  readonly repetitions: number;
}

export async function runKill(lab: Lab, run: FaultRun): Promise<string[]> {
  const broken: string[] = [];
  for (let round = 0; round < run.repetitions; round++) {
    const victim = lab.nodes[round % lab.nodes.length]!.number;
    broken.push(...(await runRound(lab, run, victim)));
    await bringBack(lab, run.fault, victim);
  }
  return broken;
}

async function runRound(lab: Lab, { fault, rate }: FaultRun, victim: number): Promise<string[]> {
  const capture = await Capture.start(lab.network, 'lan0');
  const callee = startCallee(lab.network, 'callee-slow');
  await sleep(300);
  const calls = rate * loadSeconds;
  const caller = startCaller(lab.network, { scenario: 'caller-hold', calls, rate });
  await sleep(faultAfterSeconds * 1000);
  const deaths = await failNode(lab, faults[fault], victim);
  if (fault === 'stop') {
    await sleep(Math.max(0, frozenSeconds * 1000 - (Date.now() - deaths.killedAt * 1000)));
    lab.node(victim).process.signal('SIGCONT');
  }
  await caller.process.ended;
  const packets = await capture.stop();
  await finishCallee(callee, 0);
  const traces = traceCalls(packets);
  const broken = report(traces, faults[fault], deaths, calls);
  showFailures(
    packets,
    traces.filter((call) => call.endedAt === 0).map((call) => call.callId),
  );
  return broken;
}

/** Lets the node fail, and takes its route back as a health check would. */
async function failNode(lab: Lab, fault: Fault, victim: number): Promise<Deaths> {
  const survivors = lab.nodes.filter((node) => node.number !== victim);
  const logs = survivors.map((node) => readFileSync(node.logFile, 'utf8').length);
  const killedAt = Date.now() / 1000;
  lab.node(victim).process.signal(fault === faults.kill ? 'SIGKILL' : 'SIGSTOP');
  const watch = (pattern: RegExp): Promise<number>[] =>
    survivors.map((node, index) => watchFor(node.logFile, logs[index]!, pattern));
  const downs = watch(new RegExp(`node \\[${victim}\\] is down`, 'i'));
  const adoptions = watch(new RegExp(`node \\[${victim}\\] is gone: \\d+ INVITE`, 'i'));
  await sleep(fault.routeAfter);
  await lab.withdraw(victim);
  const routeGoneAt = Date.now() / 1000;
  const adopted = (await Promise.all(adoptions)).filter((time) => !Number.isNaN(time));
  return {
    victim,
    killedAt,
    routeGoneAt,
    downMilliseconds: await Promise.all(downs),
    takeoverMilliseconds: adopted.length === 0 ? Number.NaN : Math.min(...adopted),
  };
}

async function bringBack(lab: Lab, fault: FaultName, victim: number): Promise<void> {
  if (fault === 'kill') await lab.node(victim).start();
  await lab.announce(victim);
}

/** Milliseconds until the log says so; NaN when it does not within 6.5 s. */
async function watchFor(logFile: string, offset: number, pattern: RegExp): Promise<number> {
  const begin = performance.now();
  while (performance.now() - begin < 6500) {
    if (pattern.test(readFileSync(logFile, 'utf8').slice(offset))) return performance.now() - begin;
    await sleep(10);
  }
  return Number.NaN;
}

/** Answered a while before, and not yet being ended. */
function wasUp(call: CallTrace, at: number): boolean {
  return call.answeredAt > 0 && call.answeredAt < at - callUpSeconds && (call.byeAt === 0 || call.byeAt > at);
}

function report(traces: readonly CallTrace[], fault: Fault, deaths: Deaths, calls: number): string[] {
  const { killedAt, routeGoneAt, victim } = deaths;
  const isRinging = ({ inviteAt, answeredAt }: CallTrace): boolean =>
    inviteAt <= killedAt && (answeredAt === 0 || answeredAt > killedAt);
  const groups: [string, CallTrace[]][] = [
    ['ringing at the fault', traces.filter(isRinging)],
    ['up at the fault', traces.filter((call) => wasUp(call, killedAt))],
    [
      'begun between fault and route',
      traces.filter(({ inviteAt }) => inviteAt > killedAt && inviteAt <= routeGoneAt),
    ],
    ['begun after the route was gone', traces.filter((call) => call.inviteAt > routeGoneAt)],
    ['all', [...traces]],
  ];
  const failed = (list: readonly CallTrace[]): number => list.filter((call) => call.endedAt === 0).length;
  const rows = groups.map(([name, list]) => [name, list.length, list.length - failed(list), failed(list)]);
  const routeMilliseconds = Math.round((routeGoneAt - killedAt) * 1000);
  say(`\n${fault.name} of node ${victim} under load; its route was gone ${routeMilliseconds} ms later`);
  const times = deaths.downMilliseconds.map((time) => Math.round(time)).join(', ');
  say(`peers logged "down" after ${times} ms; takeover after ${Math.round(deaths.takeoverMilliseconds)} ms`);
  say(formatTable(['calls', 'number', 'ended normally', 'failed'], rows));
  const broken: string[] = [];
  if (!deaths.downMilliseconds.every((time) => time <= fault.downMillisecondsMax))
    broken.push(`a peer did not log "down" within ${fault.downMillisecondsMax} ms`);
  if (!(deaths.takeoverMilliseconds <= fault.takeoverMillisecondsMax))
    broken.push(`no takeover within ${fault.takeoverMillisecondsMax} ms`);
  if (traces.length < calls) broken.push(`only ${traces.length} of ${calls} calls were placed`);
  for (const [name, list] of groups)
    if (failed(list) > 0) broken.push(`${failed(list)} calls ${name} failed`);
  return broken;
}
