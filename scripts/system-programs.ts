/** The programs of Debian that the tests and the lab drive: one list, for installing them and for saying what is missing. */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface SystemProgram {
  /** Absolute, or a name to be found on the PATH. */
  readonly command: string;
  /** The `-core` packages of MariaDB hold the programs without starting a service. */
  readonly debianPackage: string;
  readonly neededFor: string;
}

const database = { neededFor: 'membership in MySQL' };
const calls = { neededFor: 'calls by an independent SIP implementation' };
const routing = { neededFor: 'the network lab (OSPF)' };
const models = { neededFor: 'the models of the cluster protocols' };
const network = { neededFor: 'the network lab (namespaces)' };
const captures = { neededFor: 'the network lab (captures)' };

export const systemPrograms: readonly SystemProgram[] = [
  { command: 'mariadbd', debianPackage: 'mariadb-server-core', ...database },
  { command: 'mariadb-install-db', debianPackage: 'mariadb-server-core', ...database },
  // mariadb-install-db calls it, and the package of that does not depend on this one's.
  { command: 'my_print_defaults', debianPackage: 'mariadb-client-core', ...database },
  { command: '/usr/lib/galera/libgalera_smm.so', debianPackage: 'galera-4', neededFor: 'a Galera cluster' },
  { command: 'openssl', debianPackage: 'openssl', neededFor: 'links over TLS' },
  { command: 'sipp', debianPackage: 'sip-tester', ...calls },
  { command: 'baresip', debianPackage: 'baresip-core', neededFor: 'calls by real user agents' },
  { command: '/usr/lib/frr/zebra', debianPackage: 'frr', ...routing },
  { command: '/usr/lib/frr/ospfd', debianPackage: 'frr', ...routing },
  { command: 'vtysh', debianPackage: 'frr', ...routing },
  { command: 'nft', debianPackage: 'nftables', neededFor: 'the network lab (per-packet balancing)' },
  { command: 'ip', debianPackage: 'iproute2', ...network },
  { command: 'sysctl', debianPackage: 'procps', ...network },
  { command: 'spin', debianPackage: 'spin', ...models },
  { command: 'gcc', debianPackage: 'gcc', ...models },
  // Its headers; gcc only recommends them.
  { command: '/usr/include/stdio.h', debianPackage: 'libc6-dev', ...models },
  { command: 'dumpcap', debianPackage: 'tshark', ...captures },
  { command: 'tshark', debianPackage: 'tshark', ...captures },
];

const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin'];

/** `command`: absolute (a program, a header for gcc, or a library), or a name to be found on the PATH or where Debian keeps the programs of root. */
export function isInstalled(command: string): boolean {
  const candidates = command.startsWith('/') ? [command] : folders.map((folder) => join(folder, command));
  return candidates.some((path) => {
    try {
      accessSync(path, /\.(h|so)$/.test(path) ? constants.R_OK : constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
