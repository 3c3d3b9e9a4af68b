/**
 * Registrations outlive the nodes that knew them: three processes, one database behind them; nodes are killed, started
 * again, and all killed at once.
 */

import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import { parseMessage } from '#sip/message.ts';
import { ManualClock } from '#util/clock.ts';
import { isFailure } from '#util/failure.ts';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';
import { type MariadbServer, mariadbMissing, startMariadb } from '../support/mariadb.ts';

const providers = [
  {
    name: 'SQLite',
    missing: '',
    async provide(folder: string) {
      return { url: `sqlite://${folder}/anyvia.db`, remove: async () => {}, server: null };
    },
  },
  {
    name: 'MariaDB',
    missing: mariadbMissing(),
    async provide() {
      const server = await startMariadb();
      return { url: server.url, remove: () => server.remove(), server };
    },
  },
];

const nodes = [1, 2, 3];

/** A phone: one socket, REGISTERs with rising CSeq. */
class Phone {
  readonly #socket: Socket = createSocket('udp4');
  readonly #waiting = new Map<string, (status: number) => void>();
  #count = 0;

  constructor() {
    this.#socket.on('message', (bytes) => {
      const message = parseMessage(bytes.toString('latin1'));
      if (!isFailure(message)) this.#waiting.get(message.topVia.branch)?.(message.status);
    });
  }

  register(port: number, user: string, seconds = 600): Promise<number> {
    this.#count++;
    const branch = `z9hG4bK${this.#count}-${user}`;
    const lines = [
      'REGISTER sip:example.org SIP/2.0',
      `Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=${branch}`,
      'Max-Forwards: 70',
      `From: <sip:${user}@example.org>;tag=1`,
      `To: <sip:${user}@example.org>`,
      `Call-ID: ${user}`,
      `CSeq: ${this.#count} REGISTER`,
      `Contact: <sip:${user}@192.0.2.1:5060>;expires=${seconds}`,
      'Content-Length: 0',
    ];
    const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
    return new Promise((resolve) => {
      this.#waiting.set(branch, resolve);
      this.#socket.send(bytes, port, '127.0.0.1');
    });
  }

  close(): void {
    this.#socket.close();
  }
}

