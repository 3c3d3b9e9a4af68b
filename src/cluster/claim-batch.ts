/**
 * Claims on their way to the peers. One list for all of them, and for each peer the place up to which it has been
 * told: a frame to one peer that leaves anyway takes the claims along, and no other peer is woken for it.
 */

import { type ByteReader, type Codec, readU32, u32, writeU32 } from '#util/codec.ts';

/** High word, low word, lifetime in ms; a lifetime of 0 takes the claim back. */
export const wordsPerClaim = 3;
const claimBytes = wordsPerClaim * 4;
/** Claims in one frame; a batch that reaches this leaves at once. */
export const claimsOfFrameMax = 4096;

export interface ClaimWords {
  readonly words: Uint32Array;
  /** In claims, not words; `end` is behind the last. */
  readonly start: number;
  readonly end: number;
}

const noWords = new Uint32Array(0);

export const claimsCodec: Codec<ClaimWords> = {
  size: (value) => 4 + (value.end - value.start) * claimBytes,
  write: (value, bytes, offset) => {
    let at = writeU32(value.end - value.start, bytes, offset);
    const last = value.end * wordsPerClaim;
    for (let index = value.start * wordsPerClaim; index < last; index++) {
      at = writeU32(value.words[index]!, bytes, at);
    }
    return at;
  },
  read: readClaims,
};

function readClaims(reader: ByteReader): ClaimWords {
  const count = u32.read(reader);
  const at = count > claimsOfFrameMax ? -1 : reader.take(count * claimBytes);
  if (at === -1) {
    reader.fail();
    return { words: noWords, start: 0, end: 0 };
  }
  const words = new Uint32Array(count * wordsPerClaim);
  for (let index = 0; index < words.length; index++) words[index] = readU32(reader.bytes, at + index * 4);
  return { words, start: 0, end: count };
}

export class ClaimBatch {
  words = new Uint32Array(256 * wordsPerClaim);
  count = 0;

  add(high: number, low: number, lifetimeMilliseconds: number): void {
    const at = this.count * wordsPerClaim;
    if (at === this.words.length) {
      const grown = new Uint32Array(this.words.length * 2);
      grown.set(this.words);
      this.words = grown;
    }
    this.words[at] = high;
    this.words[at + 1] = low;
    this.words[at + 2] = lifetimeMilliseconds;
    this.count++;
  }

  clear(): void {
    this.count = 0;
  }
}
