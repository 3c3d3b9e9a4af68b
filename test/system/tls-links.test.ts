/** Nodes as processes whose links are TLS: who is let in, and what both ends say of those who are not. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CertificateFiles } from '#net/link-certificates.ts';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';
import { TestAuthority } from '../support/test-authority.ts';

const folder = mkdtempSync(join(tmpdir(), 'anyvia-tls-'));
const authority = TestAuthority.make();
const stranger = TestAuthority.make('another authority');
let sipPort: number;
let linkPort: number;

const good = (node: number): CertificateFiles =>
  authority.issue(`node${node}`, { addresses: [`127.0.0.${node}`] });

const addressOf = (node: number, protocol = 'bins'): string =>
  `cluster_id=1,node_id=${node},url=${protocol}:127.0.0.${node}:${linkPort}`;

/** `files` null: a node that speaks no TLS, and takes its peers for such too. */
function daemon(node: number, files: CertificateFiles | null, peers: readonly number[]): Daemon {
  const protocol = files === null ? 'bin' : 'bins';
  const certificates =
    files === null
      ? ''
      : `loadmodule "tls_mgm.so"
         modparam("tls_mgm", "certificate", "[links]${files.certificate}")
         modparam("tls_mgm", "private_key", "[links]${files.privateKey}")
         modparam("tls_mgm", "ca_list", "[links]${files.authorities}")`;
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

describe('links over TLS', () => {
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
    for (const made of [authority, stranger]) made.remove();
    rmSync(folder, { recursive: true, force: true });
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
