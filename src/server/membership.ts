/**
 * Who is in the cluster, kept up to date: read at start, polled, and read on command. The last good view is kept in a
 * file, so that neither a start nor a running node needs the database to be up.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Member } from '#cluster/member.ts';
import { SqlMembershipStore } from '#db/membership-store.ts';
import { openDatabase } from '#db/open.ts';
import type { Logger } from '#module/host.ts';
import type { ClusterConfiguration } from '#server/configuration.ts';
import type { Clock } from '#util/clock.ts';
import { Failure, isFailure } from '#util/failure.ts';

export interface Membership {
  readonly members: readonly Member[];
  /** Hex text; null when nobody laid one down. */
  readonly secret: string | null;
}

export class MembershipReader {
  readonly #configuration: ClusterConfiguration;
  readonly #store: SqlMembershipStore | null;
  readonly #log: Logger;
  readonly #cacheFile: string;
  #lastProblem = '';
  #clusterId = 1;
  #secret: string | null = null;
  /** What stands in the file. */
  #cached = '';
  /** What `set_status` says of members that stand in the script. */
  readonly #statuses = new Map<number, boolean>();

  private constructor(
    configuration: ClusterConfiguration,
    store: SqlMembershipStore | null,
    log: Logger,
    cacheFile: string,
  ) {
    this.#configuration = configuration;
    this.#store = store;
    this.#log = log;
    this.#cacheFile = cacheFile;
  }

  static open(
    configuration: ClusterConfiguration,
    clock: Clock,
    log: Logger,
    cacheFile: string,
  ): MembershipReader | Failure {
    if (!configuration.fromDatabase) return new MembershipReader(configuration, null, log, cacheFile);
    const connection = openDatabase(configuration.databaseUrl, clock);
    if (isFailure(connection)) return connection;
    const store = new SqlMembershipStore(connection, {
      table: configuration.table,
      columns: configuration.columns,
    });
    return new MembershipReader(configuration, store, log, cacheFile);
  }

  /** The membership at start: from the database, else the last good view, else a Failure that says both. */
  async first(random: (bytes: number) => Buffer): Promise<Membership | Failure> {
    const { members, sharedSecret } = this.#configuration;
    if (this.#store === null) return { members, secret: sharedSecret };
    const read = await this.read();
    if (isFailure(read)) return this.#fromCache(read);
    let secret = sharedSecret;
    if (secret === null) {
      const ensured = await this.#store.ensureSecret(this.#clusterOf(read), random(32));
      if (isFailure(ensured)) this.#log.warn(`no shared secret: ${ensured.message}`, { code: ensured.code });
      else secret = ensured.toString('hex');
    }
    this.#secret = secret;
    this.#cache({ members: read, secret });
    return { members: read, secret };
  }

  /** The members as the table has them now; bad rows are reported and left out. */
  async read(): Promise<readonly Member[] | Failure> {
    if (this.#store === null) {
      return this.#configuration.members.map((member) => {
        const enabled = this.#statuses.get(member.nodeId) ?? member.enabled;
        return { ...member, enabled };
      });
    }
    const result = await this.#store.readMembers(this.#configuration.nodeId);
    if (isFailure(result)) {
      this.#report(`the membership cannot be read, the last one stays: ${result.message}`);
      return result;
    }
    for (const rejected of result.rejected) this.#log.warn(rejected.message, { code: rejected.code });
    if (!result.members.some((member) => member.nodeId === this.#configuration.nodeId)) {
      const failure = new Failure(
        'SERVER_NODE_NOT_A_MEMBER',
        `table ${this.#configuration.table} has no row for node_id ${this.#configuration.nodeId}`,
      );
      this.#report(failure.message);
      return failure;
    }
    this.#lastProblem = '';
    this.#clusterId = this.#clusterOf(result.members);
    // The first view is kept by `first`, which knows the secret then.
    if (this.#cached !== '') this.#cache({ members: result.members, secret: this.#secret });
    return result.members;
  }

  /** In the table, so that every node hears of it; members of the script are changed for this node alone. */
  async setStatus(node: number, isEnabled: boolean): Promise<Failure | null> {
    if (this.#store === null) {
      this.#statuses.set(node, isEnabled);
      return null;
    }
    return this.#store.writeStatus(this.#clusterId, node, isEnabled);
  }

  async close(): Promise<void> {
    await this.#store?.close();
  }

  #clusterOf(members: readonly Member[]): number {
    const own = members.find((member) => member.nodeId === this.#configuration.nodeId);
    return this.#configuration.clusterId === 0 ? (own?.clusterId ?? 1) : this.#configuration.clusterId;
  }

  /** One line per change of what is wrong, not one per poll. */
  #report(problem: string): void {
    if (problem !== this.#lastProblem) this.#log.error(problem);
    this.#lastProblem = problem;
  }

  #cache(membership: Membership): void {
    const text = JSON.stringify(membership);
    if (text === this.#cached) return;
    this.#cached = text;
    try {
      writeFileSync(`${this.#cacheFile}.new`, text, { mode: 0o600 });
      renameSync(`${this.#cacheFile}.new`, this.#cacheFile);
    } catch (error) {
      this.#log.warn(`the membership cannot be kept in ${this.#cacheFile}: ${String(error)}`);
    }
  }

  #fromCache(cause: Failure): Membership | Failure {
    try {
      const membership = JSON.parse(readFileSync(this.#cacheFile, 'utf8')) as Membership;
      if (Array.isArray(membership.members)) {
        this.#secret = membership.secret;
        this.#cached = JSON.stringify(membership);
        this.#log.warn(`starting with the last known membership of ${this.#cacheFile}`);
        return membership;
      }
    } catch {
      // No cache yet: the database's own problem is what the operator must hear of.
    }
    return cause;
  }
}
