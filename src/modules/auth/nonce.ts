/**
 * Nonces that carry all there is to know about them: when, by which node and for what they were made. Their MAC is
 * keyed by what the whole cluster knows, so that any node reads any other's and none keeps a list of those it gave out.
 * Counter, incarnation and node make each one different; the MAC makes the next one unpredictable.
 */

import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import {
  type DigestAlgorithm,
  type DigestCredentials,
  digestAlgorithms,
  type QualityOfProtection,
} from '#sip/digest.ts';

export interface Nonce {
  /** Seconds since 1970, by the clock of the node that made it. */
  readonly time: number;
  readonly node: number;
  readonly incarnation: number;
  readonly counter: number;
  /** Bits of what the challenge offered: a client cannot be talked down to something weaker. */
  readonly algorithms: number;
  readonly qop: number;
}

const version = 1;
const headBytes = 19;
/** 104 bits: together with the head a multiple of 3 short of one, 43 characters of base64url. */
const macBytes = 13;
const characters = Math.ceil(((headBytes + macBytes) * 4) / 3);

const qopBits = { auth: 1, 'auth-int': 2 } as const;

export class NonceMaker {
  readonly #key: KeyObject;
  readonly #node: number;
  readonly #incarnation: number;
  #counter = 0;

  constructor(key: Uint8Array, node: number, incarnation: number) {
    this.#key = createSecretKey(key);
    this.#node = node;
    this.#incarnation = incarnation;
  }

  /** `wall` in milliseconds. The realm is covered by the MAC: a nonce is of no use in another. */
  make(
    wall: number,
    realm: string,
    offer: { readonly algorithms: readonly DigestAlgorithm[]; readonly qop: readonly QualityOfProtection[] },
  ): string {
    this.#counter = (this.#counter + 1) >>> 0;
    const bytes = Buffer.alloc(headBytes + macBytes);
    bytes[0] = version;
    bytes[1] = offer.algorithms.reduce((bits, algorithm) => bits | algorithmBit(algorithm), 0);
    bytes[2] = offer.qop.reduce((bits, qop) => bits | qopBits[qop], 0);
    bytes.writeUInt32BE(Math.floor(wall / 1000) >>> 0, 3);
    bytes.writeUInt32BE(this.#node, 7);
    bytes.writeUInt32BE(this.#incarnation >>> 0, 11);
    bytes.writeUInt32BE(this.#counter, 15);
    this.#mac(bytes.subarray(0, headBytes), realm).copy(bytes, headBytes, 0, macBytes);
    return bytes.toString('base64url');
  }

  /** Null when it was not made by this cluster for this realm. */
  read(text: string, realm: string): Nonce | null {
    if (text.length !== characters) return null;
    const bytes = Buffer.from(text, 'base64url');
    if (bytes.length !== headBytes + macBytes || bytes[0] !== version) return null;
    const mac = this.#mac(bytes.subarray(0, headBytes), realm).subarray(0, macBytes);
    if (!timingSafeEqual(mac, bytes.subarray(headBytes))) return null;
    return {
      algorithms: bytes[1]!,
      qop: bytes[2]!,
      time: bytes.readUInt32BE(3),
      node: bytes.readUInt32BE(7),
      incarnation: bytes.readUInt32BE(11),
      counter: bytes.readUInt32BE(15),
    };
  }

  /** The same for every challenge of a realm: a client that sends another one back answers somebody else's. */
  opaque(realm: string): string {
    return this.#mac(Buffer.from('opaque'), realm).toString('base64url', 0, 12);
  }

  #mac(head: Uint8Array, realm: string): Buffer {
    return createHmac('sha256', this.#key).update(head).update(realm, 'latin1').digest();
  }
}

/** True when the challenge offered what these credentials use. A client may leave out qop, unless auth-int is a must. */
export function isOffered(nonce: Nonce, credentials: DigestCredentials, algorithm: DigestAlgorithm): boolean {
  if ((nonce.algorithms & algorithmBit(algorithm)) === 0) return false;
  if (credentials.qop === '') return nonce.qop !== qopBits['auth-int'];
  return (nonce.qop & qopBits[credentials.qop]) !== 0;
}

function algorithmBit(algorithm: DigestAlgorithm): number {
  return 1 << digestAlgorithms.indexOf(algorithm);
}
