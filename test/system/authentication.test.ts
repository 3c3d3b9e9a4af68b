/**
 * Authentication by processes that share an embedded database and a cluster secret: what one node asked for, another
 * judges, and what was used on one cannot be used on the other. Then the database goes, and comes back.
 */

import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import { ManualClock } from '#util/clock.ts';
import { isFailure } from '#util/failure.ts';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';
import { answerChallenge, challengesOf } from '../support/digest-client.ts';

const alice = { username: 'alice', password: 'wonderland' };
const uri = 'sip:example.com';
const request = { method: 'REGISTER', uri };

let folder: string;
let database: string;
let phone: Socket;
let ports: number[];
const nodes: Daemon[] = [];
const received: string[] = [];

const script = (id: number, sip: number, bins: readonly number[]): string => `
  log_level = 3
  socket = udp:127.0.0.1:${sip} anycast
  socket = bin:127.0.0.1:${bins[id - 1]}
  ${['proto_udp', 'proto_bin', 'sl', 'tm', 'clusterer', 'usrloc', 'registrar', 'sipmsgops', 'auth', 'auth_db'].map((name) => `loadmodule "${name}.so"`).join('\n')}
  modparam("clusterer", "db_mode", 0)
  modparam("clusterer", "my_node_id", ${id})
  modparam("clusterer", "my_node_info", "cluster_id=1, node_id=${id}, url=bin:127.0.0.1:${bins[id - 1]}")
  modparam("clusterer", "neighbor_node_info", "cluster_id=1, node_id=${3 - id}, url=bin:127.0.0.1:${bins[2 - id]}")
  modparam("clusterer", "shared_secret", "a secret of this test")
  modparam("tm", "tm_replication_cluster", 1)
  modparam("auth_db", "db_url", "sqlite://${database}")
  modparam("auth_db", "calculate_ha1", 1)
  modparam("auth_db", "cache_lifetime", 0)
  route {
    if (!www_authorize("", "subscriber")) {
      www_challenge("", "auth", "SHA-256");
      exit;
    }
    save("location");
  }`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'anyvia-auth-'));
  database = join(folder, 'anyvia.db');
  const connection = openDatabase(`sqlite://${database}`, new ManualClock());
  if (isFailure(connection)) throw new Error(connection.message);
  expect(await connection.createDatabase()).toBeNull();
  expect(isFailure(await applyMigrations(connection))).toBe(false);
  const [version] = (await connection.query(
    "SELECT table_version FROM version WHERE table_name = 'subscriber'",
  )) as { table_version: number }[];
  expect(version?.table_version).toBe(8);
  await connection.query(
    "INSERT INTO subscriber (username, domain, password) VALUES ('alice', 'example.com', 'wonderland')",
  );
  await connection.close();
  const free = await freeUdpPorts(4);
  ports = free.slice(0, 2);
  for (const id of [1, 2])
    nodes.push(new Daemon(folder, `node-${id}`, script(id, ports[id - 1]!, free.slice(2))));
  await Promise.all(nodes.map((node) => node.start()));
  await until(() => nodes.every((node) => /Node \[\d\] is UP/.test(node.log)));
  phone = createSocket('udp4');
  phone.on('message', (bytes) => received.push(bytes.toString('latin1')));
  await new Promise<void>((resolve) => phone.bind(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  phone.close();
  await Promise.all(nodes.map((node) => node.stop()));
  rmSync(folder, { recursive: true, force: true });
});

let cseq = 0;

/** A REGISTER to a node; gives the answer. */
async function register(node: 0 | 1, credentials = ''): Promise<string> {
  cseq++;
  const lines = [
    `REGISTER ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:${phone.address().port};rport;branch=z9hG4bKa${cseq}`,
    'From: <sip:alice@example.com>;tag=f',
    'To: <sip:alice@example.com>',
    'Call-ID: registration',
    `CSeq: ${cseq} REGISTER`,
    `Contact: <sip:alice@127.0.0.1:${phone.address().port}>`,
    'Max-Forwards: 70',
    ...(credentials === '' ? [] : [`Authorization: ${credentials}`]),
    'Content-Length: 0',
    '',
    '',
  ];
  phone.send(lines.join('\r\n'), ports[node]!, '127.0.0.1');
  const isAnswer = (text: string): boolean => text.includes(`CSeq: ${cseq} REGISTER`);
  await until(() => received.some(isAnswer));
  return received.find(isAnswer)!;
}

const status = (answer: string): number => Number(answer.split(' ')[1]);

describe('two nodes', () => {
  it('judge each other’s challenges, and let nothing be used twice', async () => {
    const asked = await register(0);
    expect(status(asked)).toBe(401);
    const [challenge] = challengesOf(asked);
    expect(status(await register(1, answerChallenge(challenge!, { ...alice, password: 'x' }, request)))).toBe(
      401,
    );
    const right = answerChallenge(challenge!, alice, request);
    expect(status(await register(1, right))).toBe(200);
    for (const node of [0, 1] as const) {
      const replayed = await register(node, right);
      expect(status(replayed)).toBe(401);
      expect(challengesOf(replayed)[0]).toMatchObject({ stale: 'true' });
    }
    expect(status(await register(0, answerChallenge(challenge!, alice, request, 2)))).toBe(200);
    expect(await nodes[1]!.statistic('auth:asked_nonces')).toBe(2);
    expect(await nodes[1]!.statistic('auth:unchecked_nonces')).toBe(0);
  });

  it('say what is wrong with the database, and find it again', async () => {
    renameSync(database, `${database}.away`);
    // An open file stays usable: the node that starts now has none.
    await nodes[0]!.kill();
    await nodes[0]!.start();
    const [challenge] = challengesOf(await register(0));
    const right = answerChallenge(challenge!, alice, request);
    expect(status(await register(0, right))).toBe(500);
    expect(nodes[0]!.log).toContain('there is no such file');
    renameSync(`${database}.away`, database);
    expect(status(await register(0, right))).toBe(200);
  });
});
