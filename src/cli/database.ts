/** `anyvia db create|migrate`: lays the tables, or those that are missing. */

import { exitCodes } from '#cli/exit-codes.ts';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import { systemClock } from '#net/system-clock.ts';
import { Failure } from '#util/failure.ts';

/** Returns the exit code. `create` makes the database itself too, unless it is there. */
export async function layTables(url: string, create: boolean): Promise<number> {
  const connection = openDatabase(url, systemClock, true);
  if (connection instanceof Failure) return report(connection, exitCodes.usage);
  try {
    const created = create ? await connection.createDatabase() : null;
    if (created !== null) return report(created, exitCodes.unavailable);
    const applied = await applyMigrations(connection);
    if (applied instanceof Failure) return report(applied, exitCodes.unavailable);
    for (const name of applied) process.stdout.write(`${name}\n`);
    const count = applied.length === 0 ? 'nothing to do' : `${applied.length} applied`;
    process.stdout.write(`${connection.description}: ${count}\n`);
    return exitCodes.success;
  } finally {
    await connection.close();
  }
}

function report(failure: Failure, code: number): number {
  process.stderr.write(`anyvia: ${failure.message} [${failure.code}]\n`);
  return code;
}
