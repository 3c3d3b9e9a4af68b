/**
 * Lays the tables: the numbered files of sql/DIALECT, forward only, each applied once and remembered in the table
 * `anyvia_migration`. Tables that OpenSIPS has laid already stay as they are.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { SqlConnection, SqlDialect } from '#db/sql-connection.ts';
import { Failure } from '#util/failure.ts';

export interface Migration {
  /** File name without `.sql`: `0001-version`. */
  readonly name: string;
  readonly statements: readonly string[];
}

/** sql/ stands beside both src/ and dist/. */
const sqlFolder = fileURLToPath(new URL('../../sql/', import.meta.url));

/** In the order of their numbers. */
export function readMigrations(dialect: SqlDialect): Migration[] {
  const files = readdirSync(`${sqlFolder}${dialect}`).filter((file) => file.endsWith('.sql'));
  return files.sort().map((file) => ({
    name: file.slice(0, -'.sql'.length),
    statements: splitStatements(readFileSync(`${sqlFolder}${dialect}/${file}`, 'utf8')),
  }));
}

/** Statements end in `;` at the end of a line; comments have lines of their own. */
function splitStatements(text: string): string[] {
  const code = text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('--'))
    .join('\n');
  return code
    .split(/;\s*(?:\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

/** Applies what is missing; returns the names of what was applied. Failures: those of the connection. */
export async function applyMigrations(connection: SqlConnection): Promise<string[] | Failure> {
  const laid = await connection.query(
    'CREATE TABLE IF NOT EXISTS anyvia_migration (name VARCHAR(64) NOT NULL PRIMARY KEY)',
  );
  if (laid instanceof Failure) return laid;
  const rows = await connection.query('SELECT name FROM anyvia_migration');
  if (rows instanceof Failure) return rows;
  const done = new Set(rows.map((row) => String(row.name)));
  const applied: string[] = [];
  for (const migration of readMigrations(connection.dialect)) {
    if (done.has(migration.name)) continue;
    const failure = await applyMigration(connection, migration);
    if (failure !== null) return failure;
    applied.push(migration.name);
  }
  return applied;
}

async function applyMigration(connection: SqlConnection, migration: Migration): Promise<Failure | null> {
  for (const statement of migration.statements) {
    const outcome = await connection.query(statement);
    // Another who migrates, or OpenSIPS itself, was here before.
    if (outcome instanceof Failure && outcome.code === 'DB_COLUMN_EXISTS') continue;
    if (outcome instanceof Failure) {
      return new Failure(outcome.code, `sql/${connection.dialect}/${migration.name}.sql: ${outcome.message}`);
    }
  }
  // Two who migrate at once both run statements that change nothing the second time; one of them notes it.
  const ignore = connection.dialect === 'mysql' ? 'IGNORE' : 'OR IGNORE';
  const noted = await connection.query(`INSERT ${ignore} INTO anyvia_migration (name) VALUES (?)`, [
    migration.name,
  ]);
  return noted instanceof Failure ? noted : null;
}
