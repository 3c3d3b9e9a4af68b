/** RFC 2782: in which order the servers of a service are tried. Randomness is an argument. */

import type { SrvRecord } from '#sip/name-port.ts';

/** `random()`: from 0 to below 1, asked once per record. Lower priorities first; among equals by weighted lot. */
export function orderServices(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const ordered: SrvRecord[] = [];
  const priorities = [...new Set(records.map((record) => record.priority))].sort((a, b) => a - b);
  for (const priority of priorities) {
    // RFC 2782: those of weight 0 stand first, so that they are drawn but rarely.
    const left = records
      .filter((record) => record.priority === priority)
      .sort((a, b) => Math.sign(a.weight) - Math.sign(b.weight));
    while (left.length > 0) ordered.push(...left.splice(drawIndex(left, random()), 1));
  }
  return ordered;
}

/** RFC 2782: the first whose running sum of weights reaches a number drawn from 0 to the sum of all, both included. */
function drawIndex(records: readonly SrvRecord[], lot: number): number {
  const total = records.reduce((sum, record) => sum + record.weight, 0);
  const drawn = Math.floor(lot * (total + 1));
  let sum = 0;
  return records.findIndex((record) => {
    sum += record.weight;
    return sum >= drawn;
  });
}
