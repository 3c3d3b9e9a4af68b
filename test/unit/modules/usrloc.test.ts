/** usrloc: working modes, management commands, the database behind it, whose duty a contact is. */

import { describe, expect, it } from 'vitest';
import type { ClusterPort } from '#module/host.ts';
import { usrloc } from '#modules/usrloc/declaration.ts';
import { locationEvents } from '#modules/usrloc/location-events.ts';
import type { LocationModule } from '#modules/usrloc/location-module.ts';
import { readWorkingMode } from '#modules/usrloc/working-mode.ts';
import type { LocationRecord } from '#registrar/location-record.ts';
import { type LocationStorageOptions, locationDatabase } from '#registrar/location-storage.ts';
import { Failure } from '#util/failure.ts';
import { ScriptBench, TestHost } from '../../support/module-host.ts';

const unset = {
  working_mode_preset: null,
  cluster_mode: null,
  restart_persistency: null,
  sql_write_mode: null,
  db_url: null,
  db_mode: null,
};
const db_url = 'sqlite:///x';

describe('working modes', () => {
  it.each([
    [{}, [true, false, 'none']],
    [{ db_url }, [true, false, 'none']],
    [{ working_mode_preset: 'single-instance-no-db', db_url }, [true, false, 'none']],
    [{ working_mode_preset: 'single-instance-sql-write-through', db_url }, [true, true, 'write-through']],
    [{ working_mode_preset: 'single-instance-sql-write-back', db_url }, [true, true, 'write-back']],
    [{ working_mode_preset: 'full-sharing-cluster' }, [true, false, 'none']],
    [{ working_mode_preset: 'full-sharing-cluster', db_url }, [true, true, 'write-back']],
    [{ working_mode_preset: 'sql-only', db_url }, [true, true, 'write-through']],
    [{ db_mode: 0, db_url }, [true, false, 'none']],
    [{ db_mode: 2, db_url }, [true, true, 'write-back']],
    [{ cluster_mode: 'none', sql_write_mode: 'write-back', db_url }, [false, true, 'write-back']],
    [{ restart_persistency: 'load-from-sql', db_url }, [true, true, 'none']],
  ])('%j', (parameters, [isShared, loadsFromDatabase, writes]) => {
    expect(readWorkingMode({ ...unset, ...parameters } as never)).toEqual({
      isShared,
      loadsFromDatabase,
      writes,
    });
  });

  it.each([
    [{ working_mode_preset: 'single' }, 'USRLOC_MODE_UNKNOWN'],
    [{ db_mode: 9 }, 'USRLOC_MODE_UNKNOWN'],
    [{ working_mode_preset: 'sql-only' }, 'USRLOC_URL_MISSING'],
    [{ sql_write_mode: 'write-through' }, 'USRLOC_URL_MISSING'],
  ])('%j is refused', (parameters, code) => {
    expect((readWorkingMode({ ...unset, ...parameters } as never) as Failure).code).toBe(code);
  });
});

const bob = { table_name: 'location', aor: 'bob@example.org' };
const contact = {
  ...bob,
  contact: 'sip:bob@192.0.2.1',
  expires: '300',
  q: '0.5',
  cflags: 'NAT,PING',
  methods: '15',
};

describe('commands', () => {
  it('add, show and remove', () => {
    const bench = new ScriptBench(usrloc as never, {}, new TestHost());
    expect(bench.run('ul_add', contact)).toBe('OK');
    expect(bench.run('usrloc:show_contact', bob)).toMatchObject({
      AOR: 'bob@example.org',
      Contacts: [
        { Contact: contact.contact, Expires: 300, Q: '0.5', Cflags: 'NAT PING', Methods: 15, Cseq: 1 },
      ],
    });
    expect(bench.run('ul_dump')).toMatchObject({ Domains: [{ name: 'location', table: 1 }] });
    expect(bench.run('ul_dump', { brief: '1' })).toEqual({
      Domains: [{ name: 'location', table: 1, AORs: [{ AOR: 'bob@example.org' }] }],
    });
    expect(bench.run('ul_rm_contact', { ...bob, contact: 'sip:other' })).toBeInstanceOf(Failure);
    expect(bench.run('ul_rm_contact', contact)).toBe('OK');
    expect(bench.run('ul_rm', bob)).toBeInstanceOf(Failure);
    bench.run('ul_add', contact);
    expect(bench.run('ul_rm', bob)).toBe('OK');
    expect(bench.run('ul_show_contact', bob)).toBeInstanceOf(Failure);
  });

  it.each([
    [{ ...contact, contact: 'nonsense' }],
    [{ ...contact, expires: '0' }],
    [{ ...contact, expires: 'soon' }],
  ])('add refuses what is no contact', (parameters) => {
    const bench = new ScriptBench(usrloc as never, {}, new TestHost());
    expect(bench.run('ul_add', parameters)).toBeInstanceOf(Failure);
  });
});

