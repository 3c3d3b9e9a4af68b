/** `anyvia start` and `anyvia check`. The server is loaded only here: looking in must not pay for it. */

import { exitCodes } from '#cli/exit-codes.ts';
import { notifyService } from '#cli/service-notice.ts';

/** Runs a node until it stops; returns its exit code. */
export async function start(file: string, listen: readonly string[]): Promise<number> {
  const { startServer } = await import('#server/start.ts');
  const complain = (problem: string): void => {
    process.stderr.write(`anyvia: ${problem}\n`);
  };
  return startServer({
    file,
    listen,
    onReady: () => notifyService('READY=1', 'ready', complain),
    onDraining: () => notifyService('STOPPING=1', 'draining', complain),
  });
}

/** Prints every problem of the script; returns the exit code. */
export async function check(file: string): Promise<number> {
  const { checkScript } = await import('#server/check.ts');
  const { problems, warnings } = await checkScript(file);
  for (const text of [...warnings, ...problems]) process.stderr.write(`${text}\n`);
  if (problems.length > 0) {
    process.stderr.write(`${file}: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}\n`);
    return exitCodes.configuration;
  }
  process.stdout.write(`${file}: good\n`);
  return exitCodes.success;
}
