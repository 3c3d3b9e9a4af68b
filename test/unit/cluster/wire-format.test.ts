import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { channelCodec } from '#cluster/channels.ts';
import { claimsCodec } from '#cluster/claim-batch.ts';
import { lookupAnswerCodec, lookupCodec, lostClaimCodec } from '#cluster/claim-homes.ts';
import { forwardCodec } from '#cluster/forward.ts';
import { frameTypes } from '#cluster/frame.ts';
import { heartbeatCodec, reachCodec } from '#cluster/heartbeat.ts';
import { goodbyeCodec, helloCodec, proofCodec, refuseCodec } from '#cluster/hello.ts';
import { answerCodec, askCodec } from '#cluster/owner-question.ts';
import { callCodec, callResultCodec } from '#cluster/remote-call.ts';
import { describeWireFormat, exampleFrames } from '#cluster/wire-format.ts';
import { type Codec, decode } from '#util/codec.ts';

/** Nodes of different versions talk to each other in these bytes: a line may be added, none changed. */
const golden: Readonly<Record<string, string>> = {
  hello:
    '0000004e000101000000000100000002000000050001000100000001000000010000000000000007aaaaaaaaaaaaaaaa0000000fbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb000c616e7976696120302e312e30',
  proof:
    '000000340002010000000001000000020000000500000020cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',
  refuse: '00000027000301000000000100000002000000050006001377726f6e672073686172656420736563726574',
  goodbye: '0000002000040100000000010000000200000005000e69742069732073746f7070696e67',
  heartbeat: '0000001c000a0100000000010000000200000005000003e80000038400000064',
  reach: '00000021000b01000000000100000002000000050000000001000000030000000000000007',
  claims: '000000200014010000000001000000020000000500000001010203040506070800007d00',
  ask: '0000003700150100000000010000000200000005000000090000001f7a39684734624b37377c3139322e302e322e373a353036307c494e56495445',
  answer: '00000015001601000000000100000002000000050000000901',
  lookup: '00000020001701000000000100000002000000050000000901020304050607080000' + '0fa0',
  lookupAnswer: '000000210018010000000001000000020000000500000009010000000300000000' + '00000007',
  claimLost: '00000024001901000000000100000002000000050102030405060708000000030000' + '000000000007',
  forward:
    '00000051001e010000000001000000020000000501000313c400093139322e302e322e3700157564703a3139382e35312e3130302e313a35303630000000165349502f322e302031303020547279696e670d0a0d0a',
  forwardRefused:
    '00000051001f010000000001000000020000000501000313c400093139322e302e322e3700157564703a3139382e35312e3130302e313a35303630000000165349502f322e302031303020547279696e670d0a0d0a',
  channel: '0000001b0028010000000001000000020000000500010000000564656c7461',
  call: '0000002a0032010000000001000000020000000500000004000e737461746973746963733a676574000000027b7d',
  callResult: '0000001b003301000000000100000002000000050000000401000000027b7d',
};

/** The codec of whatever it is: what it reads, it can write. */
function any<Value>(codec: Codec<Value>): Codec<unknown> {
  return codec as unknown as Codec<unknown>;
}

const codecs: Readonly<Record<string, Codec<unknown>>> = {
  hello: any(helloCodec),
  proof: any(proofCodec),
  refuse: any(refuseCodec),
  goodbye: any(goodbyeCodec),
  heartbeat: any(heartbeatCodec),
  reach: any(reachCodec),
  claims: any(claimsCodec),
  ask: any(askCodec),
  answer: any(answerCodec),
  lookup: any(lookupCodec),
  lookupAnswer: any(lookupAnswerCodec),
  claimLost: any(lostClaimCodec),
  forward: any(forwardCodec),
  forwardRefused: any(forwardCodec),
  channel: any(channelCodec),
  call: any(callCodec),
  callResult: any(callResultCodec),
};

describe('the wire', () => {
  it.each(Object.keys(frameTypes))('of %s is what it always was', (name) => {
    const frame = exampleFrames()[name as keyof typeof frameTypes];
    expect(frame.toString('hex')).toBe(golden[name]);
    const body = frame.subarray(20);
    const codec = codecs[name]!;
    const value = decode(codec, body);
    expect(value).not.toBeNull();
    const again = Buffer.alloc(codec.size(value));
    codec.write(value, again, 0);
    expect(again.equals(body)).toBe(true);
    for (let length = 0; length < body.length; length++) {
      expect(decode(codec, body.subarray(0, length))).toBeNull();
    }
  });

  it('gives every type a number of its own', () => {
    expect(new Set(Object.values(frameTypes)).size).toBe(Object.keys(frameTypes).length);
    expect(Object.keys(codecs)).toEqual(Object.keys(frameTypes));
  });

  it('of random bytes is read without an exception', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(codecs)),
        fc.uint8Array({ maxLength: 120 }),
        (codec, raw) => {
          void decode(codec, Buffer.from(raw));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('is described by docs/wire-format.md as it is', () => {
    const root = dirname(dirname(dirname(import.meta.dirname)));
    expect(readFileSync(join(root, 'docs/wire-format.md'), 'utf8')).toBe(describeWireFormat());
  });
});
