/**
 * `npm start`: three nodes on one loopback address with an embedded database, one real call through them, the ladder of
 * its messages, then live figures until Ctrl-C. `--once` ends after the call: exit code 0 only if it succeeded.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { askControl, watchControl } from '#net/control-client.ts';
import { placeCall } from '#quickstart/call.ts';
import { formatLadder } from '#quickstart/ladder.ts';
import { nodeIds, type RunningNodes, startNodes } from '#quickstart/nodes.ts';
import type { TraceRecord } from '#server/trace.ts';
import { isFailure } from '#util/failure.ts';

const figuresMilliseconds = 1000;
/** The last records of a call are on their way when the call has ended. */
const settleMilliseconds = 200;
const figures = [
  'tm:UAS_transactions',
  'tm:inuse_transactions',
  'dialog:active_dialogs',
  'tm:cluster_reply_sent',
];

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function run(isOnce: boolean): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-'));
  try {
    say('Starting three nodes on one address...');
    const nodes = await startNodes(folder, fileURLToPath(new URL('../main.ts', import.meta.url)));
    if (isFailure(nodes)) {
      say(`The nodes could not be started: ${nodes.message}`);
      return 1;
    }
    say(`Nodes 1, 2 and 3 share 127.0.0.1:${nodes.sipPort}; the kernel decides who gets each packet.\n`);
    const code = await showCall(nodes);
    if (!isOnce && code === 0) await showFigures(nodes);
    await nodes.stop();
    return code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function showCall(nodes: RunningNodes): Promise<number> {
  const records: TraceRecord[] = [];
  const stop = new AbortController();
  for (const node of nodeIds) {
    const question = { method: 'anyvia:trace', parameters: {}, milliseconds: 1000 };
    void watchControl(
      nodes.controlSocket(node),
      question,
      (record) => records.push(record as TraceRecord),
      stop.signal,
    );
  }
  await new Promise((resolve) => setTimeout(resolve, settleMilliseconds));
  const call = await placeCall(nodes.sipPort);
  await new Promise((resolve) => setTimeout(resolve, settleMilliseconds));
  stop.abort();
  if (isFailure(call)) {
    say(`The call failed: ${call.message}`);
    return 1;
  }
  say(formatLadder(records, call));
  say('\nThe call was set up, answered and ended.');
  return 0;
}

/** A line per node and second until Ctrl-C. */
async function showFigures(nodes: RunningNodes): Promise<void> {
  say('\nLive figures; Ctrl-C ends everything.');
  let isOver = false;
  const end = (): void => {
    isOver = true;
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  while (!isOver) {
    for (const node of nodeIds) {
      const question = { method: 'statistics:get', parameters: { statistics: figures }, milliseconds: 1000 };
      const values = await askControl(nodes.controlSocket(node), question);
      if (isFailure(values)) continue;
      const shown = Object.entries(values as Record<string, number>).map(
        ([name, value]) => `${name} ${value}`,
      );
      say(`node ${node}  ${shown.join('  ')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, figuresMilliseconds));
  }
  say('Stopping.');
}

process.exitCode = await run(process.argv.includes('--once'));
