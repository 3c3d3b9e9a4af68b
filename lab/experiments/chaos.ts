/**
 * Minutes of random faults under load, drawn from a seed: nodes killed, frozen, restarted and cut off, links and the
 * database cut, datagrams lost. One fault at a time, since calls are promised to survive one. At the end no call may
 * have failed but by loss, nothing may be left on any node, and memory is what it was.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable } from '#cli/table.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { type CallTrace, traceCalls } from '../call-trace.ts';
import { type Lab, say } from '../lab.ts';
import { dialogsOf, transactionsOf, waitForNone } from '../leftovers.ts';
import { Capture } from '../packets.ts';
import { finishCallee, startCallee, startCaller } from '../sipp.ts';
import { healthCheckMilliseconds, lostPartMax } from './fault.ts';

export interface ChaosRun {
  readonly seed: number;
  readonly seconds: number;
  /** Calls per second. */
  readonly rate: number;
}

interface Chaos {
  readonly lab: Lab;
  readonly random: SeededRandom;
}

/** Does its harm, waits, and mends it; returns what it did, in a few words. */
type Fault = (chaos: Chaos) => Promise<string>;

interface PastFault {
  readonly name: string;
  readonly what: string;
  /** Seconds since 1970, until everything was whole again. */
  readonly begin: number;
  readonly end: number;
}

/** Of the load before the first fault, so that memory is compared with that of nodes at work. */
const warmUpMilliseconds = 30_000;
const pauseMilliseconds = [2000, 6000] as const;
/** A call lasts 6 s, its longest retransmission 4 s: what fails later than this was not the fault's doing. */
const aftermathSeconds = 10;
/** Timer B and everything that ends after it. */
const settleMilliseconds = 50_000;
const megabyte = 1024 * 1024;
const memoryLooks = 10;
const memoryLookMilliseconds = 1000;
/** Growth that is no leak: a heap that was busy once keeps some of its pages. */
const memoryGrowthMax = 1.3;

function between(random: SeededRandom, from: number, to: number): number {
  return from + random.below(to - from + 1);
}

const someNode = ({ lab, random }: Chaos): number => lab.nodes[random.below(lab.nodes.length)]!.number;

async function killNode(chaos: Chaos): Promise<string> {
  const { lab, random } = chaos;
  const node = someNode(chaos);
  const [beforeRoute, dead] = [between(random, 0, 300), between(random, 500, 8000)];
  lab.node(node).process.signal('SIGKILL');
  await sleep(beforeRoute);
  await lab.withdraw(node);
  await sleep(dead);
  await lab.node(node).start();
  await lab.announce(node);
  return `node ${node}, ${dead} ms`;
}

async function freezeNode(chaos: Chaos): Promise<string> {
  const { lab, random } = chaos;
  const node = someNode(chaos);
  const frozen = between(random, 200, 9000);
  lab.node(node).process.signal('SIGSTOP');
  await sleep(Math.min(frozen, healthCheckMilliseconds));
  const goes = frozen > healthCheckMilliseconds;
  if (goes) await lab.withdraw(node);
  if (goes) await sleep(frozen - healthCheckMilliseconds);
  lab.node(node).process.signal('SIGCONT');
  await lab.announce(node);
  return `node ${node}, ${frozen} ms`;
}

async function restartNode(chaos: Chaos): Promise<string> {
  const { lab } = chaos;
  const node = someNode(chaos);
  const { process } = lab.node(node);
  await lab.withdraw(node);
  process.signal('SIGTERM');
  await process.ended;
  await lab.node(node).start();
  await lab.announce(node);
  return `node ${node}`;
}

async function cutLink(chaos: Chaos): Promise<string> {
  const { lab, random } = chaos;
  const one = someNode(chaos);
  const others = lab.network.nodes.filter((node) => node !== one);
  const pair = [one, others[random.below(others.length)]!] as const;
  const cut = between(random, 500, 12_000);
  await lab.cut(pair);
  await sleep(cut);
  await lab.cut(null);
  await lab.waitForMesh();
  return `between nodes ${pair.join(' and ')}, ${cut} ms`;
}

/** All links of one node; it says itself when it wants no packets, and its route goes then. */
async function isolateNode(chaos: Chaos): Promise<string> {
  const { lab, random } = chaos;
  const node = someNode(chaos);
  const mark = lab.node(node).logLength();
  const cut = between(random, 500, 12_000);
  const end = performance.now() + cut;
  await lab.isolate(node);
  const isWithdrawn = await lab.withdrawIfAsked(node, mark, cut);
  await sleep(Math.max(0, end - performance.now()));
  await lab.cut(null);
  await lab.announce(node);
  return `node ${node}, ${cut} ms${isWithdrawn ? ', it withdrew' : ''}`;
}

async function loseDatagrams({ lab, random }: Chaos): Promise<string> {
  const lasts = between(random, 3000, 15_000);
  await lab.balancer.setFaults({ lossPercent: 2 });
  await sleep(lasts);
  await lab.balancer.setFaults({});
  return `2 %, ${lasts} ms`;
}

async function stopDatabase({ lab, random }: Chaos): Promise<string> {
  const away = between(random, 1000, 12_000);
  await lab.database.stop();
  await sleep(away);
  await lab.database.startAgain();
  return `${away} ms`;
}

const faults: readonly (readonly [string, Fault])[] = [
  ['kill -9', killNode],
  ['SIGSTOP', freezeNode],
  ['restart', restartNode],
  ['link cut', cutLink],
  ['all links cut', isolateNode],
  ['loss', loseDatagrams],
  ['no database', stopDatabase],
];

