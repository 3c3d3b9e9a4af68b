/**
 * The owner tag: the ONE place that writes and reads what a Via branch of ours says. Readable in any capture:
 * `z9hG4bK1-<node>.<incarnation>.<worker>.<slot>.<generation>.<branch>.<loop>.<mac>`, decimal but for incarnation,
 * slot, generation and loop (base 36). `loop` is the part that RFC 5393 4.2 asks for. The MAC keeps strangers from steering packets to a node of their choice. The tag is read
 * by grammar alone; whoever acts on a tag that is not found in its own table verifies it first.
 */

import { createHmac } from 'node:crypto';
import { macCharacters, macKeyBytes, ShortMac } from '#util/short-mac.ts';

export interface OwnerIdentity {
  readonly node: number;
  readonly incarnation: number;
  readonly worker: number;
}

export interface OwnerTag extends OwnerIdentity {
  readonly slot: number;
  readonly generation: number;
  readonly branch: number;
  /** Hash of what decides where the request goes, 32 bits; 0 = not computed. */
  readonly loop: number;
}

/** Every branch that a node of ours writes for a transaction begins with this. */
export const branchLead = 'z9hG4bK1-';
const lead = branchLead;
/** 36^10 is below 2^53: every number of a tag is exact. */
const digitsMax = 10;

export class BranchCodec {
  readonly identity: OwnerIdentity;
  /** 64 bits: forging one takes 2^63 packets on average. */
  readonly #macs: readonly ShortMac[];
  readonly #own: string;

  /** The first key writes; any of them verifies, so that keys can be changed while calls go on. */
  constructor(identity: OwnerIdentity, keys: readonly Uint8Array[]) {
    this.identity = identity;
    this.#macs = keys.map((key) => new ShortMac(macKey(key)));
    this.#own = `${lead}${identity.node}.${identity.incarnation.toString(36)}.${identity.worker}.`;
  }

  write(slot: number, generation: number, branch: number, loop = 0): string {
    const text = `${this.#own}${base36(slot)}.${base36(generation)}.${branch}.${base36(loop)}`;
    return `${text}.${this.#macs[0]!.of(text)}`;
  }

  /** Grammar only, cheap; null when the branch is not of this form. */
  read(branch: string): OwnerTag | null {
    if (!branch.startsWith(lead)) return null;
    const a = branch.indexOf('.', lead.length);
    const b = branch.indexOf('.', a + 1);
    const c = branch.indexOf('.', b + 1);
    const d = branch.indexOf('.', c + 1);
    const e = branch.indexOf('.', d + 1);
    const f = branch.indexOf('.', e + 1);
    const g = branch.indexOf('.', f + 1);
    // A dot that is missing makes the search begin anew: then the order is broken.
    if (!(a < b && b < c && c < d && d < e && e < f && f < g)) return null;
    if (branch.length - g - 1 !== macCharacters) return null;
    const node = numberIn(branch, lead.length, a, 10);
    const incarnation = numberIn(branch, a + 1, b, 36);
    const worker = numberIn(branch, b + 1, c, 10);
    const slot = numberIn(branch, c + 1, d, 36);
    const generation = numberIn(branch, d + 1, e, 36);
    const index = numberIn(branch, e + 1, f, 10);
    const loop = numberIn(branch, f + 1, g, 36);
    if (node < 0 || incarnation < 0 || worker < 0 || slot < 0 || generation < 0 || index < 0 || loop < 0)
      return null;
    return { node, incarnation, worker, slot, generation, branch: index, loop };
  }

  /** True when one of the cluster's keys made this branch. The comparison takes the same time wherever it differs. */
  verify(branch: string): boolean {
    const end = branch.lastIndexOf('.');
    if (end === -1 || branch.length - end - 1 !== macCharacters) return false;
    const text = branch.slice(0, end);
    const given = branch.slice(end + 1);
    return this.#macs.some((mac) => isSameText(mac.of(text), given));
  }

  isOurs(tag: OwnerTag): boolean {
    const { node, incarnation, worker } = this.identity;
    return tag.node === node && tag.incarnation === incarnation && tag.worker === worker;
  }
}

/** As `toString(36)` has it, for whole numbers from 0: that is a call into the runtime, which takes as long as the MAC. */
function base36(value: number): string {
  let text = '';
  let rest = value;
  do {
    const next = Math.floor(rest / 36);
    text = digits36[rest - next * 36]! + text;
    rest = next;
  } while (rest > 0);
  return text;
}

const digits36 = '0123456789abcdefghijklmnopqrstuvwxyz';

/** The number between two offsets in lower-case digits of that radix; -1 when it is none. */
function numberIn(text: string, start: number, end: number, radix: 10 | 36): number {
  if (end === start || end - start > digitsMax) return -1;
  let value = 0;
  for (let position = start; position < end; position++) {
    const code = text.charCodeAt(position);
    let digit = -1;
    if (code >= 48 && code <= 57) digit = code - 48;
    else if (radix === 36 && code >= 97 && code <= 122) digit = code - 87;
    if (digit === -1) return -1;
    value = value * radix + digit;
  }
  return value;
}

/** Whatever length the secret has; a MAC's key is used for nothing else. */
function macKey(secret: Uint8Array): Buffer {
  return createHmac('sha256', secret).update('MAC of the Via branch').digest().subarray(0, macKeyBytes);
}

/** Both of one length. It looks at every character, wherever they differ first. */
function isSameText(first: string, second: string): boolean {
  let difference = 0;
  for (let index = 0; index < first.length; index++)
    difference |= first.charCodeAt(index) ^ second.charCodeAt(index);
  return difference === 0;
}
