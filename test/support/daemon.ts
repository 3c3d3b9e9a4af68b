/** The program as a process: a script in a folder of its own, a control socket, an end. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askControl } from '#net/control-client.ts';
import { Failure } from '#util/failure.ts';

const program = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const readyMilliseconds = 20_000;

export class Daemon {
  readonly socket: string;
  readonly #file: string;
  #child: ChildProcess | null = null;
  log = '';

  /** `script` without its control socket. */
  constructor(folder: string, name: string, script: string) {
    this.socket = join(folder, `${name}.sock`);
    this.#file = join(folder, `${name}.cfg`);
    writeFileSync(this.#file, `control_socket="${this.socket}"\n${script}`);
  }

  /** Of the process that runs now; 0 when none does. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves when the node says that it is ready. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [program, 'start', '-f', this.#file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.log = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        this.log += String(chunk);
      });
    }
    await until(() => {
      if (child.exitCode !== null) throw new Error(`the node ended with ${child.exitCode}:\n${this.log}`);
      return this.log.includes('is ready');
    }, readyMilliseconds);
  }

  async ask(method: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const answer = await askControl(this.socket, { method, parameters, milliseconds: 5000 });
    if (answer instanceof Failure) throw new Error(`${method}: ${answer.message}`);
    return answer;
  }

  /** Value of `group:name`. */
  async statistic(name: string): Promise<number> {
    const values = (await this.ask('statistics:get', { statistics: [name] })) as Record<string, number>;
    return values[name] ?? 0;
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#end((child) => child.kill('SIGKILL'));
  }

  /** `anyvia stop`: without waiting for transactions to end. */
  async stop(): Promise<void> {
    await this.#end(() => void this.ask('anyvia:stop'));
  }

  async #end(begin: (child: ChildProcess) => void): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    begin(child);
    await gone;
  }
}

export async function until(isTrue: () => boolean | Promise<boolean>, milliseconds = 10_000): Promise<void> {
  const end = Date.now() + milliseconds;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error('it did not come true in time');
    await sleep(20);
  }
}

/** `count` UDP ports of the loopback address that are free now. */
export async function freeUdpPorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4'));
  const ports: number[] = [];
  for (const socket of sockets) {
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    ports.push(socket.address().port);
  }
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(resolve))));
  return ports;
}
