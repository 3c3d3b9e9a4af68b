/**
 * The flows of RFC 3665 through one node without anycast and through three whose packets are balanced one by one: the
 * cluster is the first proxy and the registrar, one more node by itself the second proxy. Every user agent must have
 * seen exactly the messages of its chart, call by call, however many nodes there are.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable } from '#cli/table.ts';
import { type Chart, expectedMessages, type Flow } from '../flows/chart.ts';
import { registrationFlows, sessionFlows } from '../flows/charts.ts';
import { messagesOfCalls } from '../flows/message-log.ts';
import { type Party, sippScenario } from '../flows/scenario.ts';
import { type Lab, type LabOptions, say, withLab } from '../lab.ts';
import { anycastAddress } from '../network.ts';
import { anyviaCommand } from '../program.ts';
import { Sipp } from '../sipp.ts';

export const allFlows: readonly Flow[] = [...registrationFlows, ...sessionFlows];

/** What differs between the runs of the table. */
export interface FlowSetting {
  readonly name: string;
  readonly nodeCount: number;
  readonly mode: LabOptions['mode'];
}

export const flowSettings: readonly FlowSetting[] = [
  { name: 'one node', nodeCount: 1, mode: 'random' },
  { name: 'three nodes, random', nodeCount: 3, mode: 'random' },
  { name: 'three nodes, in turn', nodeCount: 3, mode: 'inc' },
];

/** Of one user agent in all calls of a flow. */
interface SideOutcome {
  readonly side: string;
  readonly expected: readonly string[];
  /** One list per call. */
  readonly seen: readonly (readonly string[])[];
  readonly complaints: string;
}

export interface FlowOutcome {
  readonly flow: Flow;
  readonly sides: readonly SideOutcome[];
}

const folder = join(import.meta.dirname, '..', 'flows');
const secondProxyAddress = '10.20.2.3';
const firstPort = 5100;
/** Callees of one flow have ports in a row; one more is for registering them. */
const portsOfFlow = 4;
/** Two cores carry so many sipps at once without making them late. */
const flowsAtOnce = 5;
const callsPerSecond = 5;
const calleeStartMilliseconds = 400;
/** A callee's own wait for stray messages, and some. */
const calleeEndMilliseconds = 1200;
const password = 'wonderland';
const secondPassword = 'lookingglass';

/** Opens the lab of a setting with the script of the first proxy, and starts the second. */
export async function withFlowLab<T>(
  setting: FlowSetting,
  keep: boolean,
  work: (lab: Lab) => Promise<T>,
): Promise<T> {
  const options: LabOptions = {
    program: 'anyvia',
    seed: join(folder, 'proxy-1.cfg'),
    anycast: setting.nodeCount > 1,
    nodeCount: setting.nodeCount,
    mode: setting.mode,
    keep,
  };
  return withLab(options, async (lab) => {
    await prepareFlows(lab);
    return work(lab);
  });
}

/** Users and the second proxy; the lab runs with proxy-1.cfg. */
export async function prepareFlows(lab: Lab): Promise<void> {
  const { network, database } = lab;
  await database.query(
    `INSERT INTO opensips.subscriber (username, domain, password) VALUES ('alice', 'atlanta.example.com', '${password}')`,
  );
  await network.batch('callee', [`addr add ${secondProxyAddress}/24 dev eth0`]);
  const file = network.file('proxy2.cfg');
  const socket = network.file('proxy2.sock');
  writeFileSync(file, `control_socket="${socket}"\n${readFileSync(join(folder, 'proxy-2.cfg'), 'utf8')}`);
  const proxy = network.start('callee', 'proxy2', [...anyviaCommand, 'start', '-f', file]);
  const deadline = performance.now() + 10_000;
  while (!readFileSync(proxy.logFile, 'utf8').includes('is ready')) {
    if (!proxy.running || performance.now() > deadline) {
      throw new Error(`the second proxy does not run:\n${readFileSync(proxy.logFile, 'utf8')}`);
    }
    await sleep(50);
  }
}

