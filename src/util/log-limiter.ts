/**
 * One line per cause and peer in half a minute: a peer with a wrong secret dials every two seconds, for days. And not
 * more than so many lines for all causes together: strangers send from as many addresses as they like.
 */

import { dropOldest } from '#util/oldest.ts';

const quietMilliseconds = 30_000;
/** Lines in half a minute: more than anybody reads, some tens of megabytes a day at worst. */
const linesMax = 64;
/** Causes remembered; as many as four such half minutes bring. */
const causesMax = 4 * linesMax;

export class LogLimiter {
  readonly #causes = new Map<string, { until: number; suppressed: number }>();
  #periodEnd = -Infinity;
  #lines = 0;
  /** Kept back because of `linesMax`; told with the next line of any cause. */
  #overflow = 0;

  /** How many lines were kept back before this one, or null when this one is to be kept back too. */
  pass(now: number, cause: string): number | null {
    const known = this.#causes.get(cause);
    if (known !== undefined && now < known.until) {
      known.suppressed++;
      return null;
    }
    if (now >= this.#periodEnd) {
      this.#periodEnd = now + quietMilliseconds;
      this.#lines = 0;
    }
    if (this.#lines >= linesMax) {
      this.#overflow++;
      return null;
    }
    this.#lines++;
    this.#causes.delete(cause);
    if (this.#causes.size >= causesMax) dropOldest(this.#causes);
    this.#causes.set(cause, { until: now + quietMilliseconds, suppressed: 0 });
    const suppressed = (known?.suppressed ?? 0) + this.#overflow;
    this.#overflow = 0;
    return suppressed;
  }
}

/** The end of a line: `suppressed` as {@link LogLimiter.pass} told it; '' for 0. */
export function keptBack(suppressed: number): string {
  return suppressed === 0 ? '' : `; ${suppressed} more such lines were kept back`;
}
