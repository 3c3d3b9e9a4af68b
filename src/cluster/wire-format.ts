/**
 * docs/wire-format.md out of the frame table: `node src/cluster/wire-format.ts > docs/wire-format.md`. Every frame
 * comes with an example whose bytes are made by the codecs themselves; a test holds the same bytes written out, so a
 * change of the wire is seen in two places.
 */

import { stdout } from 'node:process';
import { channelCodec } from '#cluster/channels.ts';
import { claimsCodec } from '#cluster/claim-batch.ts';
import { lookupAnswerCodec, lookupCodec, lostClaimCodec } from '#cluster/claim-homes.ts';
import { forwardCodec } from '#cluster/forward.ts';
import {
  type FrameName,
  frameBytesMax,
  frameTypes,
  handshakeFrameBytesMax,
  headerBytes,
  protocolRange,
  writeFrameHeader,
  writeFrameSequence,
} from '#cluster/frame.ts';
import { heartbeatCodec, reachCodec } from '#cluster/heartbeat.ts';
import { goodbyeCodec, helloCodec, proofCodec, refusals, refuseCodec } from '#cluster/hello.ts';
import { answerCodec, askCodec } from '#cluster/owner-question.ts';
import { callCodec, callResultCodec } from '#cluster/remote-call.ts';
import type { Codec } from '#util/codec.ts';

interface FrameDescription {
  readonly meaning: string;
  /** Fields in order, in the words of the table of values. */
  readonly body: string;
  readonly priority: 'handshake' | 'urgent' | 'bulk';
  readonly example: () => Buffer;
}

function bodyOf<Body>(codec: Codec<Body>, body: Body): () => Buffer {
  return () => {
    const bytes = Buffer.alloc(codec.size(body));
    codec.write(body, bytes, 0);
    return bytes;
  };
}

const exampleDatagram = {
  kind: 'reply',
  bytes: Buffer.from('SIP/2.0 100 Trying\r\n\r\n'),
  sourceAddress: '192.0.2.7',
  sourcePort: 5060,
  socket: 'udp:198.51.100.1:5060',
  receivedAt: 0,
  ageMilliseconds: 3,
} as const;

