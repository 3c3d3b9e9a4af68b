/**
 * `kill -9` of one node under load. Its peers must log "down" within a second, no call that begins after its route is
 * gone may fail, and calls that were already up must end normally.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable } from '#cli/table.ts';
import { type Lab, say } from '../lab.ts';
import { Capture, type Packet, titleOf } from '../packets.ts';
import { finishCallee, startCallee, startCaller } from '../sipp.ts';

const downMillisecondsMax = 1000;
const loadSeconds = 20;
const killAfterSeconds = 8;
/** Calls of the scenario `caller-hold` are up for 5 s. */
const callUpSeconds = 1;
const victim = 3;

/** What became of one call, as the caller's port of the router saw it. */
interface CallTrace {
  readonly inviteAt: number;
  answeredAt: number;
  byeAt: number;
  /** The 200 to the BYE. */
  endedAt: number;
}

interface Deaths {
  /** Seconds since the capture began. */
  readonly killedAt: number;
  readonly routeGoneAt: number;
  readonly downMilliseconds: readonly { node: number; milliseconds: number }[];
}

export async function runKill(lab: Lab, rate: number): Promise<string[]> {
  const capture = await Capture.start(lab.network, 'caller');
  const callee = startCallee(lab.network, 'callee-lossy');
  await sleep(300);
  const calls = rate * loadSeconds;
  const caller = startCaller(lab.network, { scenario: 'caller-hold', calls, rate });
  await sleep(killAfterSeconds * 1000);
  const deaths = await killNode(lab);
  await caller.process.ended;
  const packets = await capture.stop();
  await finishCallee(callee, 0);
  return report(traceCalls(packets), deaths, calls);
}

/** Kills the program, and takes its route back as a health check would. */
async function killNode(lab: Lab): Promise<Deaths> {
  const survivors = lab.nodes.filter((node) => node.number !== victim);
  const logs = survivors.map((node) => readFileSync(node.logFile, 'utf8').length);
  const killedAt = Date.now() / 1000;
  lab.node(victim).process.signal('SIGKILL');
  const watches = survivors.map((node, index) => watchForDown(node.logFile, logs[index]!));
  await lab.routing.withdraw(victim);
  await lab.routing.waitForNextHops(survivors.map((node) => node.number));
  await lab.balancer.update();
  const routeGoneAt = Date.now() / 1000;
  const times = await Promise.all(watches);
  const downMilliseconds = survivors.map((node, index) => ({
    node: node.number,
    milliseconds: times[index]!,
  }));
  return { killedAt, routeGoneAt, downMilliseconds };
}

/** Milliseconds until the log says that the victim is down; NaN when it does not within 5 s. */
async function watchForDown(logFile: string, offset: number): Promise<number> {
  const begin = performance.now();
  while (performance.now() - begin < 5 * downMillisecondsMax) {
    const text = readFileSync(logFile, 'utf8').slice(offset);
    if (new RegExp(`node \\[${victim}\\] is down`, 'i').test(text)) return performance.now() - begin;
    await sleep(10);
  }
  return Number.NaN;
}

function traceCalls(packets: readonly Packet[]): CallTrace[] {
  const calls = new Map<string, CallTrace>();
  for (const packet of packets) {
    const title = titleOf(packet);
    const call = calls.get(packet.callId);
    if (call === undefined) {
      const begun = { inviteAt: packet.epochSeconds, answeredAt: 0, byeAt: 0, endedAt: 0 };
      if (packet.from === 'caller' && title === 'INVITE') calls.set(packet.callId, begun);
    } else if (title === 'BYE') call.byeAt ||= packet.epochSeconds;
    else if (title.startsWith('200') && packet.to === 'caller') {
      if (packet.cseq.endsWith('INVITE')) call.answeredAt ||= packet.epochSeconds;
      else call.endedAt ||= packet.epochSeconds;
    }
  }
  return [...calls.values()];
}

/** Answered a while before, and not yet being ended. */
function wasUp(call: CallTrace, at: number): boolean {
  return call.answeredAt > 0 && call.answeredAt < at - callUpSeconds && (call.byeAt === 0 || call.byeAt > at);
}

function report(traces: readonly CallTrace[], deaths: Deaths, calls: number): string[] {
  const { killedAt, routeGoneAt } = deaths;
  const groups: [string, CallTrace[]][] = [
    ['begun after the route was gone', traces.filter((call) => call.inviteAt > routeGoneAt)],
    [
      'begun between kill and route',
      traces.filter(({ inviteAt }) => inviteAt > killedAt && inviteAt <= routeGoneAt),
    ],
    ['up at the kill', traces.filter((call) => wasUp(call, killedAt))],
  ];
  const failed = (list: readonly CallTrace[]): number => list.filter((call) => call.endedAt === 0).length;
  const rows = groups.map(([name, list]) => [name, list.length, list.length - failed(list), failed(list)]);
  say(
    `\nkill -9 of node ${victim} under load; its route was gone ${Math.round((routeGoneAt - killedAt) * 1000)} ms later`,
  );
  for (const { node, milliseconds } of deaths.downMilliseconds) {
    say(`node ${node} logged "node [${victim}] is down" after ${Math.round(milliseconds)} ms`);
  }
  say(formatTable(['calls', 'number', 'ended normally', 'failed'], rows));
  const broken: string[] = [];
  for (const { node, milliseconds } of deaths.downMilliseconds) {
    if (!(milliseconds <= downMillisecondsMax)) broken.push(`node ${node} did not log "down" within 1 s`);
  }
  if (traces.length < calls) broken.push(`only ${traces.length} of ${calls} calls were placed`);
  for (const [name, list] of [groups[0]!, groups[2]!]) {
    if (list.length === 0) broken.push(`no call was ${name}`);
    if (failed(list) > 0) broken.push(`${failed(list)} calls ${name} failed`);
  }
  return broken;
}
