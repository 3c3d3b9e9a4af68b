/**
 * Notices that this process stood still (SIGSTOP, a suspended machine, a blocked event loop). What its sockets held
 * meanwhile is older than any retransmission: the peers have answered it since, and to begin it now would make a
 * second call of it. So for a moment after such a gap nothing new is begun; whoever still wants something asks again.
 */

/** Far above what garbage collection or a busy machine takes, below what makes peers give a node up (3 s). */
const gapMilliseconds = 1500;
/** In which a full receive queue is read. */
const quietMilliseconds = 150;
export const watchMilliseconds = 500;

export class FreezeWatch {
  #last: number;
  #quietUntil = -1;
  /** Gaps seen. */
  freezes = 0;

  constructor(now: number) {
    this.#last = now;
  }

  /** Call at every event, and every `watchMilliseconds`. */
  touch(now: number): void {
    const gap = now - this.#last;
    this.#last = now;
    if (gap < gapMilliseconds) return;
    this.freezes++;
    this.#quietUntil = now + quietMilliseconds;
  }

  /** True while what arrives may have waited for long. */
  isCatchingUp(now: number): boolean {
    return now < this.#quietUntil;
  }
}
