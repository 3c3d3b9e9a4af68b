/** Accounting records over each database: written once, whoever writes them and however often. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import { RecordStore } from '#db/record-store.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import type { StoredRecord } from '#module/services.ts';
import { ManualClock } from '#util/clock.ts';
import { Failure } from '#util/failure.ts';
import { type MariadbServer, mariadbMissing, startMariadb } from '../support/mariadb.ts';

const unavailable = { SQLite: '', MariaDB: mariadbMissing() } as const;

function must<Value>(outcome: Value | Failure): Value {
  if (outcome instanceof Failure) throw new Error(`${outcome.code}: ${outcome.message}`);
  return outcome;
}

function record(key: string, more: StoredRecord['columns'] = {}): StoredRecord {
  const columns = { method: 'INVITE', callid: key, sip_code: '200', time: '2026-11-23 21:00:00', ...more };
  return { key, columns };
}

for (const [name, missing] of Object.entries(unavailable)) {
  if (missing !== '') console.log(`Skipped: records on ${name}: ${missing}`);
  describe.skipIf(missing !== '')(`records on ${name}`, () => {
    const clock = new ManualClock();
    const folder = mkdtempSync(join(tmpdir(), 'anyvia-records-'));
    let server: MariadbServer | null = null;
    let connection: SqlConnection;
    let logged: string[] = [];

    function open(recordsMax?: number): RecordStore {
      const say = (text: string): void => {
        logged.push(text);
      };
      const log = { warn: say, info: say, error: say };
      const limit = recordsMax === undefined ? {} : { recordsMax };
      return must(RecordStore.open('acc', { connection, monotonic: () => clock.monotonic(), log, ...limit }));
    }

    async function keys(): Promise<string[]> {
      const rows = must(await connection.query('SELECT callid FROM acc ORDER BY callid'));
      return rows.map(({ callid }) => String(callid));
    }

    beforeAll(async () => {
      if (name === 'MariaDB') server = await startMariadb();
      connection = must(openDatabase(server?.url ?? `sqlite://${folder}/anyvia.db`, clock));
      expect(await connection.createDatabase()).toBeNull();
      must(await applyMigrations(connection));
    }, 60_000);

    beforeEach(async () => {
      logged = [];
      must(await connection.query('DELETE FROM acc'));
    });

    afterAll(async () => {
      await connection?.close();
      await server?.remove();
      rmSync(folder, { recursive: true, force: true });
    });

    it('a record that two nodes write stands there once', async () => {
      const [first, second] = [open(), open()];
      for (const store of [first, second]) {
        store.append(record('a'));
        store.append(record('a'));
        store.append(record('b', { duration: 5 }));
      }
      expect(await Promise.all([first.flush(), second.flush()])).toEqual([true, true]);
      expect(await keys()).toEqual(['a', 'b']);
      expect(first.figures).toMatchObject({ waiting: 0, written: 2, overflowed: 0 });
    });

    it('a row that the table does not take is logged whole and holds up nobody', async () => {
      const store = open();
      store.append(record('a'));
      store.append(record('bad', { time: null }));
      store.append(record('c'));
      expect(await store.flush()).toBe(true);
      expect(await keys()).toEqual(['a', 'c']);
      expect(store.figures).toMatchObject({ waiting: 0, refused: 1 });
      expect(logged.join()).toContain('"callid":"bad"');
    });

    it('beyond the limit records are counted and in the log; those that wait are written', async () => {
      const store = open(2);
      expect(['a', 'b', 'c', 'd'].map((key) => store.append(record(key)))).toEqual([
        true,
        true,
        false,
        false,
      ]);
      expect(logged).toHaveLength(3);
      expect(await store.flush()).toBe(true);
      expect(await keys()).toEqual(['a', 'b']);
      expect(store.figures.overflowed).toBe(2);
      expect(store.append(record('e'))).toBe(true);
    });

    it('what waits while the table is away is written once when it is back', async () => {
      const store = open();
      must(await connection.query('ALTER TABLE acc RENAME TO acc_away'));
      for (let index = 0; index < 500; index++) store.append(record(`k${String(index).padStart(3, '0')}`));
      expect(await store.flush()).toBe(false);
      expect(store.figures.waiting).toBe(500);
      must(await connection.query('ALTER TABLE acc_away RENAME TO acc'));
      expect(await store.flush()).toBe(true);
      expect((await keys()).length).toBe(500);
      expect(logged.filter((line) => line.includes('writing again'))).toHaveLength(1);
    });

    it('migrations take a table that OpenSIPS has laid, and may be repeated', async () => {
      must(await connection.query('DROP TABLE missed_calls'));
      const text = name === 'MariaDB' ? 'INT AUTO_INCREMENT PRIMARY KEY' : 'INTEGER PRIMARY KEY';
      must(await connection.query(`CREATE TABLE missed_calls (id ${text}, callid CHAR(64), time DATETIME)`));
      must(await connection.query("INSERT INTO missed_calls (callid) VALUES ('old')"));
      for (let time = 0; time < 2; time++) {
        must(await connection.query("DELETE FROM anyvia_migration WHERE name LIKE '001%'"));
        const done = must(await applyMigrations(connection));
        expect(done.filter((line) => line.startsWith('00'))).toEqual(['0010-acc', '0011-missed-calls']);
      }
      expect(must(await connection.query('SELECT callid, anyvia_key FROM missed_calls'))).toEqual([
        { callid: 'old', anyvia_key: null },
      ]);
    });

    if (name === 'MariaDB') {
      it('a server that stops and starts again gets every record once', async () => {
        const store = open();
        await server!.stop();
        for (let index = 0; index < 300; index++) store.append(record(`s${index}`));
        expect(await store.flush()).toBe(false);
        await server!.start();
        clock.advance(60_000);
        expect(await store.flush()).toBe(true);
        expect((await keys()).length).toBe(300);
      }, 60_000);
    }
  });
}
