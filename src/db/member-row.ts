/**
 * One row of the table `clusterer` (version 4 of OpenSIPS) turned into a member, or into the reason why it is none.
 * A bad row costs that row alone: the others stay members.
 */

import { type Member, parseBinUrl } from '#cluster/member.ts';
import type { SqlRow } from '#db/sql-connection.ts';
import { Failure } from '#util/failure.ts';

export interface MemberRow extends Member {
  /** Key of the row, for messages. */
  readonly rowId: number;
  /** As it stands in the table. */
  readonly url: string;
  /** True for `bins:`, the channel over TLS. */
  readonly secure: boolean;
  /** Column `flags`: `seed`. */
  readonly seed: boolean;
}

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
  const bin = parseBinUrl(text(row.url));
  if (bin instanceof Failure)
    return invalid(place, 'url', row.url, `bin:HOST[:PORT] or bins:HOST[:PORT] (${bin.message})`);
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
    ...bin,
    enabled: state === 1,
    pingRetries,
    priority,
    sipAddress: text(row.sip_addr),
    seed: text(row.flags).startsWith('seed'),
    description: text(row.description),
  };
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
