/**
 * A Galera cluster of two MariaDB servers on the loopback address. The second begins with a copy of the first one's
 * data, and a killed one with what it finds in its own log, so that Galera's own incremental transfer is all that is
 * needed and no script of Debian's package for a service. The second weighs two: it goes on without the first.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type MariadbServer, mariadbMissing, startMariadb, waitUntilReady } from './mariadb.ts';

const provider = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib/libgalera_smm.so'].find((path) =>
  existsSync(path),
);
const program = '/usr/sbin/mariadbd';
const transfer = join(import.meta.dirname, 'galera-transfer');

/** Why there can be no cluster here; '' when there can. */
export function galeraMissing(): string {
  if (mariadbMissing() !== '') return mariadbMissing();
  return provider === undefined ? 'no libgalera_smm.so here (Debian package galera-4)' : '';
}

export class GaleraNode {
  readonly port: number;
  readonly #data: string;
  readonly #parameters: readonly string[];
  #server: ChildProcess | null = null;

  constructor(data: string, port: number, parameters: readonly string[]) {
    this.#data = data;
    this.port = port;
    const account = process.getuid?.() === 0 ? ['--user=root'] : [];
    this.#parameters = ['--no-defaults', ...account, `--datadir=${data}`, ...parameters];
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  async start(isFirst = false): Promise<void> {
    const position = isFirst ? '' : this.#recover();
    const log = openSync(join(this.#data, '..', `log-${this.port}`), 'a');
    this.#server = spawn(
      program,
      [
        ...this.#parameters,
        `--port=${this.port}`,
        ...(isFirst ? ['--wsrep-new-cluster'] : []),
        ...(position === '' ? [] : [`--wsrep-start-position=${position}`]),
      ],
      { stdio: ['ignore', log, log], env: { ...process.env, PATH: `${transfer}:${process.env.PATH}` } },
    );
    await waitUntilReady(this.port, this.#server);
  }

  /** Up to which transaction the data are whole, `uuid:number`; after a kill the state file does not say. */
  #recover(): string {
    const { stdout, stderr } = spawnSync(program, [...this.#parameters, '--wsrep-recover', '--port=0'], {
      encoding: 'utf8',
    });
    return /Recovered position:\s*([0-9a-f-]{36}:-?\d+)/.exec(`${stdout}${stderr}`)?.[1] ?? '';
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
    server.kill(signal);
    await ended;
  }
}

export interface GaleraCluster {
  /** Names both hosts, the first of `nodes` first. */
  readonly url: string;
  readonly nodes: readonly GaleraNode[];
  remove(): Promise<void>;
}

export async function startGalera(): Promise<GaleraCluster> {
  const origin: MariadbServer = await startMariadb();
  await origin.stop();
  const { folder } = origin;
  const ports = await Promise.all(Array.from({ length: 6 }, () => freePort()));
  const members = [ports[2], ports[3]].map((port) => `127.0.0.1:${port}`).join(',');
  const data = [join(folder, 'data'), join(folder, 'data-2')];
  const nodes = data.map((path, index) => {
    const options = [
      `gmcast.listen_addr=tcp://127.0.0.1:${ports[2 + index]}`,
      `ist.recv_addr=127.0.0.1:${ports[4 + index]}`,
      `pc.weight=${index + 1}`,
      'evs.keepalive_period=PT0.5S',
      'evs.suspect_timeout=PT2S',
      'evs.inactive_timeout=PT4S',
      'gcache.size=32M',
    ];
    return new GaleraNode(path, ports[index]!, [
      `--socket=${folder}/socket-${index}`,
      `--pid-file=${folder}/pid-${index}`,
      '--bind-address=127.0.0.1',
      '--skip-name-resolve',
      '--innodb-buffer-pool-size=16M',
      '--innodb-log-file-size=8M',
      '--binlog-format=ROW',
      '--innodb-autoinc-lock-mode=2',
      '--wsrep-on=ON',
      '--wsrep-sst-method=handover',
      `--wsrep-provider=${provider}`,
      `--wsrep-cluster-address=gcomm://${members}`,
      `--wsrep-node-address=127.0.0.1:${ports[2 + index]}`,
      // Conflicts shall reach the client: this is about what it does with them.
      '--wsrep-retry-autocommit=0',
      `--wsrep-provider-options=${options.join(';')}`,
    ]);
  });
  await nodes[0]!.start(true);
  await nodes[0]!.end('SIGTERM');
  cpSync(data[0]!, data[1]!, { recursive: true, filter: (path) => !path.endsWith('galera.cache') });
  await nodes[0]!.start(true);
  await nodes[1]!.start();
  const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
  return {
    url: origin.url.replace(/127\.0\.0\.1:\d+/, hosts),
    nodes,
    async remove() {
      await Promise.all(nodes.map((node) => node.end('SIGKILL')));
      await origin.remove();
    },
  };
}
