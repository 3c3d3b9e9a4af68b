/**
 * Two baresips, which nobody wrote for this lab: they register, call each other, hold, resume and hang up through the
 * cluster while the router balances per packet. What they sent and got is counted on the wire.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatTable } from '#cli/table.ts';
import { type Lab, say } from '../lab.ts';
import { dialogsOf, waitForNone } from '../leftovers.ts';
import { anycastAddress, calleeAddress, callerAddress } from '../network.ts';
import { Capture, type Packet, titleOf } from '../packets.ts';
import type { LabProcess } from '../process.ts';

interface UserAgent {
  readonly user: string;
  readonly host: 'caller' | 'callee';
  readonly address: string;
}

const agents: readonly UserAgent[] = [
  { user: 'alice', host: 'caller', address: callerAddress },
  { user: 'bob', host: 'callee', address: calleeAddress },
];
const controlPort = 4444;
const registerMillisecondsMax = 8000;
const leftoverMilliseconds = 3000;
const driver = join(import.meta.dirname, '..', 'user-agents', 'driver.ts');
/** The call itself, the hold and the return. */
const invitesPerCall = 3;

/** Each of the two places `calls` calls. */
export async function runUserAgents(lab: Lab, calls: number): Promise<string[]> {
  const processes: LabProcess[] = [];
  try {
    for (const agent of agents) processes.push(startAgent(lab, agent));
    for (const agent of agents) await waitForContact(lab, agent);
    const capture = await Capture.start(lab.network, 'caller');
    const broken: string[] = [];
    for (const agent of agents) broken.push(...(await placeCalls(lab, agent, calls)));
    const packets = await capture.stop();
    const left = await waitForNone(lab, dialogsOf, leftoverMilliseconds);
    if (dialogsOf(left) !== 0) broken.push(`${dialogsOf(left)} dialogs are left`);
    return [...broken, ...judgeWire(packets, calls)];
  } finally {
    for (const process of processes) await process.stop('SIGTERM', 3000);
  }
}

function startAgent(lab: Lab, { user, host, address }: UserAgent): LabProcess {
  const folder = lab.network.file(`baresip-${user}`);
  mkdirSync(folder, { recursive: true });
  const audio = ['player', 'source', 'alert'].map((kind) => `audio_${kind} aubridge,nil`);
  const config = [
    `sip_listen ${address}:5060`,
    ...audio,
    'module_path /usr/lib/baresip/modules',
    'module g711.so',
    'module aubridge.so',
    'module ctrl_tcp.so',
    'module_tmp account.so',
    'module_app menu.so',
    `ctrl_tcp_listen 127.0.0.1:${controlPort}`,
  ];
  writeFileSync(join(folder, 'config'), `${config.join('\n')}\n`);
  const account = `<sip:${user}@${anycastAddress}>;regint=60;answermode=auto;auth_pass=none\n`;
  writeFileSync(join(folder, 'accounts'), account);
  return lab.network.start(host, `baresip-${user}`, ['baresip', '-f', folder]);
}

async function waitForContact(lab: Lab, { user }: UserAgent): Promise<void> {
  const deadline = performance.now() + registerMillisecondsMax;
  for (const node of lab.nodes) {
    while (!(await node.look(['contacts', '--json'])).stdout.includes(`${user}@`)) {
      if (performance.now() > deadline)
        throw new Error(
          `${user} has not registered: ${readFileSync(lab.network.file(`baresip-${user}.log`), 'utf8').slice(-500)}`,
        );
      await sleep(200);
    }
  }
}

async function placeCalls(lab: Lab, agent: UserAgent, calls: number): Promise<string[]> {
  const other = agents.find((one) => one !== agent)!;
  const target = `sip:${other.user}@${anycastAddress}`;
  const command = [process.execPath, driver, String(controlPort), target, String(calls)];
  const outcomes = (await lab.network.run(agent.host, command)).trim().split('\n');
  const good = outcomes.filter((outcome) => outcome === 'ok').length;
  say(`${agent.user} called ${other.user} ${calls} times, ${good} calls as intended`);
  const others = new Set(outcomes.filter((outcome) => outcome !== 'ok'));
  return good === calls ? [] : [`${calls - good} calls of ${agent.user}: ${[...others].join(', ')}`];
}

function judgeWire(packets: readonly Packet[], calls: number): string[] {
  const requests = (method: string): Packet[] => packets.filter((packet) => titleOf(packet) === method);
  const kinds = ['INVITE', 'BYE'].map((method) => {
    const ofMethod = requests(method);
    const distinct = new Set(ofMethod.map((packet) => `${packet.callId} ${packet.cseq} ${packet.from}`));
    const answered = packets.filter(
      (packet) => titleOf(packet).startsWith('200') && packet.cseq.endsWith(method),
    );
    const answers = new Set(answered.map((packet) => `${packet.callId} ${packet.cseq}`));
    const wanted = 2 * calls * (method === 'INVITE' ? invitesPerCall : 1);
    return { method, wanted, sent: ofMethod.length, distinct: distinct.size, answered: answers.size };
  });
  const rows = kinds.map(({ method, wanted, sent, distinct, answered }) => [
    method,
    wanted,
    sent,
    sent - distinct,
    answered,
  ]);
  say(formatTable(['request', 'wanted', 'on the wire of alice', 'repeated', 'answered with 200'], rows));
  const failures = packets.filter((packet) => /^[3-6]\d\d /.test(titleOf(packet)));
  const broken = kinds
    .filter(({ wanted, distinct, answered }) => distinct !== wanted || answered !== wanted)
    .map(({ method, wanted, answered }) => `${answered} of ${wanted} ${method}s were answered with 200`);
  const statuses = new Set(failures.map((packet) => `${titleOf(packet)} (${packet.cseq})`));
  return failures.length === 0 ? broken : [...broken, `failures on the wire: ${[...statuses].join(', ')}`];
}
