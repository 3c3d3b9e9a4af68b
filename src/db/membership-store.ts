/**
 * Who is in the cluster, and the secret that its members share, as a database says it. Reads the table `clusterer`
 * with the columns of OpenSIPS and writes nothing to it but `state`; the secret stands in a table of anyvia's own.
 * What is kept when the database is away is the business of the caller, who polls.
 */

import { type MemberRow, readMemberRow } from '#db/member-row.ts';
import type { SqlConnection } from '#db/sql-connection.ts';
import { sqlName } from '#db/sql-name.ts';
import { Failure } from '#util/failure.ts';

export interface Membership {
  /** Ordered by cluster and node; disabled members are among them. */
  readonly members: readonly MemberRow[];
  /** One DB_MEMBER_… failure for each row that was skipped. */
  readonly rejected: readonly Failure[];
}

export interface MembershipStore {
  /** All rows of the clusters that list this node. An unknown node gives no members. */
  readMembers(nodeId: number): Promise<Membership | Failure>;
  /** The secret of a cluster, null when none was laid down yet. */
  readSecret(clusterId: number): Promise<Buffer | null | Failure>;
  /** The secret of a cluster: the one that is there, else `proposal` (32 random bytes). First come, first kept. */
  ensureSecret(clusterId: number, proposal: Uint8Array): Promise<Buffer | Failure>;
  /** Column `state` of a member's row. Failure: DB_MEMBER_MISSING. */
  writeStatus(clusterId: number, nodeId: number, isEnabled: boolean): Promise<Failure | null>;
  close(): Promise<void>;
}

/** OpenSIPS has the same limit; links are all to all. */
const membersOfClusterMax = 128;

const secretBytes = 32;

const columns = [
  'id',
  'cluster_id',
  'node_id',
  'url',
  'state',
  'no_ping_retries',
  'priority',
  'sip_addr',
  'flags',
  'description',
] as const;

export interface MembershipNames {
  /** clusterer's `db_table`. */
  readonly table?: string;
  /** Column of version 4 → its name here (`id_col`, `cluster_id_col` …); absent ones have their own. */
  readonly columns?: Readonly<Partial<Record<(typeof columns)[number], string>>>;
}

/** Membership over SQL. Failures of readMembers: DB_NAME_INVALID and those of the connection. */
export class SqlMembershipStore implements MembershipStore {
  readonly #connection: SqlConnection;
  readonly #names: MembershipNames;

  constructor(connection: SqlConnection, names: MembershipNames = {}) {
    this.#connection = connection;
    this.#names = names;
  }

  async readMembers(nodeId: number): Promise<Membership | Failure> {
    const statement = this.#statement();
    if (statement instanceof Failure) return statement;
    const rows = await this.#connection.query(statement, [nodeId]);
    if (rows instanceof Failure) return rows;
    const members: MemberRow[] = [];
    const rejected: Failure[] = [];
    for (const row of rows) {
      const member = readMemberRow(row);
      const problem = member instanceof Failure ? member : conflict(member, members);
      if (problem !== null) rejected.push(problem);
      else members.push(member as MemberRow);
    }
    return { members, rejected };
  }

