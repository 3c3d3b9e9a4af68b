/** The ladder of a call: each message, the node that received it and the node that owned it. */

import type { Call } from '#quickstart/call.ts';
import type { TraceRecord } from '#server/trace.ts';

export function formatLadder(records: readonly TraceRecord[], call: Call): string {
  const ours = records.filter((record) => record.callId === call.callId).sort((a, b) => a.time - b.time);
  const start = ours[0]?.time ?? 0;
  const name = (port: number): string => (port === call.alicePort || isAlices(port) ? 'alice' : 'bob');
  const isAlices = (port: number): boolean => port === call.alicePort;
  const lines = ['     ms  message        way                received by  owned by'];
  for (const record of ours) {
    if (record.event !== 'received' && record.event !== 'sent') continue;
    const carried = ours.find(
      (other) =>
        other.event === 'relayed' &&
        other.node === record.node &&
        other.message === record.message &&
        other.port === record.port,
    );
    const time = String(record.time - start).padStart(7);
    const message = record.message.padEnd(13);
    if (record.event === 'sent') {
      const way = `node ${record.node} -> ${name(record.port)}`.padEnd(17);
      lines.push(`${time}  ${message}  ${way}`);
      continue;
    }
    const way = `${sender(record)} -> node ${record.node}`.padEnd(17);
    const owner = carried === undefined ? record.node : carried.peer;
    const note = carried === undefined ? '' : '  (carried over)';
    lines.push(`${time}  ${message}  ${way}  node ${record.node}       node ${owner}${note}`);
  }
  return lines.join('\n');
}

/** In this call Alice sends all requests and Bob all responses. */
function sender(record: TraceRecord): string {
  return /^\d/.test(record.message) ? 'bob' : 'alice';
}
