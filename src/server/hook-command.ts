/**
 * Runs the operator's command when this node is announced or withdrawn: one at a time, in order, each within a bounded
 * time. A command that fails is logged with what it said, and changes nothing else.
 */

import { execFile } from 'node:child_process';
import type { Logger } from '#module/host.ts';

/** vtysh and ip take a fraction of a second; a router that does not answer must not stop a shutdown. */
const commandMillisecondsMax = 10_000;
const outputBytesMax = 64 * 1024;

export class HookCommands {
  readonly #log: Logger;
  #last: Promise<void> = Promise.resolve();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Queues the command; '' does nothing. */
  run(name: string, command: string): void {
    if (command !== '') this.#last = this.#last.then(() => this.#execute(name, command));
  }

  /** Resolves when every command so far has ended, or its time is over. */
  settled(): Promise<void> {
    return this.#last;
  }

  #execute(name: string, command: string): Promise<void> {
    const options = {
      timeout: commandMillisecondsMax,
      killSignal: 'SIGKILL',
      maxBuffer: outputBytesMax,
    } as const;
    return new Promise((resolve) => {
      execFile('/bin/sh', ['-c', command], options, (error, stdout, stderr) => {
        if (error === null) this.#log.info(`${name}: ${command}`);
        else {
          const cause = error.killed
            ? `not over after ${commandMillisecondsMax / 1000} s`
            : error.message.trim();
          this.#log.error(`${name} failed: ${cause}`, { output: `${stdout}${stderr}`.trim() });
        }
        resolve();
      });
    });
  }
}
