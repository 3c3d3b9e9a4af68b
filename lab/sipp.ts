/** Runs of `sipp` inside the lab and what its counters say. Its statistics file is read, never its screen. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { anycastAddress, calleeAddress, callerAddress, type LabNetwork } from './network.ts';
import type { LabProcess } from './process.ts';

const scenarioFolder = join(import.meta.dirname, 'scenarios');
/** A caller that is done with its calls has this long to end. */
const finishMilliseconds = 60_000;

export interface SippCounters {
  readonly calls: number;
  /** Calls that go on. */
  readonly open: number;
  readonly successful: number;
  readonly failed: number;
  readonly retransmissions: number;
  readonly unexpected: number;
  /** Messages that belong to no call, or to one that is over. */
  readonly stray: number;
}

export interface CallerLoad {
  /** Scenario without its extension. */
  readonly scenario: string;
  readonly calls: number;
  /** Calls per second. */
  readonly rate: number;
  readonly user?: string;
  /** How long `caller-hold` stays in the call. */
  readonly holdMilliseconds?: number;
  /** Further parameters of sipp. */
  readonly parameters?: readonly string[];
}

const holdDefault = 5000;

/** sipp writes its statistics every second. */
const statisticsMilliseconds = 1200;

let runs = 0;

export class Sipp {
  readonly process: LabProcess;
  readonly #statistics: string;
  readonly #errors: string;

  constructor(network: LabNetwork, host: 'caller' | 'callee', parameters: readonly string[]) {
    runs += 1;
    const name = `sipp-${host}-${runs}`;
    this.#statistics = network.file(`${name}.csv`);
    this.#errors = network.file(`${name}.errors`);
    const files = [
      '-trace_stat',
      '-stf',
      this.#statistics,
      '-fd',
      '1',
      '-trace_err',
      '-error_file',
      this.#errors,
    ];
    const quiet = ['-nostdin', '-buff_size', '4194304', '-deadcall_wait', '2000'];
    // A busy machine must not make sipp give up: its watchdog counts its own late wake-ups as failures.
    const watchdog = ['-watchdog_minor_maxtriggers', '100000', '-watchdog_major_maxtriggers', '100000'];
    const address = host === 'caller' ? callerAddress : calleeAddress;
    const command = ['sipp', ...parameters, '-i', address, ...files, ...quiet, ...watchdog];
    this.process = network.start(host, name, command);
  }

  counters(): SippCounters {
    return readCounters(this.#statistics);
  }

  /** The first of what sipp complained about. */
  complaints(charactersMax = 1200): string {
    return existsSync(this.#errors) ? readFileSync(this.#errors, 'latin1').slice(0, charactersMax) : '';
  }
}

/** A callee answers until it is stopped. */
export function startCallee(network: LabNetwork, scenario: string): Sipp {
  return new Sipp(network, 'callee', ['-sf', join(scenarioFolder, `${scenario}.xml`), '-p', '5060']);
}

export function startCaller(network: LabNetwork, load: CallerLoad): Sipp {
  const { scenario, calls, rate, user = 'uas', holdMilliseconds = holdDefault, parameters = [] } = load;
  const seconds = Math.ceil(calls / rate + (holdMilliseconds + finishMilliseconds) / 1000);
  const amount = ['-m', String(calls), '-r', String(rate), '-l', String(calls), '-timeout', `${seconds}s`];
  const what = ['-sf', join(scenarioFolder, `${scenario}.xml`), '-s', user, `${anycastAddress}:5060`];
  return new Sipp(network, 'caller', [
    ...what,
    '-p',
    '5060',
    ...amount,
    '-d',
    String(holdMilliseconds),
    '-recv_timeout',
    '40000',
    ...parameters,
  ]);
}

/** Registers `user` with the callee's address as its contact. */
export async function registerCallee(network: LabNetwork, user: string): Promise<void> {
  const what = ['-sf', join(scenarioFolder, 'register.xml'), '-s', user, `${anycastAddress}:5060`];
  const sipp = new Sipp(network, 'callee', [...what, '-p', '5070', '-m', '1', '-timeout', '10s']);
  const code = await sipp.process.ended;
  if (code !== 0) throw new Error(`REGISTER of ${user} failed: ${sipp.complaints()}`);
}

/** Lets a callee end its calls; those that are still open after `milliseconds` are cut, and stay uncounted. */
export async function finishCallee(callee: Sipp, milliseconds = 10_000): Promise<SippCounters> {
  const deadline = performance.now() + milliseconds;
  // Its file is a second old at most: one more second shows the end of the last call.
  await sleep(statisticsMilliseconds);
  while (callee.process.running && callee.counters().open > 0 && performance.now() < deadline)
    await sleep(250);
  const counters = callee.counters();
  await callee.process.stop('SIGTERM', 2000);
  return counters;
}

/** The last line of sipp's statistics, by the names of its columns; `(C)` is cumulative. */
export function readCounters(file: string): SippCounters {
  const lines = existsSync(file) ? readFileSync(file, 'latin1').trimEnd().split('\n') : [];
  const names = lines[0]?.split(';') ?? [];
  const values = lines.length > 1 ? lines.at(-1)!.split(';') : [];
  const value = (name: string): number => Number(values[names.indexOf(name)] ?? 0);
  return {
    calls: value('TotalCallCreated'),
    open: value('CurrentCall'),
    successful: value('SuccessfulCall(C)'),
    failed: value('FailedCall(C)'),
    retransmissions: value('Retransmissions(C)'),
    unexpected: value('FailedUnexpectedMessage(C)'),
    stray: value('OutOfCallMsgs(C)') + value('DeadCallMsgs(C)'),
  };
}
