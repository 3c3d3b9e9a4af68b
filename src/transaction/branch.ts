/**
 * The owner tag: the ONE place that writes and reads what a Via branch of ours says. Readable in any capture:
 * `z9hG4bK1-<node>.<incarnation>.<worker>.<slot>.<generation>.<branch>.<mac>`, decimal but for incarnation, slot
 * and generation (base 36). The MAC keeps strangers from steering packets to a node of their choice.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';

export interface OwnerIdentity {
  readonly node: number;
  readonly incarnation: number;
  readonly worker: number;
}

export interface OwnerTag extends OwnerIdentity {
  readonly slot: number;
  readonly generation: number;
  readonly branch: number;
}

const lead = 'z9hG4bK1-';
/** 64 bits of HMAC-SHA256: forging one takes 2^63 packets on average. */
const macBytes = 8;
const macCharacters = 11;

export class BranchCodec {
  readonly identity: OwnerIdentity;
  readonly #keys: readonly Uint8Array[];
  readonly #own: string;

  /** The first key writes; any of them verifies, so that keys can be changed while calls go on. */
  constructor(identity: OwnerIdentity, keys: readonly Uint8Array[]) {
    this.identity = identity;
    this.#keys = keys;
    this.#own = `${lead}${identity.node}.${identity.incarnation.toString(36)}.${identity.worker}.`;
  }

  write(slot: number, generation: number, branch: number): string {
    const text = `${this.#own}${slot.toString(36)}.${generation.toString(36)}.${branch}`;
    return `${text}.${mac(this.#keys[0]!, text)}`;
  }

  /** Grammar only, cheap; null when the branch is not of this form. */
  read(branch: string): OwnerTag | null {
    if (!branch.startsWith(lead)) return null;
    const parts = branch.slice(lead.length).split('.');
    if (parts.length !== 7 || parts[6]!.length !== macCharacters) return null;
    const node = Number(parts[0]);
    const incarnation = Number.parseInt(parts[1]!, 36);
    const worker = Number(parts[2]);
    const slot = Number.parseInt(parts[3]!, 36);
    const generation = Number.parseInt(parts[4]!, 36);
    const index = Number(parts[5]);
    const tag = { node, incarnation, worker, slot, generation, branch: index };
    for (const value of Object.values(tag)) if (!Number.isSafeInteger(value) || value < 0) return null;
    return tag;
  }

  /** True when one of the cluster's keys made this branch. */
  verify(branch: string): boolean {
    const end = branch.lastIndexOf('.');
    if (end === -1) return false;
    const text = branch.slice(0, end);
    const given = Buffer.from(branch.slice(end + 1), 'latin1');
    return this.#keys.some((key) => {
      const expected = Buffer.from(mac(key, text), 'latin1');
      return expected.length === given.length && timingSafeEqual(expected, given);
    });
  }

  isOurs(tag: OwnerTag): boolean {
    const { node, incarnation, worker } = this.identity;
    return tag.node === node && tag.incarnation === incarnation && tag.worker === worker;
  }
}

/** base64url: only token characters (RFC 3261 25.1). */
function mac(key: Uint8Array, text: string): string {
  return createHmac('sha256', key).update(text, 'latin1').digest().toString('base64url', 0, macBytes);
}
