/** The module auth: challenges, credentials judged, replays found on one node and on several. */

import { beforeEach, describe, expect, it } from 'vitest';
import type { MessageContext } from '#module/context.ts';
import type { ClusterPort, ClusterSubscriber } from '#module/host.ts';
import { secretService } from '#module/services.ts';
import { auth } from '#modules/auth/declaration.ts';
import { NonceWindow } from '#modules/auth/nonce-window.ts';
import { sl } from '#modules/sl/declaration.ts';
import { answerChallenge, challengesOf } from '../../support/digest-client.ts';
import { edited, request, requestContext, ScriptBench, TestHost } from '../../support/module-host.ts';

const alice = { username: 'alice', password: 'wonderland' };
const uri = 'sip:example.com';

type Bench = ScriptBench<unknown>;

interface Link {
  readonly nodeId: number;
  subscriber: ClusterSubscriber | null;
}

/** Joins test nodes: messages arrive at once, unless `cut` names the receiver as silent. */
class Links {
  readonly ends = new Map<number, Link>();
  readonly down = new Set<number>();
  readonly silent = new Set<number>();

  port(nodeId: number, incarnation: number): ClusterPort {
    const link: Link = { nodeId, subscriber: null };
    this.ends.set(nodeId, link);
    const send = (node: number, body: Uint8Array): boolean => {
      if (this.down.has(node)) return false;
      if (!this.silent.has(node)) this.ends.get(node)?.subscriber?.onMessage(nodeId, body, 0);
      return true;
    };
    return {
      clusterId: 1,
      nodeId,
      incarnation,
      livePeers: () => [...this.ends.keys()].filter((node) => node !== nodeId && !this.down.has(node)),
      broadcast: () => {},
      send: (node, _channel, body) => send(node, body),
      subscribe: (_channel, subscriber) => {
        link.subscriber = subscriber;
      },
    };
  }
}

function node(
  nodeId: number,
  options: { links?: Links; incarnation?: number; parameters?: Record<string, unknown> } = {},
): Bench {
  const host = new TestHost();
  const incarnation = options.incarnation ?? 7;
  Object.assign(host, { nodeId, incarnation });
  if (options.links !== undefined) host.cluster = options.links.port(nodeId, incarnation);
  host.provide(secretService, { isSecret: true, derive: (purpose) => Buffer.from(`test ${purpose}`) });
  const values = { username_spec: '$var(user)', password_spec: '$avp(pass)', calculate_ha1: 1 };
  new ScriptBench(sl, {}, host);
  return new ScriptBench(auth, { ...values, ...options.parameters }, host) as Bench;
}

function register(...headers: string[]): MessageContext {
  const context = requestContext(
    request('REGISTER', uri, 'To: <sip:alice@example.com>', 'Max-Forwards: 70', ...headers),
  );
  context.variables = new Map([['user', alice.username]]);
  context.attributes.set('pass', [alice.password]);
  return context;
}

function challengeOf(bench: Bench, context = register(), qop = 'auth', algorithms = 'MD5') {
  expect(bench.call(context, 'www_challenge', '', qop, algorithms)).toBe(0);
  return challengesOf(bench.host.sent.at(-1)!.text);
}

function judge(bench: Bench, credentials: string, context?: MessageContext): unknown {
  const message = context ?? register(`Authorization: ${credentials}`);
  return bench.call(message, 'pv_www_authorize', '');
}

const statistic = (bench: Bench, name: string): number => bench.host.statistics.find(`auth:${name}`) ?? -1;

