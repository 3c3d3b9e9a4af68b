/**
 * Whose duty a dialog is: its owner's while that life of the node lasts, else that of the rendezvous successor among
 * the nodes that are left, which all of them compute alike.
 */

import { rank } from '#cluster/ownership.ts';
import type { Dialog } from '#dialog/dialog.ts';
import type { ModuleHost } from '#module/host.ts';

/** A node that went out of sight, or has just begun, may be there again: nobody acts in its place before. */
const settleMilliseconds = 3000;

export class Duty {
  readonly #host: ModuleHost;
  /** Incarnations of the peers that are up. */
  readonly #lives = new Map<number, number>();
  #changedAt: number;

  constructor(host: ModuleHost) {
    this.#host = host;
    this.#changedAt = host.clock.monotonic();
  }

  onPeerUp(node: number, incarnation: number, now: number): void {
    this.#lives.set(node, incarnation);
    this.#changedAt = now;
  }

  onPeerDown(node: number, now: number): void {
    this.#lives.delete(node);
    this.#changedAt = now;
  }

  /** Everybody has had time to see who is there. */
  hasSettled(now: number): boolean {
    return this.#host.cluster === null || now - this.#changedAt >= settleMilliseconds;
  }

  isOwn({ owner, incarnation }: Dialog): boolean {
    return owner === this.#host.nodeId && incarnation === this.#host.incarnation;
  }

  /** The life that owns it goes on. */
  ownerLives(dialog: Dialog): boolean {
    return this.isOwn(dialog) || this.#lives.get(dialog.owner) === dialog.incarnation;
  }

  isOurs(dialog: Dialog): boolean {
    if (this.isOwn(dialog) || this.#host.cluster === null) return true;
    if (this.ownerLives(dialog)) return false;
    const nodes = [...this.#lives.keys(), this.#host.nodeId];
    return rank(dialog.id, nodes)[0] === this.#host.nodeId;
  }
}
