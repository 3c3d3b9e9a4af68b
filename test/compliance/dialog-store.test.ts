/** The table `dialog` over each database it supports: one suite, the same expectations. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dialogRowId } from '#db/dialog-row.ts';
import { DialogStore } from '#db/dialog-store.ts';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import { type DialogRecord, dialogStates } from '#dialog/dialog.ts';
import { ManualClock } from '#util/clock.ts';
import { Failure } from '#util/failure.ts';
import { dialogRecord } from '../support/dialog-record.ts';
import { mariadbMissing, startMariadb } from '../support/mariadb.ts';

interface Place {
  readonly url: string;
  remove(): Promise<void>;
}

const providers: readonly { name: string; missing: string; provide(): Promise<Place> }[] = [
  {
    name: 'SQLite',
    missing: '',
    async provide() {
      const folder = mkdtempSync(join(tmpdir(), 'anyvia-dialog-'));
      const remove = async (): Promise<void> => rmSync(folder, { recursive: true, force: true });
      return { url: `sqlite://${folder}/anyvia.db`, remove };
    },
  },
  {
    name: 'MariaDB',
    missing: mariadbMissing(),
    async provide() {
      const server = await startMariadb();
      return { url: server.url, remove: () => server.remove() };
    },
  },
];

function must<Value>(outcome: Value | Failure): Value {
  if (outcome instanceof Failure) throw new Error(`${outcome.code}: ${outcome.message}`);
  return outcome;
}

function recordOf(id: string): DialogRecord {
  return dialogRecord({ id, callId: `call-${id}`, state: dialogStates.answered });
}

for (const provider of providers) {
  if (provider.missing !== '') console.log(`Skipped: dialogs on ${provider.name}: ${provider.missing}`);
  describe.skipIf(provider.missing !== '')(`dialogs on ${provider.name}`, () => {
    const clock = new ManualClock();
    const memory = new Map<string, DialogRecord>();
    let place: Place;
    let connection: SqlConnection;
    let store: DialogStore;

    beforeAll(async () => {
      place = await provider.provide();
      connection = must(openDatabase(place.url, clock));
      const failure = await connection.createDatabase();
      if (failure !== null) throw new Error(failure.message);
      must(await applyMigrations(connection));
    }, 60_000);

    afterAll(async () => {
      await connection.close();
      await place.remove();
    });

    beforeEach(async () => {
      memory.clear();
      must(await connection.query('DELETE FROM dialog'));
      const log = { warn: () => {}, info: () => {}, error: (text: string) => console.log(text) };
      const find = (id: string): DialogRecord | null => memory.get(id) ?? null;
      const options = { url: place.url, table: 'dialog', find, own: () => memory.keys() };
      store = must(DialogStore.open(options, { connection, monotonic: () => clock.monotonic(), log }));
    });

    function loaded(): Promise<DialogRecord[]> {
      return new Promise((resolve, reject) => {
        const records: DialogRecord[] = [];
        store.load(
          (record) => records.push(record),
          (outcome) => (outcome instanceof Failure ? reject(new Error(outcome.message)) : resolve(records)),
        );
      });
    }

    it('come back as they were', async () => {
      const record = recordOf('1a.7');
      memory.set(record.id, record);
      store.touch(record.id);
      expect(await store.flush()).toBe(true);
      expect(await loaded()).toEqual([record]);
    });

    it('stand under OpenSIPS’s columns', async () => {
      memory.set('1a.7', recordOf('1a.7'));
      store.touch('1a.7');
      await store.flush();
      const [row] = must(await connection.query('SELECT callid, state, timeout, profiles FROM dialog'));
      expect({ ...row }).toEqual({
        callid: 'call-1a.7',
        state: 3,
        timeout: 1_800_003_600,
        profiles: 'calls#|gateway#a\\|b\\#c\\\\d|',
      });
    });

    it('are written again when they change and removed when they are over', async () => {
      for (const id of ['a', 'b', 'c']) {
        memory.set(id, recordOf(id));
        store.touch(id);
      }
      await store.flush();
      memory.set('a', { ...recordOf('a'), toTag: 'other' });
      memory.delete('b');
      store.touch('a');
      store.touch('b');
      store.touch('never written');
      await store.flush();
      const records = await loaded();
      expect(new Map(records.map(({ id, toTag }) => [id, toTag]))).toEqual(
        new Map([
          ['a', 'other'],
          ['c', 'to'],
        ]),
      );
    });

    it('are read over several pages, and rows of others are left alone', async () => {
      const ids = Array.from({ length: 2500 }, (_, index) => `id-${index}`);
      for (const id of ids) {
        memory.set(id, recordOf(id));
        store.touch(id);
      }
      await store.flush();
      must(await connection.query('UPDATE dialog SET vars = NULL WHERE dlg_id = ?', [dialogRowId('id-3')]));
      expect((await loaded()).map(({ id }) => id).sort()).toEqual(ids.filter((id) => id !== 'id-3').sort());
    });
  });
}
