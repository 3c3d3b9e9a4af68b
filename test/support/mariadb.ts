/** A MariaDB server of a test's own: its own data folder, socket and port, gone when the test is over. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';

export interface MariadbServer {
  readonly port: number;
  readonly url: string;
  /** Holds `data`; gone with {@link remove}. */
  readonly folder: string;
  /** Of the process that runs now; 0 when none does. */
  readonly pid: number;
  /** Ends the server; the data stay for {@link start}. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Ends the server and removes its data. */
  remove(): Promise<void>;
}

export interface MariadbPlace {
  /** Where the server makes its folder; the folder for temporary files unless told. */
  readonly parent?: string;
  /** More parameters of mariadbd, by the folder of its data. */
  readonly parameters?: (data: string) => readonly string[];
}

const startMillisecondsMax = 30_000;
const user = 'anyvia';
const password = 'p@ss/word';

/** Why no MariaDB can be started here; '' when one can. */
export function mariadbMissing(): string {
  if (findProgram('mariadbd') === null) return 'no mariadbd here (Debian package mariadb-server-core)';
  if (findProgram('my_print_defaults') === null)
    return 'no my_print_defaults here (Debian package mariadb-client-core)';
  return '';
}

function findProgram(name: string): string | null {
  const folders = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin'];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

export async function startMariadb(place: MariadbPlace = {}): Promise<MariadbServer> {
  const folder = mkdtempSync(join(place.parent ?? tmpdir(), 'anyvia-mariadb-'));
  const data = join(folder, 'data');
  const account = process.getuid?.() === 0 ? ['--user=root'] : [];
  const installed = spawnSync(
    findProgram('mariadb-install-db')!,
    [
      '--no-defaults',
      ...account,
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
    ],
    { encoding: 'utf8' },
  );
  if (installed.status !== 0) throw new Error(`mariadb-install-db: ${installed.stdout}${installed.stderr}`);
  const port = await freePort();
  const socket = join(folder, 'socket');
  const setup = join(folder, 'setup.sql');
  writeFileSync(
    setup,
    `CREATE USER IF NOT EXISTS '${user}'@'127.0.0.1' IDENTIFIED BY '${password}';\nGRANT ALL ON *.* TO '${user}'@'127.0.0.1';\n`,
  );
  let server: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    const parameters = [
      '--no-defaults',
      ...account,
      `--datadir=${data}`,
      `--socket=${socket}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      '--skip-name-resolve',
      `--init-file=${setup}`,
      '--innodb-buffer-pool-size=16M',
      '--innodb-log-file-size=8M',
      ...(place.parameters?.(data) ?? []),
    ];
    server = spawn(findProgram('mariadbd')!, parameters, { stdio: 'ignore' });
    await waitUntilReady(port, server);
  };
  const stop = async (): Promise<void> => {
    const ending = server;
    server = null;
    if (ending === null || ending.exitCode !== null) return;
    const ended = new Promise<void>((resolve) => ending.once('exit', () => resolve()));
    ending.kill('SIGTERM');
    await ended;
  };
  const remove = async (): Promise<void> => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  };
  await start();
  const url = `mysql://${user}:${password}@127.0.0.1:${port}/opensips`;
  return {
    port,
    url,
    folder,
    get pid() {
      return server?.pid ?? 0;
    },
    stop,
    start,
    remove,
  };
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Asks with the account that the setup file makes: an open port alone comes before it. */
export async function waitUntilReady(port: number, server: ChildProcess): Promise<void> {
  const deadline = Date.now() + startMillisecondsMax;
  for (;;) {
    if (server.exitCode !== null) throw new Error(`mariadbd ended with ${server.exitCode}`);
    try {
      const connection = await createConnection({ host: '127.0.0.1', port, user, password });
      connection.destroy();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}
