/**
 * Runs before `start`, `test`, `lab` and `bench`: installs the packages of package-lock.json when one is missing or
 * another version, and does nothing else. Plain JavaScript for the Node that the machine has (20 or later): Node 24
 * is itself one of the packages, and npm puts it first on the PATH of the script that runs after this one.
 */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The packages of a lock file by their path in the tree; null when there is no such file. */
function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/** True when the package is meant for this machine. npm leaves the others out. */
function isForThisMachine(wanted) {
  const fits = (list, value) => list === undefined || list.includes(value);
  return fits(wanted.os, process.platform) && fits(wanted.cpu, process.arch) && wanted.libc === undefined;
}

/** The first reason to install, '' when there is none. */
function reasonToInstall() {
  const wanted = readPackages(join(root, 'package-lock.json'));
  if (wanted === null) return 'there is no package-lock.json';
  // npm keeps in this file what it really installed.
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json'));
  if (installed === null) return 'nothing is installed yet';
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = installed[path];
    if (found === undefined && !isForThisMachine(entry)) continue;
    if (found === undefined && entry.optional && !path.startsWith('node_modules/node-linux-')) continue;
    if (found === undefined) return `${path} is missing`;
    if (found.version !== entry.version) return `${path} is ${found.version}, wanted ${entry.version}`;
  }
  return '';
}

const reason = reasonToInstall();
if (reason !== '') {
  console.log(`Installing packages: ${reason}.`);
  // Not `npm ci`: it refuses a lock file that leaves out the binaries of machines this program does not run on.
  const parameters = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = spawnSync('npm', parameters, { cwd: root, stdio: 'inherit' });
  if (npm.error) console.error(`npm could not be started: ${npm.error.message}`);
  if (npm.status !== 0) process.exit(npm.status ?? 1);
}
