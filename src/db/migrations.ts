/**
 * Lays the tables and brings older ones forward. First the numbered files of sql/DIALECT, each applied once and
 * remembered in `anyvia_migration`; tables that OpenSIPS has laid already stay. Then the columns that a table of an
 * older version lacks, and its row in `version` last: who was interrupted begins again and changes nothing twice. A
 * database that is newer than this program is refused before anything is changed.
 */

import { type KnownTable, knownTables, type Migration, readMigrations } from '#db/schema.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import { Failure } from '#util/failure.ts';

/** Before these a table is another one: its rows have no key that ours could be written under. */
const oldestVersions: Readonly<Record<string, number>> = { location: 1012, clusterer: 3, dialog: 9 };

/** Columns whose type was another one before a version; SQLite's columns take every type. */
const retyped: readonly { readonly table: string; readonly column: string; readonly until: number }[] = [
  { table: 'dialog', column: 'script_flags', until: 12 },
  { table: 'location', column: 'contact_id', until: 1013 },
];

/** Applies what is missing; returns a line for each thing done. Failures: DB_SCHEMA_NEWER, DB_SCHEMA_OLD, those of the connection. */
export async function applyMigrations(connection: SqlConnection): Promise<string[] | Failure> {
  const migrations = readMigrations(connection.dialect);
  const tables = knownTables(migrations);
  const refusal = await refuse(connection, tables);
  if (refusal !== null) return refusal;
  const applied = await layTables(connection, migrations);
  if (applied instanceof Failure) return applied;
  for (const table of tables) {
    const done = await bringForward(connection, table);
    if (done instanceof Failure) return done;
    if (done !== '') applied.push(done);
  }
  return applied;
}

// ── what cannot be migrated ─────────────────────────────────────────────────────────────────────────────────────────

async function refuse(connection: SqlConnection, tables: readonly KnownTable[]): Promise<Failure | null> {
  const versions = await readVersions(connection);
  if (versions instanceof Failure) return versions;
  for (const table of tables) {
    const found = versions.get(table.name);
    if (found === undefined || table.version === null) continue;
    if (found > table.version) return newerTable(connection.description, table.name, found, table.version);
    if (found >= (oldestVersions[table.name] ?? 0)) continue;
    return new Failure(
      'DB_SCHEMA_OLD',
      `${connection.description}: table ${table.name} has version ${found}, too old to be brought forward: rename it ` +
        `and delete its row in the table version, and a new one is laid`,
    );
  }
  return null;
}

export function newerTable(place: string, table: string, found: number, known: number): Failure {
  return new Failure(
    'DB_SCHEMA_NEWER',
    `${place}: table ${table} has version ${found}, this program knows ${known}: it needs a newer anyvia`,
  );
}

/** Table → version; empty before the table `version` is there. */
export async function readVersions(connection: SqlConnection): Promise<Map<string, number> | Failure> {
  const rows = await connection.query('SELECT table_name AS name, table_version AS number FROM version');
  if (rows instanceof Failure) return rows.code === 'DB_TABLE_MISSING' ? new Map() : rows;
  return new Map(rows.map(({ name, number }) => [String(name), Number(number)]));
}

// ── the files of sql/ ───────────────────────────────────────────────────────────────────────────────────────────────

async function layTables(
  connection: SqlConnection,
  migrations: readonly Migration[],
): Promise<string[] | Failure> {
  const laid = await connection.query(
    'CREATE TABLE IF NOT EXISTS anyvia_migration (name VARCHAR(64) NOT NULL PRIMARY KEY)',
  );
  if (laid instanceof Failure) return laid;
  const rows = await connection.query('SELECT name FROM anyvia_migration');
  if (rows instanceof Failure) return rows;
  const done = new Set(rows.map((row) => String(row.name)));
  const strange = [...done].find((name) => !migrations.some((migration) => migration.name === name));
  if (strange !== undefined) {
    return new Failure(
      'DB_SCHEMA_NEWER',
      `${connection.description}: "${strange}" was applied, which this program does not know: it needs a newer anyvia`,
    );
  }
  const applied: string[] = [];
  for (const migration of migrations) {
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

// ── older tables ────────────────────────────────────────────────────────────────────────────────────────────────────

/** What was done, '' when there was nothing to do. */
async function bringForward(connection: SqlConnection, table: KnownTable): Promise<string | Failure> {
  const versions = await readVersions(connection);
  if (versions instanceof Failure) return versions;
  const found = versions.get(table.name) ?? null;
  const added = await addColumns(connection, table);
  if (added instanceof Failure) return added;
  const isOlder = table.version !== null && found !== null && found < table.version;
  if (!isOlder) return added.length === 0 ? '' : `${table.name}: added ${added.join(', ')}`;
  for (const { table: name, column, until } of connection.dialect === 'mysql' ? retyped : []) {
    if (name !== table.name || found >= until) continue;
    const definition = table.columns.get(column)!.replace(' PRIMARY KEY', '');
    const outcome = await connection.query(`ALTER TABLE ${name} MODIFY COLUMN ${column} ${definition}`);
    if (outcome instanceof Failure) return outcome;
  }
  const noted = await connection.query('UPDATE version SET table_version = ? WHERE table_name = ?', [
    table.version,
    table.name,
  ]);
  if (noted instanceof Failure) return noted;
  const columns = added.length === 0 ? '' : `, added ${added.join(', ')}`;
  return `${table.name}: version ${found} to ${table.version}${columns}`;
}

async function addColumns(connection: SqlConnection, table: KnownTable): Promise<string[] | Failure> {
  const rows = await connection.query(
    connection.dialect === 'mysql'
      ? 'SELECT column_name AS name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?'
      : 'SELECT name FROM pragma_table_info(?)',
    [table.name],
  );
  if (rows instanceof Failure) return rows;
  const present = new Set(rows.map(({ name }) => String(name).toLowerCase()));
  const added: string[] = [];
  for (const [column, definition] of table.columns) {
    if (present.has(column.toLowerCase())) continue;
    const outcome = await connection.query(`ALTER TABLE ${table.name} ADD COLUMN ${column} ${definition}`);
    if (outcome instanceof Failure && outcome.code !== 'DB_COLUMN_EXISTS') return outcome;
    added.push(column);
  }
  return added;
}
