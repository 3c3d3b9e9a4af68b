/** CPU time of processes, user and system together, of all their threads, from /proc. */

import { readdirSync, readFileSync } from 'node:fs';

/** Microseconds that these processes have used since they began. A process that is gone is an error. */
export function processorMicroseconds(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      // Time on a CPU in nanoseconds, time waiting for one, number of slices.
      const [spent] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
      nanoseconds += Number(spent);
    }
  }
  return nanoseconds / 1000;
}
