/** The membership store over each database it supports: one suite, the same expectations. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SqlMembershipStore } from '#db/membership-store.ts';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import { readMigrations } from '#db/schema.ts';
import type { SqlConnection, SqlValue } from '#db/sql-connection.ts';
import { ManualClock } from '#util/clock.ts';
import { Failure } from '#util/failure.ts';
import { type MariadbServer, mariadbMissing, startMariadb } from '../support/mariadb.ts';

/** Gives the URL of an empty place for a database, and what ends it. */
interface Provider {
  readonly name: string;
  readonly missing: string;
  provide(): Promise<{ url: string; remove(): Promise<void> }>;
}

const providers: readonly Provider[] = [
  {
    name: 'SQLite',
    missing: '',
    async provide() {
      const folder = mkdtempSync(join(tmpdir(), 'anyvia-sqlite-'));
      const remove = async (): Promise<void> => rmSync(folder, { recursive: true, force: true });
      return { url: `sqlite://${folder}/deeper/anyvia.db`, remove };
    },
  },
  { name: 'MariaDB', missing: mariadbMissing(), provide: startMariadb },
];

function must<Value>(outcome: Value | Failure): Value {
  if (outcome instanceof Failure) throw new Error(`${outcome.code}: ${outcome.message}`);
  return outcome;
}

function open(url: string): SqlConnection {
  return must(openDatabase(url, new ManualClock()));
}

async function addMember(connection: SqlConnection, columns: Record<string, SqlValue>): Promise<void> {
  const row = { cluster_id: 1, ...columns };
  const marks = Object.keys(row).map(() => '?');
  must(
    await connection.query(
      `INSERT INTO clusterer (${Object.keys(row).join(', ')}) VALUES (${marks.join(', ')})`,
      Object.values(row),
    ),
  );
}

