/**
 * What 100,000 registered contacts cost: bytes per contact on the node that took the REGISTERs and on its peer, and
 * how long a node that joins needs for its snapshot. Bounded: a few seconds. Run as
 * `node --expose-gc test/bench/location-memory.ts`.
 */

import { LocationReplica } from '#modules/usrloc/location-replica.ts';
import { LocationTable } from '#registrar/location-table.ts';
import { isRefusal, type RegistrationInput, readRegistration } from '#registrar/registration.ts';
import { parseMessage } from '#sip/message.ts';
import { isFailure } from '#util/failure.ts';
import { TextPool } from '#util/text-pool.ts';

const contacts = 100_000;
const flags = { write: () => '', read: () => 0 };
const wall = 1_800_000_000_000;

/** As a phone behind a NAT sends it, after RFC 3665 and what desk phones add. */
function register(index: number): string {
  const user = `user${100_000 + index}`;
  return [
    'REGISTER sip:pbx.example.org SIP/2.0',
    `Via: SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK-524287-1---${index.toString(16)};rport`,
    'Max-Forwards: 70',
    `Contact: <sip:${user}@192.168.1.20:5060;transport=UDP;rinstance=1a2b3c4d5e6f7a8b>;+sip.instance="<urn:uuid:${user}-0000-1000-8000-000A95A0E128>";reg-id=1`,
    `To: <sip:${user}@pbx.example.org>`,
    `From: <sip:${user}@pbx.example.org>;tag=${index}`,
    `Call-ID: 97876ZmU4YjY0NzE4ZTVjMTg0NzNhYjU0${index}`,
    'CSeq: 2 REGISTER',
    'Expires: 3600',
    'Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE',
    `User-Agent: Example Desk Phone ${index % 40}.2.1`,
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');
}

function inputOf(text: string, index: number, pool: TextPool): RegistrationInput {
  const request = parseMessage(text);
  if (isFailure(request)) throw new Error(request.message);
  const seen = `sip:203.0.113.${index % 250}:${10_000 + (index % 50_000)}`;
  return {
    request,
    address: `user${100_000 + index}@pbx.example.org`,
    wall,
    node: 1,
    received: seen,
    sender: seen,
    socket: 'udp:198.51.100.1:5060',
    flags: 1,
    pool,
    rules: {
      defaultSeconds: 3600,
      minSeconds: 60,
      maxSeconds: 0,
      contactsMax: 0,
      replacesOldest: false,
      defaultQ: -1,
      contactCharactersMax: 1024,
      pathMode: 'lazy',
      pathReceived: false,
      allowsEqualCseq: false,
      matchesCallId: false,
      matchedParameters: null,
      receivedName: 'received',
    },
  };
}

function used(): number {
  (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

interface Side {
  readonly table: LocationTable;
  readonly replica: LocationReplica;
}

/** Node 1 takes the REGISTERs; node 2 hears of them when `join` lets it. */
function side(node: number, send: (body: Uint8Array) => void): Side {
  const table = new LocationTable();
  const replica = new LocationReplica({
    node,
    table,
    flags: flags,
    pool: new TextPool(),
    port: {
      livePeers: () => (node === 1 ? [] : [1]),
      broadcast: () => {},
      send: (_to, body) => {
        send(body);
        return true;
      },
    },
    wall: () => wall,
    onTaken: () => {},
    onSynchronised: () => {},
  });
  return { table, replica };
}

const queue: { to: number; body: Uint8Array }[] = [];
const first = side(1, (body) => queue.push({ to: 2, body }));
for (let second = 0; second < 5; second++) first.replica.engine.tick(second * 1000);
const pool = new TextPool();
const before = used();
const began = performance.now();
for (let index = 0; index < contacts; index++) {
  // A datagram is a text of its own: slices of it must not keep it alive.
  const input = inputOf(Buffer.from(register(index), 'latin1').toString('latin1'), index, pool);
  const outcome = readRegistration(first.table, input);
  if (isRefusal(outcome)) throw new Error(outcome.cause);
  first.replica.publish(outcome.changes.map((binding) => ({ address: input.address, binding })));
}
const registering = performance.now() - began;
const afterFirst = used();

const second = side(2, (body) => queue.push({ to: 1, body }));
const joining = performance.now();
second.replica.engine.onPeerUp(1, 0);
let bytes = 0;
for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
  bytes += message.body.length;
  if (message.to === 1) first.replica.engine.onMessage(2, message.body, 0);
  else second.replica.engine.onMessage(1, message.body, 0);
}
const joined = performance.now() - joining;
const afterSecond = used();
const comparing = performance.now();
for (let bucket = 0; bucket < 1024; bucket++) {
  first.table.digest(bucket, { expiresAfter: 0, changedUntil: Infinity });
}
const compared = performance.now() - comparing;

process.stdout.write(
  [
    `contacts                         ${first.table.size} and ${second.table.size}`,
    `bytes per contact, registered    ${Math.round((afterFirst - before) / contacts)}`,
    `bytes per contact, from the peer ${Math.round((afterSecond - afterFirst) / contacts)}`,
    `µs per REGISTER (parse, bind)    ${((registering / contacts) * 1000).toFixed(1)}`,
    `snapshot                         ${Math.round(joined)} ms of both nodes' work, ${(bytes / 1e6).toFixed(1)} MB`,
    `fingerprints of all contacts     ${compared.toFixed(1)} ms`,
    '',
  ].join('\n'),
);
