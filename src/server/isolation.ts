/**
 * Tells a node that is cut off from one that is left over. Several peers lost at once, to the last: it is this node's
 * own cable. Peers that went one after the other, or said goodbye: this node is the last one, and goes on. With a single
 * peer nobody can tell, and both go on.
 */

/** Silent links are noticed within one heartbeat (1 s) of each other; a link that says that it ends, at once. */
const togetherMilliseconds = 5000;

export class Isolation {
  /** When peers were lost, and still are. */
  readonly #lost = new Map<number, number>();
  #isIsolated = false;

  get isIsolated(): boolean {
    return this.#isIsolated;
  }

  /** `live`: ids of the peers heard now. */
  onPeers(now: number, live: readonly number[], before: readonly number[]): void {
    for (const node of before) if (!live.includes(node)) this.#lost.set(node, now);
    for (const node of live) this.#lost.delete(node);
    if (live.length > 0) this.#isIsolated = false;
    else if (before.length > 0) this.#isIsolated = this.#lostTogether(now) >= 2;
  }

  #lostTogether(now: number): number {
    return [...this.#lost.values()].filter((at) => now - at <= togetherMilliseconds).length;
  }
}
