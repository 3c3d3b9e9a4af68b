/** What is measured: a program on one node or on all, started, warmed up and loaded inside the lab. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../../lab/lab.ts';
import { LabNode, type ProgramName } from '../../lab/program.ts';
import { startCallee, startCaller } from '../../lab/sipp.ts';
import { processorMicroseconds } from './processor-time.ts';

export interface Subject {
  readonly name: string;
  readonly program: ProgramName;
  readonly nodes: readonly number[];
  /** Another checkout of anyvia; absent: this one. */
  readonly checkout?: string;
}

export interface Measurement {
  readonly subject: string;
  /** Calls per second. */
  readonly rate: number;
  readonly calls: number;
  readonly failed: number;
  readonly retransmissions: number;
  /** CPU of all processes per call, without what they spend idle. */
  readonly microsecondsPerCall: number;
}

export interface Plan {
  readonly rates: readonly number[];
  readonly loadSeconds: number;
  /** Script of anyvia's nodes. */
  readonly seed: string;
}

const idleSeconds = 4;
/** Transactions of the last calls end within this, as far as their work is not idle work. */
const tailSeconds = 3;
/**
 * A daemon runs for months: what counts is the cost when everything that is called often has been compiled. That takes
 * some 10,000 calls of one process.
 */
const warmUpRate = 1200;
const warmUpSeconds = { alone: 10, cluster: 20 } as const;

/** What the warm-up left behind is over then: 64 × T1 (RFC 3261 17.2.2), or it would be counted as idle work. */
const settleSeconds = 34;

export async function measureSubject(lab: Lab, subject: Subject, plan: Plan): Promise<Measurement[]> {
  const anycast = subject.nodes.length > 1;
  const { program, checkout } = subject;
  const options = { program, seed: plan.seed, anycast, ...(checkout === undefined ? {} : { checkout }) };
  const nodes = subject.nodes.map((number) => new LabNode(lab.network, number, options));
  await lab.database.setMembers(subject.nodes);
  await lab.balancer.pin(subject.nodes);
  try {
    for (const node of nodes) await node.start();
    await sleep(anycast ? 3000 : 500);
    const pids = (await Promise.all(nodes.map((node) => node.pids()))).flat();
    await placeLoad(lab, warmUpRate, anycast ? warmUpSeconds.cluster : warmUpSeconds.alone);
    await sleep(settleSeconds * 1000);
    const idlePerSecond = await measureIdle(pids);
    const results: Measurement[] = [];
    for (const rate of plan.rates)
      results.push(await measureRate(lab, { subject, pids, rate, plan, idlePerSecond }));
    return results;
  } finally {
    for (const node of nodes) await node.stop();
    await lab.balancer.pin(null);
  }
}

/** Microseconds of CPU per second without any load. */
async function measureIdle(pids: readonly number[]): Promise<number> {
  const from = processorMicroseconds(pids);
  await sleep(idleSeconds * 1000);
  return (processorMicroseconds(pids) - from) / idleSeconds;
}

async function measureRate(
  lab: Lab,
  what: { subject: Subject; pids: readonly number[]; rate: number; plan: Plan; idlePerSecond: number },
): Promise<Measurement> {
  const { subject, pids, rate, plan, idlePerSecond } = what;
  const begin = performance.now();
  const from = processorMicroseconds(pids);
  const counters = await placeLoad(lab, rate, plan.loadSeconds);
  await sleep(tailSeconds * 1000);
  const seconds = (performance.now() - begin) / 1000;
  const spent = processorMicroseconds(pids) - from - idlePerSecond * seconds;
  return {
    subject: subject.name,
    rate,
    calls: counters.calls,
    failed: counters.failed,
    retransmissions: counters.retransmissions,
    microsecondsPerCall: spent / Math.max(1, counters.calls),
  };
}

async function placeLoad(lab: Lab, rate: number, seconds: number) {
  const callee = startCallee(lab.network, 'callee-fragile');
  await sleep(300);
  const caller = startCaller(lab.network, { scenario: 'caller-plain', calls: rate * seconds, rate });
  await caller.process.ended;
  await callee.process.stop('SIGTERM', 2000);
  return caller.counters();
}