/** Plays the flows, some at a time, `calls` calls each. */
export async function playFlows(lab: Lab, flows: readonly Flow[], calls: number): Promise<FlowOutcome[]> {
  const outcomes: FlowOutcome[] = [];
  for (let begin = 0; begin < flows.length; begin += flowsAtOnce) {
    const some = flows.slice(begin, begin + flowsAtOnce);
    const played = some.map((flow, index) => {
      const port = firstPort + (begin + index) * portsOfFlow;
      return new FlowRun(lab, flow, port, calls).play();
    });
    outcomes.push(...(await Promise.all(played)));
  }
  return outcomes;
}

let runs = 0;

class FlowRun {
  readonly #lab: Lab;
  readonly #flow: Flow;
  readonly #port: number;
  readonly #calls: number;
  readonly #name: string;

  constructor(lab: Lab, flow: Flow, port: number, calls: number) {
    this.#lab = lab;
    this.#flow = flow;
    this.#port = port;
    this.#calls = calls;
    runs += 1;
    this.#name = `flow-${runs}`;
  }

  async play(): Promise<FlowOutcome> {
    const { caller: chart, callees: charts, user } = this.#flow;
    if (user === 'fork') await this.#registerContacts();
    const callees = charts.map((callee, index) => this.#start(callee, index));
    await sleep(calleeStartMilliseconds);
    const caller = await this.#startCaller(chart);
    await caller.sipp.process.ended;
    if (charts.length > 0) await sleep(calleeEndMilliseconds);
    await Promise.all(callees.map(({ sipp }) => sipp.process.stop('SIGTERM', 2000)));
    const sides = [
      outcomeOf('caller', chart, caller),
      ...charts.map((callee, index) => outcomeOf(`callee ${index + 1}`, callee, callees[index]!)),
    ];
    return { flow: this.#flow, sides };
  }

  #start(chart: Chart, index: number): Running {
    return this.#sipp('callee', `callee${index}`, chart, ['-p', String(this.#port + index)]);
  }

  async #startCaller(chart: Chart): Promise<Running> {
    const injected = chart.some((line) => line.includes('auth=both')) ? await this.#credentials() : [];
    return this.#sipp('caller', 'caller', chart, [...this.#client(this.#calls, this.#port), ...injected]);
  }

  #client(calls: number, port: number): string[] {
    const amount = ['-m', String(calls), '-r', String(callsPerSecond), '-timeout', '30s'];
    return [`${anycastAddress}:5060`, '-p', String(port), ...amount];
  }

  #sipp(host: 'caller' | 'callee', name: string, chart: Chart, parameters: readonly string[]): Running {
    const { network } = this.#lab;
    const scenario = network.file(`${this.#name}-${name}.xml`);
    const log = network.file(`${this.#name}-${name}.messages`);
    writeFileSync(scenario, sippScenario(chart, this.#party(chart, name.startsWith('caller'))));
    const trace = ['-trace_msg', '-message_file', log];
    return { sipp: new Sipp(network, host, ['-sf', scenario, ...trace, ...parameters]), log };
  }

  #party(chart: Chart, isCaller: boolean): Party {
    const port = this.#port;
    const { user } = this.#flow;
    // Who registers is another user in every call.
    const isRegistration = chart.some((line) => line.startsWith('> REGISTER'));
    const name = isRegistration && user === 'nobody' ? 'bob[call_number]x[pid]' : `${user}-${port}`;
    const isHere = isRegistration || user === 'fork';
    const isAsked = chart.some((line) => line.startsWith('< 407') || line.startsWith('< 401'));
    return {
      isCaller,
      callee: `${name}@${isHere ? 'atlanta' : 'biloxi'}.example.com`,
      caller: `${isAsked ? 'alice' : 'carol'}@atlanta.example.com`,
      others: {
        moved: `moved-${port}@atlanta.example.com`,
        guarded: `guarded-${port}@biloxi.example.com`,
      },
      passwords: {
        '': { user: 'alice', password },
        wrong: { user: 'alice', password: 'jabberwocky' },
        both: { user: 'alice', password: secondPassword },
      },
      proxies: user === 'fork' ? 1 : 2,
    };
  }

  async #registerContacts(): Promise<void> {
    const contacts = `contacts=2 ports=${this.#port},${this.#port + 1}`;
    const chart = [
      `> REGISTER ${contacts}`,
      '< 401 REGISTER',
      `> REGISTER ${contacts} auth`,
      '< 200 REGISTER 2',
    ];
    const { sipp } = this.#sipp('callee', 'caller-registers', chart, this.#client(1, this.#port + 2));
    const code = await sipp.process.ended;
    if (code !== 0) throw new Error(`the contacts could not be registered: ${sipp.complaints()}`);
  }

  /** A file for sipp with credentials for the first proxy, one line per call. */
  async #credentials(): Promise<string[]> {
    const { network } = this.#lab;
    const uri = `sip:guarded-${this.#port}@biloxi.example.com`;
    const program = join(folder, 'credentials.ts');
    const what = [anycastAddress, '5060', String(this.#calls), uri, 'alice', password];
    const file = network.file(`${this.#name}.csv`);
    writeFileSync(file, await network.run('caller', [process.execPath, program, ...what]));
    return ['-inf', file];
  }
}