  async readSecret(clusterId: number): Promise<Buffer | null | Failure> {
    const rows = await this.#connection.query('SELECT secret FROM anyvia_secret WHERE cluster_id = ?', [
      clusterId,
    ]);
    if (rows instanceof Failure) return rows;
    if (rows.length === 0) return null;
    const secret = Buffer.from(String(rows[0]!.secret), 'hex');
    if (secret.length === secretBytes) return secret;
    return new Failure(
      'DB_SECRET_INVALID',
      `${this.#connection.description}: anyvia_secret of cluster ${clusterId} is not ${secretBytes * 2} hex digits`,
    );
  }

  async ensureSecret(clusterId: number, proposal: Uint8Array): Promise<Buffer | Failure> {
    const present = await this.readSecret(clusterId);
    if (present !== null) return present;
    const ignore = this.#connection.dialect === 'mysql' ? 'IGNORE' : 'OR IGNORE';
    const hex = Buffer.from(proposal).toString('hex');
    const written = await this.#connection.query(
      `INSERT ${ignore} INTO anyvia_secret (cluster_id, secret) VALUES (?, ?)`,
      [clusterId, hex],
    );
    if (written instanceof Failure) return written;
    // Another node may have been faster: what stands in the table counts, not the proposal.
    const secret = await this.readSecret(clusterId);
    if (secret !== null) return secret;
    return new Failure('DB_SECRET_INVALID', `${this.#connection.description}: the secret was not kept`);
  }

  async writeStatus(clusterId: number, nodeId: number, isEnabled: boolean): Promise<Failure | null> {
    const names = this.#tableNames();
    if (names instanceof Failure) return names;
    const { table, nameOf } = names;
    const where = `${nameOf('cluster_id')} = ? AND ${nameOf('node_id')} = ?`;
    const found = await this.#connection.query(`SELECT ${nameOf('id')} AS id FROM ${table} WHERE ${where}`, [
      clusterId,
      nodeId,
    ]);
    if (found instanceof Failure) return found;
    if (found.length === 0) {
      const place = `cluster ${clusterId}, node ${nodeId}`;
      return new Failure('DB_MEMBER_MISSING', `table ${table} has no row for ${place}`);
    }
    const written = await this.#connection.query(
      `UPDATE ${table} SET ${nameOf('state')} = ? WHERE ${where}`,
      [isEnabled ? 1 : 0, clusterId, nodeId],
    );
    return written instanceof Failure ? written : null;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #tableNames(): { table: string; nameOf: (column: (typeof columns)[number]) => string } | Failure {
    const table = this.#names.table ?? 'clusterer';
    const nameOf = (column: (typeof columns)[number]): string => this.#names.columns?.[column] ?? column;
    // Names become part of the statement, where no placeholder can stand.
    const wrong = [table, ...columns.map(nameOf)].find((name) => !sqlName.test(name));
    if (wrong !== undefined) {
      return new Failure('DB_NAME_INVALID', `clusterer: "${wrong}" is no name of a table or column`);
    }
    return { table, nameOf };
  }

  #statement(): string | Failure {
    const names = this.#tableNames();
    if (names instanceof Failure) return names;
    const { table, nameOf } = names;
    const cluster = nameOf('cluster_id');
    const node = nameOf('node_id');
    return `SELECT ${columns.map((column) => `${nameOf(column)} AS ${column}`).join(', ')} FROM ${table}
      WHERE ${cluster} IN (SELECT ${cluster} FROM ${table} WHERE ${node} = ?)
      ORDER BY ${cluster}, ${node}, ${nameOf('id')}`;
  }
}

/** What makes a well-formed row unusable beside the rows before it. */
function conflict(member: MemberRow, members: readonly MemberRow[]): Failure | null {
  const place = `clusterer row id ${member.rowId}`;
  const cluster = members.filter((other) => other.clusterId === member.clusterId);
  if (cluster.length >= membersOfClusterMax) {
    return new Failure(
      'DB_MEMBER_CONFLICT',
      `${place}: cluster ${member.clusterId} has more than ${membersOfClusterMax} members; row skipped`,
    );
  }
  for (const other of cluster) {
    const same = describeClash(member, other);
    if (same === '') continue;
    return new Failure('DB_MEMBER_CONFLICT', `${place}: ${same} as row id ${other.rowId}; row skipped`);
  }
  return null;
}

function describeClash(member: MemberRow, other: MemberRow): string {
  if (other.nodeId === member.nodeId) return `the same node_id ${member.nodeId}`;
  if (other.address === member.address && other.port === member.port) return `the same url ${member.url}`;
  return '';
}