for (const provider of providers) {
  if (provider.missing !== '')
    console.log(`Skipped: membership store on ${provider.name}: ${provider.missing}`);
  describe.skipIf(provider.missing !== '')(`membership store on ${provider.name}`, () => {
    let place: { url: string; remove(): Promise<void> };
    let connection: SqlConnection;
    let store: SqlMembershipStore;

    beforeAll(async () => {
      place = await provider.provide();
      connection = open(place.url);
    });

    beforeEach(async () => {
      expect(await connection.createDatabase()).toBeNull();
      must(await applyMigrations(connection));
      must(await connection.query('DELETE FROM clusterer'));
      must(await connection.query('DELETE FROM anyvia_secret'));
      store = new SqlMembershipStore(connection);
    });

    afterAll(async () => {
      await connection?.close();
      await place?.remove();
    });

    it('reads the members of the clusters that list the node, with the defaults of the columns', async () => {
      await addMember(connection, { node_id: 1, url: 'bin:10.10.0.1:5566', sip_addr: 'sip:10.206.206.1' });
      await addMember(connection, { node_id: 2, url: 'bins:[fd00::2]', state: 0, flags: 'seed' });
      await addMember(connection, { cluster_id: 2, node_id: 9, url: 'bin:10.10.0.9' });
      const { members, rejected } = must(await store.readMembers(1));
      expect(rejected).toEqual([]);
      expect(members).toMatchObject([
        {
          clusterId: 1,
          nodeId: 1,
          secure: false,
          address: '10.10.0.1',
          port: 5566,
          enabled: true,
          pingRetries: 3,
          priority: 50,
          sipAddress: 'sip:10.206.206.1',
          seed: false,
          description: '',
        },
        { nodeId: 2, secure: true, address: 'fd00::2', port: 5556, enabled: false, seed: true },
      ]);
    });

    it('gives no members to a node that no cluster lists', async () => {
      await addMember(connection, { node_id: 1, url: 'bin:10.10.0.1' });
      expect(must(await store.readMembers(7))).toEqual({ members: [], rejected: [] });
    });

    it('skips a bad row, names its id and cause, and keeps the others', async () => {
      await addMember(connection, { id: 11, node_id: 1, url: 'bin:10.10.0.1' });
      await addMember(connection, { id: 12, node_id: 2, url: 'bin:10.10.0.2:99999' });
      await addMember(connection, { id: 13, node_id: 3, url: 'bin:10.10.0.3', state: 7 });
      await addMember(connection, { id: 14, node_id: 4, url: 'bin:10.10.0.1:5555' });
      await addMember(connection, { id: 15, node_id: 0, url: 'bin:10.10.0.5' });
      const { members, rejected } = must(await store.readMembers(1));
      expect(members.map((member) => member.nodeId)).toEqual([1]);
      const messages = rejected.map((failure) => failure.message);
      expect(messages).toHaveLength(4);
      expect(messages.join('\n')).toMatch(/row id 12: url is "bin:10\.10\.0\.2:99999"/);
      expect(messages.join('\n')).toMatch(/row id 13: state is 7/);
      expect(messages.join('\n')).toMatch(/row id 14: the same url .* as row id 11/);
      expect(messages.join('\n')).toMatch(/row id 15: node_id is 0/);
    });

    it('reads a table with other names, as the script gives them', async () => {
      must(await connection.query('DROP TABLE IF EXISTS nodes'));
      must(
        await connection.query(`CREATE TABLE nodes (no INTEGER, cluster_id INTEGER, node INTEGER, address CHAR(64),
          state INTEGER, no_ping_retries INTEGER, priority INTEGER, sip_addr CHAR(64), flags CHAR(64), note CHAR(64))`),
      );
      must(
        await connection.query(
          "INSERT INTO nodes VALUES (5, 1, 3, 'bin:10.0.0.3', 1, 3, 50, NULL, NULL, 'x')",
        ),
      );
      const columns = { id: 'no', node_id: 'node', url: 'address', description: 'note' };
      const renamed = new SqlMembershipStore(connection, { table: 'nodes', columns });
      expect(must(await renamed.readMembers(3)).members).toMatchObject([
        { rowId: 5, nodeId: 3, address: '10.0.0.3', description: 'x' },
      ]);
    });

    it('refuses a name that is none', async () => {
      const table = 'clusterer; DROP TABLE version';
      expect(await new SqlMembershipStore(connection, { table }).readMembers(1)).toMatchObject({
        code: 'DB_NAME_INVALID',
      });
      const columns = { url: 'url, (SELECT secret FROM anyvia_secret)' };
      expect(await new SqlMembershipStore(connection, { columns }).readMembers(1)).toMatchObject({
        code: 'DB_NAME_INVALID',
      });
    });

    it('keeps the first secret of a cluster and gives it to every node', async () => {
      expect(await store.readSecret(1)).toBeNull();
      const first = Buffer.alloc(32, 1);
      const proposals = [first, Buffer.alloc(32, 2), Buffer.alloc(32, 3)];
      expect(must(await store.ensureSecret(1, first)).equals(first)).toBe(true);
      for (const proposal of proposals) {
        expect(must(await store.ensureSecret(1, proposal)).equals(first)).toBe(true);
      }
      const other = open(place.url);
      expect((await new SqlMembershipStore(other).readSecret(1)) as Buffer).toEqual(first);
      await other.close();
    });

    it('gives nodes that start at once the same secret', async () => {
      const nodes = [1, 2, 3, 4].map((node) => ({ node, own: open(place.url) }));
      const secrets = await Promise.all(
        nodes.map(({ node, own }) => new SqlMembershipStore(own).ensureSecret(5, Buffer.alloc(32, node))),
      );
      for (const { own } of nodes) await own.close();
      expect(new Set(secrets.map((secret) => must(secret).toString('hex'))).size).toBe(1);
    });

    it('refuses a secret that somebody has damaged', async () => {
      must(await connection.query("INSERT INTO anyvia_secret VALUES (1, 'not hex')"));
      expect(await store.readSecret(1)).toMatchObject({ code: 'DB_SECRET_INVALID' });
    });

    it('lays the tables with the versions of OpenSIPS, once', async () => {
      expect(must(await applyMigrations(connection))).toEqual([]);
      const rows = must(await connection.query('SELECT table_name, table_version FROM version'));
      const versions = Object.fromEntries(rows.map((row) => [row.table_name, row.table_version]));
      expect(versions).toEqual({
        acc: 7,
        missed_calls: 5,
        clusterer: 4,
        dialog: 12,
        location: 1013,
        subscriber: 8,
        domain: 4,
        dbaliases: 2,
        address: 5,
      });
    });

    it('says that the tables are missing and what lays them', async () => {
      must(await connection.query('ALTER TABLE clusterer RENAME TO clusterer_away'));
      const outcome = await store.readMembers(1);
      must(await connection.query('ALTER TABLE clusterer_away RENAME TO clusterer'));
      expect(outcome).toMatchObject({ code: 'DB_TABLE_MISSING' });
      expect((outcome as Failure).message).toContain('anyvia db create');
    });
  });
}

