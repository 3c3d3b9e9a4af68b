/**
 * Floods against a node as a process, over the kernel's loopback: junk, INVITEs to where nobody answers, replies with
 * forged tags, and one source that sends too much. A call that is up stays up, whatever was thrown away is counted, and
 * the memory is bounded: the node may have no more heap than the open transactions of one flood need, so that 400 bytes
 * left behind by each datagram would end it, and the same floods again need no more of it.
 * Each kind of flood comes from an address of its own; everything is bounded, and the whole takes less than a minute.
 */

import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildResponse } from '#sip/response.ts';
import { isFailure } from '#util/failure.ts';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';

const junkCount = 100_000;
const inviteCount = 10_000;
const replyCount = 20_000;
const pikeCount = 3000;

const heapMegabytes = 128;

const junkAddress = '127.0.0.2';
const inviteAddress = '127.0.0.3';
const replyAddress = '127.0.0.4';
const pikeAddress = '127.0.0.5';

const script = (port: number): string => `
  log_level = 3
  socket = udp:127.0.0.1:${port}
  ${['proto_udp', 'sl', 'tm', 'rr', 'maxfwd', 'dialog', 'sipmsgops', 'signaling', 'pike'].map((name) => `loadmodule "${name}.so"`).join('\n')}
  modparam("tm", "fr_timeout", 2)
  modparam("tm", "fr_inv_timeout", 2)
  # An unacknowledged answer is kept for 64 times T1.
  modparam("tm", "T1_timer", 100)
  modparam("pike", "reqs_density_per_unit", 50)
  route {
    if ($si == "${pikeAddress}" && !pike_check_req())
      exit;
    if (has_totag()) {
      loose_route();
      t_relay();
      exit;
    }
    if (is_method("OPTIONS")) {
      send_reply(200, "OK");
      exit;
    }
    if (is_method("INVITE"))
      record_route();
    if ($si == "127.0.0.1" && is_method("INVITE"))
      create_dialog();
    t_relay();
  }`;

/** Sends and collects, on a port of its own. */
class Station {
  readonly socket: Socket;
  readonly address: string;
  readonly received: SipMessage[] = [];
  onMessage: (message: SipMessage) => void = () => {};
  count = 0;

  constructor(address: string) {
    this.address = address;
    this.socket = createSocket('udp4');
    this.socket.on('message', (bytes) => {
      this.count++;
      const message = parseMessage(bytes.toString('latin1'));
      if (isFailure(message)) return;
      this.onMessage(message);
      if (this.received.length < 1000) this.received.push(message);
    });
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.socket.bind(0, this.address, resolve));
    return this;
  }

  get port(): number {
    return this.socket.address().port;
  }

  send(text: string, port: number): void {
    this.socket.send(Buffer.from(text, 'latin1'), port, '127.0.0.1');
  }
}

let folder: string;
let node: Daemon;
let port: number;
let caller: Station;
let callee: Station;
const stations: Station[] = [];

async function station(address: string): Promise<Station> {
  const made = await new Station(address).open();
  stations.push(made);
  return made;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'anyvia-flood-'));
  [port] = (await freeUdpPorts(1)) as [number];
  node = new Daemon(folder, 'node', script(port));
  const options = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `--max-old-space-size=${heapMegabytes}`;
  await node.start();
  if (options === undefined) delete process.env.NODE_OPTIONS;
  else process.env.NODE_OPTIONS = options;
  caller = await station('127.0.0.1');
  callee = await station('127.0.0.1');
  callee.onMessage = (request) => {
    if (!request.isRequest || request.method === 'ACK') return;
    const headers = `Contact: <sip:bob@127.0.0.1:${callee.port}>\r\n`;
    callee.send(buildResponse(request, { status: 200, reason: 'OK', toTag: 'bob', headers }), port);
  };
});

afterAll(async () => {
  for (const { socket } of stations) socket.close();
  await node.stop();
  rmSync(folder, { recursive: true, force: true });
});

// ── the call ────────────────────────────────────────────────────────────────────────────────────────────────────────

let cseq = 0;
let dialogRoute = '';

