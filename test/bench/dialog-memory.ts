/**
 * What a call that is up costs a node in memory: 20,000 of them through a whole node (INVITE, 180, 200, ACK), counted
 * after their transactions are over, and the same dialogs as a peer holds them. Bounded: a few seconds. Run as
 * `node --expose-gc test/bench/dialog-memory.ts`.
 */

import { decodeDelta, encodeDelta } from '#dialog/delta.ts';
import { type DialogRecord, dialogStates } from '#dialog/dialog.ts';
import { DialogTable } from '#dialog/dialog-table.ts';
import { buildResponse } from '#sip/response.ts';
import { NodeHarness, readSent } from '../support/node-harness.ts';

const calls = 20_000;
/** Timers B, D, H, J, L and M. */
const transactionMilliseconds = 70_000;
const sdp =
  'v=0\r\no=desk 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n';

function heap(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('run with --expose-gc');
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}

function invite(index: number): string {
  return [
    'INVITE sip:callee@10.0.0.8 SIP/2.0',
    `Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bK-524287-1---${index.toString(16)};rport`,
    'Max-Forwards: 70',
    `Contact: <sip:desk${index}@10.0.0.9:5070;transport=UDP>`,
    'To: <sip:callee@example.org>',
    `From: "Desk ${index}" <sip:desk${index}@example.org>;tag=9a8b7c${index}`,
    `Call-ID: 97876ZmU4YjY0NzE4ZTVjMTg0NzNhYjU0${index}`,
    'CSeq: 1 INVITE',
    'Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE',
    'User-Agent: Example Desk Phone 4.2.1',
    'Content-Type: application/sdp',
    `Content-Length: ${sdp.length}`,
    '',
    sdp,
  ].join('\r\n');
}

const script = `modparam("dialog", "profiles_with_value", "caller")
route {
  if (has_totag()) { loose_route(); t_relay(); exit; }
  record_route();
  create_dialog("B");
  set_dlg_profile("caller", "$fU");
  t_relay();
}`;

function place(node: NodeHarness, index: number): void {
  const out = node.receive(invite(index)).find((sent) => sent.text.startsWith('INVITE'));
  const request = readSent(out);
  for (const status of [180, 200]) {
    const headers = 'Contact: <sip:callee@10.0.0.8:5060>\r\n';
    const parts = { status, reason: 'Answer', toTag: `callee${index}`, headers };
    node.receive(buildResponse(request, parts), '10.0.0.8:5060');
  }
  node.take();
}

const node = new NodeHarness(script);
for (let index = 0; index < 100; index++) place(node, index);
node.advance(transactionMilliseconds);
node.take();
const before = heap();
for (let index = 100; index < 100 + calls; index++) place(node, index);
node.advance(transactionMilliseconds);
node.take();
const owned = heap() - before;

/** What the owner tells of such a call. */
function record(index: number): DialogRecord {
  return {
    id: `1.65a1b2c3.${index.toString(16)}`,
    owner: 1,
    incarnation: 1_795_000_000,
    state: dialogStates.confirmed,
    callId: `97876ZmU4YjY0NzE4ZTVjMTg0NzNhYjU0${index}`,
    fromTag: `9a8b7c${index}`,
    toTag: `callee${index}`,
    fromUri: `sip:desk${index}@example.org`,
    toUri: 'sip:callee@example.org',
    callerContact: `sip:desk${index}@10.0.0.9:5070;transport=UDP`,
    start: 1_795_000_000 + index,
    lifetime: 3600,
    profiles: [{ profile: 'caller', value: `desk${index}`, hasValue: true }],
    version: 1,
    editor: 1,
    caller: { contact: `sip:desk${index}@10.0.0.9:5070;transport=UDP`, routeSet: '', cseq: 1 },
    callee: { contact: `sip:callee${index}@10.0.0.8:5060`, routeSet: '', cseq: 0 },
    duties: 1,
    flags: '',
    values: [],
    kept: [],
  };
}

const wire = Array.from({ length: calls }, (_, index) =>
  encodeDelta({ kind: 'record', body: record(index) }),
);
const bytesOnWire = wire.reduce((sum, bytes) => sum + bytes.length, 0);
const beforePeer = heap();
const peer = new DialogTable();
for (const bytes of wire) {
  const delta = decodeDelta(bytes);
  if (delta?.kind === 'record') peer.add(delta.body);
}
const held = heap() - beforePeer;
// Asked last, so that the node is in memory until here.
const known = node.statistic('dialog:active_dialogs');
const lines = [
  `dialogs                          ${known} of ${calls + 100}, ${peer.size} on the peer`,
  `bytes per dialog, owner          ${Math.round(owned / calls)}`,
  `bytes per dialog, peer           ${Math.round(held / peer.size)}`,
  `bytes of a record on the link    ${Math.round(bytesOnWire / wire.length)}`,
];
process.stdout.write(`${lines.join('\n')}\n`);
