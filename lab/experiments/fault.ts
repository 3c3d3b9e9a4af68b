/**
 * A node dies (`kill -9`), freezes (SIGSTOP), loses the link to one peer or to all of them, under load, with calls
 * before, during and after ringing. Its peers must notice, take its INVITEs over where it is gone, and no call may fail:
 * both of its ends are alive. Repeated, a victim after the other.
 */

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
/** A frozen or cut node comes back after this time: its peers have given it up by then. */
const faultSeconds = 7;
const noticeMillisecondsMax = 6500;
/** A health check of the router that asks once per second. */
export const healthCheckMilliseconds = 1000;
/** Of calls under 2 % loss that one node without anycast would lose too: 7 of 6,000 at 5 % were measured. */
export const lostPartMax = 0.002;

/** How a node fails, how soon its peers must notice and go on with its calls, and when its route goes. */
interface Fault {
  readonly name: string;
  /** Null: nobody is down. */
  readonly downMillisecondsMax: number | null;
  /** Null: the node goes on with its own calls as long as it can. */
  readonly takeoverMillisecondsMax: number | null;
  begin(lab: Lab, victim: number): Promise<void>;
  /** Returns when the router sends the node nothing more, or need not. */
  withdraw(lab: Lab, victim: number): Promise<void>;
  /** Ends it under load; null: it lasts until the load is over. */
  readonly mend: ((lab: Lab, victim: number) => Promise<void>) | null;
}

const faults = {
  kill: {
    name: 'kill -9',
    downMillisecondsMax: 1000,
    takeoverMillisecondsMax: 1500,
    begin: async (lab, victim) => lab.node(victim).process.signal('SIGKILL'),
    withdraw: (lab, victim) => lab.withdraw(victim),
    mend: null,
  },
  stop: {
    name: 'SIGSTOP',
    downMillisecondsMax: 4500,
    takeoverMillisecondsMax: 6500,
    begin: async (lab, victim) => lab.node(victim).process.signal('SIGSTOP'),
    withdraw: async (lab, victim) => {
      await sleep(healthCheckMilliseconds);
      await lab.withdraw(victim);
    },
    mend: async (lab, victim) => lab.node(victim).process.signal('SIGCONT'),
  },
  part: {
    name: 'cut of one link',
    downMillisecondsMax: null,
    takeoverMillisecondsMax: null,
    begin: (lab, victim) => lab.cut([victim, (victim % lab.nodes.length) + 1]),
    withdraw: async () => {},
    mend: (lab) => lab.cut(null),
  },
  isolate: {
    name: 'cut of all links',
    downMillisecondsMax: 4500,
    takeoverMillisecondsMax: null,
    begin: (lab, victim) => lab.isolate(victim),
    withdraw: async (lab, victim) => {
      await lab.withdrawIfAsked(victim, lab.node(victim).logLength(), faultSeconds * 1000);
    },
    mend: (lab) => lab.cut(null),
  },
} as const satisfies Record<string, Fault>;
export type FaultName = keyof typeof faults;

/** What a person calls the fault, for help and documents. */
export const faultTitles: Readonly<Record<FaultName, string>> = {
  kill: 'kill -9 of one node',
  stop: 'SIGSTOP of one node for some seconds',
  part: 'the link between two nodes cut for some seconds',
  isolate: 'all links of one node cut for some seconds',
};

interface Course {
  readonly victim: number;
  /** Seconds since 1970. */
  readonly begunAt: number;
  readonly routeGoneAt: number;
  readonly downMilliseconds: readonly number[];
  /** Until a survivor said that it goes on; NaN when none did. */
  readonly takeoverMilliseconds: number;
}

export interface FaultRun {
  readonly fault: FaultName;
  readonly rate: number;
  readonly repetitions: number;
  /** Of all datagrams between the users and the nodes. */
  readonly lossPercent: number;
}

export async function runFault(lab: Lab, run: FaultRun): Promise<string[]> {
  const broken: string[] = [];
  for (let round = 0; round < run.repetitions; round++) {
    const victim = lab.nodes[round % lab.nodes.length]!.number;
    await lab.balancer.setFaults({ lossPercent: run.lossPercent });
    broken.push(...(await runRound(lab, run, victim)));
    await lab.balancer.setFaults({});
    if (run.fault === 'kill') await lab.node(victim).start();
    await lab.announce(victim);
  }
  return broken;
}

