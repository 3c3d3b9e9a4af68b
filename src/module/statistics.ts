/** Counters and gauges, as `get_statistics` shows them: flat, `"group:name": integer`. */

export interface Counter {
  value: number;
}

interface Gauge {
  readonly read: () => number;
}

export class Statistics {
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();

  /** The counter `group:name`, made at its first mention. Add to `.value` directly: it is on the hot path. */
  counter(group: string, name: string): Counter {
    const key = `${group}:${name}`;
    let counter = this.#counters.get(key);
    if (counter === undefined) {
      counter = { value: 0 };
      this.#counters.set(key, counter);
    }
    return counter;
  }

  /** A figure that is asked for when somebody looks, and that cannot be reset. */
  gauge(group: string, name: string, read: () => number): void {
    this.#gauges.set(`${group}:${name}`, { read });
  }

  /**
   * `name`, `group:name`, `group:` or `all`. A bare name is looked for in every group. Unknown names are left out,
   * as OpenSIPS does.
   */
  read(selectors: readonly string[]): Record<string, number> {
    const result: Record<string, number> = {};
    for (const selector of selectors) {
      for (const key of this.#keys()) {
        if (matches(selector, key)) result[key] = this.#valueOf(key);
      }
    }
    return result;
  }

  /** The value of `name` or `group:name`; null when there is none. For `$stat(…)`. */
  find(name: string): number | null {
    if (name.includes(':')) return this.#has(name) ? this.#valueOf(name) : null;
    for (const key of this.#keys()) {
      if (matches(name, key)) return this.#valueOf(key);
    }
    return null;
  }

  /** Sets counters back to 0; returns how many. Gauges stay. */
  reset(selectors: readonly string[]): number {
    let count = 0;
    for (const [key, counter] of this.#counters) {
      if (!selectors.some((selector) => matches(selector, key))) continue;
      counter.value = 0;
      count++;
    }
    return count;
  }

  isGauge(key: string): boolean {
    return this.#gauges.has(key);
  }

  *#keys(): Iterable<string> {
    yield* this.#counters.keys();
    yield* this.#gauges.keys();
  }

  #has(key: string): boolean {
    return this.#counters.has(key) || this.#gauges.has(key);
  }

  #valueOf(key: string): number {
    const gauge = this.#gauges.get(key);
    return gauge === undefined ? (this.#counters.get(key)?.value ?? 0) : Math.trunc(gauge.read());
  }
}

function matches(selector: string, key: string): boolean {
  if (selector === 'all') return true;
  if (selector.endsWith(':')) return key.startsWith(selector);
  if (selector.includes(':')) return key === selector;
  return key.endsWith(`:${selector}`);
}
