/** The table `subscriber`: the hash of a user's password, and whatever else of the row the script wants. */

import { attributeName } from '#module/attribute-name.ts';
import type { BoundedReader } from '#module/bounded-reader.ts';
import type { MessageContext } from '#module/context.ts';
import type { ParameterValues } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import type { CredentialOwner, PasswordAnswer, TableRow } from '#module/services.ts';
import { SubscriberCache } from '#modules/auth_db/subscriber-cache.ts';
import { type DigestHash, messageText, userHash } from '#sip/digest.ts';
import { detach } from '#sip/serialize.ts';
import { isFailure } from '#util/failure.ts';

/** Equal names in that many domains. */
const namesakesMax = 64;

interface LoadedColumn {
  readonly column: string;
  readonly attribute: string;
}

export class Subscribers {
  readonly #host: ModuleHost;
  readonly #reader: BoundedReader;
  readonly #cache: SubscriberCache;
  readonly #userColumn: string;
  readonly #domainColumn: string;
  readonly #isPlain: boolean;
  readonly #hashColumns: Readonly<Record<DigestHash, string>>;
  /** MD5 hash of the name with its domain, where the client sends both; '' when there is no such column. */
  readonly #hashWithDomain: string;
  /** 1: the domain must be the row's. 0: names alone count. Null: the domain decides between equal names. */
  readonly #useDomain: number | null;
  readonly #loaded: readonly LoadedColumn[];
  readonly #columns: readonly string[];

  constructor(host: ModuleHost, reader: BoundedReader, parameters: ParameterValues) {
    this.#host = host;
    this.#reader = reader;
    this.#cache = new SubscriberCache(Number(parameters.cache_lifetime) * 1000);
    this.#userColumn = String(parameters.user_column);
    this.#domainColumn = String(parameters.domain_column);
    this.#isPlain = parameters.calculate_ha1 !== 0;
    const password = String(parameters.password_column ?? (this.#isPlain ? 'password' : 'ha1'));
    this.#hashColumns = {
      MD5: password,
      'SHA-256': this.#isPlain ? password : String(parameters.hash_column_sha256),
      'SHA-512-256': this.#isPlain ? password : String(parameters.hash_column_sha512t256),
    };
    this.#hashWithDomain = this.#isPlain ? '' : String(parameters.password_column_2 ?? '');
    this.#useDomain = parameters.use_domain === null ? null : Number(parameters.use_domain);
    this.#loaded = loadedColumns(String(parameters.load_credentials ?? ''));
    host.statistics.gauge('auth_db', 'cached_users', () => this.#cache.size);
    host.every(1000, (now) => this.#cache.expire(now));
    this.#columns = [this.#domainColumn, ...this.#loaded.map(({ column }) => column)];
  }

  find(
    context: MessageContext,
    table: string,
    owner: CredentialOwner,
  ): PasswordAnswer | Promise<PasswordAnswer> {
    const key = `${table} ${owner.hash} ${owner.sentName} ${owner.domain}`;
    const known = this.#cache.find(key, this.#host.clock.monotonic());
    if (known === null) return this.#read(context, table, owner, key);
    // The password may have been changed since: one that does not fit is looked up again.
    return this.#answer(context, known, owner, () => {
      this.#cache.forget(key);
      return this.#read(context, table, owner, key);
    });
  }

  forgetAll(): number {
    return this.#cache.clear();
  }

  async #read(
    context: MessageContext,
    table: string,
    owner: CredentialOwner,
    key: string,
  ): Promise<PasswordAnswer> {
    const username = Buffer.from(owner.username, 'latin1').toString('utf8');
    const domain = Buffer.from(owner.domain, 'latin1').toString('utf8');
    const where: [string, string][] = [[this.#userColumn, username]];
    if (this.#useDomain === 1) where.push([this.#domainColumn, domain]);
    const columns = [...new Set([this.#hashColumn(owner), ...this.#columns])];
    const rows = await this.#reader.select({ table, columns, where, rowsMax: namesakesMax });
    if (isFailure(rows)) return rows;
    const row = this.#choose(rows, domain);
    if (row === null) return null;
    this.#cache.keep(detach(key), row, this.#host.clock.monotonic());
    return this.#answer(context, row, owner, null);
  }

  #choose(rows: readonly TableRow[], domain: string): TableRow | null {
    if (this.#useDomain !== null) return rows[0] ?? null;
    const wanted = domain.toLowerCase();
    const own = rows.find((row) => String(row[this.#domainColumn] ?? '').toLowerCase() === wanted);
    return own ?? (rows.length === 1 ? rows[0]! : null);
  }

  #answer(
    context: MessageContext,
    row: TableRow,
    owner: CredentialOwner,
    reread: (() => Promise<PasswordAnswer>) | null,
  ): PasswordAnswer {
    const value = row[this.#hashColumn(owner)];
    // A user without a hash for this algorithm cannot use it.
    if (value === null || value === undefined || value === '') return null;
    const ha1 = this.#isPlain
      ? userHash(owner.hash, owner.sentName, owner.realm, messageText(String(value)))
      : String(value).trim();
    return { ha1, reread, accept: () => this.#load(context, row) };
  }

  #hashColumn(owner: CredentialOwner): string {
    const withDomain =
      owner.hash === 'MD5' && this.#hashWithDomain !== '' && owner.sentName !== owner.username;
    return withDomain ? this.#hashWithDomain : this.#hashColumns[owner.hash];
  }

  #load(context: MessageContext, row: TableRow): void {
    for (const { column, attribute } of this.#loaded) {
      const value = row[column];
      if (value === null || value === undefined) continue;
      context.attributes.set(attribute, [typeof value === 'number' ? value : messageText(String(value))]);
    }
  }
}

/** `$avp(name)=column;column2`: without an AVP the column's own name is its name. */
function loadedColumns(text: string): LoadedColumn[] {
  const items = text.split(';').map((item) => item.trim());
  return items
    .filter((item) => item !== '')
    .map((item) => {
      const equals = item.indexOf('=');
      if (equals === -1) return { column: item, attribute: item };
      return {
        column: item.slice(equals + 1).trim(),
        attribute: attributeName(item.slice(0, equals).trim()),
      };
    });
}
