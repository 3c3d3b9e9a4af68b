/**
 * What modules do when a call is over with which they keep something (call records). The node does it whose duty the
 * dialog is, whichever node saw the end. The others hold the dialog a while longer: when that node dies meanwhile, its
 * successor does it.
 */

import type { Dialog } from '#dialog/dialog.ts';
import type { ModuleHost } from '#module/host.ts';
import type { EndedDialog } from '#module/services.ts';
import type { Duty } from '#modules/dialog/duty.ts';
import { dropOldest } from '#util/oldest.ts';

export type EndListener = (dialog: EndedDialog) => void;

/** By then a node that stopped is known to be dead, and one that lives has written what it had. */
const holdMilliseconds = 15_000;
/** Those of 15 s at 2,000 calls per second; some 2 kB each. */
const heldMax = 30_000;

interface Held {
  readonly dialog: Dialog;
  readonly ended: number;
  readonly until: number;
  /** The node whose duty it was has done it. */
  isDone: boolean;
}

export class Closing {
  readonly #host: ModuleHost;
  readonly #duty: Duty;
  readonly #tellClosed: (id: string) => void;
  readonly #listeners = new Map<string, EndListener>();
  readonly #held = new Map<string, Held>();
  /** Held no longer although their time was not over: more ended at once than are held. */
  dropped = 0;

  constructor(host: ModuleHost, duty: Duty, tellClosed: (id: string) => void) {
    this.#host = host;
    this.#duty = duty;
    this.#tellClosed = tellClosed;
  }

  get held(): number {
    return this.#held.size;
  }

  listen(name: string, listener: EndListener): void {
    this.#listeners.set(name, listener);
  }

  /** The dialog has just ended, here or on a peer. */
  close(dialog: Dialog, now: number): void {
    if (dialog.start === 0 || dialog.kept.size === 0) return;
    const ended = this.#host.clock.wall();
    if (this.#duty.isOurs(dialog)) {
      this.#call(dialog, ended, false);
      this.#tellClosed(dialog.id);
      return;
    }
    this.#held.set(dialog.id, { dialog, ended, until: now + holdMilliseconds, isDone: false });
    if (this.#held.size <= heldMax) return;
    this.dropped++;
    dropOldest(this.#held);
  }

  onClosed(id: string): void {
    const held = this.#held.get(id);
    if (held !== undefined) held.isDone = true;
  }

  onPeerDown(): void {
    for (const [id, { dialog, ended, isDone }] of this.#held) {
      if (this.#duty.ownerLives(dialog) || !this.#duty.isOurs(dialog)) continue;
      this.#held.delete(id);
      this.#call(dialog, ended, isDone);
      this.#tellClosed(id);
    }
  }

  tick(now: number): void {
    for (const [id, { until }] of this.#held) {
      if (until > now) return;
      this.#held.delete(id);
    }
  }

  #call(dialog: Dialog, ended: number, isRepeat: boolean): void {
    const { id, callId, fromTag, toTag, endReason } = dialog;
    const about = {
      id,
      callId,
      fromTag,
      toTag,
      start: dialog.start * 1000,
      ended,
      reason: endReason,
      isRepeat,
    };
    for (const [name, kept] of dialog.kept) this.#listeners.get(name)?.({ ...about, kept });
  }
}
