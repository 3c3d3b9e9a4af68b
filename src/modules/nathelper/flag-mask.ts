/** Flags as nathelper's functions take them: a number, or names divided by commas. */

import { Failure } from '#util/failure.ts';

export function parseMask(literal: string, bits: Readonly<Record<string, number>>): number | Failure {
  const text = literal.trim();
  if (/^\d+$/.test(text)) return Number(text);
  let mask = 0;
  for (const part of text.split(',')) {
    const name = part.trim();
    const bit = bits[name];
    if (bit === undefined) {
      return new Failure('NATHELPER_FLAG_UNKNOWN', `"${name}" is none of ${Object.keys(bits).join(', ')}`);
    }
    mask |= bit;
  }
  return mask;
}
