/** Which failure goes upstream when every branch failed (RFC 3261 16.7 steps 6 and 7). */

import type { ProxyBranch } from '#proxy/proxy-branch.ts';
import type { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';

/** 4xx codes that tell the caller how to try again. */
const informative = [401, 407, 415, 420, 484];

/** Among those that have ended; null when none has. */
export function bestBranch(branches: readonly ProxyBranch[]): ProxyBranch | null {
  let best: ProxyBranch | null = null;
  for (const branch of branches) {
    if (branch.pending || branch.isSuperseded) continue;
    if (best === null || rank(branch.status) < rank(best.status)) best = branch;
  }
  return best;
}

/** Lower is better: any 6xx, then the lowest class, within 4xx the informative ones; 503 and 408 last in their class. */
function rank(status: number): number {
  if (status >= 600) return 0;
  const base = Math.floor(status / 100) * 1000;
  if (informative.includes(status)) return base;
  if (status === 503 || status === 408) return base + 900;
  return base + 100 + (status % 100);
}

/** RFC 3261 16.7 step 7: the challenges of all other branches join those of the 401 or 407 that is chosen. */
export function addChallenges(
  best: ProxyBranch,
  branches: readonly ProxyBranch[],
  edits: MessageEdits,
): void {
  if ((best.status !== 401 && best.status !== 407) || best.response === null) return;
  for (const branch of branches) {
    const { response } = branch;
    if (branch === best || response === null || (branch.status !== 401 && branch.status !== 407)) continue;
    for (const header of [headerNames.wwwAuthenticate, headerNames.proxyAuthenticate]) {
      for (let line = response.find(header); line !== -1; line = response.find(header, line + 1)) {
        edits.insert(
          best.response.headersEnd,
          response.text.slice(response.lineStart(line), response.lineEnd(line)),
        );
      }
    }
  }
}
