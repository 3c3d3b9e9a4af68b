/** Several hosts of one database: the next one is used when one leaves or cannot serve; conflicts are settled. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '#db/open.ts';
import type { SqlConnection, SqlRow } from '#db/sql-connection.ts';
import { ManualClock } from '#util/clock.ts';
import { Failure } from '#util/failure.ts';
import { until } from '../support/daemon.ts';
import { type MariadbServer, mariadbMissing, startMariadb } from '../support/mariadb.ts';

function must<Value>(outcome: Value | Failure): Value {
  if (outcome instanceof Failure) throw new Error(`${outcome.code}: ${outcome.message}`);
  return outcome;
}

const missing = mariadbMissing();
if (missing !== '') console.log(`Skipped: several hosts of one database: ${missing}`);

describe.skipIf(missing !== '')('several hosts of one database', () => {
  const clock = new ManualClock();
  let servers: MariadbServer[] = [];
  let connection: SqlConnection;

  const portOf = async (): Promise<number> => {
    const [row] = must(await connection.query('SELECT @@port AS port')) as SqlRow[];
    return Number(row!.port);
  };

  beforeAll(async () => {
    servers = await Promise.all([startMariadb(), startMariadb()]);
    for (const { url } of servers) {
      const single = must(openDatabase(url, clock));
      expect(await single.createDatabase()).toBeNull();
      must(await single.query('CREATE TABLE t (id INT PRIMARY KEY, value INT)'));
      must(await single.query('INSERT INTO t VALUES (1, 0), (2, 0)'));
      await single.close();
    }
    const url = servers[0]!.url.replace(
      /127\.0\.0\.1:\d+/,
      servers.map(({ port }) => `127.0.0.1:${port}`).join(','),
    );
    connection = must(openDatabase(url, clock));
  }, 60_000);

  afterAll(async () => {
    await connection?.close();
    await Promise.all(servers.map((server) => server.remove()));
  });

  it('a host that says that it cannot serve is left for the next, within the same statement', async () => {
    expect(await portOf()).toBe(servers[0]!.port);
    // As a node of a Galera cluster without quorum answers.
    const unready =
      "SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = 1047, MESSAGE_TEXT = 'WSREP has not yet prepared node'";
    for (const [index, body] of [unready, 'INSERT INTO t VALUES (3, 3)'].entries()) {
      const single = must(openDatabase(servers[index]!.url, clock));
      must(await single.query(`CREATE PROCEDURE serve() ${body}`));
      await single.close();
    }
    must(await connection.query('CALL serve()'));
    expect(await portOf()).toBe(servers[1]!.port);
    expect(must(await connection.query('SELECT value FROM t WHERE id = 3'))).toEqual([{ value: 3 }]);
  });

  it('a host that stops is left for the next, within the same statement', async () => {
    const before = await portOf();
    await servers.find(({ port }) => port === before)!.stop();
    expect(await portOf()).not.toBe(before);
    await servers.find(({ port }) => port === before)!.start();
    expect(await portOf()).not.toBe(before);
  });

  it('the first host is used again when it is back, and statements meanwhile go on', async () => {
    await servers[0]!.stop();
    expect(await portOf()).toBe(servers[1]!.port);
    clock.advance(40_000);
    // Nobody there yet: whoever looks is not the one who asked.
    expect(await portOf()).toBe(servers[1]!.port);
    await servers[0]!.start();
    clock.advance(40_000);
    await until(async () => (await portOf()) === servers[0]!.port);
  });

  it('a conflict with another transaction is tried again', async () => {
    const port = await portOf();
    const { url } = servers.find((server) => server.port === port)!;
    const first = must(openDatabase(url, clock));
    const second = must(openDatabase(url, clock));
    must(await first.query('SET SESSION innodb_lock_wait_timeout = 1'));
    must(await second.query('START TRANSACTION'));
    must(await second.query('UPDATE t SET value = 1 WHERE id = 1'));
    // Waits a second for the row, loses, and tries again; by then the other has finished.
    const waiting = first.query('UPDATE t SET value = value + 10 WHERE id = 1');
    setTimeout(() => void second.query('COMMIT'), 1500);
    must(await waiting);
    const [row] = must(await first.query('SELECT value FROM t WHERE id = 1'));
    expect(row!.value).toBe(11);
    await first.close();
    await second.close();
  });
});
