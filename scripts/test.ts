/**
 * `npm test`: brings the system programs that the tests drive (Debian, as root), runs the static checks and every
 * test, and ends with one line `N passed, N failed, N skipped`. What cannot be had is named with its reason, and the
 * tests that need it skip themselves.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isInstalled, systemPrograms } from './system-programs.ts';

function run(command: string, parameters: readonly string[], environment: NodeJS.ProcessEnv = {}): boolean {
  const result = spawnSync(command, parameters, {
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  if (result.error) console.error(`${command}: ${result.error.message}`);
  return result.status === 0;
}

/** Installs what is missing if it may, and says plainly what stays missing. */
function provideSystemPrograms(): void {
  const missing = systemPrograms.filter((program) => !isInstalled(program.command));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => program.debianPackage))];
  const isRoot = process.getuid?.() === 0;
  const hasApt = isInstalled('apt-get');
  if (isRoot && hasApt) {
    const quiet = { DEBIAN_FRONTEND: 'noninteractive' };
    console.log(`Installing Debian packages: ${packages.join(' ')}`);
    run('apt-get', ['-q', 'update'], quiet);
    run('apt-get', ['-q', '-y', 'install', '--no-install-recommends', ...packages], quiet);
  }
  const reason = !hasApt ? 'there is no apt-get here' : isRoot ? 'apt-get failed' : 'not root';
  for (const program of systemPrograms.filter((program) => !isInstalled(program.command))) {
    const where = `package ${program.debianPackage}`;
    console.log(`Skipped: tests of ${program.neededFor}: no ${program.command} (${where}) and ${reason}.`);
  }
}

interface Totals {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
}

/** Over two minutes of nothing else would try the patience of whoever waits. */
const simulationSeeds = process.env.SIMULATION_SEEDS ?? '2000';

/** Runs vitest; null when it left no report. */
function runTests(parameters: readonly string[]): Totals | null {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-test-'));
  const report = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    run('vitest', ['run', ...reporters, ...parameters], { SIMULATION_SEEDS: simulationSeeds });
    return JSON.parse(readFileSync(report, 'utf8')) as Totals;
  } catch (error) {
    console.error(`vitest left no report: ${(error as Error).message}`);
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function main(parameters: readonly string[]): number {
  provideSystemPrograms();
  if (process.getuid?.() !== 0) {
    console.log('Skipped: tests in network namespaces: they need root, and this is not root.');
  }
  const checked = run('npm', ['run', '--silent', 'check']);
  if (!checked) console.error('The static checks failed (npm run check).');
  const totals = runTests(parameters);
  const passed = totals?.numPassedTests ?? 0;
  const skipped = (totals?.numPendingTests ?? 0) + (totals?.numTodoTests ?? 0);
  // A test file that does not load has no tests to fail, and failed static checks are a failure too.
  const brokenFiles = totals === null ? 1 : totals.numFailedTests === 0 && !totals.success ? 1 : 0;
  const failed = (totals?.numFailedTests ?? 0) + brokenFiles + (checked ? 0 : 1);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