describe('events', () => {
  it('tell event routes of what came, changed, went and expired', () => {
    const host = new TestHost();
    const heard: string[] = [];
    for (const event of locationEvents) {
      host.routes.set(`event ${event}`, (context) => {
        const parameter = (name: string) => context.eventParameters!.get(name);
        const uri = parameter('uri');
        const more = uri === undefined ? '' : ` ${uri} ${parameter('bflags')} ${parameter('qval')}`;
        heard.push(`${event.slice(5)} ${parameter('domain')} ${parameter('aor')}${more}`);
        return 1;
      });
    }
    const bench = new ScriptBench(usrloc as never, {}, host);
    const take = (): string[] => heard.splice(0);
    bench.run('ul_add', contact);
    expect(take()).toEqual([
      'AOR_INSERT location bob@example.org',
      'CONTACT_INSERT location bob@example.org sip:bob@192.0.2.1 NAT PING 0.5',
    ]);
    bench.run('ul_add', { ...contact, q: '1' });
    expect(take()).toEqual(['CONTACT_UPDATE location bob@example.org sip:bob@192.0.2.1 NAT PING 1']);
    bench.run('ul_add', { ...contact, contact: 'sip:bob@192.0.2.2', cflags: '' });
    expect(take()).toEqual(['CONTACT_INSERT location bob@example.org sip:bob@192.0.2.2  0.5']);
    bench.run('ul_rm_contact', { ...bob, contact: 'sip:bob@192.0.2.1' });
    expect(take()).toHaveLength(1);
    host.advance(400_000);
    expect(take()).toEqual([
      'CONTACT_DELETE location bob@example.org sip:bob@192.0.2.2  0.5',
      'AOR_DELETE location bob@example.org',
    ]);
  });
});

/** A database that a test fills and reads. */
class Storage {
  readonly touched: string[] = [];
  readonly rows: LocationRecord[] = [];
  problem: Failure | null = null;
  pumps = 0;
  loads = 0;
  options: LocationStorageOptions | null = null;

  provideTo(host: TestHost): void {
    host.provide(locationDatabase, {
      open: (options: LocationStorageOptions) => {
        this.options = options;
        return {
          figures: { waiting: 3, written: 0, removed: 0, failures: 0, refused: 0, overflowed: 0 },
          load: (each: (record: LocationRecord) => void, done: (outcome: number | Failure) => void) => {
            this.loads++;
            if (this.problem !== null) done(this.problem);
            else {
              for (const record of this.rows) each(record);
              done(this.rows.length);
            }
          },
          touch: (address: string, key: string) => this.touched.push(`${address} ${key}`),
          pump: () => this.pumps++,
        };
      },
    } as never);
  }
}

function kept(parameters: Record<string, unknown>, host = new TestHost(), storage = new Storage()) {
  storage.provideTo(host);
  const bench = new ScriptBench(usrloc as never, { db_url, ...parameters }, host);
  return { bench, host, storage, module: bench.instance as unknown as LocationModule };
}

