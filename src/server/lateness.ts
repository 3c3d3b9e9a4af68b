/** How late the event loop runs. Late once is garbage collection; late again and again is a machine that cannot follow. */

/** A retransmission comes after 500 ms: a node that answers later than that makes traffic instead of calls. */
const lateMilliseconds = 500;
/** Late looks in a row that count, and good ones that take it back. */
const lateLooksMin = 3;
const goodLooksMin = 20;

export class Lateness {
  readonly #interval: number;
  #last: number;
  #late = 0;
  #good = 0;
  #isLagging = false;
  /** Of the last look, ms. */
  milliseconds = 0;

  /** `interval`: ms between two looks. */
  constructor(now: number, interval: number) {
    this.#last = now;
    this.#interval = interval;
  }

  get isLagging(): boolean {
    return this.#isLagging;
  }

  /** Call every `interval`. */
  look(now: number): void {
    this.milliseconds = Math.max(0, now - this.#last - this.#interval);
    this.#last = now;
    if (this.milliseconds >= lateMilliseconds) {
      this.#late++;
      this.#good = 0;
    } else {
      this.#good++;
      this.#late = 0;
    }
    if (this.#late >= lateLooksMin) this.#isLagging = true;
    if (this.#good >= goodLooksMin) this.#isLagging = false;
  }
}
