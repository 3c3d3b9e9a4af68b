/**
 * Frames of the link between two nodes: `u32 length · u16 type · u8 version · u8 flags · u32 source · u32 destination
 * · u32 sequence · body`, big endian; `length` counts what follows it. The table below is the only place where a type
 * has a number: numbers are written out, never derived, and never used again for something else.
 */

import { readU32, u16, writeU32 } from '#util/codec.ts';

/** Protocol versions that this program speaks; HELLO carries the range, the highest common one is used. */
export const protocolRange = { lowest: 1, highest: 1 } as const;

export const frameTypes = {
  hello: 1,
  proof: 2,
  refuse: 3,
  goodbye: 4,
  heartbeat: 10,
  reach: 11,
  claims: 20,
  ask: 21,
  answer: 22,
  lookup: 23,
  lookupAnswer: 24,
  claimLost: 25,
  forward: 30,
  forwardRefused: 31,
  channel: 40,
  call: 50,
  callResult: 51,
} as const;

export type FrameName = keyof typeof frameTypes;
export type FrameType = (typeof frameTypes)[FrameName];

/** What the length field does not count: itself. */
export const lengthBytes = 4;
export const headerBytes = 20;

/** A whole frame. A management answer may list tens of thousands of dialogs; nothing else comes near. */
export const frameBytesMax = 4 * 1024 * 1024;
/** Before a peer has proved who it is: HELLO, PROOF and REFUSE fit many times over. */
export const handshakeFrameBytesMax = 2048;

/** Read into one object per link, again and again. */
export class FrameHeader {
  type = 0;
  version = 0;
  flags = 0;
  source = 0;
  destination = 0;
  sequence = 0;

  /** The caller has checked that {@link headerBytes} are there. */
  read(bytes: Buffer, start: number): void {
    this.type = (bytes[start + 4]! << 8) | bytes[start + 5]!;
    this.version = bytes[start + 6]!;
    this.flags = bytes[start + 7]!;
    this.source = readU32(bytes, start + 8);
    this.destination = readU32(bytes, start + 12);
    this.sequence = readU32(bytes, start + 16);
  }
}

/** What a sender decides of a header; version, flags and sequence follow from the link. */
export interface FrameAddress {
  readonly type: FrameType;
  readonly source: number;
  readonly destination: number;
}

/** Body version of every frame so far. */
const bodyVersion = 1;

/** Writes the header of a frame of `frameBytes` bytes in all, its sequence left 0; returns where the body begins. */
export function writeFrameHeader(
  bytes: Buffer,
  start: number,
  frame: FrameAddress,
  frameBytes: number,
): number {
  writeU32(frameBytes - lengthBytes, bytes, start);
  u16.write(frame.type, bytes, start + 4);
  bytes[start + 6] = bodyVersion;
  bytes[start + 7] = 0;
  writeU32(frame.source, bytes, start + 8);
  writeU32(frame.destination, bytes, start + 12);
  writeU32(0, bytes, start + 16);
  return start + headerBytes;
}

/** The sequence is the number of the frame on its connection, from 1; it is known when the frame leaves the queue. */
export function writeFrameSequence(bytes: Buffer, start: number, sequence: number): void {
  writeU32(sequence, bytes, start + 16);
}