describe('the database', () => {
  it('hears of what changes and expires; write-back pumps every timer_interval, write-through at once', () => {
    const { bench, host, storage } = kept({ working_mode_preset: 'single-instance-sql-write-back' });
    bench.run('ul_add', contact);
    host.advance(59_000);
    expect([storage.touched, storage.pumps]).toEqual([['bob@example.org sip:bob@192.0.2.1'], 0]);
    host.advance(1000);
    expect(storage.pumps).toBe(1);
    bench.run('ul_flush');
    expect(storage.pumps).toBe(2);
    expect(storage.options!.find('bob@example.org', contact.contact)!.q).toBe(500);
    expect([...storage.options!.own()]).toHaveLength(1);
    host.advance(300_000);
    expect(storage.touched).toHaveLength(2);
    expect(storage.options!.find('bob@example.org', contact.contact)).toBeNull();
    expect(host.statistics.find('usrloc:db_waiting')).toBe(3);
    const through = kept({ db_mode: 1 });
    through.host.advance(1000);
    expect(through.storage.pumps).toBe(10);
  });

  it('is read at start, and again when it could not be', () => {
    const storage = new Storage();
    storage.problem = new Failure('DB_SERVER_UNREACHABLE', 'nobody there');
    const { host, module } = kept({ db_mode: 2 }, new TestHost(), storage);
    host.advance(20_000);
    expect(host.lines('warn')).toEqual(['usrloc: registrations cannot be read yet: nobody there']);
    host.advance(60_000);
    expect(host.lines('warn')).toHaveLength(2);
    storage.problem = null;
    const loads = storage.loads;
    const donor = kept({ db_mode: 2 });
    donor.bench.run('ul_add', contact);
    storage.rows.push(...donor.storage.options!.own());
    host.advance(5000);
    expect(module.table.size).toBe(1);
    expect(host.lines('info')).toEqual(['usrloc: 1 contacts read from table location']);
    host.advance(60_000);
    expect(storage.loads).toBe(loads + 1);
  });

  it('that is named and not used is told', () => {
    const bench = new ScriptBench(usrloc as never, { db_url }, new TestHost());
    expect(bench.host.lines('warn')[0]).toContain('db_url has no effect');
  });
});

function clusterOf(live: number[]): { port: ClusterPort; sent: Uint8Array[] } {
  const sent: Uint8Array[] = [];
  const port = {
    clusterId: 1,
    nodeId: 1,
    incarnation: 1,
    livePeers: () => live,
    broadcast: (_channel: number, body: Uint8Array) => sent.push(body),
    send: (_node: number, _channel: number, body: Uint8Array) => sent.push(body) > 0,
    subscribe: () => {},
  };
  return { port, sent };
}

describe('in a cluster', () => {
  it('a contact is the duty of the node that changed it last; when it is gone, of one other', () => {
    const host = new TestHost();
    const live = [2, 3];
    host.cluster = clusterOf(live).port;
    const { bench, module } = kept({ db_mode: 2 }, host);
    bench.run('ul_add', contact);
    const own = module.table.lookup('bob@example.org', host.clock.wall())[0]!;
    expect(module.isOurs(own)).toBe(true);
    expect(module.isOurs({ ...own, node: 2 })).toBe(false);
    live.splice(0, 1);
    const shares = Array.from({ length: 100 }, (_, index) => ({
      ...own,
      node: 2,
      idLow: Math.imul(index, 0x9e3779b1),
    }));
    const ours = shares.filter((binding) => module.isOurs(binding)).length;
    expect(ours).toBeGreaterThan(25);
    expect(ours).toBeLessThan(75);
  });

  it('what a node that died may not have written is written here', () => {
    const host = new TestHost();
    const live = [2];
    host.cluster = clusterOf(live).port;
    const { bench, module, storage } = kept({ db_mode: 2 }, host);
    bench.run('ul_add', contact);
    const own = module.table.lookup('bob@example.org', host.clock.wall())[0]!;
    module.table.apply('bob@example.org', { ...own, node: 2, changed: own.changed + 1 }, host.clock.wall());
    module.table.apply(
      'eve@example.org',
      { ...own, node: 2, changed: own.changed - 3_600_000 },
      host.clock.wall(),
    );
    storage.touched.length = 0;
    live.length = 0;
    module.onPeerDown(2, host.clock.monotonic());
    expect(storage.touched).toEqual(['bob@example.org sip:bob@192.0.2.1']);
  });

  it('the database is read only when no peer has anything to tell', () => {
    const host = new TestHost();
    host.cluster = clusterOf([]).port;
    const { storage } = kept({ db_mode: 2 }, host);
    expect(storage.loads).toBe(0);
    host.advance(10_000);
    expect(storage.loads).toBe(1);
  });

  it('cluster_mode none: nothing is told', () => {
    const host = new TestHost();
    const { port, sent } = clusterOf([2]);
    host.cluster = port;
    const bench = new ScriptBench(usrloc as never, { cluster_mode: 'none' }, host);
    bench.run('ul_add', contact);
    host.advance(20_000);
    expect(sent).toEqual([]);
  });
});