for (const provider of providers) {
  if (provider.missing !== '') console.log(`Skipped: registrations on ${provider.name}: ${provider.missing}`);
  describe.skipIf(provider.missing !== '')(`registrations with ${provider.name}`, { timeout: 90_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'anyvia-registrations-'));
    const phone = new Phone();
    const daemons: Daemon[] = [];
    let ports: number[] = [];
    let connection: SqlConnection;
    let remove: () => Promise<void>;
    let server: MariadbServer | null = null;

    const script = (node: number, bins: readonly number[], url: string): string => `
log_level=3
socket=udp:127.0.0.1:${ports[node - 1]}
socket=bin:127.0.0.1:${bins[node - 1]}
${['proto_udp', 'proto_bin', 'clusterer', 'tm', 'sl', 'usrloc', 'registrar', 'sipmsgops']
  .map((name) => `loadmodule "${name}.so"\n`)
  .join('')}
modparam("clusterer", "db_mode", 0)
modparam("clusterer", "my_node_id", ${node})
modparam("clusterer", "shared_secret", "registrations")
modparam("clusterer", "my_node_info", "cluster_id=1,node_id=${node},url=bin:127.0.0.1:${bins[node - 1]}")
${nodes
  .filter((other) => other !== node)
  .map(
    (other) =>
      `modparam("clusterer", "neighbor_node_info", "cluster_id=1,node_id=${other},url=bin:127.0.0.1:${bins[other - 1]}")\n`,
  )
  .join('')}
modparam("usrloc", "working_mode_preset", "full-sharing-cluster")
modparam("usrloc", "timer_interval", 2)
modparam("usrloc", "db_url", "${url}")
route { if (is_method("REGISTER")) save("location"); exit; }
`;

    async function contacts(daemon: Daemon): Promise<string[]> {
      const dump = (await daemon.ask('usrloc:dump')) as {
        Domains: { AORs: { AOR: string; Contacts: { Contact: string; Cseq: number }[] }[] }[];
      };
      return dump.Domains[0]!.AORs.flatMap(({ AOR, Contacts }) =>
        Contacts.map(({ Contact, Cseq }) => `${AOR} ${Contact} ${Cseq}`),
      ).sort();
    }

    async function all(): Promise<string[][]> {
      return Promise.all(daemons.map(contacts));
    }

    async function rows(): Promise<string[]> {
      const found = await connection.query('SELECT username, contact, cseq FROM location');
      if (isFailure(found)) throw new Error(found.message);
      return found.map((row) => `${row.username}@example.org ${row.contact} ${row.cseq}`).sort();
    }

    beforeAll(async () => {
      const place = await provider.provide(folder);
      ({ remove, server } = place);
      const opened = openDatabase(place.url, new ManualClock());
      if (isFailure(opened)) throw new Error(opened.message);
      connection = opened;
      expect(await connection.createDatabase()).toBeNull();
      expect(isFailure(await applyMigrations(connection))).toBe(false);
      const free = await freeUdpPorts(6);
      ports = free.slice(0, 3);
      for (const node of nodes) {
        daemons.push(new Daemon(folder, `node-${node}`, script(node, free.slice(3), place.url)));
      }
      await Promise.all(daemons.map((daemon) => daemon.start()));
      await until(async () => (await Promise.all(daemons.map(isSynchronised))).every(Boolean));
    }, 60_000);

    const isSynchronised = async (daemon: Daemon): Promise<boolean> =>
      (await daemon.statistic('usrloc:synchronised')) === 1;

    afterAll(async () => {
      phone.close();
      await Promise.all(daemons.map((daemon) => daemon.kill()));
      await connection.close();
      await remove();
      rmSync(folder, { recursive: true, force: true });
    });

    it('are on every node, and in the database a little later', async () => {
      for (let index = 0; index < 30; index++) {
        expect(await phone.register(ports[index % 3]!, `user${index}`)).toBe(200);
      }
      // A refresh and a removal on other nodes than the first time.
      expect(await phone.register(ports[1]!, 'user0')).toBe(200);
      expect(await phone.register(ports[2]!, 'user1', 0)).toBe(200);
      await until(async () => (await all()).every((list) => list.length === 29), 1000);
      const [first, second, third] = await all();
      expect(second).toEqual(first);
      expect(third).toEqual(first);
      await until(async () => (await rows()).length === 29);
      expect(await rows()).toEqual(first);
    });

    it('stay when a node is killed; what it had not written is written by the others', async () => {
      const victim = daemons[0]!;
      for (let index = 0; index < 10; index++) {
        expect(await phone.register(ports[0]!, `late${index}`)).toBe(200);
      }
      await until(async () => (await contacts(daemons[1]!)).length === 39, 1000);
      await victim.kill();
      expect(await contacts(daemons[2]!)).toHaveLength(39);
      await until(async () => (await rows()).length === 39);
      await victim.start();
      await until(() => isSynchronised(victim));
      expect(await contacts(victim)).toEqual(await contacts(daemons[1]!));
    });

    it('are back when all nodes were killed at once', async () => {
      const before = await contacts(daemons[0]!);
      await until(async () => (await rows()).length === before.length);
      await Promise.all(daemons.map((daemon) => daemon.kill()));
      await Promise.all(daemons.map((daemon) => daemon.start()));
      await until(async () => (await all()).every((list) => list.length === before.length));
      for (const list of await all()) expect(list).toEqual(before);
      // RFC 3261 10.3 step 7 still holds: the CSeq was kept.
      expect(await phone.register(ports[0]!, 'user5')).toBe(200);
    });

    it('go on while the database is away, and are all in it when it is back', async (context) => {
      if (server === null) {
        context.skip('an embedded database does not go away');
        return;
      }
      await server.stop();
      for (let index = 0; index < 60; index++) {
        expect(await phone.register(ports[index % 3]!, `away${index}`)).toBe(200);
      }
      for (let index = 0; index < 10; index++) {
        expect(await phone.register(ports[(index + 1) % 3]!, `away${index}`, 0)).toBe(200);
      }
      // Each node has to try, and fail, before the database comes back.
      for (const daemon of daemons) {
        await until(async () => (await daemon.statistic('usrloc:db_failures')) > 0, 20_000);
        expect(await daemon.statistic('usrloc:db_waiting')).toBeGreaterThan(0);
      }
      await server.start();
      const wanted = await contacts(daemons[0]!);
      await until(async () => (await rows()).length === wanted.length, 40_000);
      expect(await rows()).toEqual(wanted);
      for (const daemon of daemons) {
        await until(async () => (await daemon.statistic('usrloc:db_waiting')) === 0, 20_000);
        expect(daemon.log).toMatch(/changes wait: /);
        expect(daemon.log).toContain('writing again after');
      }
    });

    it('are written before a node stops', async () => {
      await phone.register(ports[2]!, 'last');
      await daemons[2]!.stop();
      expect(await rows()).toContainEqual(expect.stringContaining('last@example.org'));
    });
  });
}
