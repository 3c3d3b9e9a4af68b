/** What the `db_` functions ask: does a user exist, may these credentials use that name. */

import type { BoundedReader } from '#module/bounded-reader.ts';
import type { MessageContext } from '#module/context.ts';
import type { ParameterValues, VariableReference } from '#module/define.ts';
import type { TableRow } from '#module/services.ts';
import { messageText, parseCredentials } from '#sip/digest.ts';
import { parseUri, unescapeUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

interface NamedUser {
  readonly user: string;
  readonly domain: string;
}

export class UserQuestions {
  readonly #reader: BoundedReader;
  readonly #userColumn: string;
  readonly #domainColumn: string;
  readonly #uriUserColumn: string;
  readonly #useDomain: boolean;

  constructor(reader: BoundedReader, parameters: ParameterValues) {
    this.#reader = reader;
    this.#userColumn = String(parameters.uri_user_column);
    this.#domainColumn = String(parameters.uri_domain_column);
    this.#uriUserColumn = String(parameters.uri_uriuser_column);
    this.#useDomain = parameters.use_domain === 1;
  }

  /** 1: the table has a row for the URI's user. */
  async exists(uri: string, table: string): Promise<number> {
    const named = userOf(uri);
    if (named === null) return -1;
    return (await this.#rows(table, [this.#userColumn, named.user], named.domain)).length > 0 ? 1 : -1;
  }

  /** 1: the table `uri` gives the name in `uri` to the user of the credentials that were right. */
  async mayUse(context: MessageContext, uri: string, table: string): Promise<number> {
    const named = userOf(uri);
    const owner = authorizedUser(context);
    if (named === null || owner === null) return -1;
    const rows = await this.#rows(table, [this.#userColumn, owner.user], owner.domain);
    return rows.some((row) => row[this.#uriUserColumn] === named.user) ? 1 : -1;
  }

  /** 1: found, and written to the variables. */
  async ownerOf(
    context: MessageContext,
    table: string,
    uri: string,
    places: { readonly user: VariableReference; readonly realm: VariableReference },
  ): Promise<number> {
    const named = userOf(uri);
    if (named === null) return -1;
    const [row] = await this.#rows(table, [this.#uriUserColumn, named.user], named.domain);
    if (row === undefined) return -1;
    places.user.write(context, messageText(String(row[this.#userColumn] ?? '')));
    places.realm.write(context, messageText(String(row[this.#domainColumn] ?? '')));
    return 1;
  }

  /** No rows when the database fails: that is in the log. */
  async #rows(table: string, name: readonly [string, string], domain: string): Promise<readonly TableRow[]> {
    const where = this.#useDomain ? [name, [this.#domainColumn, domain] as const] : [name];
    const isUriTable = table !== 'subscriber';
    const columns = [this.#userColumn, this.#domainColumn, ...(isUriTable ? [this.#uriUserColumn] : [])];
    const rows = await this.#reader.select({ table, columns, where, rowsMax: 64 });
    return isFailure(rows) ? [] : rows;
  }
}

function userOf(uri: string): NamedUser | null {
  const parsed = parseUri(uri);
  if (isFailure(parsed) || parsed.user === '') return null;
  const text = (part: string): string => Buffer.from(part, 'latin1').toString('utf8');
  return { user: text(unescapeUri(parsed.user)), domain: text(parsed.host) };
}

function authorizedUser(context: MessageContext): NamedUser | null {
  const line = context.attachments.get('auth.line') as number | undefined;
  const credentials = line === undefined ? null : parseCredentials(context.message.value(line));
  if (credentials === null || isFailure(credentials)) return null;
  const name = Buffer.from(credentials.username, 'latin1').toString('utf8');
  const at = name.indexOf('@');
  if (at === -1) return { user: name, domain: credentials.realm };
  return { user: name.slice(0, at), domain: name.slice(at + 1) };
}
