/** OpenSIPS's log levels: -3 alert, -2 critical, -1 error, 1 warning, 2 notice, 3 information, 4 debug. There is no 0. */

import type { Logger } from '#module/host.ts';

export const defaultLevel = 2;
export const debugLevel = 4;

const byLetter: Readonly<Record<string, number>> = { A: -3, C: -2, E: -1, W: 1, N: 2, I: 3, D: 4 };

/** `L_ERR`, `L_ERROR`, `L_DBG`…: the third character decides. Also a number as text. Null when it is no level. */
export function levelOf(value: string | number): number | null {
  if (typeof value === 'number') return value;
  if (value.startsWith('L_') || value.startsWith('l_'))
    return byLetter[value.charAt(2).toUpperCase()] ?? null;
  return /^-?\d+$/.test(value) ? Number(value) : null;
}

/** Writes `text` as it is. The logger knows four levels; OpenSIPS's seven fall together two by two. */
export function writeLog(log: Logger, level: number, text: string): void {
  if (level < 0) log.error(text);
  else if (level <= 1) log.warn(text);
  else if (level <= 3) log.info(text);
  else log.debug(text);
}