export async function runChaos(lab: Lab, run: ChaosRun): Promise<string[]> {
  say(`seed ${run.seed}: ${run.seconds} s of faults under ${run.rate} calls/s`);
  const capture = await Capture.start(lab.network, 'caller');
  const callee = startCallee(lab.network, 'callee-slow');
  await sleep(300);
  // More calls than there is time for: the end of the faults ends them.
  const calls = Math.ceil((run.seconds + 200) * run.rate);
  const caller = startCaller(lab.network, { scenario: 'caller-hold', calls, rate: run.rate });
  await sleep(warmUpMilliseconds);
  const before = await memoryOf(lab);
  const past = await doHarm({ lab, random: new SeededRandom(run.seed) }, run.seconds);
  await sleep(warmUpMilliseconds);
  const after = await memoryOf(lab);
  // sipp begins no more calls, and ends when those that go on are over.
  caller.process.signal('SIGUSR1');
  await caller.process.ended;
  const traces = traceCalls(await capture.stop());
  await finishCallee(callee, 0);
  return [
    ...judgeCalls(traces, past),
    ...judgeMemory(before, after),
    ...(await judgeLeftovers(lab)),
    ...(caller.counters().calls === traces.length ? [] : ['the capture misses calls']),
  ];
}

async function doHarm(chaos: Chaos, seconds: number): Promise<PastFault[]> {
  const past: PastFault[] = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const [name, fault] = faults[chaos.random.below(faults.length)]!;
    const begin = Date.now() / 1000;
    const what = await fault(chaos);
    past.push({ name, what, begin, end: Date.now() / 1000 });
    say(`${new Date(begin * 1000).toISOString().slice(11, 19)} ${name}: ${what}`);
    await sleep(between(chaos.random, ...pauseMilliseconds));
  }
  return past;
}

function judgeCalls(traces: readonly CallTrace[], past: readonly PastFault[]): string[] {
  const meets = (call: CallTrace, fault: PastFault): boolean => {
    const over = call.endedAt > 0 ? call.endedAt : call.inviteAt + aftermathSeconds;
    return call.inviteAt < fault.end && over > fault.begin;
  };
  const failures = traces.filter((call) => call.endedAt === 0);
  const broken: string[] = [];
  const rows = faults.map(([name]) => {
    const ofName = past.filter((fault) => fault.name === name);
    const met = traces.filter((call) => ofName.some((fault) => meets(call, fault)));
    const failed = met.filter((call) => call.endedAt === 0);
    const repeats = met.reduce((sum, call) => sum + call.repeats, 0);
    const tolerated = name === 'loss' ? met.length * lostPartMax : 0;
    if (failed.length > tolerated) broken.push(`${name}: ${failed.length} of ${met.length} calls failed`);
    return [name, ofName.length, met.length, failed.length, repeats];
  });
  const calm = traces.filter((call) => !past.some((fault) => meets(call, fault)));
  const failedInCalm = calm.filter((call) => call.endedAt === 0);
  if (failedInCalm.length > 0) broken.push(`${failedInCalm.length} calls failed without any fault`);
  rows.push(['none', 0, calm.length, failedInCalm.length, calm.reduce((sum, call) => sum + call.repeats, 0)]);
  rows.push(['all', past.length, traces.length, failures.length, 0]);
  say(formatTable(['fault', 'times', 'calls that met it', 'failed', 'repeated by caller'], rows));
  for (const call of failures.slice(0, 10))
    say(`failed: ${call.callId} of ${new Date(call.inviteAt * 1000).toISOString().slice(11, 23)}`);
  return broken;
}

/** MB. */
interface Memory {
  /** What is in use: the least of some looks, since garbage counts until it is collected. */
  readonly heap: number;
  /** With what the process keeps for later; it gives little of that back to the system. */
  readonly resident: number;
}

async function memoryOf(lab: Lab): Promise<Map<number, Memory>> {
  const least = new Map<number, Memory>();
  for (let look = 0; look < memoryLooks; look++) {
    for (const node of lab.nodes) {
      const statistics = (await node.statistics())!;
      const heap = statistics['memory:heap_used']! / megabyte;
      const known = least.get(node.number);
      const resident = statistics['memory:resident']! / megabyte;
      least.set(node.number, { heap: Math.min(heap, known?.heap ?? heap), resident });
    }
    await sleep(memoryLookMilliseconds);
  }
  return least;
}

function judgeMemory(before: ReadonlyMap<number, Memory>, after: ReadonlyMap<number, Memory>): string[] {
  const broken: string[] = [];
  const largest = Math.max(...[...before.values()].map(({ heap }) => heap));
  const rows = [...after].map(([node, { heap, resident }]) => {
    const old = before.get(node)!;
    if (heap > largest * memoryGrowthMax) broken.push(`node ${node} holds ${heap.toFixed(0)} MB`);
    return [node, ...[old.heap, heap, old.resident, resident].map((size) => size.toFixed(0))];
  });
  say(formatTable(['node', 'heap before, MB', 'after', 'resident before, MB', 'after'], rows));
  return broken;
}

async function judgeLeftovers(lab: Lab): Promise<string[]> {
  const left = await waitForNone(lab, (rows) => transactionsOf(rows) + dialogsOf(rows), settleMilliseconds);
  const [transactions, dialogs] = [transactionsOf(left), dialogsOf(left)];
  say(`after the calls: ${transactions} transactions, ${dialogs} dialogs`);
  return transactions + dialogs === 0 ? [] : [`${transactions} transactions and ${dialogs} dialogs are left`];
}
