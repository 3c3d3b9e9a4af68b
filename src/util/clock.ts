/** Time as an argument: nothing below the server layer asks the machine what time it is. */

export interface Clock {
  /** Milliseconds, monotonic, from an arbitrary start. Timers and ages are computed with this. */
  monotonic(): number;
  /** Milliseconds since 1970-01-01T00:00Z. For people and databases only: it may jump. */
  wall(): number;
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #monotonic = 0;
  #wall: number;

  constructor(wallMilliseconds = 1_800_000_000_000) {
    this.#wall = wallMilliseconds;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  wall(): number {
    return this.#wall;
  }

  advance(milliseconds: number): void {
    this.#monotonic += milliseconds;
    this.#wall += milliseconds;
  }
}
