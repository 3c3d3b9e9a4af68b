/** `anyvia cluster`: the links of one node, and with `--all` who reaches whom. */

import { type Cell, cellOf, formatTable, isObject } from '#cli/table.ts';
import { bracketed } from '#util/ip-address.ts';

type Json = Readonly<Record<string, unknown>>;

/** One node: itself, its peers, and what went over each link. */
export function formatCluster(result: unknown): string {
  if (!isObject(result)) return `${cellOf(result)}\n`;
  const peers = listOf(result.peers);
  const sections = [formatSelf(result), formatPeers(peers), formatTraffic(peers), formatDrops(peers)];
  return sections.filter((section) => section !== '').join('\n');
}

/** All nodes that answered: first who reaches whom, then each node in full. */
export function formatClusterOfAll(results: Readonly<Record<string, unknown>>): string {
  const nodes = Object.entries(results).map(([node, result]) => `node ${node}\n${formatCluster(result)}`);
  return [formatMatrix(results), ...nodes].join('\n');
}

function formatSelf(node: Json): string {
  const { node_id, cluster_id, incarnation, software } = node;
  if (Number(cluster_id) === 0) return `node ${cellOf(node_id)} stands alone, version ${cellOf(software)}\n`;
  const work = node.draining === true ? 'takes no new work' : 'takes new work';
  const line = `node ${cellOf(node_id)} of cluster ${cellOf(cluster_id)}, incarnation ${cellOf(incarnation)}, version ${cellOf(software)}, ${work}\n`;
  const counters = isObject(node.counters) ? node.counters : {};
  const figures = Object.entries(counters).map(([name, value]) => `${wordsOf(name)} ${cellOf(value)}`);
  return figures.length === 0 ? line : `${line}${figures.join(', ')}\n`;
}

function formatPeers(peers: readonly Json[]): string {
  const headings = [
    'node',
    'state',
    'for',
    'rtt ms',
    'queue',
    'bytes',
    'incarnation',
    'version',
    'address',
    '',
  ];
  const rows = peers.map((peer): Cell[] => [
    cellOf(peer.nodeId),
    stateOf(peer),
    durationOf(Number(peer.stateMilliseconds ?? 0)),
    cellOf(peer.roundTripMilliseconds),
    cellOf(peer.queueFrames),
    cellOf(peer.queueBytes),
    Number(peer.incarnation) === 0 ? '' : cellOf(peer.incarnation),
    `${cellOf(peer.software)}${peer.draining === true ? ' (draining)' : ''}`,
    addressOf(peer),
    cellOf(peer.problem),
  ]);
  return formatTable(headings, rows) || '(no peers)\n';
}

function formatTraffic(peers: readonly Json[]): string {
  const kinds = ['reply', 'request', 'cancel', 'ack'];
  const headings = ['node', 'frames in', 'out', 'bytes in', 'out', 'relayed', 'missed', 'lost'];
  const rows = peers.map((peer): Cell[] => {
    const counters = objectOf(peer.counters);
    const [into, out] = [objectOf(counters.forwardsIn), objectOf(counters.forwardsOut)];
    return [
      cellOf(peer.nodeId),
      ...['framesIn', 'framesOut', 'bytesIn', 'bytesOut', 'relayed', 'heartbeatsMissed', 'linksLost'].map(
        (name) => cellOf(counters[name]),
      ),
      ...kinds.map((kind) => `${cellOf(into[kind])}/${cellOf(out[kind])}`),
    ];
  });
  return formatTable([...headings, ...kinds.map((kind) => `${kind} in/out`)], rows);
}

/** Only what was dropped at all. */
function formatDrops(peers: readonly Json[]): string {
  const rows = peers.flatMap((peer) =>
    Object.entries(objectOf(objectOf(peer.counters).drops))
      .filter(([, count]) => Number(count) > 0)
      .map(([cause, count]): Cell[] => [cellOf(peer.nodeId), wordsOf(cause), cellOf(count)]),
  );
  return formatTable(['node', 'dropped because', 'frames'], rows);
}

/** Rows see columns. A node that did not answer has an empty row. */
function formatMatrix(results: Readonly<Record<string, unknown>>): string {
  const answered = Object.entries(results).map(
    ([node, result]) => [node, listOf(objectOf(result).peers)] as const,
  );
  const seen = answered.flatMap(([, peers]) => peers.map((peer) => String(peer.nodeId)));
  const ids = [...new Set([...Object.keys(results), ...seen])].sort(
    (left, right) => Number(left) - Number(right),
  );
  const rows = ids.map((id): Cell[] => {
    const peers = answered.find(([node]) => node === id)?.[1] ?? [];
    const cells = ids.map((other) => {
      if (other === id) return '-';
      const peer = peers.find((entry) => String(entry.nodeId) === other);
      return peer === undefined ? '' : stateOf(peer);
    });
    return [`node ${id}`, ...cells];
  });
  return formatTable(['reaches', ...ids.map((id) => `node ${id}`)], rows);
}

function stateOf(peer: Json): string {
  return Number(peer.through) > 0 ? `via ${cellOf(peer.through)}` : String(cellOf(peer.state));
}

function addressOf({ address, port, secure }: Json): string {
  return `${secure === true ? 'bins' : 'bin'}:${bracketed(String(cellOf(address)))}:${cellOf(port)}`;
}

/** Two units, the larger first. */
function durationOf(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600),
    Math.floor(seconds / 60),
  ];
  if (days > 0) return `${days}d${hours % 24}h`;
  if (hours > 0) return `${hours}h${minutes % 60}m`;
  return minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`;
}

function wordsOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function objectOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