const descriptions: Readonly<Record<FrameName, FrameDescription>> = {
  hello: {
    meaning:
      'First frame of each side; the dialling side speaks first. `instance` is random per process, `nonce` per connection.',
    body: 'u16 protocolLowest · u16 protocolHighest · u32 clusterId · u32 nodeId · u64 incarnation · 8 bytes instance · u32 capabilities · 16 bytes nonce · text software',
    priority: 'handshake',
    example: bodyOf(helloCodec, {
      protocolLowest: 1,
      protocolHighest: 1,
      clusterId: 1,
      nodeId: 1,
      incarnation: 7,
      instance: Buffer.alloc(8, 0xaa),
      capabilities: 15,
      nonce: Buffer.alloc(16, 0xbb),
      software: 'anyvia 0.1.0',
    }),
  },
  proof: {
    meaning:
      'HMAC-SHA256 under the shared secret over both HELLOs; the dialling side proves first. Empty without a secret.',
    body: 'bytes mac',
    priority: 'handshake',
    example: bodyOf(proofCodec, { mac: Buffer.alloc(32, 0xcc) }),
  },
  refuse: {
    meaning: 'Why there is no link; the connection ends. The reason stands in both logs.',
    body: 'u16 code · text reason',
    priority: 'handshake',
    example: bodyOf(refuseCodec, { code: refusals.secret, reason: 'wrong shared secret' }),
  },
  goodbye: {
    meaning: 'The sender leaves; the connection ends.',
    body: 'text reason',
    priority: 'handshake',
    example: bodyOf(goodbyeCodec, { reason: 'it is stopping' }),
  },
  heartbeat: {
    meaning:
      "Once per heartbeat interval. `sentAt`: the sender's clock in ms. `echo`: the last `sentAt` seen, `echoAge` ms ago (ffffffff: none).",
    body: 'u32 sentAt · u32 echo · u32 echoAge',
    priority: 'urgent',
    example: bodyOf(heartbeatCodec, { sentAt: 1000, echo: 900, echoAge: 100 }),
  },
  reach: {
    meaning:
      'Nodes that the sender has a direct link to, and whether it takes new work; whenever that changes.',
    body: 'bool draining · list of (u32 node · u64 incarnation)',
    priority: 'urgent',
    example: bodyOf(reachCodec, { draining: false, nodes: [{ node: 3, incarnation: 7 }] }),
  },
  claims: {
    meaning:
      'Transactions that the sender owns: 64-bit keyed hash of the key, and for how many ms; 0 takes a claim back.',
    body: 'list of (u32 high · u32 low · u32 lifetime)',
    priority: 'urgent',
    example: bodyOf(claimsCodec, {
      words: new Uint32Array([0x01020304, 0x05060708, 32_000]),
      start: 0,
      end: 1,
    }),
  },
  ask: {
    meaning: 'Do you own the transaction with this key?',
    body: 'u32 id · latin1 key',
    priority: 'urgent',
    example: bodyOf(askCodec, { id: 9, key: 'z9hG4bK77|192.0.2.7:5060|INVITE' }),
  },
  answer: {
    meaning:
      'The answer to the `ask` of that id. holds: 0 nothing, 1 the transaction, 2 a copy for the death of its owner.',
    body: 'u32 id · u8 holds',
    priority: 'urgent',
    example: bodyOf(answerCodec, { id: 9, holds: 1 }),
  },
  lookup: {
    meaning:
      'Who has claimed this hash? To its home, where `claim_directory` is "home". lifetime: when nobody has, it is reserved for the sender, for so many ms; 0: not.',
    body: 'u32 id · u32 high · u32 low · u32 lifetime',
    priority: 'urgent',
    example: bodyOf(lookupCodec, { id: 9, high: 0x01020304, low: 0x05060708, lifetime: 4000 }),
  },
  lookupAnswer: {
    meaning:
      'The answer to the `lookup` of that id. node 0: nobody. isSettled 0: nodes came or went a moment ago, ask the others too.',
    body: 'u32 id · bool isSettled · u32 node · u64 incarnation',
    priority: 'urgent',
    example: bodyOf(lookupAnswerCodec, { id: 9, isSettled: true, node: 3, incarnation: 7 }),
  },
  claimLost: {
    meaning: 'From the home of a hash: the receiver and another node have claimed it, and the other has it.',
    body: 'u32 high · u32 low · u32 node · u64 incarnation',
    priority: 'urgent',
    example: bodyOf(lostClaimCodec, { high: 0x01020304, low: 0x05060708, node: 3, incarnation: 7 }),
  },
  forward: {
    meaning:
      'A SIP datagram for its owner. kind: 1 reply, 2 request, 3 CANCEL, 4 ACK. `age`: ms since it came. `socket`: tag or name of the socket that received it. Never forwarded again.',
    body: 'u8 kind · u16 age · u16 sourcePort · text sourceAddress · text socket · bytes datagram',
    priority: 'urgent',
    example: bodyOf(forwardCodec, exampleDatagram),
  },
  forwardRefused: {
    meaning: "The datagram of a `forward` comes back: the transaction is not the receiver's.",
    body: 'as `forward`',
    priority: 'urgent',
    example: bodyOf(forwardCodec, exampleDatagram),
  },
  channel: {
    meaning: 'Shared state of one kind; what the bytes mean is agreed on by those who use the channel.',
    body: 'u16 channel · bytes body',
    priority: 'bulk',
    example: bodyOf(channelCodec, { channel: 1, body: Buffer.from('delta') }),
  },
  call: {
    meaning: 'A management method to run on the receiver; parameters are JSON text.',
    body: 'u32 id · text method · longText parameters',
    priority: 'bulk',
    example: bodyOf(callCodec, { id: 4, method: 'statistics:get', parameters: '{}' }),
  },
  callResult: {
    meaning: 'The result of the `call` of that id as JSON text, or words why there is none.',
    body: 'u32 id · bool ok · longText result',
    priority: 'bulk',
    example: bodyOf(callResultCodec, { id: 4, ok: true, result: '{}' }),
  },
};

