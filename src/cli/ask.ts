/** Asks the running node and prints what it says: once, or again and again with `--watch`. */

import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes } from '#cli/exit-codes.ts';
import { formatValue, isObject } from '#cli/table.ts';
import { formatNodes, type View } from '#cli/views.ts';
import { askControl, type ControlQuestion, watchControl } from '#net/control-client.ts';
import { Failure } from '#util/failure.ts';

export interface LookOptions {
  readonly socket: string;
  readonly json?: boolean;
  readonly watch?: boolean;
  /** Seconds between two looks. */
  readonly interval: number;
  readonly all?: boolean;
}

/** A node under load answers within this; a whole cluster, asked through it, too. */
const answerMilliseconds = 10_000;

/** Returns the exit code. */
export async function look(view: View, options: LookOptions): Promise<number> {
  if (!options.watch) return lookOnce(view, options);
  const stopped = untilInterrupted();
  while (!stopped.aborted) {
    if (process.stdout.isTTY) process.stdout.write('\u001b[H\u001b[2J');
    // A node that restarts is waited for: watching it is what the operator wants.
    await lookOnce(view, options);
    if (!options.json && !process.stdout.isTTY) process.stdout.write('\n');
    await sleep(options.interval * 1000, undefined, { signal: stopped }).catch(() => undefined);
  }
  return exitCodes.success;
}

async function lookOnce(view: View, options: LookOptions): Promise<number> {
  const parameters = options.all ? { ...view.parameters, anyvia_all: true } : view.parameters;
  const result = await askControl(options.socket, {
    method: view.method,
    parameters,
    milliseconds: answerMilliseconds,
  });
  if (result instanceof Failure) return reportFailure(result);
  if (options.json) process.stdout.write(formatJson(result, options));
  else
    process.stdout.write(options.all && isObject(result) ? formatNodes(view, result) : view.format(result));
  return exitCodes.success;
}

/** Indented for one look; one line per look for whoever reads a stream of them. */
function formatJson(result: unknown, options: LookOptions): string {
  return `${options.watch ? JSON.stringify(result) : JSON.stringify(result, null, 2)}\n`;
}

/** Runs one method and prints its result: nothing for "OK" but the word itself. Returns the exit code. */
export async function act(
  socket: string,
  question: Omit<ControlQuestion, 'milliseconds'>,
  options: { readonly json?: boolean; readonly milliseconds?: number } = {},
): Promise<number> {
  const result = await askControl(socket, {
    ...question,
    milliseconds: options.milliseconds ?? answerMilliseconds,
  });
  if (result instanceof Failure) return reportFailure(result);
  process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : formatValue(result));
  return exitCodes.success;
}

/** Prints each record of the node's trace until Ctrl-C. Returns the exit code. */
export async function trace(options: { readonly socket: string; readonly json?: boolean }): Promise<number> {
  const print = (record: unknown): void => {
    process.stdout.write(options.json ? `${JSON.stringify(record)}\n` : formatTraceRecord(record));
  };
  const question = { method: 'anyvia:trace', parameters: {}, milliseconds: answerMilliseconds };
  const failure = await watchControl(options.socket, question, print, untilInterrupted());
  return failure === null ? exitCodes.success : reportFailure(failure);
}

function formatTraceRecord(record: unknown): string {
  if (!isObject(record)) return `${JSON.stringify(record)}\n`;
  const { time, node, event, peer, message, callId, address, port } = record;
  const clock = new Date(Number(time)).toISOString().slice(11, 23);
  const other = Number(peer) > 0 ? ` (node ${peer})` : '';
  return `${clock} node ${node} ${event}${other} ${message} ${address}:${port} ${callId}\n`;
}

/** One line that names the cause. The node's own refusals are told apart from not reaching it. */
export function reportFailure(failure: Failure): number {
  process.stderr.write(`anyvia: ${failure.message} [${failure.code}]\n`);
  if (failure.code === 'NET_CONTROL_REFUSED') return exitCodes.failure;
  return failure.code.startsWith('CLI_') ? exitCodes.usage : exitCodes.unavailable;
}

function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort());
  return controller.signal;
}
