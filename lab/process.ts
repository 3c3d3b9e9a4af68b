/**
 * Programs that the lab runs: short ones to their end, long ones until they are stopped. Every process is the leader
 * of its own session, so that Ctrl-C at the terminal reaches the lab alone, which then ends them in its own order.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. `input` goes to its standard input. */
export function execute(command: string, parameters: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
    // A program that ends without reading its input is no error of ours.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** As {@link execute}; throws when the command fails, and returns what it printed. */
export async function run(command: string, parameters: readonly string[], input = ''): Promise<string> {
  const outcome = await execute(command, parameters, input);
  if (outcome.code !== 0) {
    const line = [command, ...parameters].join(' ');
    throw new Error(
      `${line}: exit ${outcome.code}: ${(outcome.stderr || outcome.stdout).trim()}${input && `\n${input}`}`,
    );
  }
  return outcome.stdout;
}

/** A program that stays until it is stopped or ends by itself. Its output goes to a file. */
export class LabProcess {
  readonly name: string;
  readonly logFile: string;
  /** Exit code, or -1 after a signal. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;

  constructor(name: string, logFile: string, command: readonly string[]) {
    this.name = name;
    this.logFile = logFile;
    const log = openSync(logFile, 'a');
    this.#child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (code) => resolve(code ?? -1));
    });
    // Who never asks for the end must not bring the lab down by an unhandled rejection.
    this.ended.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Asks with `signal`, and after `milliseconds` no longer asks. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', milliseconds = 3000): Promise<number> {
    if (!this.running) return this.ended;
    this.signal(signal);
    const timer = setTimeout(() => this.signal('SIGKILL'), milliseconds);
    const code = await this.ended;
    clearTimeout(timer);
    return code;
  }
}
