/** MariaDB in its own namespace on the nodes' LAN, with OpenSIPS's `clusterer` table filled for the nodes of the run. */

import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { databaseAddress, type LabNetwork, nodeAddress } from './network.ts';
import { type LabProcess, run } from './process.ts';
import { anyviaCommand } from './program.ts';

const startMillisecondsMax = 30_000;
/** As the scripts of the experiment name it. */
export const databaseUrl = `mysql://opensips:lab@${databaseAddress}/opensips`;
export const binPort = 5566;

export class LabDatabase {
  readonly #network: LabNetwork;
  readonly #socket: string;
  #server: LabProcess | null = null;

  constructor(network: LabNetwork) {
    this.#network = network;
    this.#socket = network.file('mariadb.sock');
  }

  async start(): Promise<void> {
    const data = this.#network.file('mariadb');
    const install = ['--no-defaults', '--user=root', `--datadir=${data}`];
    await run('mariadb-install-db', [
      ...install,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
    ]);
    const setup = this.#network.file('setup.sql');
    writeFileSync(
      setup,
      "CREATE USER 'opensips'@'%' IDENTIFIED BY 'lab';\nGRANT ALL ON *.* TO 'opensips'@'%';\n",
    );
    await this.#launch([`--init-file=${setup}`]);
    await this.#network.run('node1', [...anyviaCommand, 'db', 'create', '--db', databaseUrl]);
    await this.setMembers(this.#network.nodes);
  }

  /** After {@link stop}: the same data again. */
  startAgain(): Promise<void> {
    return this.#launch([]);
  }

  async #launch(parameters: readonly string[]): Promise<void> {
    this.#server = this.#network.start('database', 'mariadb', [
      'mariadbd',
      '--no-defaults',
      '--user=root',
      `--datadir=${this.#network.file('mariadb')}`,
      `--socket=${this.#socket}`,
      `--bind-address=${databaseAddress}`,
      '--skip-name-resolve',
      ...parameters,
      '--innodb-buffer-pool-size=16M',
      '--innodb-log-file-size=8M',
    ]);
    await this.#untilReady();
  }

  /** The rows of `clusterer`: these nodes and no others. */
  async setMembers(nodes: readonly number[]): Promise<void> {
    const rows = nodes.map((node) => `(1, ${node}, 'bin:${nodeAddress(node)}:${binPort}')`);
    await this.query('DELETE FROM opensips.clusterer');
    await this.query(`INSERT INTO opensips.clusterer (cluster_id, node_id, url) VALUES ${rows.join(', ')}`);
  }

  async query(sql: string): Promise<unknown> {
    const connection = await createConnection({
      socketPath: this.#socket,
      user: 'opensips',
      password: 'lab',
    });
    try {
      return (await connection.query(sql))[0];
    } finally {
      await connection.end();
    }
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  async #untilReady(): Promise<void> {
    const deadline = performance.now() + startMillisecondsMax;
    for (;;) {
      try {
        await this.query('SELECT 1');
        return;
      } catch (error) {
        if (performance.now() > deadline || !this.#server!.running) throw error;
        await sleep(100);
      }
    }
  }
}
