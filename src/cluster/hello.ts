/**
 * The first frames of a link: who is there (HELLO), the proof of it (PROOF), and why not (REFUSE, GOODBYE). The
 * dialling side speaks first and proves first, so that nobody gets a proof out of a node by merely connecting to it.
 * The proof is an HMAC-SHA256 under the shared secret over both HELLOs, with both nonces, and the side, so it is of no
 * use on another link, to another node, or when sent back.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { bytes, fixedBytes, struct, text, u16, u32, u64 } from '#util/codec.ts';

export const nonceBytes = 16;
export const instanceBytes = 8;

/**
 * Bits of `capabilities`. A bit says that its sender understands the frames of that name; `secret`: has one; `homes`:
 * tells claims to their homes alone.
 */
export const capabilities = { claims: 1, relay: 2, calls: 4, secret: 8, homes: 16 } as const;

export interface Hello {
  readonly protocolLowest: number;
  readonly protocolHighest: number;
  readonly clusterId: number;
  readonly nodeId: number;
  readonly incarnation: number;
  /** Random, made at the start of the process: tells two processes with one node id apart. */
  readonly instance: Uint8Array;
  readonly capabilities: number;
  readonly nonce: Uint8Array;
  /** Version of the program, for people. */
  readonly software: string;
}

export const helloCodec = struct<Hello>({
  protocolLowest: u16,
  protocolHighest: u16,
  clusterId: u32,
  nodeId: u32,
  incarnation: u64,
  instance: fixedBytes(instanceBytes),
  capabilities: u32,
  nonce: fixedBytes(nonceBytes),
  software: text,
});

/** Empty where neither side has a secret. */
export const proofCodec = struct<{ readonly mac: Uint8Array }>({ mac: bytes });

/** Numbers on the wire. */
export const refusals = {
  protocol: 1,
  cluster: 2,
  unknownNode: 3,
  disabledNode: 4,
  duplicateNode: 5,
  secret: 6,
  address: 7,
  malformed: 8,
  busy: 9,
  certificate: 10,
} as const;

export interface Refusal {
  readonly code: number;
  /** For the log of the other side. */
  readonly reason: string;
}

export const refuseCodec = struct<Refusal>({ code: u16, reason: text });
export const goodbyeCodec = struct<{ readonly reason: string }>({ reason: text });

/**
 * `prover` and `verifier` are the bodies of both HELLOs as they were on the wire, so every field is proved, those of a
 * newer version too. `dialled`: the side that proves is the one that dialled.
 */
export function makeProof(secret: Uint8Array, prover: Buffer, verifier: Buffer, dialled: boolean): Buffer {
  const hmac = createHmac('sha256', secret);
  hmac.update(`anyvia link 1 ${dialled ? 'dialled' : 'accepted'} ${prover.length} ${verifier.length} `);
  return hmac.update(prover).update(verifier).digest();
}

export function isProof(mac: Uint8Array, expected: Buffer): boolean {
  return mac.length === expected.length && timingSafeEqual(mac, expected);
}

/** Keys for other uses than proofs, so that one use tells nothing about another. */
export function deriveKey(secret: Uint8Array, purpose: string): Buffer {
  return createHmac('sha256', secret).update(`anyvia key: ${purpose}`).digest();
}
