/** Tables of older versions are brought forward, those of newer ones refused; an interrupted migration is repeated. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import { knownTables, readMigrations } from '#db/schema.ts';
import type { SqlConnection, SqlRow, SqlValue } from '#db/sql-connection.ts';
import { TableGuard } from '#db/table-guard.ts';
import { ManualClock } from '#util/clock.ts';
import { Failure } from '#util/failure.ts';
import { type OldTable, oldTables } from '../fixture/old-tables.ts';
import { type MariadbServer, mariadbMissing, startMariadb } from '../support/mariadb.ts';

function must<Value>(outcome: Value | Failure): Value {
  if (outcome instanceof Failure) throw new Error(`${outcome.code}: ${outcome.message}`);
  return outcome;
}

/** Breaks off before its nth statement that changes something. */
class Interrupted implements SqlConnection {
  readonly #connection: SqlConnection;
  #left: number;

  constructor(connection: SqlConnection, changes: number) {
    this.#connection = connection;
    this.#left = changes;
  }

  get dialect(): SqlConnection['dialect'] {
    return this.#connection.dialect;
  }

  get description(): string {
    return this.#connection.description;
  }

  async query(statement: string, values?: readonly SqlValue[]): Promise<SqlRow[] | Failure> {
    if (!statement.startsWith('SELECT') && this.#left-- === 0) {
      this.#left = 0;
      return new Failure('DB_SERVER_UNREACHABLE', 'killed');
    }
    return this.#connection.query(statement, values);
  }

  createDatabase(): Promise<Failure | null> {
    return this.#connection.createDatabase();
  }

  async close(): Promise<void> {}
}

for (const [name, missing] of Object.entries({ SQLite: '', MariaDB: mariadbMissing() })) {
  if (missing !== '') console.log(`Skipped: migrations on ${name}: ${missing}`);
  describe.skipIf(missing !== '')(`migrations on ${name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'anyvia-migrations-'));
    let server: MariadbServer | null = null;
    let connection: SqlConnection;
    let count = 0;

    beforeAll(async () => {
      if (name === 'MariaDB') server = await startMariadb();
    }, 60_000);

    beforeEach(async () => {
      await connection?.close();
      count++;
      const url = server?.url.replace('/opensips', `/m${count}`) ?? `sqlite://${folder}/${count}.db`;
      connection = must(openDatabase(url, new ManualClock(), true));
      expect(await connection.createDatabase()).toBeNull();
    });

    afterAll(async () => {
      await connection?.close();
      await server?.remove();
      rmSync(folder, { recursive: true, force: true });
    });

    async function lay(table: OldTable): Promise<void> {
      must(
        await connection.query(
          'CREATE TABLE IF NOT EXISTS version (table_name CHAR(32) NOT NULL UNIQUE, table_version INTEGER NOT NULL)',
        ),
      );
      must(await connection.query(`CREATE TABLE ${table.name} (${table.columns})`));
      must(await connection.query('INSERT INTO version VALUES (?, ?)', [table.name, table.version]));
      must(await connection.query(table.row));
    }

    async function versionOf(table: string): Promise<number> {
      const [row] = must(
        await connection.query('SELECT table_version AS n FROM version WHERE table_name = ?', [table]),
      );
      return Number(row?.n);
    }

    /** Every column that we know can be read, and the row that was there before is. */
    async function expectWhole(table: string): Promise<void> {
      const known = knownTables(readMigrations(connection.dialect)).find((one) => one.name === table)!;
      const rows = must(
        await connection.query(`SELECT ${[...known.columns.keys()].join(', ')} FROM ${table}`),
      );
      expect(rows).toHaveLength(1);
      expect(await versionOf(table)).toBe(known.version);
    }

    it('read the columns and versions of all tables out of their files', () => {
      const tables = knownTables(readMigrations(connection.dialect));
      expect(tables.map((table) => table.name)).toEqual(
        expect.arrayContaining(['version', 'clusterer', 'dialog', 'location', 'subscriber', 'acc']),
      );
      const location = tables.find((table) => table.name === 'location')!;
      expect([location.version, location.columns.size]).toEqual([1013, 19]);
    });

    for (const table of oldTables) {
      it(`bring ${table.name} from version ${table.version} forward, and its rows with it`, async () => {
        await lay(table);
        const done = must(await applyMigrations(connection));
        expect(done.join('\n')).toContain(`${table.name}: version ${table.version} to `);
        await expectWhole(table.name);
        expect(must(await applyMigrations(connection))).toEqual([]);
      });
    }

    it('go on wherever they were interrupted', async () => {
      for (const table of oldTables.filter(({ isLast }) => isLast)) await lay(table);
      let interruptions = 0;
      for (;;) {
        // Each attempt gets a little farther than what was done before needs again.
        const outcome = await applyMigrations(new Interrupted(connection, interruptions + 1));
        if (!(outcome instanceof Failure)) break;
        expect(outcome.message).toContain('killed');
        interruptions++;
        expect(interruptions).toBeLessThan(200);
      }
      expect(interruptions).toBeGreaterThan(5);
      for (const table of oldTables.filter(({ isLast }) => isLast)) await expectWhole(table.name);
    });

    it('refuse a table of a newer version, and change nothing', async () => {
      const [table] = oldTables as readonly [OldTable];
      await lay({ ...table, version: 9999 });
      const outcome = await applyMigrations(connection);
      expect(outcome).toMatchObject({ code: 'DB_SCHEMA_NEWER' });
      expect((outcome as Failure).message).toMatch(/version 9999, this program knows \d+: it needs a newer/);
      expect(await connection.query('SELECT * FROM anyvia_migration')).toMatchObject({
        code: 'DB_TABLE_MISSING',
      });
      const guard = new TableGuard(connection, table.name);
      expect(await guard.query(`SELECT * FROM ${table.name}`)).toMatchObject({ code: 'DB_SCHEMA_NEWER' });
      must(await connection.query('UPDATE version SET table_version = 1'));
      expect(must(await guard.query(`SELECT * FROM ${table.name}`))).toHaveLength(1);
    });

    it('refuse a database that a newer program has laid', async () => {
      must(await applyMigrations(connection));
      must(await connection.query("INSERT INTO anyvia_migration VALUES ('9999-future')"));
      expect(await applyMigrations(connection)).toMatchObject({ code: 'DB_SCHEMA_NEWER' });
    });

    it('refuse a table whose rows have no key of ours', async () => {
      const columns = 'id INTEGER PRIMARY KEY, username CHAR(64), contact CHAR(255)';
      await lay({
        name: 'location',
        version: 1004,
        columns,
        row: "INSERT INTO location VALUES (1, 'a', 'b')",
      });
      const outcome = await applyMigrations(connection);
      expect(outcome).toMatchObject({ code: 'DB_SCHEMA_OLD' });
      expect((outcome as Failure).message).toContain('rename it');
    });
  });
}
