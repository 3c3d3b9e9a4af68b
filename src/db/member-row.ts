/**
 * One row of the table `clusterer` (version 4 of OpenSIPS) turned into a member, or into the reason why it is none.
 * A bad row costs that row alone: the others stay members.
 */

import type { SqlRow } from '#db/sql-connection.ts';
import { Failure } from '#util/failure.ts';

export interface MemberRow {
  /** Key of the row, for messages. */
  readonly rowId: number;
  readonly clusterId: number;
  readonly nodeId: number;
  /** As it stands in the table. */
  readonly url: string;
  /** True for `bins:`, the channel over TLS. */
  readonly secure: boolean;
  /** Name or IP text without brackets. */
  readonly host: string;
  readonly port: number;
  /** Column `state`: false = switched off by the operator. */
  readonly enabled: boolean;
  readonly pingRetries: number;
  /** Lower is preferred among equal paths. */
  readonly priority: number;
  /** '' when unset. */
  readonly sipAddress: string;
  readonly seed: boolean;
  readonly description: string;
}

/** Ports of OpenSIPS's proto_bin and proto_bins. */
const binPort = 5555;
const binsPort = 5556;
/** What the column's type holds. */
const nodeIdMax = 2_147_483_647;

/** Failures: DB_MEMBER_INVALID, naming row and column. */
export function readMemberRow(row: SqlRow): MemberRow | Failure {
  const rowId = Number(row.id);
  const place = `clusterer row id ${Number.isFinite(rowId) ? rowId : '?'}`;
  const clusterId = integer(row.cluster_id);
  if (clusterId === null || clusterId < 1)
    return invalid(place, 'cluster_id', row.cluster_id, 'a number from 1');
  const nodeId = integer(row.node_id);
  if (nodeId === null || nodeId < 1 || nodeId > nodeIdMax) {
    return invalid(place, 'node_id', row.node_id, `a number from 1 to ${nodeIdMax}`);
  }
  const address = parseBinUrl(text(row.url));
  if (address === null) return invalid(place, 'url', row.url, 'bin:HOST[:PORT] or bins:HOST[:PORT]');
  const state = integer(row.state);
  if (state !== 0 && state !== 1) return invalid(place, 'state', row.state, '1 (enabled) or 0 (disabled)');
  const pingRetries = integer(row.no_ping_retries);
  if (pingRetries === null || pingRetries < 0) {
    return invalid(place, 'no_ping_retries', row.no_ping_retries, 'a number from 0');
  }
  const priority = integer(row.priority);
  if (priority === null) return invalid(place, 'priority', row.priority, 'a number');
  return {
    rowId,
    clusterId,
    nodeId,
    url: text(row.url),
    ...address,
    enabled: state === 1,
    pingRetries,
    priority,
    sipAddress: text(row.sip_addr),
    seed: text(row.flags).startsWith('seed'),
    description: text(row.description),
  };
}

/** `bin:HOST[:PORT]`, `bins:…`, or without a scheme; IPv6 with or without brackets. Null when it is none of these. */
export function parseBinUrl(url: string): Pick<MemberRow, 'secure' | 'host' | 'port'> | null {
  const scheme = /^bins?:/i.exec(url)?.[0].toLowerCase() ?? '';
  const secure = scheme === 'bins:';
  const rest = url.slice(scheme.length).replace(/^\/\//, '');
  const defaultPort = secure ? binsPort : binPort;
  if (isIpv6(rest)) return { secure, host: rest, port: defaultPort };
  const parts = /^(?:\[([^\]]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(rest);
  if (parts === null) return null;
  if (parts[1] !== undefined && !isIpv6(parts[1])) return null;
  const port = parts[3] === undefined ? defaultPort : Number(parts[3]);
  if (port < 1 || port > 65535) return null;
  return { secure, host: parts[1] ?? parts[2]!, port };
}

/** Near enough to tell it from a name with a port; the exact grammar is checked by whoever connects. */
function isIpv6(host: string): boolean {
  return /^[0-9a-f.]*:[0-9a-f.:]*:[0-9a-f.:]*$/i.test(host);
}

function integer(value: unknown): number | null {
  if (value === null || value === undefined || value === '') return null;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : null;
}

function text(value: unknown): string {
  return value === null || value === undefined ? '' : String(value).trim();
}

function invalid(place: string, column: string, value: unknown, wanted: string): Failure {
  const found = value === null || value === undefined ? 'NULL' : JSON.stringify(value);
  return new Failure('DB_MEMBER_INVALID', `${place}: ${column} is ${found}, expected ${wanted}; row skipped`);
}
