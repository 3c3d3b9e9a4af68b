/** Runs a storm to its end and judges it. */

import { judge } from './ending.ts';
import { Storm, type StormOptions, type StormResult } from './storm.ts';

export async function runStorm(options: StormOptions): Promise<StormResult> {
  const storm = new Storm(options);
  const result = storm.run();
  await judge(storm);
  return result;
}
