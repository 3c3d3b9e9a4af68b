/** The module `alias_db`: second names of users, as a table has them. */

import { BoundedReader } from '#module/bounded-reader.ts';
import type { MessageContext } from '#module/context.ts';
import {
  defineModule,
  type FunctionDeclaration,
  type ParameterValues,
  type VariableReference,
} from '#module/define.ts';
import type { TableRow } from '#module/services.ts';
import { nameParameter, openTables, urlParameter } from '#module/table-parameters.ts';
import { messageText } from '#sip/digest.ts';
import { detach } from '#sip/serialize.ts';
import { escapeUser, parseUri, unescapeUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

/** Users that share one alias. */
const usersMax = 16;

/** Flags as OpenSIPS has them: names, or letters up to 3.3. */
interface LookupFlags {
  /** d: the alias counts in every domain. */
  readonly anyDomain: boolean;
  /** r: from the user to the alias. */
  readonly isReverse: boolean;
}

function readFlags(text: string | null): LookupFlags {
  const words = (text ?? '').toLowerCase();
  return {
    anyDomain: /no-domain|^[^-]*d[^-]*$/.test(words),
    isReverse: /reverse|^[^-]*r[^-]*$/.test(words),
  };
}

class Aliases {
  readonly #reader: BoundedReader;
  readonly #values: ParameterValues;

  constructor(reader: BoundedReader, values: ParameterValues) {
    this.#reader = reader;
    this.#values = values;
  }

  /** URIs that the name in `uri` leads to; none when there are none or the database fails. */
  async find(uri: string, table: string, flags: LookupFlags): Promise<string[]> {
    const parsed = parseUri(uri);
    if (isFailure(parsed) || parsed.user === '') return [];
    const column = (name: string): string => String(this.#values[name]);
    const alias = { user: column('alias_user_column'), domain: column('alias_domain_column') };
    const user = { user: column('user_column'), domain: column('domain_column') };
    const [from, to] = flags.isReverse ? [user, alias] : [alias, user];
    const utf8 = (text: string): string => Buffer.from(text, 'latin1').toString('utf8');
    const where: [string, string][] = [[from.user, utf8(unescapeUri(parsed.user))]];
    if (!flags.anyDomain && this.#values.use_domain !== 0)
      where.push([from.domain, this.#domainOf(parsed.host)]);
    const columns = [to.user, to.domain];
    const rows = await this.#reader.select({ table, columns, where, rowsMax: usersMax });
    return isFailure(rows) ? [] : rows.map((row) => uriOf(row, to));
  }

  /** 1: the Request-URI is the user's, further ones are branches when they are wanted. */
  async lookup(context: MessageContext, table: string, flags: LookupFlags): Promise<number> {
    const [first, ...others] = await this.find(context.requestUri, table, flags);
    if (first === undefined) return -1;
    context.requestUri = first;
    if (this.#values.append_branches !== 0) {
      for (const requestUri of others)
        context.branches.push({ requestUri, destinationUri: null, path: '', q: -1, flags: 0, socket: null });
    }
    return 1;
  }

  #domainOf(host: string): string {
    const prefix = String(this.#values.domain_prefix);
    const text = Buffer.from(host, 'latin1').toString('utf8');
    return prefix !== '' && text.startsWith(prefix) ? text.slice(prefix.length) : text;
  }
}

function uriOf(row: TableRow, columns: { readonly user: string; readonly domain: string }): string {
  const user = escapeUser(messageText(String(row[columns.user] ?? '')));
  return detach(`sip:${user}@${messageText(String(row[columns.domain] ?? ''))}`);
}

const functions: readonly FunctionDeclaration<Aliases>[] = [
  {
    name: 'alias_db_lookup',
    routes: ['request', 'failure'],
    arguments: [
      { name: 'table', kind: 'string' },
      { name: 'flags', kind: 'string', optional: true },
    ],
    help: 'Puts the user whose alias the Request-URI is into it; -1 when there is none. Flags: no-domain, reverse.',
    waits: true,
    call: (module, context, table: string | null, flags: string | null) =>
      module.lookup(context, table ?? 'dbaliases', readFlags(flags)),
  },
  {
    name: 'alias_db_find',
    routes: ['request', 'failure', 'local'],
    arguments: [
      { name: 'table', kind: 'string' },
      { name: 'input_uri', kind: 'string' },
      { name: 'output', kind: 'variable' },
      { name: 'flags', kind: 'string', optional: true },
    ],
    help: 'Writes the URI of the user whose alias `input_uri` is into the variable; -1 when there is none.',
    waits: true,
    call: async (
      module,
      context,
      table: string | null,
      uri: string | null,
      output: VariableReference,
      flags: string | null,
    ) => {
      const [first] = await module.find(uri ?? '', table ?? 'dbaliases', readFlags(flags));
      if (first === undefined) return -1;
      output.write(context, first);
      return 1;
    },
  },
];

export const aliasDb = defineModule<Aliases>({
  name: 'alias_db',
  help: 'Second names of users, as a table has them.',
  parameters: [
    urlParameter,
    nameParameter('user_column', 'username', 'Column of the user.'),
    nameParameter('domain_column', 'domain', 'Column of the domain.'),
    nameParameter('alias_user_column', 'alias_username', 'Column of the alias.'),
    nameParameter('alias_domain_column', 'alias_domain', 'Column of the domain of the alias.'),
    nameParameter('domain_prefix', '', 'Taken from the front of the domain before it is looked for.'),
    { name: 'use_domain', kind: 'integer', default: 1, help: '0: an alias counts in every domain.' },
    {
      name: 'append_branches',
      kind: 'integer',
      default: 0,
      help: '1: several users of one alias are all called.',
    },
    { name: 'query_timeout', kind: 'integer', default: 4, help: 'Seconds to wait for the database.' },
  ],
  functions,
  statistics: ['queries', 'failed_queries', 'refused_queries', 'waiting_queries'],
  create: (host, values) => {
    const source = openTables(host, values);
    if (isFailure(source)) return source;
    return new Aliases(
      new BoundedReader(host, 'alias_db', source, Number(values.query_timeout) * 1000),
      values,
    );
  },
});
