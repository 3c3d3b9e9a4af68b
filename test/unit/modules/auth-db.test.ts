/** auth_db in a whole node: the example script of config/, with a table that answers when the test lets it. */

import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { TableQuery, TableRow, TableService } from '#module/services.ts';
import { type DigestHash, userHash } from '#sip/digest.ts';
import { Failure } from '#util/failure.ts';
import { answerChallenge, challengesOf } from '../../support/digest-client.ts';
import { NodeHarness, type SentDatagram } from '../../support/node-harness.ts';

const example = readFileSync(new URL('../../../config/authentication.cfg', import.meta.url), 'utf8');

interface Question {
  readonly query: TableQuery;
  readonly answer: (rows: readonly TableRow[] | Failure) => void;
}

/** The table of a test: rows that match are given at once, or when `release` is called. */
class Table implements TableService {
  rows: TableRow[] = [];
  failure: Failure | null = null;
  isHeld = false;
  readonly asked: TableQuery[] = [];
  readonly #held: Question[] = [];

  open(): { description: string; select: (query: TableQuery) => Promise<readonly TableRow[] | Failure> } {
    return {
      description: 'the test table',
      select: (query) => {
        this.asked.push(query);
        if (!this.isHeld) return Promise.resolve(this.#find(query));
        return new Promise((answer) => this.#held.push({ query, answer }));
      },
    };
  }

  async release(): Promise<void> {
    this.isHeld = false;
    for (const { query, answer } of this.#held.splice(0)) answer(this.#find(query));
    await settle();
  }

  #find({ columns, where }: TableQuery): readonly TableRow[] | Failure {
    if (this.failure !== null) return this.failure;
    return this.rows
      .filter((row) => where.every(([column, value]) => row[column] === value))
      .map((row) => Object.fromEntries(columns.map((column) => [column, row[column] ?? null])));
  }
}

/** Lets everything run that waits for nothing but its turn. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const alice = { username: 'alice', password: 'secret' };
const aliceRow: TableRow = { username: 'alice', domain: 'example.com', password: 'secret' };
let cseq = 0;

/** A request from alice to bob; every one is a new transaction. */
function request(method: string, ...headers: string[]): string {
  cseq++;
  const to = method === 'REGISTER' ? 'alice' : 'bob';
  const uri = method === 'REGISTER' ? 'sip:example.com' : 'sip:bob@example.com';
  return [
    `${method} ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKc${cseq}`,
    `From: <sip:alice@example.com>;tag=f${cseq}`,
    `To: <sip:${to}@example.com>`,
    `Call-ID: c${cseq}`,
    `CSeq: ${cseq} ${method}`,
    'Contact: <sip:alice@10.0.0.9:5070>',
    'Max-Forwards: 70',
    ...headers,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

let node: NodeHarness;
let table: Table;

function start(script = example, changes: readonly [string, string][] = []): void {
  table = new Table();
  table.rows = [aliceRow];
  const text = changes.reduce((old, [from, to]) => {
    expect(old).toContain(from);
    return old.replace(from, to);
  }, script);
  node = new NodeHarness(text, { tables: table });
}

const status = (sent: readonly SentDatagram[]): string => sent[0]?.text.split(' ')[1] ?? 'nothing';

/** Credentials for the last challenge, best algorithm first. */
function credentials(
  challenged: readonly SentDatagram[],
  method: string,
  account = alice,
  index = 0,
): string {
  const challenge = challengesOf(challenged[0]!.text)[index]!;
  const uri = method === 'REGISTER' ? 'sip:example.com' : 'sip:bob@example.com';
  return answerChallenge(challenge, account, { method, uri });
}

/** Register with a challenge answered; gives what the node said to the second request. */
async function register(account = alice): Promise<SentDatagram[]> {
  const challenged = node.receive(request('REGISTER'));
  expect(status(challenged)).toBe('401');
  const sent = node.receive(
    request('REGISTER', `Authorization: ${credentials(challenged, 'REGISTER', account)}`),
  );
  await settle();
  return [...sent, ...node.take()];
}

afterEach(() => {
  expect(node.statistic('core:broken_invariants')).toBe(0);
});

describe('the example script', () => {
  it('registers who shows the password, and nobody else', async () => {
    start();
    expect(status(await register())).toBe('200');
    expect(status(await register({ ...alice, password: 'wrong' }))).toBe('401');
    expect(status(await register({ username: 'mallory', password: 'secret' }))).toBe('401');
    expect(node.statistic('auth:authorized')).toBe(1);
  });

  it('lets nobody register for somebody else, nor by a second name beside the true one', async () => {
    start();
    table.rows.push({ username: 'mallory', domain: 'example.com', password: 'm' });
    const mallory = { username: 'mallory', password: 'm' };
    expect(status(await register(mallory))).toBe('403');
    const challenged = node.receive(request('REGISTER'));
    const right = credentials(challenged, 'REGISTER', mallory);
    const claimed = right.replace('"mallory"', '"alice"').replace('realm="example.com"', 'realm="x"');
    for (const lines of [
      [`Authorization: ${claimed}`, `Authorization: ${right}`],
      [`Proxy-Authorization: ${claimed}`, `Authorization: ${right}`],
    ]) {
      const again = node.receive(request('REGISTER'));
      const fresh = credentials(again, 'REGISTER', mallory);
      const sent = node.receive(request('REGISTER', ...lines.map((line) => line.replace(right, fresh))));
      await settle();
      expect(status([...sent, ...node.take()])).toBe('403');
    }
  });

  it('lets a call through, without its credentials', async () => {
    start();
    await register();
    table.rows.push({ username: 'bob', domain: 'example.com', password: 'b' });
    const challenged = node.receive(request('INVITE').replaceAll('bob', 'alice'));
    expect(status(challenged)).toBe('407');
    const answer = credentials(challenged, 'INVITE').replaceAll('bob', 'alice');
    expect(answer).toContain('alice');
    const right = answerChallenge(challengesOf(challenged[0]!.text)[1]!, alice, {
      method: 'INVITE',
      uri: 'sip:alice@example.com',
    });
    node.receive(request('INVITE', `Proxy-Authorization: ${right}`).replaceAll('bob', 'alice'));
    await settle();
    const relayed = node.take().find(({ text }) => text.startsWith('INVITE '));
    expect(relayed?.text).toMatch(/^INVITE sip:alice@10\.0\.0\.9:5070 /);
    expect(relayed?.text).not.toContain('Proxy-Authorization');
  });
});

describe('while the database is asked', () => {
  it('other messages go on; a retransmission and a CANCEL wait; the answer comes', async () => {
    start();
    await register();
    const challenged = node.receive(request('INVITE').replaceAll('bob', 'alice'));
    table.isHeld = true;
    node.node.control.runForPeer('auth_db:forget', '[]');
    await settle();
    const right = answerChallenge(challengesOf(challenged[0]!.text)[0]!, alice, {
      method: 'INVITE',
      uri: 'sip:alice@example.com',
    });
    const invite = request('INVITE', `Proxy-Authorization: ${right}`).replaceAll('bob', 'alice');
    expect(node.receive(invite)).toEqual([]);
    expect(node.receive(invite)).toEqual([]);
    const cancel = invite.replace(/^INVITE/, 'CANCEL').replace(/(CSeq: \d+) INVITE/, '$1 CANCEL');
    expect(node.receive(cancel)).toEqual([]);
    expect(node.statistic('core:waiting_repeats')).toBe(2);
    expect(node.statistic('core:waiting_requests')).toBe(1);
    expect(status(node.receive(request('OPTIONS').replaceAll('alice@', 'eve@')))).toBe('407');
    await table.release();
    const sent = node.take();
    expect(sent.filter(({ text }) => text.startsWith('INVITE '))).toHaveLength(1);
    expect(node.statistic('core:waiting_requests')).toBe(0);
    expect(status(node.receive(cancel)), 'now there is something to cancel').toBe('200');
  });

  it('equal questions are asked once', async () => {
    start();
    table.isHeld = true;
    const challenged = [1, 2, 3].map(() => node.receive(request('REGISTER')));
    for (const one of challenged)
      node.receive(request('REGISTER', `Authorization: ${credentials(one, 'REGISTER')}`));
    expect(table.asked).toHaveLength(1);
    await table.release();
    expect(node.take().map(({ text }) => text.split(' ')[1])).toEqual(['200', '200', '200']);
  });

  it('it has only so much time', async () => {
    start();
    table.isHeld = true;
    const challenged = node.receive(request('REGISTER'));
    node.receive(request('REGISTER', `Authorization: ${credentials(challenged, 'REGISTER')}`));
    node.advance(4000);
    await settle();
    const sent = node.take();
    expect(sent).toHaveLength(1);
    expect(status(sent)).toBe('500');
    expect(node.lines('error')).toEqual(['auth_db: the test table did not answer within 4000 ms']);
    await table.release();
    expect(node.take()).toEqual([]);
  });

  it('only so many questions wait, and the rest are refused and counted', async () => {
    start(example, [['"reqs_density_per_unit", 100', '"reqs_density_per_unit", 100000']]);
    table.isHeld = true;
    const [challenge] = challengesOf(node.receive(request('REGISTER'))[0]!.text);
    for (let index = 0; index < 1100; index++) {
      const account = { username: `user${index}`, password: 'x' };
      const answer = answerChallenge(challenge!, account, { method: 'REGISTER', uri: 'sip:example.com' });
      node.receive(request('REGISTER', `Authorization: ${answer}`));
    }
    await settle();
    expect(node.statistic('auth_db:waiting_queries')).toBe(1000);
    expect(node.statistic('auth_db:refused_queries')).toBe(100);
    expect(node.take().filter(({ text }) => text.startsWith('SIP/2.0 500'))).toHaveLength(100);
    expect(node.lines('error')).toHaveLength(1);
    await table.release();
    expect(node.take().filter(({ text }) => text.startsWith('SIP/2.0 401'))).toHaveLength(1000);
    expect(node.statistic('auth_db:waiting_queries')).toBe(0);
  });

  it('a database that is down gives one answer, one line, and is asked again', async () => {
    start();
    table.failure = new Failure('DB_SERVER_UNREACHABLE', 'mysql://db/x: connection refused');
    const sent = await register();
    expect(sent, 'no challenge behind the 500').toHaveLength(1);
    expect(status(sent)).toBe('500');
    expect(status(await register())).toBe('500');
    expect(node.lines('error')).toEqual(['auth_db: mysql://db/x: connection refused']);
    table.failure = null;
    expect(status(await register())).toBe('200');
  });
});

describe('rows that are kept', () => {
  it('serve for their lifetime, and a changed password is found at once', async () => {
    start();
    await register();
    await register();
    expect(table.asked).toHaveLength(1);
    table.rows = [{ ...aliceRow, password: 'new' }];
    expect(status(await register({ ...alice, password: 'new' }))).toBe('200');
    expect(table.asked).toHaveLength(2);
    node.advance(11_000);
    expect(node.statistic('auth_db:cached_users')).toBe(0);
    expect(status(await register())).toBe('401');
    expect(status(await register({ ...alice, password: 'new' }))).toBe('200');
    table.rows = [];
    expect(await node.node.control.runForPeer('auth_db:forget', '[]')).toBe('{"forgotten":1}');
    expect(status(await register({ ...alice, password: 'new' })), 'nobody').toBe('401');
  });
});

describe('the columns', () => {
  const script = (parameters: string, then = 'send_reply(200, "$avp(rights) $avp(mail)");'): string => `
    ${['proto_udp', 'sl', 'tm', 'signaling', 'sipmsgops', 'auth', 'auth_db'].map((name) => `loadmodule "${name}.so"`).join('\n')}
    modparam("auth_db", "db_url", "sqlite:///x")
    ${parameters}
    route {
      if (!www_authorize("", "subscriber")) { xlog("code $rc"); www_challenge("", "auth", "SHA-512-256,SHA-256,MD5"); exit; }
      ${then}
    }`;

  const hashes = (domain: string): TableRow => {
    const hash = (kind: DigestHash): string => userHash(kind, 'alice', 'example.com', 'secret');
    return {
      username: 'alice',
      domain,
      ha1: hash('MD5'),
      ha1_sha256: hash('SHA-256'),
      ha1_sha512t256: hash('SHA-512-256').toUpperCase(),
    };
  };

  it.each([0, 1, 2])('hold the hash of algorithm %s', async (index) => {
    start(script(''));
    table.rows = [hashes('example.com')];
    const challenged = node.receive(request('REGISTER'));
    node.receive(request('REGISTER', `Authorization: ${credentials(challenged, 'REGISTER', alice, index)}`));
    await settle();
    expect(status(node.take())).toBe('200');
    const column = ['ha1_sha512t256', 'ha1_sha256', 'ha1'][index]!;
    expect(table.asked[0]).toMatchObject({ columns: [column, 'domain'], where: [['username', 'alice']] });
  });

  it('without a hash for the algorithm make the user unknown to it', async () => {
    start(script(''));
    table.rows = [{ ...hashes('example.com'), ha1_sha512t256: '' }];
    const sent = await register();
    expect(status(sent)).toBe('401');
    expect(node.logged.map(({ message }) => message)).toContain('code -1');
  });

  it('tell equal names apart by their domain', async () => {
    start(script(''));
    table.rows = [{ ...hashes('other.org'), ha1_sha512t256: 'x' }, hashes('Example.COM')];
    expect(status(await register())).toBe('200');
    table.rows = [hashes('one.org'), hashes('two.org')];
    node.advance(11_000);
    expect(status(await register())).toBe('401');
  });

  it('count by name alone, or with the domain in the question', async () => {
    start(script('modparam("auth_db", "use_domain", 0)'));
    table.rows = [hashes('one.org'), hashes('two.org')];
    expect(status(await register())).toBe('200');
    start(script('modparam("auth_db", "use_domain", 1)'));
    table.rows = [hashes('one.org')];
    expect(status(await register())).toBe('401');
    expect(table.asked[0]!.where).toEqual([
      ['username', 'alice'],
      ['domain', 'example.com'],
    ]);
  });

  it('with other names are asked for by them', async () => {
    const names = 'user_column:u domain_column:d password_column:p'.split(' ').map((pair) => {
      const [name, value] = pair.split(':');
      return `modparam("auth_db", "${name}", "${value}")`;
    });
    start(script(`${names.join('\n')}\nmodparam("auth_db", "calculate_ha1", 1)`));
    table.rows = [{ u: 'alice', d: 'example.com', p: 'secret' }];
    expect(status(await register())).toBe('200');
  });

  it('that the script wants are in its AVPs, when the credentials are right', async () => {
    start(script('modparam("auth_db", "load_credentials", "$avp(rights)=acl;mail")'));
    table.rows = [{ ...hashes('example.com'), acl: 'all', mail: 'a@b' }];
    expect((await register())[0]!.text).toContain('SIP/2.0 200 all a@b\r\n');
  });
});

describe('the db_ functions', () => {
  const modules = ['proto_udp', 'sl', 'tm', 'signaling', 'sipmsgops', 'uri', 'auth', 'auth_db'];
  const run = async (body: string, rows: TableRow[]): Promise<string[]> => {
    start(
      `${modules.map((name) => `loadmodule "${name}.so"`).join('\n')}
      modparam("auth_db", "db_url", "sqlite:///x")
      modparam("auth_db", "calculate_ha1", 1)
      route { ${body} }`,
    );
    table.rows = rows;
    node.receive(request('OPTIONS'));
    await settle();
    return node.logged.map(({ message }) => message);
  };

  it('know who exists', async () => {
    const body =
      'if (db_does_uri_exist("$fu", "subscriber")) xlog("from"); if (!db_does_uri_exist()) xlog("not to");';
    expect(await run(body, [aliceRow])).toEqual(['from', 'not to']);
  });

  it('know who owns a name', async () => {
    const body =
      'if (db_get_auth_id("uri", "sip:sales@example.com", $var(a), $var(r))) xlog("$var(a) $var(r)"); if (!db_get_auth_id("uri", "sip:no@x", $var(a), $var(r))) xlog("none");';
    const rows = [{ username: 'alice', domain: 'example.com', uri_user: 'sales' }];
    expect(await run(body, rows)).toEqual(['alice example.com', 'none']);
  });

  it('know who may use a name, by credentials that were right and by no others', async () => {
    const body = `
      if (www_authorize("", "subscriber")) {
        if (db_is_from_authorized("uri")) xlog("may");
        if (!db_is_to_authorized("uri")) xlog("may not");
        if (db_check_from()) xlog("is"); if (!db_check_to()) xlog("is not");
        send_reply(200, "OK");
        exit;
      }
      if (!db_is_from_authorized("uri")) xlog("unknown");
      www_challenge("", "auth");`;
    expect(await run(body, [aliceRow])).toEqual(['unknown']);
    table.rows.push({ username: 'alice', domain: 'example.com', uri_user: 'alice' });
    table.rows = [{ ...aliceRow, uri_user: 'alice' }];
    const challenged = node.receive(request('OPTIONS'));
    await settle();
    const right = answerChallenge(challengesOf((challenged[0] ?? node.take()[0])!.text)[0]!, alice, {
      method: 'OPTIONS',
      uri: 'sip:bob@example.com',
    });
    node.logged.length = 0;
    node.receive(request('OPTIONS', `Authorization: ${right}`));
    await settle();
    expect(node.logged.map(({ message }) => message)).toEqual(['may', 'may not', 'is', 'is not']);
  });
});
