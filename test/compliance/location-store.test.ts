/** The table `location` over each database it supports: one suite, the same expectations. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { locationColumns } from '#db/location-row.ts';
import { LocationStore } from '#db/location-store.ts';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import type { SqlConnection, SqlRow } from '#db/sql-connection.ts';
import { type Binding, bindingId } from '#registrar/binding.ts';
import type { LocationRecord } from '#registrar/location-record.ts';
import { ManualClock } from '#util/clock.ts';
import { Failure } from '#util/failure.ts';
import { TextPool } from '#util/text-pool.ts';
import { type MariadbServer, mariadbMissing, startMariadb } from '../support/mariadb.ts';

interface Place {
  readonly url: string;
  /** Null: this database cannot be stopped. */
  readonly server: MariadbServer | null;
  remove(): Promise<void>;
}

const providers: readonly { name: string; missing: string; provide(): Promise<Place> }[] = [
  {
    name: 'SQLite',
    missing: '',
    async provide() {
      const folder = mkdtempSync(join(tmpdir(), 'anyvia-location-'));
      const remove = async (): Promise<void> => rmSync(folder, { recursive: true, force: true });
      return { url: `sqlite://${folder}/anyvia.db`, server: null, remove };
    },
  },
  {
    name: 'MariaDB',
    missing: mariadbMissing(),
    async provide() {
      const server = await startMariadb();
      return { url: server.url, server, remove: () => server.remove() };
    },
  },
];

const flags = {
  write: (bits: number): string =>
    ['NAT', 'SIP_PING'].filter((_name, index) => bits & (1 << index)).join(' '),
  read: (names: string): number => (names.includes('NAT') ? 1 : 0) | (names.includes('SIP_PING') ? 2 : 0),
};

function must<Value>(outcome: Value | Failure): Value {
  if (outcome instanceof Failure) throw new Error(`${outcome.code}: ${outcome.message}`);
  return outcome;
}

