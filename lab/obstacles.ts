/** What keeps the lab from running on this machine. */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

interface Needed {
  readonly program: string;
  readonly debianPackage: string;
}

const needed: readonly Needed[] = [
  { program: 'ip', debianPackage: 'iproute2' },
  { program: 'nft', debianPackage: 'nftables' },
  { program: 'sysctl', debianPackage: 'procps' },
  { program: '/usr/lib/frr/zebra', debianPackage: 'frr' },
  { program: '/usr/lib/frr/ospfd', debianPackage: 'frr' },
  { program: 'vtysh', debianPackage: 'frr' },
  { program: 'mariadbd', debianPackage: 'mariadb-server-core' },
  { program: 'mariadb-install-db', debianPackage: 'mariadb-server-core' },
  { program: 'sipp', debianPackage: 'sip-tester' },
  { program: 'dumpcap', debianPackage: 'tshark' },
  { program: 'tshark', debianPackage: 'tshark' },
];

const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin'];

export function isInstalled(program: string): boolean {
  const candidates = program.startsWith('/') ? [program] : folders.map((folder) => join(folder, program));
  return candidates.some((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why the lab cannot run here, for people; '' when it can. */
export function labObstacles(): string {
  const reasons: string[] = [];
  if (process.getuid?.() !== 0) reasons.push('network namespaces need root, and this is not root');
  const missing = needed.filter((entry) => !isInstalled(entry.program));
  if (missing.length > 0) {
    const list = missing.map((entry) => `${entry.program} (package ${entry.debianPackage})`);
    reasons.push(`missing: ${list.join(', ')}`);
  }
  return reasons.join('; ');
}