describe('migrations', () => {
  it('are the same tables in the same order in both dialects', () => {
    const names = readMigrations('mysql').map((migration) => migration.name);
    expect(names.length).toBeGreaterThan(0);
    expect(readMigrations('sqlite').map((migration) => migration.name)).toEqual(names);
    names.forEach((name, index) => {
      expect(name.startsWith(`${String(index + 1).padStart(4, '0')}-`)).toBe(true);
    });
  });

  it('lay one table each', () => {
    for (const dialect of ['mysql', 'sqlite'] as const) {
      for (const { name, statements } of readMigrations(dialect)) {
        const tables = statements.filter((statement) => statement.startsWith('CREATE TABLE'));
        expect(tables, `${dialect} ${name}`).toHaveLength(1);
      }
    }
  });
});

describe('a SQLite file that is not there', () => {
  it('is not made by reading', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'anyvia-sqlite-'));
    const connection = open(`sqlite://${folder}/missing.db`);
    const first = await new SqlMembershipStore(connection).readMembers(1);
    const second = await new SqlMembershipStore(connection).readMembers(1);
    rmSync(folder, { recursive: true });
    expect([first, second]).toMatchObject([{ code: 'DB_FILE_UNUSABLE' }, { code: 'DB_FILE_UNUSABLE' }]);
  });
});

const missing = mariadbMissing();
if (missing !== '') console.log(`Skipped: loss of MariaDB: ${missing}`);
describe.skipIf(missing !== '')('loss of MariaDB', () => {
  let server: MariadbServer;
  beforeAll(async () => {
    server = await startMariadb();
  });
  afterAll(async () => {
    await server?.remove();
  });

  it('is one failure per question, and over when the server is back', async () => {
    const clock = new ManualClock();
    const connection = must(openDatabase(server.url, clock));
    expect(await connection.createDatabase()).toBeNull();
    must(await applyMigrations(connection));
    const store = new SqlMembershipStore(connection);
    await server.stop();
    const lost = await store.readMembers(1);
    expect(lost).toMatchObject({ code: 'DB_SERVER_UNREACHABLE' });
    expect((lost as Failure).message).not.toContain('p@ss');
    await server.start();
    // Within the pause nothing is tried: the last cause is given again.
    expect(await store.readMembers(1)).toMatchObject({ code: 'DB_SERVER_UNREACHABLE' });
    clock.advance(20_000);
    expect(must(await store.readMembers(1))).toEqual({ members: [], rejected: [] });
    await connection.close();
  });

  it('of one host of several leads to the next', async () => {
    const url = server.url.replace('@127.0.0.1', '@127.0.0.1:1,127.0.0.1');
    const connection = open(url);
    expect(must(await connection.query('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
    await connection.close();
  });

  it('is told apart from a wrong password and a missing database', async () => {
    const wrongPassword = open(server.url.replace('p@ss', 'other'));
    const noDatabase = open(`${server.url}_absent`);
    const outcomes = [await wrongPassword.query('SELECT 1'), await noDatabase.query('SELECT 1')];
    expect(outcomes).toMatchObject([{ code: 'DB_ACCESS_DENIED' }, { code: 'DB_DATABASE_MISSING' }]);
  });
});
