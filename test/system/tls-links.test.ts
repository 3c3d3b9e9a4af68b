/** Nodes as processes whose links are TLS: who is let in, and what both ends say of those who are not. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CertificateFiles } from '#net/link-certificates.ts';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';
import { opensslMissing, TestAuthority } from '../support/test-authority.ts';

const missing = opensslMissing();
if (missing !== '') console.log(`Skipped: links over TLS between processes: ${missing}`);
const folder = mkdtempSync(join(tmpdir(), 'anyvia-tls-'));
const authority = TestAuthority.make();
const stranger = TestAuthority.make('another authority');
let sipPort: number;
let linkPort: number;

const good = (node: number): CertificateFiles =>
  authority.issue(`node${node}`, { addresses: [`127.0.0.${node}`] });

const addressOf = (node: number, protocol = 'bins'): string =>
  `cluster_id=1,node_id=${node},url=${protocol}:127.0.0.${node}:${linkPort}`;

function certificateLines(files: CertificateFiles): string {
  return `loadmodule "tls_mgm.so"
    modparam("tls_mgm", "certificate", "[links]${files.certificate}")
    modparam("tls_mgm", "private_key", "[links]${files.privateKey}")
    modparam("tls_mgm", "ca_list", "[links]${files.authorities}")`;
}

/** `files` null: a node that speaks no TLS, and takes its peers for such too. */
function daemon(node: number, files: CertificateFiles | null, peers: readonly number[]): Daemon {
  const protocol = files === null ? 'bin' : 'bins';
  const certificates = files === null ? '' : certificateLines(files);
  return new Daemon(
    folder,
    `node${node}`,
    `socket = udp:127.0.0.${node}:${sipPort} anycast
     socket = ${protocol}:127.0.0.${node}:${linkPort}
     loadmodule "proto_udp.so"\nloadmodule "proto_bins.so"\nloadmodule "clusterer.so"\nloadmodule "tm.so"
     loadmodule "sl.so"
     ${certificates}
     modparam("clusterer", "db_mode", 0)
     modparam("clusterer", "shared_secret", "open sesame")
     modparam("clusterer", "my_node_info", "${addressOf(node, protocol)}")
     ${peers.map((peer) => `modparam("clusterer", "neighbor_node_info", "${addressOf(peer, protocol)}")`).join('\n')}
     route { sl_send_reply(404, "Not here"); }`,
  );
}

