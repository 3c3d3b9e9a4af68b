/** Tables read by values that strangers choose: what both databases must give, and that no value becomes a statement. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MysqlLocation, parseDatabaseUrl } from '#db/database-url.ts';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import { TableReader } from '#db/table-reader.ts';
import type { TableQuery, TableRow } from '#module/services.ts';
import { ManualClock } from '#util/clock.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { type MariadbServer, mariadbMissing, startMariadb } from '../support/mariadb.ts';

const folder = mkdtempSync(join(tmpdir(), 'anyvia-tables-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Names as strangers send them. */
const names = [
  'alice',
  "O'Brien",
  'back\\slash',
  '"quoted"',
  "x' OR '1'='1",
  "\\' OR 1=1 --",
  'Jäsøn',
  '%',
  '',
];

function query(username: string, other: Partial<TableQuery> = {}): TableQuery {
  return {
    table: 'subscriber',
    columns: ['username', 'password'],
    where: [['username', username]],
    rowsMax: 10,
    ...other,
  };
}

function rowsOf(rows: readonly TableRow[] | Failure): readonly TableRow[] {
  if (isFailure(rows)) throw new Error(rows.message);
  return rows;
}

async function fill(connection: SqlConnection): Promise<void> {
  expect(await connection.createDatabase()).toBeNull();
  expect(await applyMigrations(connection)).not.toBeInstanceOf(Failure);
  for (const [index, name] of names.entries()) {
    const statement = 'INSERT INTO subscriber (username, domain, password) VALUES (?, ?, ?)';
    expect(await connection.query(statement, [name, 'example.com', `p${index}`])).toEqual([]);
  }
}

function suite(connect: () => SqlConnection): void {
  let connection: SqlConnection;
  let reader: TableReader;

  beforeAll(async () => {
    connection = connect();
    reader = new TableReader(connection);
    await fill(connection);
  });
  afterAll(() => connection.close());

  it.each(names)('finds %j and nothing else', async (name) => {
    const password = `p${names.indexOf(name)}`;
    expect(rowsOf(await reader.select(query(name)))).toEqual([{ username: name, password }]);
  });

  it('gives no rows for a name that is not there, and none for a part of the condition', async () => {
    expect(rowsOf(await reader.select(query('nobody')))).toEqual([]);
    const both = [
      ['username', 'alice'],
      ['domain', 'other.org'],
    ] as const;
    expect(rowsOf(await reader.select(query('', { where: both })))).toEqual([]);
  });

  it('answers many at once', async () => {
    const answers = await Promise.all(names.concat(names, names).map((name) => reader.select(query(name))));
    expect(answers.map((rows) => rowsOf(rows).length)).toEqual(answers.map(() => 1));
  });

  it('says which table or column is missing, and takes no name that is none', async () => {
    expect(await reader.select(query('a', { table: 'subscribers' }))).toMatchObject({
      code: 'DB_TABLE_MISSING',
    });
    const column = await reader.select(query('a', { columns: ['shoe_size'] }));
    expect((column as Failure).message).toContain('shoe_size');
    expect(await reader.select(query('a', { table: 'subscriber; DROP TABLE version' }))).toMatchObject({
      code: 'DB_NAME_INVALID',
    });
  });
}

describe('SQLite', () => {
  suite(() => {
    const connection = openDatabase(`sqlite:///${join(folder, 'tables.db')}`, new ManualClock());
    if (isFailure(connection)) throw new Error(connection.message);
    return connection;
  });
});

const missing = mariadbMissing();
if (missing !== '') console.log(`Skipped: tables of MariaDB: ${missing}`);

describe.skipIf(missing !== '')('MariaDB', () => {
  let server: MariadbServer;

  beforeAll(async () => {
    server = await startMariadb();
  }, 60_000);
  afterAll(() => server.remove());

  describe('as it is', () => {
    suite(() => {
      const connection = openDatabase(server.url, new ManualClock());
      if (isFailure(connection)) throw new Error(connection.message);
      return connection;
    });
  });

  describe('where backslashes are ordinary characters', () => {
    beforeAll(async () => {
      const { user, password } = parseDatabaseUrl(server.url) as MysqlLocation;
      const other = await createConnection({ host: '127.0.0.1', port: server.port, user, password });
      await other.query("SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',NO_BACKSLASH_ESCAPES')");
      await other.end();
    });
    suite(() => {
      const connection = openDatabase(`${server.url}2`, new ManualClock());
      if (isFailure(connection)) throw new Error(connection.message);
      return connection;
    });
  });

  it('tells all who wait when it goes, and serves them when it is back', async () => {
    const clock = new ManualClock();
    const connection = openDatabase(server.url, clock);
    if (isFailure(connection)) throw new Error(connection.message);
    const reader = new TableReader(connection);
    rowsOf(await reader.select(query('alice')));
    await server.stop();
    const lost = await Promise.all(Array.from({ length: 20 }, () => reader.select(query('alice'))));
    expect(lost.every((rows) => isFailure(rows) && rows.code === 'DB_SERVER_UNREACHABLE')).toBe(true);
    await server.start();
    clock.advance(60_000);
    const back = await Promise.all(Array.from({ length: 20 }, () => reader.select(query('alice'))));
    expect(back.map((rows) => rowsOf(rows).length)).toEqual(back.map(() => 1));
    await connection.close();
  }, 60_000);
});
