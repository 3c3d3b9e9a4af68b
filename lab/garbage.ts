/**
 * `node lab/garbage.ts ADDRESS PORT COUNT`: sends datagrams that no parser may fall over: random bytes, messages cut
 * short, wrong lengths, numbers out of range. Runs inside the caller's namespace; the seed is fixed, so a crash repeats.
 */

import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';

const [address = '', port = '', count = '0'] = process.argv.slice(2);
const datagramsPerMillisecond = 2;

const whole = [
  'INVITE sip:uas@10.206.206.1 SIP/2.0',
  'Via: SIP/2.0/UDP 10.20.1.2:5060;branch=z9hG4bKgarbage;rport',
  'From: <sip:garbage@10.20.1.2>;tag=1',
  'To: <sip:uas@10.206.206.1>',
  'Call-ID: garbage',
  'CSeq: 1 INVITE',
  'Max-Forwards: 70',
  'Content-Length: 0',
  '\r\n',
].join('\r\n');

/** xorshift32: the same garbage in every run. */
let state = 0x1234_5678;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

const makers: readonly (() => Buffer)[] = [
  () => Buffer.from(Array.from({ length: random(1400) }, () => random(256))),
  () => Buffer.from(whole.slice(0, random(whole.length - 4)), 'latin1'),
  () => Buffer.from(whole.replace('Content-Length: 0', `Content-Length: ${random(99_999)}99`)),
  () => Buffer.from(whole.replace('CSeq: 1', 'CSeq: 99999999999999999999')),
  () => Buffer.from(whole.replace('SIP/2.0\r\n', 'SIP/9.9\r\n')),
  () => Buffer.from(whole.replace('CSeq: 1 INVITE', 'CSeq: 1 BYE')),
  () => Buffer.from(whole.replace('To: <sip:uas@10.206.206.1>', `To: ${'<'.repeat(random(4000))}`)),
  () => Buffer.from(`SIP/2.0 ${random(2000)} what\r\n\r\n`),
  () => Buffer.from('\r\n\r\n'),
  () => Buffer.alloc(0),
  () =>
    Buffer.from(
      whole
        .replace('z9hG4bKgarbage', `z9hG4bK1-2.0.0.0.0.0.${random(1_000_000)}`)
        .replace('INVITE', 'SIP/2.0'),
    ),
];

const socket = createSocket('udp4');
for (let sent = 0; sent < Number(count); sent += 1) {
  socket.send(makers[sent % makers.length]!(), Number(port), address);
  if (sent % datagramsPerMillisecond === 0) await sleep(1);
}
await sleep(100);
socket.close();
