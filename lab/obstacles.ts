/** What keeps the lab from running on this machine. */

import { isInstalled, systemPrograms } from '../scripts/system-programs.ts';

/** Why the lab cannot run here, for people; '' when it can. */
export function labObstacles(): string {
  const reasons: string[] = [];
  if (process.getuid?.() !== 0) reasons.push('network namespaces need root, and this is not root');
  const missing = systemPrograms.filter((entry) => !isInstalled(entry.command));
  if (missing.length > 0) {
    const list = missing.map((entry) => `${entry.command} (package ${entry.debianPackage})`);
    reasons.push(`missing: ${list.join(', ')}`);
  }
  return reasons.join('; ');
}