for (const provider of providers) {
  if (provider.missing !== '') console.log(`Skipped: location on ${provider.name}: ${provider.missing}`);
  describe.skipIf(provider.missing !== '')(`location on ${provider.name}`, () => {
    const clock = new ManualClock();
    const logged: string[] = [];
    let place: Place;
    let connection: SqlConnection;
    let memory: Map<string, Binding>;
    let store: LocationStore;

    function open(): LocationStore {
      const say = (text: string): void => {
        logged.push(text);
      };
      const options = {
        url: place.url,
        table: 'location',
        withDomain: true,
        flags,
        pool: new TextPool(),
        find: (address: string, key: string) => memory.get(`${address} ${key}`) ?? null,
        own: (): LocationRecord[] =>
          [...memory].map(([name, binding]) => ({ address: name.split(' ')[0]!, binding })),
      };
      return must(
        LocationStore.open(options, { connection, clock, log: { warn: say, info: say, error: say } }),
      );
    }

    function bind(address: string, uri: string, more: Partial<Binding> = {}): Binding {
      const key = more.key ?? uri;
      const binding: Binding = {
        key,
        ...bindingId(address, key),
        removed: false,
        uri,
        parameters: '',
        received: '',
        path: '',
        q: -1,
        callId: 'call',
        cseq: 1,
        mark: 0,
        userAgent: 'phone',
        socket: 'udp:10.0.0.1:5060',
        methods: 0,
        expires: clock.wall() + 3_600_000,
        flags: 0,
        changed: clock.wall(),
        node: 0,
        ...more,
      };
      memory.set(`${address} ${key}`, binding);
      store.touch(address, key);
      return binding;
    }

    async function load(): Promise<LocationRecord[]> {
      const records: LocationRecord[] = [];
      const outcome = await new Promise<number | Failure>((resolve) => {
        open().load((record) => records.push(record), resolve);
      });
      expect(must(outcome)).toBe(records.length);
      return records.sort((a, b) => (a.binding.uri < b.binding.uri ? -1 : 1));
    }

    async function rows(): Promise<SqlRow[]> {
      return must(
        await connection.query(
          `SELECT ${locationColumns.slice(1).join(', ')} FROM location ORDER BY contact`,
        ),
      );
    }

    beforeAll(async () => {
      place = await provider.provide();
      connection = must(openDatabase(place.url, clock));
      expect(await connection.createDatabase()).toBeNull();
      must(await applyMigrations(connection));
    });

    beforeEach(async () => {
      must(await connection.query('DELETE FROM location'));
      memory = new Map();
      logged.length = 0;
      store = open();
    });

    afterAll(async () => {
      await connection?.close();
      await place?.remove();
    });

    it('gives back everything that it was given', async () => {
      const full = bind('bob@example.org', 'sip:bob@192.0.2.1:5062;transport=udp', {
        parameters: ';+sip.instance="<urn:uuid:1>";reg-id=1;methods="INVITE"',
        key: '#1#<urn:uuid:1>',
        received: 'sip:203.0.113.9:4000',
        path: '<sip:edge.example.org;lr>',
        q: 700,
        callId: "call'; DROP TABLE location; --",
        cseq: 4_294_967_295,
        userAgent: 'Ünïcode "phone" \\ 1.0',
        methods: 8191,
        flags: 3,
        changed: clock.wall() + 123,
      });
      const plain = bind('alice@example.org', 'sip:alice@[2001:db8::1]');
      expect(await store.flush()).toBe(true);
      const records = await load();
      expect(records).toEqual([
        { address: 'alice@example.org', binding: plain },
        { address: 'bob@example.org', binding: full },
      ]);
    });

    it('has the columns of OpenSIPS as OpenSIPS fills them', async () => {
      bind('bob@example.org', 'sip:bob@192.0.2.1', { q: 500, cseq: 7, flags: 1, methods: 5951 });
      await store.flush();
      const [row] = await rows();
      expect(row).toMatchObject({
        username: 'bob',
        domain: 'example.org',
        contact: 'sip:bob@192.0.2.1',
        received: null,
        path: null,
        expires: clock.wall() / 1000 + 3600,
        q: 0.5,
        callid: 'call',
        cseq: 7,
        cflags: 'NAT',
        user_agent: 'phone',
        socket: 'udp:10.0.0.1:5060',
        methods: 5951,
        sip_instance: null,
      });
    });

    it('updates in place, and removes', async () => {
      bind('bob@example.org', 'sip:a');
      bind('bob@example.org', 'sip:b');
      await store.flush();
      bind('bob@example.org', 'sip:a', { cseq: 2 });
      memory.delete('bob@example.org sip:b');
      store.touch('bob@example.org', 'sip:b');
      await store.flush();
      expect((await rows()).map((row) => [row.contact, row.cseq])).toEqual([['sip:a', 2]]);
      expect(store.figures).toMatchObject({ written: 3, removed: 1, waiting: 0 });
    });

    it('reads thousands of rows in pages, and none that has expired', async () => {
      for (let index = 0; index < 4500; index++)
        bind(`user${index}@example.org`, `sip:user${index}@192.0.2.1`);
      bind('gone@example.org', 'sip:gone', { expires: clock.wall() + 999 });
      await store.flush();
      clock.advance(5000);
      expect(await load()).toHaveLength(4500);
    });

    it('takes over rows that OpenSIPS wrote, without a second copy', async () => {
      must(
        await connection.query(
          'INSERT INTO location (contact_id, username, domain, contact, expires, q, callid, cseq, sip_instance) ' +
            'VALUES (3617797875662073346, ?, ?, ?, ?, -1.0, ?, 13, ?)',
          ['bob', 'example.org', 'sip:bob@192.0.2.1', clock.wall() / 1000 + 60, 'c', '<urn:x>'],
        ),
      );
      const reader = open();
      const records: LocationRecord[] = [];
      await new Promise((resolve) => reader.load((record) => records.push(record), resolve));
      expect(records[0]).toMatchObject({
        address: 'bob@example.org',
        binding: {
          uri: 'sip:bob@192.0.2.1',
          q: -1,
          callId: 'c',
          cseq: 13,
          parameters: ';+sip.instance="<urn:x>"',
        },
      });
      memory.set(`bob@example.org ${records[0]!.binding.key}`, records[0]!.binding);
      expect(await reader.flush()).toBe(true);
      expect(await rows()).toHaveLength(1);
      expect(String((await load())[0]!.binding.idLow)).toBe(String(records[0]!.binding.idLow));
    });

    it('leaves out a binding whose text its columns cannot hold, and counts it', async () => {
      bind('bob@example.org', 'sip:a', { path: `<sip:${'p'.repeat(300)}@192.0.2.1;lr>` });
      bind('bob@example.org', 'sip:b', { userAgent: 'u'.repeat(255) });
      expect(await store.flush()).toBe(true);
      expect((await rows()).map((row) => row.contact)).toEqual(['sip:b']);
      expect(store.figures.refused).toBe(1);
    });

    it('says which table is missing, and keeps what waits', async () => {
      bind('bob@example.org', 'sip:a');
      must(await connection.query('ALTER TABLE location RENAME TO elsewhere'));
      expect(await store.flush()).toBe(false);
      expect(store.figures).toMatchObject({ waiting: 1, failures: 1 });
      expect(logged[0]).toMatch(/^table location of .*: 1 changes wait: .*location/);
      must(await connection.query('ALTER TABLE elsewhere RENAME TO location'));
      expect(await store.flush()).toBe(true);
      expect(await rows()).toHaveLength(1);
    });

    it('catches up when the database was away', async (context) => {
      if (place.server === null) {
        context.skip('an embedded database does not go away');
        return;
      }
      bind('bob@example.org', 'sip:a');
      await store.flush();
      await place.server.stop();
      for (let index = 0; index < 300; index++) bind(`user${index}@example.org`, 'sip:x');
      bind('bob@example.org', 'sip:a', { cseq: 2 });
      expect(await store.flush()).toBe(false);
      expect(store.figures).toMatchObject({ waiting: 301, failures: 1 });
      memory.delete('user0@example.org sip:x');
      store.touch('user0@example.org', 'sip:x');
      await place.server.start();
      clock.advance(60_000);
      expect(await store.flush()).toBe(true);
      expect(await rows()).toHaveLength(300);
      expect(logged.at(-1)).toMatch(/writing again after 60 s/);
    });
  });
}