afterAll(() => {
  for (const made of [authority, stranger]) made.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(missing !== '')('links over TLS', () => {
  const nodes = new Map<number, Daemon>();
  const at = (node: number): Daemon => nodes.get(node)!;
  const says = (node: number, part: string): Promise<void> =>
    until(() => at(node).log.includes(part), 15_000).catch(() => {
      throw new Error(`node ${node} never said "${part}":\n${at(node).log}`);
    });

  beforeAll(async () => {
    [sipPort, linkPort] = (await freeUdpPorts(2)) as [number, number];
    nodes.set(1, daemon(1, good(1), [2, 3, 4, 5, 6]));
    nodes.set(2, daemon(2, good(2), [1]));
    nodes.set(3, daemon(3, stranger.issue('node3', { addresses: ['127.0.0.3'] }), [1]));
    const expired = authority.issue('node4', { addresses: ['127.0.0.4'], until: '20260101000000Z' });
    nodes.set(4, daemon(4, expired, [1]));
    nodes.set(5, daemon(5, authority.issue('node5', { names: ['node5.example'] }), [1]));
    nodes.set(6, daemon(6, null, [1]));
    for (const node of nodes.values()) await node.start();
  }, 60_000);

  afterAll(async () => {
    for (const node of nodes.values()) await node.kill();
  });

  it('come up between nodes whose certificates name them', async () => {
    await says(1, 'Node [2] is UP');
    await says(2, 'Node [1] is UP');
    const { Clusters } = (await at(2).ask('clusterer:list')) as { Clusters: { Nodes: object[] }[] };
    expect(Clusters[0]!.Nodes[0]).toMatchObject({ url: `bins:127.0.0.1:${linkPort}`, link_state: 'Up' });
  });

  const refused = [
    {
      name: 'of another authority',
      node: 3,
      reason: /the certificate of node \[\d\] is of an authority that the ca_list/,
    },
    {
      name: 'that has expired',
      node: 4,
      reason: /the certificate of node \[4\] has expired on Jan 1 00:00:00 2026/,
    },
    {
      name: 'that names another node',
      node: 5,
      reason: /the certificate of node \[5\] names DNS:node5.example, not 127.0.0.5/,
    },
  ];
  it.each(refused)(
    'are refused with a certificate $name, in one line at both ends',
    async ({ node, reason }) => {
      const ours = (): string[] => linesOf(1, `node [${node}] at 127.0.0.${node}`);
      await until(() => ours().length > 0, 15_000);
      await until(() => linesOf(node, 'node [1] at').length > 0, 15_000);
      for (const lines of [ours(), linesOf(node, 'node [1] at')]) {
        expect(lines).toHaveLength(1);
        expect(lines[0]!.replace(/ {2}/g, ' ')).toMatch(reason);
      }
      expect(at(1).log).not.toContain(`Node [${node}] is UP`);
    },
  );

  function linesOf(node: number, part: string): string[] {
    return at(node)
      .log.split('\n')
      .filter((line) => line.includes(part) && line.includes('refuse'));
  }

  it('do not come up with a node that speaks no TLS, and both say so, whoever dials', async () => {
    await says(
      1,
      `no link to node [6]: 127.0.0.6:${linkPort}: connection failed (it is listed with bins:, and speaks no TLS)`,
    );
    await says(6, 'one side dials with TLS (bins:), the other has no certificate for it');
    const comes = 'node [6] comes without TLS, node [1] is listed with bins:';
    await says(1, comes);
    await says(6, `refuses this node: ${comes}`);
  }, 30_000);

  it('come up once a better certificate is in place and the node reads it again', async () => {
    expect(at(4).log).toContain('node4.pem has expired on');
    good(4);
    await at(4).ask('anyvia:reload');
    await says(1, 'Node [4] is UP');
    await says(4, 'Node [1] is UP');
  }, 30_000);
});

describe.skipIf(missing !== '')('links that go over to TLS while the nodes run', () => {
  const file = join(folder, 'members.db');
  const nodes = new Map<number, Daemon>();
  let port: number;

  function script(node: number, sip: number): string {
    return `socket = udp:127.0.0.${node}:${sip} anycast
      loadmodule "proto_udp.so"\nloadmodule "proto_bin.so"\nloadmodule "clusterer.so"\nloadmodule "tm.so"
      loadmodule "sl.so"
      ${certificateLines(good(node))}
      modparam("clusterer", "my_node_id", ${node})
      modparam("clusterer", "db_url", "sqlite://${file}")
      modparam("clusterer", "membership_interval", 1)
      route { sl_send_reply(404, "Not here"); }`;
  }

  function sql(statement: string): void {
    const database = new DatabaseSync(file, { timeout: 5000 });
    database.exec(statement);
    database.close();
  }

  /** The url under which each node has its link to the other, '' without one. */
  async function links(): Promise<string[]> {
    const urls: string[] = [];
    for (const node of nodes.values()) {
      const { Clusters } = (await node.ask('clusterer:list')) as {
        Clusters: { Nodes: { url: string; link_state: string }[] }[];
      };
      const [peer] = Clusters[0]!.Nodes;
      urls.push(peer?.link_state === 'Up' ? peer.url.slice(0, peer.url.indexOf(':')) : '');
    }
    return urls;
  }

  const untilLinked = (...protocols: string[]): Promise<void> =>
    until(async () => String(await links()) === String(protocols), 20_000);

  beforeAll(async () => {
    const [sip, bin] = (await freeUdpPorts(2)) as [number, number];
    port = bin;
    const program = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
    spawnSync(process.execPath, [program, 'db', 'create', '--db', `sqlite://${file}`]);
    for (const node of [1, 2])
      sql(
        `INSERT INTO clusterer (cluster_id, node_id, url) VALUES (1, ${node}, 'bin:127.0.0.${node}:${port}')`,
      );
    for (const node of [1, 2]) nodes.set(node, new Daemon(folder, `mover${node}`, script(node, sip)));
    for (const node of nodes.values()) await node.start();
  }, 60_000);

  afterAll(async () => {
    for (const node of nodes.values()) await node.kill();
  });

  it('stay reachable for each other, one row after the other', async () => {
    await untilLinked('bin', 'bin');
    for (const [node, before, after] of [
      [2, 'bins', 'bin'],
      [1, 'bins', 'bins'],
    ] as const) {
      sql(`UPDATE clusterer SET url = 'bins:127.0.0.${node}:${port}' WHERE node_id = ${node}`);
      await untilLinked(before, after);
    }
    for (const node of nodes.values()) expect(node.log).not.toContain('refuse');
  }, 60_000);
});
