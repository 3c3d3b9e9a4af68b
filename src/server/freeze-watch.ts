/**
 * Notices that this process stood still (SIGSTOP, a suspended machine, a blocked event loop). Meanwhile peers may have
 * taken it for dead and gone on with its calls, and what its sockets held is older than any retransmission. So after
 * such a gap everything waits, messages and timers alike, until the peers are reached again and have said what they
 * took over; and nothing new is begun with what was late, or a second call would come of it: who still wants something
 * asks again.
 */

/**
 * T1: after this time senders have repeated their messages, and other nodes may have taken the copies, of which this one
 * has not read yet. Far above what garbage collection takes, below what makes peers give a node up (3 s).
 */
const gapMilliseconds = 500;
/** In which a full receive queue is read, the links that were lost are noticed, and peers say what they adopted. */
const quietMilliseconds = 150;
/** Peers that are not reached by then are not waited for: they dial again within this time. */
const reunionMillisecondsMax = 2000;
/** An idle node's own events: well below the gap. */
export const watchMilliseconds = 200;

export class FreezeWatch {
  readonly #livePeers: () => readonly number[];
  #last: number;
  /** Peers that were reached when this process fell asleep. */
  #expected: readonly number[] = [];
  #quietUntil = -1;
  #reunionUntil = -1;
  /** Gaps seen. */
  freezes = 0;

  constructor(now: number, livePeers: () => readonly number[]) {
    this.#last = now;
    this.#livePeers = livePeers;
  }

  /** Call at events, before they are dealt with, and every `watchMilliseconds`. */
  touch(now: number): void {
    const gap = now - this.#last;
    this.#last = now;
    if (gap < gapMilliseconds) return;
    this.freezes++;
    // Links that were lost in the gap are noticed later.
    this.#expected = this.#livePeers();
    this.#quietUntil = now + quietMilliseconds;
    this.#reunionUntil = now + reunionMillisecondsMax;
  }

  /** ms until it is known what became of the gap, as far as that can be said now; 0 when nothing has to wait. */
  catchUpMilliseconds(now: number): number {
    this.touch(now);
    if (this.#quietUntil < 0) return 0;
    if (now < this.#reunionUntil && !this.#isReunited())
      this.#quietUntil = Math.min(now + quietMilliseconds, this.#reunionUntil);
    if (now < this.#quietUntil) return this.#quietUntil - now;
    this.#quietUntil = -1;
    return 0;
  }

  #isReunited(): boolean {
    const live = this.#livePeers();
    return this.#expected.every((peer) => live.includes(peer));
  }
}
