/**
 * A Galera cluster of two, both in `db_url`: the one in use is killed while phones register and calls are accounted,
 * and comes back. No message waits, every row is there once, and the work returns to the first host.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '#db/migrations.ts';
import { openDatabase } from '#db/open.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import { systemClock } from '#net/system-clock.ts';
import { isFailure } from '#util/failure.ts';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';
import { DatabaseLoad, loadScript } from '../support/database-load.ts';
import { type GaleraCluster, galeraMissing, startGalera } from '../support/galera.ts';

const missing = galeraMissing();
if (missing !== '') console.log(`Skipped: a Galera cluster: ${missing}`);

describe.skipIf(missing !== '')('a Galera cluster of two', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-galera-'));
  let cluster: GaleraCluster;
  let connections: SqlConnection[] = [];
  let daemon: Daemon;
  let port = 0;

  async function run(
    connection: SqlConnection,
    statement: string,
  ): Promise<readonly Record<string, unknown>[]> {
    const outcome = await connection.query(statement);
    if (isFailure(outcome)) throw new Error(outcome.message);
    return outcome;
  }

  /** How many connections the daemon has to a node. */
  async function used(index: number): Promise<number> {
    const [row] = await run(
      connections[index]!,
      "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE user = 'anyvia' AND id <> CONNECTION_ID()",
    );
    return Number(row!.n);
  }

  beforeAll(async () => {
    cluster = await startGalera();
    connections = cluster.nodes.map((node) => {
      const single = cluster.url.replace(/127\.0\.0\.1:.*\//, `127.0.0.1:${node.port}/`);
      const opened = openDatabase(single, systemClock);
      if (isFailure(opened)) throw new Error(opened.message);
      return opened;
    });
    expect(await connections[0]!.createDatabase()).toBeNull();
    expect(isFailure(await applyMigrations(connections[0]!))).toBe(false);
    [port] = (await freeUdpPorts(1)) as [number];
    daemon = new Daemon(folder, 'node', loadScript(port, cluster.url));
    await daemon.start();
  }, 90_000);

  afterAll(async () => {
    await daemon?.kill();
    for (const connection of connections) await connection.close();
    await cluster?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it('settles conflicts between its nodes', async () => {
    await run(connections[0]!, 'CREATE TABLE counter (id INT PRIMARY KEY, value INT)');
    await run(connections[0]!, 'INSERT INTO counter VALUES (1, 0)');
    const value = async (connection: SqlConnection): Promise<number> => {
      const [row] = await run(connection, 'SELECT value FROM counter WHERE id = 1');
      return Number(row?.value ?? -1);
    };
    // What one node has committed, the other applies a moment later.
    await expect.poll(() => value(connections[1]!), { timeout: 5000 }).toBe(0);
    const rounds = 100;
    const count = async (connection: SqlConnection): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        await run(connection, 'UPDATE counter SET value = value + 1 WHERE id = 1');
      }
    };
    await Promise.all(connections.map(count));
    for (const connection of connections)
      await expect.poll(() => value(connection), { timeout: 5000 }).toBe(2 * rounds);
    const conflicts = await Promise.all(
      connections.map(async (connection) => {
        const rows = await run(
          connection,
          "SHOW STATUS WHERE variable_name IN ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')",
        );
        return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
      }),
    );
    // Else the test has shown nothing.
    expect(conflicts[0]! + conflicts[1]!).toBeGreaterThan(0);
  });

  it('loses the node in use without a missing row, and goes back to it', async () => {
    const load = new DatabaseLoad([port], 'killed');
    await load.start();
    await sleep(1500);
    expect([(await used(0)) > 0, await used(1)]).toEqual([true, 0]);
    await cluster.nodes[0]!.end('SIGKILL');
    const killed = Date.now();
    await until(async () => (await used(1).catch(() => 0)) > 0, 30_000);
    const failOver = Date.now() - killed;
    await sleep(5000);
    await cluster.nodes[0]!.start();
    const back = Date.now();
    await until(async () => (await used(0).catch(() => 0)) > 0, 60_000);
    const goBack = Date.now() - back;
    await sleep(1000);
    expect(await used(1)).toBe(0);
    await load.stop();
    expect(load.failures).toEqual([]);
    for (const connection of connections) {
      let problems: string[] = [];
      await until(async () => {
        problems = await load.missingIn(connection);
        return problems.length === 0;
      }, 30_000).catch(() => {});
      expect(problems).toEqual([]);
    }
    expect(await daemon.statistic('acc:db_waiting')).toBe(0);
    console.log(
      `${load.answered + load.missed} calls, ${load.registered.size} contacts; next host used after ${failOver} ms, ` +
        `the first again ${goBack} ms after it was back`,
    );
  });
});
