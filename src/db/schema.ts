/**
 * The tables as the files of sql/ lay them: their versions and columns, read out of the CREATE statements so that
 * nothing is said twice. A version is what OpenSIPS keeps in the table `version`.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { SqlDialect } from '#db/sql-connection.ts';

export interface Migration {
  /** File name without `.sql`: `0001-version`. */
  readonly name: string;
  readonly statements: readonly string[];
}

export interface KnownTable {
  readonly name: string;
  /** Null for tables of our own, which OpenSIPS has no versions for. */
  readonly version: number | null;
  /** Column → what CREATE and ALTER say of it. */
  readonly columns: ReadonlyMap<string, string>;
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

/** Of the CREATE statements, which have a column per line. */
export function knownTables(migrations: readonly Migration[]): KnownTable[] {
  const statements = migrations.flatMap((migration) => migration.statements);
  const versions = new Map<string, number>();
  for (const statement of statements) {
    const found = /INTO version .*VALUES \('(\w+)', (\d+)\)/.exec(statement);
    if (found !== null) versions.set(found[1]!, Number(found[2]));
  }
  const tables: KnownTable[] = [];
  for (const statement of statements) {
    const [, name, body] = /^CREATE TABLE IF NOT EXISTS (\w+) \((.*)\)[^)]*$/s.exec(statement) ?? [];
    if (name === undefined || body === undefined) continue;
    tables.push({ name, version: versions.get(name) ?? null, columns: columnsOf(body) });
  }
  return tables;
}

const noColumn = ['PRIMARY', 'UNIQUE', 'KEY', 'CONSTRAINT'];

function columnsOf(body: string): Map<string, string> {
  const columns = new Map<string, string>();
  for (const line of body.split('\n')) {
    const [, name, definition] = /^\s*(\w+) (.*?),?\s*$/.exec(line) ?? [];
    if (name !== undefined && definition !== undefined && !noColumn.includes(name))
      columns.set(name, definition);
  }
  return columns;
}