describe('a challenge', () => {
  it('has the realm of To in a REGISTER and of From else, and no state', () => {
    const bench = node(1);
    expect(challengeOf(bench)[0]).toMatchObject({ realm: 'example.com', algorithm: 'MD5', qop: 'auth' });
    const context = requestContext(request('INVITE', 'sip:bob@example.org'));
    expect(bench.call(context, 'proxy_challenge', '', '0')).toBe(0);
    const sent = bench.host.sent.at(-1)!.text;
    expect(sent).toContain('SIP/2.0 407 Proxy Authentication Required\r\n');
    const [challenge] = challengesOf(sent);
    expect(challenge).toMatchObject({ realm: 'example.com' });
    expect(challenge).not.toHaveProperty('qop');
    expect(challenge).not.toHaveProperty('stale');
    expect(context.replyHeaders, 'what is answered later does not challenge again').toBe('');
  });

  it('takes realm_prefix off the front', () => {
    const bench = node(1, { parameters: { realm_prefix: 'exam' } });
    expect(challengeOf(bench)[0]).toMatchObject({ realm: 'ple.com' });
  });

  it('offers several algorithms, the preferred first, by one nonce', () => {
    const challenges = challengeOf(node(1), register(), 'auth,auth-int', 'SHA-512-256, SHA-256,md5-sess');
    expect(challenges.map(({ algorithm }) => algorithm)).toEqual(['SHA-512-256', 'SHA-256', 'MD5-sess']);
    expect(new Set(challenges.map(({ nonce }) => nonce)).size).toBe(1);
    expect(challenges[0]).toMatchObject({ qop: 'auth,auth-int' });
  });

  it('understands the switch of OpenSIPS 2.4 and says what it does not understand', () => {
    const bench = node(1);
    expect(challengeOf(bench, register(), '1')[0]).toMatchObject({ qop: 'auth' });
    expect(bench.call(register(), 'www_challenge', '', 'sometimes')).toBe(-1);
    expect(bench.call(register(), 'www_challenge', '', 'auth', 'ROT13')).toBe(-1);
    expect(bench.host.lines('error')[0]).toContain('"sometimes"');
  });
});