async function runRound(lab: Lab, run: FaultRun, victim: number): Promise<string[]> {
  const { rate } = run;
  const fault: Fault = faults[run.fault];
  const capture = await Capture.start(lab.network, 'lan0');
  const callee = startCallee(lab.network, 'callee-slow');
  await sleep(300);
  const calls = rate * loadSeconds;
  const caller = startCaller(lab.network, { scenario: 'caller-hold', calls, rate });
  await sleep(faultAfterSeconds * 1000);
  const course = await failNode(lab, fault, victim);
  await caller.process.ended;
  const packets = await capture.stop();
  await finishCallee(callee, 0);
  const traces = traceCalls(packets);
  const broken = report(traces, run, course);
  showFailures(
    packets,
    traces.filter((call) => call.endedAt === 0).map((call) => call.callId),
  );
  return broken;
}

/** Lets the node fail, takes its route back as a health check would, and lets it come back. */
async function failNode(lab: Lab, fault: Fault, victim: number): Promise<Course> {
  const survivors = lab.nodes.filter((node) => node.number !== victim);
  const marks = survivors.map((node) => node.logLength());
  const watch = (pattern: RegExp): Promise<number>[] =>
    survivors.map((node, index) => node.untilLogged(pattern, marks[index]!, noticeMillisecondsMax));
  const begunAt = Date.now() / 1000;
  await fault.begin(lab, victim);
  const downs = watch(new RegExp(`node \\[${victim}\\] is down`, 'i'));
  const adoptions = watch(new RegExp(`node \\[${victim}\\] is gone: \\d+ INVITE`, 'i'));
  await fault.withdraw(lab, victim);
  const routeGoneAt = Date.now() / 1000;
  if (fault.mend !== null) {
    await sleep(Math.max(0, (begunAt + faultSeconds) * 1000 - Date.now()));
    await fault.mend(lab, victim);
  }
  const adopted = (await Promise.all(adoptions)).filter((time) => !Number.isNaN(time));
  return {
    victim,
    begunAt,
    routeGoneAt,
    downMilliseconds: await Promise.all(downs),
    takeoverMilliseconds: adopted.length === 0 ? Number.NaN : Math.min(...adopted),
  };
}

/** Answered a while before, and not yet being ended. */
function wasUp(call: CallTrace, at: number): boolean {
  return call.answeredAt > 0 && call.answeredAt < at - callUpSeconds && (call.byeAt === 0 || call.byeAt > at);
}

function report(traces: readonly CallTrace[], run: FaultRun, course: Course): string[] {
  const fault: Fault = faults[run.fault];
  const { begunAt, routeGoneAt, victim } = course;
  const isRinging = ({ inviteAt, answeredAt }: CallTrace): boolean =>
    inviteAt <= begunAt && (answeredAt === 0 || answeredAt > begunAt);
  const groups: [string, CallTrace[]][] = [
    ['ringing at the fault', traces.filter(isRinging)],
    ['up at the fault', traces.filter((call) => wasUp(call, begunAt))],
    [
      'begun between fault and route',
      traces.filter(({ inviteAt }) => inviteAt > begunAt && inviteAt <= routeGoneAt),
    ],
    ['begun after the route was gone', traces.filter((call) => call.inviteAt > routeGoneAt)],
    ['all', [...traces]],
  ];
  const failed = (list: readonly CallTrace[]): number => list.filter((call) => call.endedAt === 0).length;
  const rows = groups.map(([name, list]) => [name, list.length, list.length - failed(list), failed(list)]);
  const routeMilliseconds = Math.round((routeGoneAt - begunAt) * 1000);
  say(`\n${fault.name}, node ${victim}, under load; the router left it ${routeMilliseconds} ms later`);
  const times = course.downMilliseconds.map((time) => Math.round(time)).join(', ');
  say(`peers logged "down" after ${times} ms; takeover after ${Math.round(course.takeoverMilliseconds)} ms`);
  say(formatTable(['calls', 'number', 'ended normally', 'failed'], rows));
  const broken = judgeTimes(fault, course);
  const calls = run.rate * loadSeconds;
  if (traces.length < calls) broken.push(`only ${traces.length} of ${calls} calls were placed`);
  const tolerated = run.lossPercent === 0 ? 0 : lostPartMax;
  for (const [name, list] of groups)
    if (failed(list) > traces.length * tolerated) broken.push(`${failed(list)} calls ${name} failed`);
  return broken;
}

function judgeTimes(fault: Fault, course: Course): string[] {
  const { downMillisecondsMax, takeoverMillisecondsMax } = fault;
  const broken: string[] = [];
  if (downMillisecondsMax !== null && !course.downMilliseconds.every((time) => time <= downMillisecondsMax))
    broken.push(`a peer did not log "down" within ${downMillisecondsMax} ms`);
  if (takeoverMillisecondsMax !== null && !(course.takeoverMilliseconds <= takeoverMillisecondsMax))
    broken.push(`no takeover within ${takeoverMillisecondsMax} ms`);
  return broken;
}
