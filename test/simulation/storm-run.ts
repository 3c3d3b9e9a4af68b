/** Runs a storm to its end and judges it. */

import { judge } from './ending.ts';
import { Storm, type StormOptions, type StormResult } from './storm.ts';

export async function runStorm(options: StormOptions): Promise<StormResult> {
  const storm = new Storm(options);
  storm.run();
  const { problems, excused } = await judge(storm);
  const { world, calls, faults } = storm;
  return { problems, excused, journal: world.journal ?? [], calls: calls.length, faults };
}
