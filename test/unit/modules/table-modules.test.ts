/** Modules that judge by tables: domain, alias_db, permissions, each in a whole node with tables of the test's own. */

import { afterEach, describe, expect, it } from 'vitest';
import type { TableQuery, TableRow, TableService } from '#module/services.ts';
import { AddressTable, readAddress } from '#modules/permissions/address-table.ts';
import { Failure } from '#util/failure.ts';
import { NodeHarness } from '../../support/node-harness.ts';

class Tables implements TableService {
  readonly rows: Record<string, TableRow[]> = {};
  failure: Failure | null = null;

  open() {
    return {
      description: 'the test tables',
      select: ({ table, where }: TableQuery): Promise<readonly TableRow[] | Failure> => {
        const rows = this.rows[table] ?? [];
        const found = rows.filter((row) => where.every(([column, value]) => row[column] === value));
        return Promise.resolve(this.failure ?? found);
      },
    };
  }
}

/** Lets everything run that waits for nothing but its turn. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

let node: NodeHarness;

async function start(tables: Tables, module: string, body: string, parameters = ''): Promise<void> {
  const names = ['proto_udp', 'sl', 'tm', 'sipmsgops', 'signaling', module];
  node = new NodeHarness(
    `db_default_url="sqlite:///x"\n${names.map((name) => `loadmodule "${name}.so"`).join('\n')}\n${parameters}\nroute { ${body} }`,
    { tables },
  );
  await settle();
}

/** What the script says of an OPTIONS from `from` to `uri`. */
async function run(uri = 'sip:bob@example.org', from = '10.0.0.9:5070'): Promise<string[]> {
  node.receive(
    [
      `OPTIONS ${uri} SIP/2.0`,
      'Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa',
      'From: <sip:alice@Example.com>;tag=f',
      `To: <${uri}>`,
      'Call-ID: c',
      'CSeq: 1 OPTIONS',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
    from,
  );
  await settle();
  return node.logged.splice(0).map(({ message }) => message);
}

const mi = (method: string): Promise<string> => node.node.control.runForPeer(method, '[]');

afterEach(() => {
  expect(node.statistic('core:broken_invariants')).toBe(0);
});

describe('domain', () => {
  const body = `
    if (is_from_local($var(a))) xlog("from $var(a)");
    if (is_uri_host_local()) xlog("uri");
    if (is_domain_local("sub.example.com")) xlog("sub");`;

  it('knows the domains of the table, and subdomains where the row says so', async () => {
    const tables = new Tables();
    tables.rows.domain = [{ domain: 'EXAMPLE.com', attrs: 'gold', accept_subdomain: 0 }];
    await start(tables, 'domain', body);
    expect(await run()).toEqual(['from gold']);
    expect(await run('sip:bob@example.com')).toEqual(['from gold', 'uri']);
    tables.rows.domain = [{ domain: 'example.com', attrs: null, accept_subdomain: 1 }];
    expect(await mi('domain_reload')).toBe('"OK"');
    expect(await run()).toEqual(['from <null>', 'sub']);
    expect(JSON.parse(await mi('domain_dump'))).toEqual({
      Domains: [{ name: 'example.com', attrs: null, accept_subdomain: 1 }],
    });
  });

  it('reads the table again by itself, and keeps the last copy while the database is away', async () => {
    const tables = new Tables();
    tables.rows.domain = [{ domain: 'example.com', attrs: 'x', accept_subdomain: 0 }];
    await start(tables, 'domain', body);
    tables.failure = new Failure('DB_SERVER_UNREACHABLE', 'gone');
    node.advance(60_000);
    await settle();
    expect(await run()).toEqual(['domain: gone', 'from x']);
    expect(node.statistic('domain:failed_reads')).toBe(1);
    tables.failure = null;
    tables.rows.domain = [];
    node.advance(60_000);
    await settle();
    expect(await run()).toEqual([]);
    expect(node.statistic('domain:rows')).toBe(0);
  });
});

describe('alias_db', () => {
  const row = (alias: string, username: string, aliasDomain = 'example.org'): TableRow => ({
    alias_username: alias,
    alias_domain: aliasDomain,
    username,
    domain: 'example.com',
  });

  it('puts the user into the Request-URI, escaped where need be', async () => {
    const tables = new Tables();
    tables.rows.dbaliases = [row('bob', 'rob ert'), row('other', 'x')];
    await start(tables, 'alias_db', 'if (alias_db_lookup("dbaliases")) xlog("$ru"); else xlog("none $ru");');
    expect(await run()).toEqual(['sip:rob%20ert@example.com']);
    expect(await run('sip:nobody@example.org')).toEqual(['none sip:nobody@example.org']);
    expect(await run('sip:bob@elsewhere.org')).toEqual(['none sip:bob@elsewhere.org']);
  });

  it('without the domain, backwards, and into a variable', async () => {
    const tables = new Tables();
    tables.rows.dbaliases = [row('sales', 'alice')];
    const body = `
      if (alias_db_find("dbaliases", "sip:sales@any", $var(out), "no-domain")) xlog("$var(out)");
      if (alias_db_find("dbaliases", "sip:alice@example.com", $var(out), "reverse")) xlog("$var(out)");
      if (!alias_db_find("dbaliases", "sip:sales@any", $var(out))) xlog("none");`;
    await start(tables, 'alias_db', body);
    expect(await run()).toEqual(['sip:alice@example.com', 'sip:sales@example.org', 'none']);
  });

  it('makes branches of several users, and finds none while the database is away', async () => {
    const tables = new Tables();
    tables.rows.dbaliases = [row('bob', 'one'), row('bob', 'two')];
    const body = 'if (alias_db_lookup("dbaliases")) xlog("$ru $(branch(uri)[0])"); else xlog("none");';
    await start(tables, 'alias_db', body, 'modparam("alias_db", "append_branches", 1)');
    expect(await run()).toEqual(['sip:one@example.com sip:two@example.com']);
    tables.failure = new Failure('DB_SERVER_UNREACHABLE', 'gone');
    expect(await run()).toEqual(['alias_db: gone', 'none']);
  });
});

describe('permissions', () => {
  const rows: TableRow[] = [
    { grp: 1, ip: '10.0.0.0', mask: 24, port: 0, proto: 'any', pattern: null, context_info: 'office' },
    { grp: 2, ip: '10.0.0.9', mask: 32, port: 5070, proto: 'udp', pattern: '*gold*', context_info: 'phone' },
    { grp: 3, ip: 'nonsense', mask: 32, port: 0, proto: 'any', pattern: null, context_info: null },
    { grp: 4, ip: '2001:db8::', mask: 48, port: 0, proto: 'any', pattern: null, context_info: null },
  ];

  it('lets sources of a group through, and says what their row says', async () => {
    const tables = new Tables();
    tables.rows.address = rows;
    const body = `
      check_source_address(1, $var(i)); xlog("1: $rc $var(i)");
      check_source_address(2, $var(j), "a gold one"); xlog("2: $rc $var(j)");
      check_source_address(2, $var(k), "silver"); xlog("2: $rc");
      check_source_address(7); xlog("7: $rc");
      check_source_address(0); xlog("0: $rc");
      get_source_group($var(g)); xlog("group $var(g)");`;
    await start(tables, 'permissions', body);
    expect(node.lines('warn')[0]).toContain('1 rows have no valid address');
    node.logged.length = 0;
    const from9 = ['1: 1 office', '2: 1 phone', '2: -1', '7: -2', '0: 1', 'group 2'];
    expect(await run()).toEqual(from9);
    const other = await run('sip:bob@example.org', '10.0.0.77:5060');
    expect(other).toEqual(['1: 1 office', '2: -1 <null>', '2: -1', '7: -2', '0: 1', 'group 1']);
    expect((await run('sip:bob@example.org', '192.0.2.1:5060'))[0]).toBe('1: -1 <null>');
    expect(JSON.parse(await mi('address_dump')).addresses).toHaveLength(3);
  });

  it('takes any address, port and protocol', async () => {
    const tables = new Tables();
    tables.rows.address = rows;
    const body = `
      check_address(4, "2001:db8::5", 5060, "udp"); xlog("$rc");
      check_address(4, "2001:db9::5", 5060, "udp"); xlog("$rc");
      check_address(2, "10.0.0.9", 5071, "any"); xlog("$rc");
      check_address(2, "10.0.0.9", 0, "tcp"); xlog("$rc");
      check_address(2, "10.0.0.9", 0, "any"); xlog("$rc");`;
    await start(tables, 'permissions', body);
    node.logged.length = 0;
    expect(await run()).toEqual(['1', '-1', '-1', '-1', '1']);
  });

  it('takes the narrowest network', () => {
    const table = new AddressTable();
    const entry = (grp: number, ip: string, mask: number) =>
      readAddress({ grp, ip, mask, port: 0, proto: 'any', pattern: null, context_info: null })!;
    table.replace([entry(1, '0.0.0.0', 0), entry(2, '10.0.0.0', 8), entry(3, '10.1.0.0', 16)]);
    const groupOf = (address: string): number | undefined =>
      table.find({ group: 0, address, port: 0, protocol: 'any', text: null })?.group;
    expect(['10.1.2.3', '10.2.2.3', '192.0.2.1', '::1'].map(groupOf)).toEqual([3, 2, 1, undefined]);
  });
});
