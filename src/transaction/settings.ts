/** Durations of RFC 3261 17 (its Table 4), as options: nothing here is global. */

export interface TransactionSettings {
  /** Round-trip estimate, ms. */
  readonly t1: number;
  /** Longest interval between retransmissions, ms. */
  readonly t2: number;
  /** How long a message may stay in the network, ms. */
  readonly t4: number;
  /** OpenSIPS's wt_timer: Timers D, I, J and K last this long, ms; 0: as RFC 3261 says. */
  readonly linger: number;
  /** Server and client transactions at once, each: beyond that new requests are refused. */
  readonly transactionsMax: number;
}

export const defaultSettings: TransactionSettings = {
  t1: 500,
  t2: 4000,
  t4: 5000,
  linger: 0,
  transactionsMax: 200_000,
};

/** RFC 3261 17.1.1.2: Timer D is at least 32 s over UDP, however short T1 is. */
export const timerDMillisecondsMin = 32_000;

/** 64 × T1: Timers B, F, H, J, L, M, and D (at least 32 s). */
export function longTimeout(settings: TransactionSettings): number {
  return 64 * settings.t1;
}

/** RFC 4320 4.1: how long a client repeats a request before its Timer E is set to T2; 3.5 s unless told otherwise. */
export function slowMilliseconds({ t1, t2 }: TransactionSettings): number {
  let interval = t1;
  let elapsed = t1;
  while (interval * 2 < t2) {
    interval *= 2;
    elapsed += interval;
  }
  return elapsed;
}