/** One whole frame of each type, from node 1 to node 2, as the fifth of its connection. */
export function exampleFrames(): Record<FrameName, Buffer> {
  const entries = Object.entries(descriptions).map(([name, { example }]): [string, Buffer] => {
    const body = example();
    const frame = Buffer.alloc(headerBytes + body.length);
    const address = { type: frameTypes[name as FrameName], source: 1, destination: 2 };
    body.copy(frame, writeFrameHeader(frame, 0, address, frame.length));
    writeFrameSequence(frame, 0, 5);
    return [name, frame];
  });
  return Object.fromEntries(entries) as Record<FrameName, Buffer>;
}

const introduction = `# Wire format

Generated from src/cluster by \`node src/cluster/wire-format.ts\`; a test checks that it is current.

Nodes of a cluster hold one TCP connection per pair and send frames over it, big endian:

\`\`\`
u32 length · u16 type · u8 version · u8 flags · u32 source · u32 destination · u32 sequence · body
\`\`\`

- \`length\` counts what follows it. A frame has at most ${frameBytesMax} bytes, before the proof ${handshakeFrameBytesMax}.
- \`version\` is that of the body, 1 so far. A body of a newer version may be longer, never different in what is known.
- \`flags\` is 0.
- \`source\` and \`destination\` are node ids. Where the destination is not the receiver, the receiver passes the frame on,
  once: it must come from its source itself. In HELLO the destination is the dialled node, or 0.
- \`sequence\` is the number of the frame on its connection, from 1; a gap ends the connection.
- An unknown \`type\` is skipped and counted. A body that cannot be read is dropped and counted.
- The link protocol is ${protocolRange.lowest} to ${protocolRange.highest}; HELLO carries the range of each side.

## Handshake

dialling side HELLO → accepting side HELLO → dialling side PROOF → accepting side PROOF. Both are up then. Either side may
answer with REFUSE at any step. Urgent frames overtake bulk ones that still wait; within each kind the order is kept.

The proof is HMAC-SHA256, keyed with the shared secret, over \`anyvia link 1 dialled|accepted P V \` and the bodies of both
HELLOs as they were sent, that of the proving side first; P and V are their lengths in decimal.

## Values

| name | on the wire |
|---|---|
| u8 u16 u32 u64 | unsigned, big endian; u64 up to 2^53 − 1 |
| bool | one byte, 0 or 1 |
| text | u16 number of bytes, UTF-8 |
| longText | u32 number of bytes, UTF-8 |
| latin1 | u32 number of bytes, one per character |
| bytes | u32 number of bytes, the bytes |
| list of (…) | u32 number of items, the items |

## Refusals

`;

/** The page. */
export function describeWireFormat(): string {
  const refusalRows = Object.entries(refusals).map(([name, code]) => `| ${code} | ${name} |`);
  const examples = exampleFrames();
  const sections = (Object.keys(descriptions) as FrameName[]).map((name) => {
    const { meaning, body, priority } = descriptions[name];
    return [
      `### ${frameTypes[name]} ${name}`,
      '',
      meaning,
      '',
      `- body: ${body}`,
      `- priority: ${priority}`,
      '',
      '```',
      ...hexLines(examples[name]),
      '```',
      '',
    ].join('\n');
  });
  const refusalTable = ['| code | cause |', '|---|---|', ...refusalRows, '', '## Frames', '', ''].join('\n');
  return `${introduction}${refusalTable}${sections.join('\n')}`;
}

function hexLines(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let start = 0; start < bytes.length; start += 20) {
    lines.push(
      bytes.toString('hex', start, Math.min(bytes.length, start + 20)).replace(/(.{8})(?=.)/g, '$1 '),
    );
  }
  return lines;
}

if (import.meta.main) stdout.write(describeWireFormat());