interface Running {
  readonly sipp: Sipp;
  /** Its record of messages. */
  readonly log: string;
}

function outcomeOf(side: string, chart: Chart, { sipp, log }: Running): SideOutcome {
  return {
    side,
    expected: expectedMessages(chart),
    seen: [...messagesOfCalls(log).values()],
    complaints: sipp.complaints(400),
  };
}

// ── what is concluded ───────────────────────────────────────────────────────────────────────────────────────────────

/** Differences from the charts, for people; [] when every call was as it should be. */
export function flowProblems({ flow, sides }: FlowOutcome, calls: number): string[] {
  const problems: string[] = [];
  for (const { side, expected, seen, complaints } of sides) {
    const wanted = expected.join(', ');
    const others = seen.map((messages) => messages.join(', ')).filter((messages) => messages !== wanted);
    const excuse = complaints === '' ? '' : `\n    sipp: ${complaints.trim()}`;
    if (seen.length !== calls)
      problems.push(`${flow.name}: ${side} saw ${seen.length} calls of ${calls}${excuse}`);
    for (const other of new Set(others)) {
      const count = others.filter((messages) => messages === other).length;
      problems.push(
        `${flow.name}: ${side}, ${count} of ${calls}:\n    saw    ${other}\n    wanted ${wanted}${excuse}`,
      );
    }
  }
  return problems;
}

/** Calls in which every side saw what its chart says. */
function goodCalls({ sides }: FlowOutcome): number {
  const good = sides.map(({ expected, seen }) => {
    const wanted = expected.join(', ');
    return seen.filter((messages) => messages.join(', ') === wanted).length;
  });
  return Math.min(...good);
}

/** Every setting in a lab of its own, two labs at a time; prints the table; returns what differs. */
export async function runFlows(calls: number, keep: boolean): Promise<string[]> {
  const results: FlowOutcome[][] = [];
  for (const setting of flowSettings) {
    results.push(await withFlowLab(setting, keep, (lab) => playFlows(lab, allFlows, calls)));
  }
  const rows = allFlows.map((flow, index) => {
    const counts = results.map((outcomes) => `${goodCalls(outcomes[index]!)} of ${calls}`);
    return [flow.clause, flow.name, ...counts, new Set(counts).size === 1 ? 'same' : 'DIFFERENT'];
  });
  const names = flowSettings.map((setting) => setting.name);
  say(`\n${formatTable(['RFC 3665', 'flow', ...names, 'outcome'], rows)}`);
  return results.flatMap((outcomes, index) =>
    outcomes.flatMap((outcome) => flowProblems(outcome, calls).map((text) => `${names[index]}: ${text}`)),
  );
}
