/**
 * HalfSipHash-2-4 with 64 bits of result (Aumasson and Bernstein): a keyed hash made of 32-bit operations, which is what
 * JavaScript does well. Keyed, because the texts hashed come from strangers: without the key nobody can aim two
 * transactions at one claim. Same key, same text, same result on every node.
 */

import { assert } from '#util/assert.ts';

export const hashKeyBytes = 8;

export class KeyedHash {
  readonly #k0: number;
  readonly #k1: number;
  /** The two words of the last result, unsigned. */
  high = 0;
  low = 0;

  constructor(key: Buffer) {
    assert(key.length >= hashKeyBytes, `a hash key has ${hashKeyBytes} bytes`);
    this.#k0 = key.readInt32LE(0);
    this.#k1 = key.readInt32LE(4);
  }

  /** Hashes characters as bytes (SIP text is latin1) and leaves the result in `high` and `low`. */
  hash(text: string): void {
    let v0 = this.#k0;
    let v1 = this.#k1 ^ 0xee;
    let v2 = 0x6c796765 ^ this.#k0;
    let v3 = 0x74656462 ^ this.#k1;
    const words = text.length >>> 2;
    // One step per whole word, one for the tail with the length, two that finish: first low word, then high word.
    for (let step = 0; step <= words + 2; step++) {
      const isFinish = step > words;
      const word = isFinish ? 0 : step < words ? wordAt(text, step << 2) : tailOf(text, step << 2);
      if (step === words + 1) v2 ^= 0xee;
      if (step === words + 2) {
        this.low = (v1 ^ v3) >>> 0;
        v1 ^= 0xdd;
      }
      v3 ^= word;
      for (let round = isFinish ? 4 : 2; round > 0; round--) {
        v0 = (v0 + v1) | 0;
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
        v0 = (v0 << 16) | (v0 >>> 16);
        v2 = (v2 + v3) | 0;
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
        v0 = (v0 + v3) | 0;
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
        v2 = (v2 + v1) | 0;
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
        v2 = (v2 << 16) | (v2 >>> 16);
      }
      v0 ^= word;
    }
    this.high = (v1 ^ v3) >>> 0;
  }
}

function wordAt(text: string, at: number): number {
  return (
    (text.charCodeAt(at) & 0xff) |
    ((text.charCodeAt(at + 1) & 0xff) << 8) |
    ((text.charCodeAt(at + 2) & 0xff) << 16) |
    (text.charCodeAt(at + 3) << 24)
  );
}

/** The last 0 to 3 characters, and the length in the highest byte. */
function tailOf(text: string, at: number): number {
  let word = text.length << 24;
  for (let index = at; index < text.length; index++) {
    word |= (text.charCodeAt(index) & 0xff) << ((index - at) << 3);
  }
  return word;
}