describe('credentials', () => {
  const table = ['MD5', 'MD5-sess', 'SHA-256', 'SHA-256-sess', 'SHA-512-256', 'SHA-512-256-sess'].flatMap(
    (algorithm) => ['', 'auth', 'auth-int'].map((qop) => ({ algorithm, qop })),
  );

  it.each(table)('$algorithm $qop: right, wrong, and the body', ({ algorithm, qop }) => {
    const bench = node(1);
    const [challenge] = challengeOf(bench, register(), qop, algorithm);
    const wrong = answerChallenge(challenge!, { ...alice, password: 'x' }, { method: 'REGISTER', uri });
    expect(judge(bench, wrong)).toBe(-2);
    const other = answerChallenge(challenge!, alice, { method: 'INVITE', uri });
    expect(judge(bench, other), 'the method is hashed in').toBe(-2);
    const right = answerChallenge(challenge!, alice, { method: 'REGISTER', uri });
    expect(judge(bench, right)).toBe(1);
    if (qop !== 'auth-int') return;
    const [second] = challengeOf(bench, register(), qop, algorithm);
    const forged = answerChallenge(second!, alice, { method: 'REGISTER', uri, body: 'other' });
    expect(judge(bench, forged), 'auth-int covers the body').toBe(-2);
  });

  it('that are missing, of another realm, of another scheme or algorithm are none', () => {
    const bench = node(1);
    expect(judge(bench, '', register())).toBe(-4);
    expect(judge(bench, 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==')).toBe(-4);
    const [challenge] = challengeOf(bench);
    const other = answerChallenge({ ...challenge, realm: 'other' }, alice, { method: 'REGISTER', uri });
    expect(judge(bench, other)).toBe(-4);
    const right = answerChallenge(challenge!, alice, { method: 'REGISTER', uri });
    expect(judge(bench, right.replace('algorithm=MD5', 'algorithm=AKAv1-MD5'))).toBe(-4);
    const both = register(`Authorization: ${other}`, `Authorization: ${right}`);
    expect(judge(bench, '', both), 'the right ones among several').toBe(1);
  });

  it('with an old nonce beside those with a new one do no harm', () => {
    const bench = node(1);
    const [old] = challengeOf(bench);
    bench.host.clock.advance(60_000);
    const [challenge] = challengeOf(bench);
    const request = { method: 'REGISTER', uri };
    const lines = [old, challenge].map((one) => `Authorization: ${answerChallenge(one!, alice, request)}`);
    expect(judge(bench, '', register(...lines))).toBe(1);
    expect(judge(bench, '', register(lines[0]!))).toBe(-3);
  });

  it('that cannot be read are answered 400, and not challenged again', () => {
    const bench = node(1);
    const context = register('Authorization: Digest username="alice", realm="example.com"');
    expect(judge(bench, '', context)).toBe(-5);
    expect(bench.host.sent.at(-1)!.text).toContain('SIP/2.0 400 Bad Credentials');
    expect(bench.call(context, 'www_challenge', '', 'auth')).toBe(0);
    expect(bench.host.sent).toHaveLength(1);
  });

  it('of a user that the script does not know', () => {
    const bench = node(1);
    const [challenge] = challengeOf(bench);
    const bob = answerChallenge(challenge!, { username: 'bob', password: 'b' }, { method: 'REGISTER', uri });
    expect(judge(bench, bob)).toBe(-1);
  });

  it('with a stronger algorithm offered cannot use one that was not', () => {
    const bench = node(1);
    const [challenge] = challengeOf(bench, register(), 'auth', 'SHA-256');
    const weak = answerChallenge({ ...challenge, algorithm: 'MD5' }, alice, { method: 'REGISTER', uri });
    expect(judge(bench, weak)).toBe(-3);
  });

  it('must protect the body when nothing less was offered', () => {
    const bench = node(1);
    const [challenge] = challengeOf(bench, register(), 'auth-int');
    const request = { method: 'REGISTER', uri };
    expect(judge(bench, answerChallenge({ ...challenge, qop: 'auth' }, alice, request))).toBe(-3);
    const { qop: _left, ...without } = challenge!;
    expect(judge(bench, answerChallenge(without, alice, request))).toBe(-3);
  });

  it('are taken out when consumed, and only those', () => {
    const bench = node(1);
    const [challenge] = challengeOf(bench);
    const right = answerChallenge(challenge!, alice, { method: 'REGISTER', uri });
    const other = right.replace('"example.com"', '"elsewhere"');
    const context = register(`Authorization: ${other}`, `Authorization: ${right}`, 'User-Agent: x');
    expect(bench.call(context, 'consume_credentials')).toBe(-1);
    expect(judge(bench, '', context)).toBe(1);
    expect(bench.call(context, 'consume_credentials')).toBe(1);
    expect(bench.call(context, 'consume_credentials')).toBe(1);
    const text = edited(context);
    expect(text).toContain('elsewhere');
    expect(text.match(/Authorization/g)).toHaveLength(1);
    expect(text).toContain('User-Agent: x');
  });

  it('are not asked of ACK and CANCEL (RFC 3261 22.1)', () => {
    const bench = node(1);
    for (const method of ['ACK', 'CANCEL'])
      expect(bench.call(requestContext(request(method, uri)), 'pv_www_authorize', '')).toBe(1);
  });
});

describe('a nonce', () => {
  let bench: Bench;
  const credentials = (challenge: Record<string, string> | undefined, nc = 1): string =>
    answerChallenge(challenge!, alice, { method: 'REGISTER', uri }, nc);

  beforeEach(() => {
    bench = node(1);
  });

  it('expires; the next challenge says stale, and only then', () => {
    const [challenge] = challengeOf(bench);
    bench.host.clock.advance(30_000);
    expect(judge(bench, credentials(challenge))).toBe(1);
    bench.host.clock.advance(1001);
    const context = register(`Authorization: ${credentials(challenge, 2)}`);
    expect(judge(bench, '', context)).toBe(-3);
    const [again] = challengeOf(bench, context);
    expect(again).toMatchObject({ stale: 'true' });
    expect(judge(bench, credentials(again))).toBe(1);
  });

  it('that somebody made up, changed, or took from another realm is refused', () => {
    const [challenge] = challengeOf(bench);
    const nonce = challenge!.nonce!;
    const changed = `${nonce.slice(0, 10)}${nonce[10] === 'A' ? 'B' : 'A'}${nonce.slice(11)}`;
    for (const wrong of [changed, 'dcd98b7102dd2f0e8b11d0f600bfb0c093', nonce.slice(1), ''])
      expect(judge(bench, credentials({ ...challenge, nonce: wrong }))).toBe(-3);
    expect(judge(bench, credentials({ ...challenge, opaque: 'none' }))).toBe(-3);
    const context = register();
    bench.call(context, 'www_challenge', 'elsewhere', 'auth');
    const [elsewhere] = challengesOf(bench.host.sent.at(-1)!.text);
    expect(judge(bench, credentials({ ...elsewhere, realm: 'example.com' }))).toBe(-3);
  });

  it('serves each count once, in whatever order they arrive', () => {
    const [challenge] = challengeOf(bench);
    const codes = [1, 1, 3, 2, 2, 3, 40, 9, 8, 40, 41].map((nc) => judge(bench, credentials(challenge, nc)));
    expect(codes).toEqual([1, -3, 1, 1, -3, -3, 1, 1, -3, -3, 1]);
    expect(statistic(bench, 'replayed_nonces')).toBe(5);
  });

  it('serves once without qop', () => {
    const [challenge] = challengeOf(bench, register(), '0');
    expect([1, 2].map(() => judge(bench, credentials(challenge)))).toEqual([1, -3]);
  });

  it('may be used again when the script says so', () => {
    bench = node(1, { parameters: { disable_nonce_check: 1 } });
    const [challenge] = challengeOf(bench, register(), '0');
    expect([1, 2].map(() => judge(bench, credentials(challenge)))).toEqual([1, 1]);
  });

  it('is not used up by a wrong password', () => {
    const [challenge] = challengeOf(bench);
    const wrong = answerChallenge(challenge!, { ...alice, password: 'x' }, { method: 'REGISTER', uri });
    expect(judge(bench, wrong)).toBe(-2);
    expect(judge(bench, credentials(challenge))).toBe(1);
  });

  it('is forgotten when it is too old', () => {
    const [challenge] = challengeOf(bench);
    judge(bench, credentials(challenge));
    expect(statistic(bench, 'used_nonces')).toBe(1);
    bench.host.advance(32_000);
    expect(statistic(bench, 'used_nonces')).toBe(0);
  });
});

describe('a nonce in a cluster', () => {
  const credentials = (challenge: Record<string, string> | undefined, nc = 1): string =>
    answerChallenge(challenge!, alice, { method: 'REGISTER', uri }, nc);

  it('is verified by any node, and each count is good once for all of them', async () => {
    const links = new Links();
    const [one, two, three] = [node(1, { links }), node(2, { links }), node(3, { links })];
    const [challenge] = challengeOf(one);
    expect(await judge(two, credentials(challenge, 1))).toBe(1);
    expect(await judge(three, credentials(challenge, 1))).toBe(-3);
    expect(await judge(one, credentials(challenge, 1))).toBe(-3);
    expect(await judge(three, credentials(challenge, 2))).toBe(1);
    expect(statistic(two, 'asked_nonces')).toBe(1);
    expect(statistic(three, 'unchecked_nonces')).toBe(0);
  });

  it('of a node that is down is good once on each other node, and that is counted', async () => {
    const links = new Links();
    const [one, two] = [node(1, { links }), node(2, { links })];
    const [challenge] = challengeOf(one);
    links.down.add(1);
    expect(await judge(two, credentials(challenge))).toBe(1);
    expect(await judge(two, credentials(challenge))).toBe(-3);
    expect(statistic(two, 'unchecked_nonces')).toBe(2);
  });

  it('of a node that does not answer is waited for no longer than the time for it', async () => {
    const links = new Links();
    const [one, two] = [node(1, { links }), node(2, { links })];
    const [challenge] = challengeOf(one);
    links.silent.add(1);
    const result = judge(two, credentials(challenge));
    expect(result).toBeInstanceOf(Promise);
    two.host.advance(300);
    expect(await result).toBe(1);
    expect(statistic(two, 'unchecked_nonces')).toBe(1);
  });

  it('of a former life of its node is stale', async () => {
    const links = new Links();
    const [challenge] = challengeOf(node(1, { links }));
    const [one, two] = [node(1, { links, incarnation: 8 }), node(2, { links })];
    expect(await judge(two, credentials(challenge))).toBe(-3);
    expect(await judge(one, credentials(challenge))).toBe(-3);
  });

  it('waits no longer for a node that goes down', async () => {
    const links = new Links();
    const [one, two] = [node(1, { links }), node(2, { links })];
    const [challenge] = challengeOf(one);
    links.silent.add(1);
    const result = judge(two, credentials(challenge));
    links.ends.get(2)!.subscriber!.onPeerDown(1, 0);
    expect(await result).toBe(1);
  });
});

describe('the window of used counts', () => {
  it('is bounded: the oldest goes, and is counted while it is still good', () => {
    const window = new NonceWindow(100);
    for (let index = 0; index < 250; index++) window.use(`n${index}`, 1, 1000, 0);
    expect(window.size).toBe(100);
    expect(window.forgotten).toBe(150);
    window.use('late', 1, 5000, 2000);
    expect(window.size).toBe(1);
    expect(window.forgotten).toBe(150);
  });
});
