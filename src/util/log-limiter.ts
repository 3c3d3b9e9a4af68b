/** One line per cause and peer in half a minute: a peer with a wrong secret dials every two seconds, for days. */

const quietMilliseconds = 30_000;
/** Causes remembered; strangers choose their addresses. */
const causesMax = 256;

export class LogLimiter {
  readonly #causes = new Map<string, { until: number; suppressed: number }>();

  /** How many equal lines were kept back before this one, or null when this one is to be kept back too. */
  pass(now: number, cause: string): number | null {
    const known = this.#causes.get(cause);
    if (known !== undefined && now < known.until) {
      known.suppressed++;
      return null;
    }
    this.#causes.delete(cause);
    if (this.#causes.size >= causesMax) this.#causes.delete(this.#causes.keys().next().value!);
    this.#causes.set(cause, { until: now + quietMilliseconds, suppressed: 0 });
    return known?.suppressed ?? 0;
  }
}
