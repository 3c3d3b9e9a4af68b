/** Nodes as processes whose members stand in MariaDB: rows that change while they run, and a database that is away. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';
import { type MariadbServer, mariadbMissing, startMariadb } from '../support/mariadb.ts';

const missing = mariadbMissing();
if (missing !== '') console.log(`Skipped: membership in MariaDB: ${missing}`);
const program = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((entry) => entry?.address === '::1');

interface ListedNode {
  readonly node_id: number;
  readonly url: string;
  readonly link_state: string;
  readonly state: string;
  readonly next_hop: string;
  readonly description: string;
}

describe.skipIf(missing !== '')('members in MariaDB', () => {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-members-'));
  const nodes = new Map<number, Daemon>();
  let database: MariadbServer;
  let sipPort: number;
  let linkPort: number;

  /** Node 4 is known by its IPv6 address, node 3 by a name. */
  const hosts: Readonly<Record<number, string>> = {
    1: '127.0.0.1',
    2: '127.0.0.2',
    3: 'localhost',
    4: '[::1]',
  };
  const urlOf = (node: number): string => `bin:${hosts[node]}:${linkPort + (node === 3 ? 1 : 0)}`;
  const at = (node: number): Daemon => nodes.get(node)!;

  function script(node: number): string {
    const listen = node === 3 ? `127.0.0.1:${linkPort + 1}` : urlOf(node).slice(4);
    return `socket = udp:127.0.0.${node}:${sipPort} anycast
      socket = bin:${listen}
      loadmodule "proto_udp.so"\nloadmodule "proto_bin.so"\nloadmodule "clusterer.so"\nloadmodule "tm.so"
      loadmodule "sl.so"
      modparam("clusterer", "my_node_id", ${node})
      modparam("clusterer", "db_url", "${database.url}")
      modparam("clusterer", "membership_interval", 1)
      route { sl_send_reply(404, "Not here"); }`;
  }

  async function sql(statement: string): Promise<void> {
    const url = new URL(database.url);
    const connection = await createConnection({
      host: '127.0.0.1',
      port: database.port,
      user: url.username,
      password: 'p@ss/word',
      database: 'opensips',
    });
    await connection.query(statement);
    await connection.end();
  }

  const insert = (node: number): Promise<void> =>
    sql(`INSERT INTO clusterer (cluster_id, node_id, url) VALUES (1, ${node}, '${urlOf(node)}')`);

  async function listed(node: number): Promise<readonly ListedNode[]> {
    const { Clusters } = (await at(node).ask('clusterer_list')) as { Clusters: { Nodes: ListedNode[] }[] };
    return Clusters[0]!.Nodes;
  }

  /** Ids of the peers that the node has a link to. */
  async function linked(node: number): Promise<number[]> {
    return (await listed(node)).filter((peer) => peer.link_state === 'Up').map((peer) => peer.node_id);
  }

  async function start(node: number): Promise<void> {
    const daemon = new Daemon(folder, `node${node}`, script(node));
    nodes.set(node, daemon);
    await daemon.start();
  }

  async function untilLinked(node: number, peers: readonly number[]): Promise<void> {
    await until(async () => String(await linked(node)) === String(peers), 20_000).catch(() => {
      throw new Error(`node ${node} is not linked to [${peers}]:\n${at(node).log}`);
    });
  }

  beforeAll(async () => {
    database = await startMariadb();
    [sipPort] = (await freeUdpPorts(1)) as [number];
    [linkPort] = (await freeUdpPorts(1)) as [number];
    const made = spawnSync(process.execPath, [program, 'db', 'create', '--db', database.url], {
      encoding: 'utf8',
    });
    expect(made.stderr).toBe('');
    for (const node of [1, 2]) await insert(node);
    for (const node of [1, 2]) await start(node);
  }, 90_000);

  afterAll(async () => {
    for (const node of nodes.values()) await node.kill();
    await database?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it('are linked, and shown with the JSON of OpenSIPS', async () => {
    await untilLinked(1, [2]);
    expect(await listed(1)).toEqual([
      {
        node_id: 2,
        db_id: 2,
        url: urlOf(2),
        link_state: 'Up',
        state: 'enabled',
        next_hop: '2',
        description: 'none',
      },
    ]);
    expect(await at(1).ask('clusterer_list_topology')).toEqual({
      Clusters: [
        {
          cluster_id: 1,
          Nodes: [
            { node_id: 1, Neighbours: [2] },
            { node_id: 2, Neighbours: [1] },
          ],
        },
      ],
    });
    expect(await at(1).ask('clusterer:list_cap')).toEqual({
      Clusters: [{ cluster_id: 1, Capabilities: [{ name: 'tm-repl', state: 'Ok', enabled: 'yes' }] }],
    });
  });

  it('are joined by one known by its name, while links of the others stay', async () => {
    await insert(3);
    await start(3);
    await untilLinked(1, [2, 3]);
    await untilLinked(2, [1, 3]);
    expect(at(1).log.split('Node [2] is UP')).toHaveLength(2);
    await sql("UPDATE clusterer SET description = 'the third' WHERE node_id = 3");
    await until(async () => (await listed(1))[1]!.description === 'the third');
    expect(at(1).log).not.toContain('is down');
  }, 40_000);

  it.skipIf(!hasIpv6)(
    'are joined by one known by its IPv6 address',
    async () => {
      await insert(4);
      await start(4);
      await untilLinked(1, [2, 3, 4]);
      await untilLinked(4, [1, 2, 3]);
      expect((await listed(1))[2]!.url).toBe(`bin:[::1]:${linkPort}`);
      await sql('DELETE FROM clusterer WHERE node_id = 4');
      await untilLinked(1, [2, 3]);
      expect((await listed(1)).map((peer) => peer.node_id)).toEqual([2, 3]);
      await at(4).kill();
    },
    40_000,
  );

  it('are shown with all figures, and with who reaches whom', async () => {
    const look = (...options: string[]): string => {
      const parameters = [program, 'cluster', '-s', at(1).socket, ...options];
      return spawnSync(process.execPath, parameters, { encoding: 'utf8' }).stdout;
    };
    const one = look();
    expect(one).toMatch(/^node 1 of cluster 1, incarnation \d+, version \S+, takes new work/);
    expect(one).toMatch(/^ *2 +up +\d+\S* +\d+ .*bin:127\.0\.0\.2:/m);
    const all = look('--all');
    expect(all).toMatch(/^node 1 +- +up +up$/m);
    expect(all).toMatch(/^node 3 +up +up +-$/m);
    expect(Object.keys(JSON.parse(look('--all', '--json')))).toEqual(['1', '2', '3']);
  }, 40_000);

  it('are switched off for the whole cluster by set_status, and on again', async () => {
    const status = (...words: string[]): string => {
      const parameters = [program, 'mi', 'clusterer_set_status', ...words, '-s', at(1).socket];
      const { stdout, stderr } = spawnSync(process.execPath, parameters, { encoding: 'utf8' });
      return stdout + stderr;
    };
    expect(status('1', '3', '0')).toBe('OK\n');
    await until(async () => (await listed(2))[1]!.state === 'disabled');
    expect((await listed(2))[1]).toMatchObject({ node_id: 3, link_state: 'Down', next_hop: 'none' });
    expect(status('1', '3', '1')).toBe('OK\n');
    await untilLinked(2, [1, 3]);
    expect(status('1', '9', '0')).toContain('node 9 is not in cluster 1');
    expect(status('7', '3', '0')).toContain('this node is of cluster 1, not 7');
    // Without a node: the one that is asked.
    expect(status('1', '0')).toBe('OK\n');
    await untilLinked(2, [3]);
    expect(status('1', '1')).toBe('OK\n');
    await untilLinked(2, [1, 3]);
  }, 60_000);

  it('stay when the database is away, also for a node that starts meanwhile', async () => {
    await database.stop();
    await until(() => at(1).log.includes('the membership cannot be read, the last one stays'), 20_000);
    await at(2).kill();
    await start(2);
    expect(at(2).log).toContain('starting with the last known membership');
    await untilLinked(2, [1, 3]);
    await database.start();
    await sql("UPDATE clusterer SET description = 'after' WHERE node_id = 3");
    await until(async () => (await listed(2))[1]!.description === 'after', 20_000);
    await untilLinked(1, [2, 3]);
  }, 90_000);
});
