/** The module `domain`: which domains are served here, as a table says. */

import type { MessageContext } from '#module/context.ts';
import { defineModule, everyRoute, type ParameterValues, type VariableReference } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import type { TableRow } from '#module/services.ts';
import { TableMirror } from '#module/table-mirror.ts';
import { nameParameter, openTables, urlParameter } from '#module/table-parameters.ts';
import { messageText } from '#sip/digest.ts';
import { parseUri } from '#sip/uri.ts';
import { type Failure, isFailure } from '#util/failure.ts';

interface ServedDomain {
  readonly attributes: string | null;
  readonly withSubdomains: boolean;
}

class Domains {
  readonly mirror: TableMirror;
  readonly #columns: { readonly domain: string; readonly attributes: string; readonly subdomains: string };
  #served: ReadonlyMap<string, ServedDomain> = new Map();

  constructor(
    host: ModuleHost,
    source: ConstructorParameters<typeof TableMirror>[1],
    values: ParameterValues,
  ) {
    this.#columns = {
      domain: String(values.domain_col),
      attributes: String(values.attrs_col),
      subdomains: String(values.subdomain_col),
    };
    this.mirror = new TableMirror(host, source, {
      group: 'domain',
      table: String(values.domain_table),
      columns: Object.values(this.#columns),
      refreshSeconds: Number(values.refresh_interval),
      apply: (rows) => this.#apply(rows),
    });
  }

  /** 1: served here, and its attributes are written. */
  check(context: MessageContext, host: string | null, place: VariableReference | null): number {
    const found = host === null ? null : this.#find(host.toLowerCase());
    if (found === null) return -1;
    if (place !== null && found.attributes !== null) place.write(context, found.attributes);
    return 1;
  }

  list(): unknown {
    return {
      Domains: [...this.#served].map(([name, { attributes, withSubdomains }]) => ({
        name,
        attrs: attributes,
        accept_subdomain: Number(withSubdomains),
      })),
    };
  }

  #find(host: string): ServedDomain | null {
    const exact = this.#served.get(host);
    if (exact !== undefined) return exact;
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const parent = this.#served.get(host.slice(dot + 1));
      if (parent?.withSubdomains === true) return parent;
    }
    return null;
  }

  #apply(rows: readonly TableRow[]): void {
    const { domain, attributes, subdomains } = this.#columns;
    this.#served = new Map(
      rows.map((row) => {
        const value = row[attributes] ?? null;
        return [
          String(row[domain] ?? '').toLowerCase(),
          {
            attributes: value === null ? null : messageText(String(value)),
            withSubdomains: Number(row[subdomains]) !== 0,
          },
        ];
      }),
    );
  }
}

function hostOf(uri: string): string | null {
  const parsed = parseUri(uri);
  return isFailure(parsed) || parsed.host === '' ? null : parsed.host;
}

const attributesPlace = { name: 'attrs', kind: 'variable', optional: true } as const;

export const domain = defineModule<Domains>({
  name: 'domain',
  help: 'Which domains are served here, as a table says. It is kept in memory and read again every minute.',
  parameters: [
    urlParameter,
    {
      name: 'db_mode',
      kind: 'integer',
      default: null,
      ignored: 'the table is always kept in memory, and read again every refresh_interval',
      help: 'Accepted: the table is always kept in memory.',
    },
    nameParameter('domain_table', 'domain', 'The table.'),
    nameParameter('domain_col', 'domain', 'Column of the domain.'),
    nameParameter('attrs_col', 'attrs', 'Column of what the script may read.'),
    nameParameter('subdomain_col', 'accept_subdomain', 'Column that says whether subdomains are served too.'),
    { name: 'refresh_interval', kind: 'integer', default: 60, help: 'Seconds; 0: on command only.' },
  ],
  functions: [
    {
      name: 'is_domain_local',
      routes: everyRoute,
      arguments: [{ name: 'domain', kind: 'string' }, attributesPlace],
      help: 'True when the domain is served here; attrs are written to the variable.',
      call: (module, context, name: string | null, place: VariableReference | null) =>
        module.check(context, name, place),
    },
    {
      name: 'is_from_local',
      routes: everyRoute,
      arguments: [attributesPlace],
      help: 'The same for the domain of From.',
      call: (module, context, place: VariableReference | null) =>
        module.check(context, hostOf(context.request.from.uri), place),
    },
    {
      name: 'is_uri_host_local',
      routes: everyRoute,
      arguments: [attributesPlace],
      help: 'The same for the domain of the Request-URI.',
      call: (module, context, place: VariableReference | null) =>
        module.check(context, hostOf(context.requestUri), place),
    },
  ],
  commands: [
    {
      name: 'domain:reload',
      aliases: ['domain_reload'],
      parameters: [],
      help: 'Reads the table now.',
      run: async ({ mirror }) => {
        const rows = await mirror.reload();
        return isFailure(rows) ? rows : 'OK';
      },
    },
    {
      name: 'domain:dump',
      aliases: ['domain_dump'],
      parameters: [],
      help: 'Lists the domains.',
      run: (module) => module.list(),
    },
  ],
  statistics: ['rows', 'failed_reads'],
  create: (host, values): Domains | Failure => {
    const source = openTables(host, values);
    return isFailure(source) ? source : new Domains(host, source, values);
  },
});
