/**
 * Whether routers should send packets here, and why not. The operator's drain always counts; what the node finds out
 * about itself counts only while a peer takes work: the last announced node never withdraws by itself, for a node that
 * limps is better than none.
 */

/** `starting`: links were not tried yet. `isolated`, `lagging`, `overflowing`: found out by itself. */
export type WithdrawalReason = 'starting' | 'draining' | 'isolated' | 'lagging' | 'overflowing';

const ownFindings: readonly WithdrawalReason[] = ['lagging', 'overflowing'];

export interface AnnouncementUser {
  /** Live peers that take new work. */
  takingPeers(): number;
  /** Comes whenever the answer changes, and once at the start. */
  onChange(isAnnounced: boolean, reasons: readonly WithdrawalReason[]): void;
}

export class Announcement {
  readonly #user: AnnouncementUser;
  readonly #reasons = new Set<WithdrawalReason>(['starting']);
  #isAnnounced = false;

  constructor(user: AnnouncementUser) {
    this.#user = user;
  }

  get isAnnounced(): boolean {
    return this.#isAnnounced;
  }

  /** All that speak against it, those that do not count for want of a peer too. */
  get reasons(): readonly WithdrawalReason[] {
    return [...this.#reasons];
  }

  set(reason: WithdrawalReason, holds: boolean): void {
    if (holds) this.#reasons.add(reason);
    else this.#reasons.delete(reason);
    this.review();
  }

  /** Call when peers come, go, or change their mind. */
  review(): void {
    const isAlone = this.#user.takingPeers() === 0;
    const counting = this.reasons.filter((reason) => !isAlone || !ownFindings.includes(reason));
    const isAnnounced = counting.length === 0;
    if (isAnnounced === this.#isAnnounced) return;
    this.#isAnnounced = isAnnounced;
    this.#user.onChange(isAnnounced, counting);
  }
}