/** A request of the call; the first makes it, later ones follow the route that it recorded. */
function inCall(method: string): string {
  if (method !== 'ACK') cseq++;
  return [
    `${method} sip:bob@127.0.0.1:${callee.port} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:${caller.port};branch=z9hG4bKcall${method}${cseq}`,
    'Max-Forwards: 70',
    ...(dialogRoute === '' ? [] : [`Route: ${dialogRoute}`]),
    'From: <sip:alice@example.com>;tag=alice',
    `To: <sip:bob@example.com>${dialogRoute === '' ? '' : ';tag=bob'}`,
    'Call-ID: the-call',
    `CSeq: ${cseq} ${method}`,
    `Contact: <sip:alice@127.0.0.1:${caller.port}>`,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

/** Sends as a phone does, again after 500 ms without an answer; gives the final response. */
async function exchange(method: string): Promise<SipMessage> {
  const text = inCall(method);
  for (let attempt = 0; attempt < 8; attempt++) {
    caller.send(text, port);
    for (let wait = 0; wait < 25; wait++) {
      await sleep(20);
      const final = caller.received.find(
        (message) => message.cseqNumber === cseq && message.method === method && message.status >= 200,
      );
      if (final !== undefined) return final;
    }
  }
  throw new Error(`no answer to ${method}`);
}

async function call(): Promise<void> {
  const answer = await exchange('INVITE');
  expect(answer.status).toBe(200);
  dialogRoute = answer.firstValue(headerNames.recordRoute);
  expect(dialogRoute).not.toBe('');
  caller.send(inCall('ACK'), port);
  await until(() => callee.received.some((message) => message.method === 'ACK'));
}

// ── the floods ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** `count` messages in bursts, with a turn of the event loop between them; then until the node has read all. */
async function flood(from: Station, count: number, message: (index: number) => string): Promise<void> {
  const burst = 100;
  for (let index = 0; index < count; index += burst) {
    for (let member = index; member < Math.min(index + burst, count); member++)
      from.send(message(member), port);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const junk = [
  '\0\x01\x02\x80\xff'.repeat(40),
  'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
  'INVITE sip:a SIP/2.0\r\n\r\n',
].concat(
  'SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\n\r\n',
  `INVITE sip:a@b SIP/2.0\r\nVia: ${'x'.repeat(1200)}\r\n`,
  'REGISTER sip:b SIP/2.0\r\nTo\r\n',
);

let run = 0;

/** An INVITE to a port where somebody listens and never answers. */
function lostInvite(index: number, silent: number): string {
  return [
    `INVITE sip:nobody@127.0.0.1:${silent} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.3:9;branch=z9hG4bKlost${run}.${index}`,
    'Max-Forwards: 70',
    'From: <sip:mallory@example.com>;tag=m',
    'To: <sip:nobody@example.com>',
    `Call-ID: lost${run}.${index}`,
    'CSeq: 1 INVITE',
    'Contact: <sip:mallory@127.0.0.3:9>',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

/** Tags of this node and of others, well formed, with a MAC that is made up; and the call's own tag with another MAC. */
function forgedReply(index: number, owned: string): string {
  const parts = owned.split('.');
  const mac = `${index.toString(36).padStart(parts.at(-1)!.length, 'A')}`;
  const own = [...parts.slice(0, -1), mac].join('.');
  const others = [2, 9].map((other) => own.replace(/^z9hG4bK1-\d+/, `z9hG4bK1-${other}`));
  const branch = [own, ...others, 'z9hG4bKforeign'][index % 4]!;
  return [
    `SIP/2.0 ${[180, 486, 200, 603][index % 4]} Forged`,
    `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=${branch}`,
    `Via: SIP/2.0/UDP 127.0.0.4:9;branch=z9hG4bKx`,
    'From: <sip:alice@example.com>;tag=alice',
    'To: <sip:bob@example.com>;tag=bob',
    'Call-ID: the-call',
    `CSeq: ${cseq} INVITE`,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

function options(index: number): string {
  return [
    'OPTIONS sip:example.com SIP/2.0',
    `Via: SIP/2.0/UDP 127.0.0.5:9;rport;branch=z9hG4bKo${run}.${index}`,
    'From: <sip:mallory@example.com>;tag=m',
    'To: <sip:example.com>',
    `Call-ID: o${run}.${index}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

async function figures(): Promise<Record<string, number>> {
  return (await node.ask('statistics:get', { statistics: ['all'] })) as Record<string, number>;
}

/** By how much each statistic grew while `work` went on, read when the node has come to rest. */
async function growthDuring(work: () => Promise<void>): Promise<(name: string) => number> {
  const before = await figures();
  await work();
  let after = await figures();
  await until(async () => {
    const last = after;
    await sleep(100);
    after = await figures();
    return ['core:rcv_requests', 'core:err_requests', 'core:rcv_replies'].every(
      (name) => after[name] === last[name],
    );
  }, 20_000);
  return (name) => (after[name] ?? 0) - (before[name] ?? 0);
}

function residentMegabytes(): number {
  const status = readFileSync(`/proc/${node.pid}/status`, 'latin1');
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024;
}

async function everyFlood(silent: Station): Promise<void> {
  run++;
  const sources = await Promise.all([junkAddress, inviteAddress, replyAddress, pikeAddress].map(station));
  const [ofJunk, ofInvites, ofReplies, ofRequests] = sources as [Station, Station, Station, Station];
  const branch = callee.received.find((message) => message.method === 'INVITE')!.topVia.branch;

  const afterJunk = await growthDuring(() => flood(ofJunk, junkCount, (index) => junk[index % junk.length]!));
  const read = afterJunk('core:err_requests') + afterJunk('core:err_replies');
  expect(read + afterJunk('net:receive_drops'), 'read and refused, or counted by the kernel').toBe(junkCount);
  expect(read).toBeGreaterThan(junkCount / 10);
  expect((await exchange('INFO')).status).toBe(200);

  const afterInvites = await growthDuring(() =>
    flood(ofInvites, inviteCount, (index) => lostInvite(index, silent.port)),
  );
  expect(afterInvites('core:rcv_requests') + afterInvites('net:receive_drops')).toBeGreaterThanOrEqual(
    inviteCount,
  );
  expect((await exchange('INFO')).status).toBe(200);

  const afterReplies = await growthDuring(() =>
    flood(ofReplies, replyCount, (index) => forgedReply(index, branch)),
  );
  const counted = ['core:drop_replies', 'tm:bad_tags', 'tm:foreign_replies', 'net:receive_drops'];
  expect(counted.map(afterReplies).reduce((sum, value) => sum + value)).toBe(replyCount);
  expect((await exchange('INFO')).status).toBe(200);

  const answered = ofRequests.count;
  const afterRequests = await growthDuring(() => flood(ofRequests, pikeCount, options));
  expect(afterRequests('pike:detected_sources')).toBe(1);
  expect(afterRequests('pike:blocked_requests')).toBeGreaterThan(
    pikeCount / 2 - afterRequests('net:receive_drops'),
  );
  expect(ofRequests.count - answered).toBeLessThan(200);
  expect((await exchange('INFO')).status).toBe(200);
  await node.ask('pike_rm', { IP: pikeAddress });

  // Nobody answered the INVITEs: they time out, and nothing of them stays.
  await until(async () => (await node.statistic('tm:inuse_transactions')) === 0, 15_000);
}

describe('floods', () => {
  it('leave a call untouched, are counted, and cost no memory for good', async () => {
    const silent = await station('127.0.0.1');
    await call();
    expect(await node.statistic('dialog:active_dialogs')).toBe(1);
    await everyFlood(silent);
    const first = residentMegabytes();
    await everyFlood(silent);
    const second = residentMegabytes();
    expect(
      second,
      `${first.toFixed(0)} MB after the floods, ${second.toFixed(0)} after them again`,
    ).toBeLessThan(first * 1.25 + 10);
    expect(await node.statistic('memory:heap_used')).toBeLessThan(heapMegabytes * 1024 * 1024);
    expect(await node.statistic('dialog:active_dialogs')).toBe(1);
    expect(await node.statistic('core:broken_invariants')).toBe(0);
    expect((await exchange('BYE')).status).toBe(200);
    expect(await node.statistic('dialog:active_dialogs')).toBe(0);
    expect(node.log.split('\n').length, 'the log does not grow with the flood').toBeLessThan(100);
    expect(callee.received.filter((message) => message.method === 'BYE')).toHaveLength(1);
  }, 120_000);
});
