/** Durations of RFC 3261 17 (its Table 4), as options: nothing here is global. */

export interface TransactionSettings {
  /** Round-trip estimate, ms. */
  readonly t1: number;
  /** Longest interval between retransmissions, ms. */
  readonly t2: number;
  /** How long a message may stay in the network, ms. */
  readonly t4: number;
  /** Server and client transactions at once, each: beyond that new requests are refused. */
  readonly transactionsMax: number;
}

export const defaultSettings: TransactionSettings = { t1: 500, t2: 4000, t4: 5000, transactionsMax: 200_000 };

/** RFC 3261 17.1.1.2: Timer D is at least 32 s over UDP, however short T1 is. */
export const timerDMillisecondsMin = 32_000;

/** 64 × T1: Timers B, F, H, J, L, M, and D (at least 32 s). */
export function longTimeout(settings: TransactionSettings): number {
  return 64 * settings.t1;
}
