/**
 * A MariaDB that stops, hangs, is locked, throws us out or has no room left, while phones register and calls are
 * accounted: no message waits for it, and in the end every row is there once. OUTAGE_SECONDS makes each trouble longer.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
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
import { type MariadbServer, mariadbMissing, startMariadb } from '../support/mariadb.ts';

const outageSeconds = Number(process.env.OUTAGE_SECONDS ?? '7');
const missing = mariadbMissing();
if (missing !== '') console.log(`Skipped: a database in trouble: ${missing}`);

/** A file system of its own that can be full; '' where none may be mounted. */
function mountSmall(folder: string): string {
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=200m', 'tmpfs', disk]);
  return mounted.status === 0 ? disk : '';
}

describe.skipIf(missing !== '')('a database in trouble', { timeout: 90_000 + outageSeconds * 2000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-outage-'));
  const disk = missing === '' ? mountSmall(folder) : '';
  if (missing === '' && disk === '')
    console.log('Skipped: a full disk: no file system can be mounted (not root)');
  let server: MariadbServer;
  let connection: SqlConnection;
  let daemon: Daemon;
  let port = 0;

  async function run(statement: string): Promise<readonly Record<string, unknown>[]> {
    const outcome = await connection.query(statement);
    if (isFailure(outcome)) throw new Error(outcome.message);
    return outcome;
  }

  beforeAll(async () => {
    server = await startMariadb(disk === '' ? {} : { parent: disk });
    const opened = openDatabase(server.url, systemClock);
    if (isFailure(opened)) throw new Error(opened.message);
    connection = opened;
    expect(await connection.createDatabase()).toBeNull();
    expect(isFailure(await applyMigrations(connection))).toBe(false);
    [port] = (await freeUdpPorts(1)) as [number];
    daemon = new Daemon(folder, 'node', loadScript(port, server.url, `${folder}/records`));
    await daemon.start();
  }, 60_000);

  afterAll(async () => {
    await daemon?.kill();
    await connection?.close();
    await server?.remove();
    if (disk !== '') spawnSync('umount', [disk]);
    rmSync(folder, { recursive: true, force: true });
  });

  const waiting = async (): Promise<number> =>
    (await daemon.statistic('acc:db_waiting')) + (await daemon.statistic('usrloc:db_waiting'));

  /** Load before, during and after the trouble. Returns what the daemon logged. */
  async function endure(prefix: string, trouble: () => Promise<void>): Promise<string> {
    const begin = daemon.log.length;
    const load = new DatabaseLoad([port], prefix);
    await load.start();
    await sleep(500);
    await trouble();
    const most = await waiting();
    const after = Date.now();
    await sleep(500);
    await load.stop();
    expect(load.failures).toEqual([]);
    let problems: string[] = [];
    await until(async () => {
      problems = await load.missingIn(connection);
      return problems.length === 0;
    }, 60_000).catch(() => {});
    expect(problems).toEqual([]);
    expect(await waiting()).toBe(0);
    console.log(
      `${prefix}: ${load.answered + load.missed} calls, ${load.registered.size} contacts, ${most} rows waited, ` +
        `caught up ${Date.now() - after} ms after the trouble`,
    );
    return daemon.log.slice(begin);
  }

  function expectFewLines(log: string): void {
    const lines = log.split('\n').filter((line) => line.includes('changes wait'));
    expect(lines.length).toBeGreaterThan(0);
    // One per table, and again each minute.
    expect(lines.length).toBeLessThanOrEqual(3 * (1 + Math.ceil(outageSeconds / 60)));
  }

  it('that stops and starts again', async () => {
    const log = await endure('stop', async () => {
      await server.stop();
      await sleep(outageSeconds * 1000);
      expect(await waiting()).toBeGreaterThan(100);
      expect(await daemon.statistic('acc:db_failures')).toBeGreaterThan(0);
      await server.start();
    });
    expectFewLines(log);
    expect(log).toContain('writing again after');
  });

  it('that hangs', async () => {
    const log = await endure('hang', async () => {
      process.kill(server.pid, 'SIGSTOP');
      await sleep((outageSeconds + 6) * 1000);
      expect(await waiting()).toBeGreaterThan(100);
      process.kill(server.pid, 'SIGCONT');
    });
    expectFewLines(log);
  });

  it('whose tables somebody else has locked', async () => {
    const other = openDatabase(server.url, systemClock, true);
    if (isFailure(other)) throw new Error(other.message);
    const log = await endure('lock', async () => {
      expect(isFailure(await other.query('LOCK TABLES acc WRITE, missed_calls WRITE, location WRITE'))).toBe(
        false,
      );
      await sleep(outageSeconds * 1000);
      // What was given up is not carried out later: nothing of it waits in the server.
      const [row] = await run(
        "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE state LIKE 'Waiting%'",
      );
      expect(Number(row!.n)).toBeLessThanOrEqual(1);
      await other.query('UNLOCK TABLES');
    });
    await other.close();
    expectFewLines(log);
  });

  it('that closes our connections', async () => {
    await endure('kill', async () => {
      for (let round = 0; round < 20; round++) {
        const rows = await run(
          "SELECT id FROM information_schema.processlist WHERE user = 'anyvia' AND id <> CONNECTION_ID()",
        );
        for (const { id } of rows) await connection.query(`KILL CONNECTION ${id}`);
        await sleep(100);
      }
    });
  });

  it.skipIf(disk === '')('whose disk is full', async () => {
    const log = await endure('full', async () => {
      const filler = join(disk, 'filler');
      const { bavail, bsize } = statfsSync(disk);
      writeFileSync(filler, Buffer.alloc(bavail * bsize - bsize));
      await sleep(outageSeconds * 1000);
      expect(statfsSync(disk).bavail).toBeLessThan(64);
      truncateSync(filler);
    });
    expect(log).not.toContain('record not kept');
  });

  it('that is away while the node is killed: its records are written by its next life', async () => {
    await server.stop();
    const load = new DatabaseLoad([port], 'crash');
    await load.start();
    await sleep(2000);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await daemon.statistic('acc:db_spool_bytes')).toBeGreaterThan(10_000);
    await daemon.kill();
    await server.start();
    await daemon.start();
    let problems: string[] = [];
    // A node without peers has nobody who knows the contacts that it had not written.
    await until(async () => {
      problems = (await load.missingIn(connection)).filter((line) => !line.startsWith('location'));
      return problems.length === 0;
    }, 30_000).catch(() => {});
    expect(problems).toEqual([]);
    expect(daemon.log).toMatch(/acc: \d+ records of a former life/);
    await until(async () => (await daemon.statistic('acc:db_spool_bytes')) === 0);
    expect(await daemon.statistic('acc:db_spool_dropped')).toBe(0);
  });
});
