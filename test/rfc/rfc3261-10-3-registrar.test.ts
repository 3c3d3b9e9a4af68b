/** RFC 3261 10.3: what a registrar MUST do with a REGISTER, clause by clause. */

import { describe, expect, it } from 'vitest';
import { RegistrarBench } from '../support/registrar-bench.ts';

const phone = 'Contact: <sip:bob@192.0.2.1:5062>';
const tablet = 'Contact: <sip:bob@192.0.2.2:5062>';

describe('RFC 3261 10.3 in general', () => {
  it('MUST NOT include Record-Route in any response to a REGISTER, and MUST ignore it in one', () => {
    const bench = new RegistrarBench();
    const answer = bench.register([phone, 'Record-Route: <sip:192.0.2.99;lr>']);
    expect(answer.status).toBe(200);
    expect(answer.header('Record-Route')).toBeNull();
    expect(bench.bound()).toEqual(['sip:bob@192.0.2.1:5062']);
  });

  it('MUST NOT generate 6xx responses', () => {
    const bench = new RegistrarBench();
    const odd = [['Contact: *'], ['Contact: <nonsense>'], ['Require: teleportation'], [`${phone};expires=1`]];
    for (const headers of odd) expect(bench.register(headers).status).toBeLessThan(600);
  });

  it('MUST process requests in the order in which they are received', () => {
    const bench = new RegistrarBench();
    bench.register([phone], { cseq: 1 });
    bench.register([`${phone};expires=0`], { cseq: 2 });
    bench.register([tablet], { cseq: 3 });
    expect(bench.bound()).toEqual(['sip:bob@192.0.2.2:5062']);
  });

  it('MUST process a request atomically: completely or not at all', () => {
    const bench = new RegistrarBench();
    bench.register([phone], { cseq: 5 });
    // The tablet alone would do; the phone is out of order, so nothing is bound.
    expect(bench.register([tablet, phone], { cseq: 4 }).status).toBe(500);
    expect(bench.bound()).toEqual(['sip:bob@192.0.2.1:5062']);
    expect(bench.register([tablet, 'Contact: <sip:bob@[broken>']).status).toBe(400);
    expect(bench.bound()).toEqual(['sip:bob@192.0.2.1:5062']);
  });

  it('MUST process each request independently of any other binding', () => {
    const bench = new RegistrarBench();
    bench.register([phone], { callId: 'a', cseq: 900 });
    expect(bench.register([tablet], { callId: 'b', cseq: 1 }).status).toBe(200);
    expect(bench.bound().sort()).toEqual(['sip:bob@192.0.2.1:5062', 'sip:bob@192.0.2.2:5062']);
  });
});

describe('RFC 3261 10.3 step 2: extensions', () => {
  it('MUST process Require as 8.2.2 says: 420 names what is not supported', () => {
    const answer = new RegistrarBench().register([phone, 'Require: path, teleportation', 'Require: x']);
    expect(answer.status).toBe(420);
    expect(answer.header('Unsupported')).toBe('teleportation, x');
  });

  it('takes extensions that it supports', () => {
    expect(new RegistrarBench().register([phone, 'Require: path']).status).toBe(200);
  });
});

describe('RFC 3261 10.3 steps 3 and 4: identity and authority', () => {
  it('are the script’s: whoever it refuses binds nothing', () => {
    const bench = new RegistrarBench(
      'if ($fU == "bob") { sl_send_reply(403, "Forbidden"); exit; } save("location");',
    );
    expect(bench.register([phone]).status).toBe(403);
    expect(bench.harness.statistic('usrloc:location-contacts')).toBe(0);
  });
});

describe('RFC 3261 10.3 step 5: the address of record', () => {
  it('MUST be answered 404 when it is not valid for the domain in the Request-URI', () => {
    const bench = new RegistrarBench();
    expect(bench.register([phone], { to: '<sip:bob@elsewhere.net>' }).status).toBe(404);
    expect(bench.register([phone], { to: '<tel:+4930123>' }).status).toBe(404);
    expect(bench.register([phone], { to: '<sip:example.org>' }).status).toBe(404);
    expect(bench.harness.statistic('usrloc:location-contacts')).toBe(0);
  });

  it('may be of any domain when the script says so', () => {
    const bench = new RegistrarBench('save("location");', 'modparam("registrar", "check_domain", 0)');
    expect(bench.register([phone], { to: '<sip:bob@elsewhere.net>' }).status).toBe(200);
  });

  it('MUST lose all URI parameters, and escaped characters MUST be converted', () => {
    const bench = new RegistrarBench();
    bench.register([phone], { to: '<sip:b%6Fb@EXAMPLE.org;user=phone;x=y>' });
    expect(bench.bound()).toEqual(['sip:bob@192.0.2.1:5062']);
  });

  it('RFC 3261 8.2.2.1: a Request-URI of another scheme gets 416', () => {
    expect(new RegistrarBench().register([phone], { uri: 'tel:+4930' }).status).toBe(416);
  });
});

describe('RFC 3261 10.3 step 6: Contact', () => {
  it('absent: the reply lists the bindings and nothing changes', () => {
    const bench = new RegistrarBench();
    expect(bench.register([]).contacts).toEqual([]);
    bench.register([`${phone};expires=100`]);
    expect(bench.register([]).contacts).toEqual(['<sip:bob@192.0.2.1:5062>;expires=100']);
  });

  it('*: MUST get 400 with a further Contact or an expiration time other than zero', () => {
    const bench = new RegistrarBench();
    bench.register([phone]);
    expect(bench.register(['Contact: *', tablet, 'Expires: 0']).status).toBe(400);
    expect(bench.register(['Contact: *', 'Expires: 10']).status).toBe(400);
    expect(bench.register(['Contact: *']).status).toBe(400);
    expect(bench.register(['Contact: *', 'Expires: nothing']).status).toBe(400);
    expect(bench.bound()).toEqual(['sip:bob@192.0.2.1:5062']);
  });

  it('*: MUST remove each binding of another Call-ID, whatever the CSeq', () => {
    const bench = new RegistrarBench();
    bench.register([phone], { callId: 'a', cseq: 100 });
    bench.register([tablet], { callId: 'b', cseq: 200 });
    const answer = bench.register(['Contact: *', 'Expires: 0'], { callId: 'c', cseq: 1 });
    expect([answer.status, answer.contacts]).toEqual([200, []]);
    expect(bench.bound()).toEqual([]);
  });

  it('*: MUST remove a binding of its own Call-ID only for a higher CSeq; else the request fails', () => {
    const bench = new RegistrarBench();
    bench.register([phone], { cseq: 100 });
    bench.register([tablet], { callId: 'b', cseq: 1 });
    expect(bench.register(['Contact: *', 'Expires: 0'], { cseq: 99 }).status).toBe(500);
    expect(bench.register(['Contact: *', 'Expires: 0'], { cseq: 100 }).status).toBe(500);
    expect(bench.bound()).toHaveLength(2);
    expect(bench.register(['Contact: *', 'Expires: 0'], { cseq: 101 }).status).toBe(200);
    expect(bench.bound()).toEqual([]);
  });
});

describe('RFC 3261 10.3 step 7: expiration', () => {
  it.each([
    ['the parameter', [`${phone};expires=300`, 'Expires: 900'], 300],
    ['else the header', [phone, 'Expires: 900'], 900],
    ['else the default', [phone], 3600],
    ['20.10: a malformed parameter counts as 3600', [`${phone};expires=soon`, 'Expires: 900'], 3600],
    ['20.19: a malformed header counts as 3600', [phone, 'Expires: -5'], 3600],
    ['more than 32 bits are malformed', [`${phone};expires=4294967296`], 3600],
  ])('MUST be determined: %s', (_name, headers, seconds) => {
    expect(new RegistrarBench().register(headers).contacts).toEqual([
      `<sip:bob@192.0.2.1:5062>;expires=${seconds}`,
    ]);
  });

  it('may be shorter than asked for', () => {
    const bench = new RegistrarBench('save("location");', 'modparam("registrar", "max_expires", 600)');
    expect(bench.register([`${phone};expires=7200`]).contacts).toEqual([
      '<sip:bob@192.0.2.1:5062>;expires=600',
    ]);
  });

  it('423 MUST carry Min-Expires', () => {
    const bench = new RegistrarBench('save("location");', 'modparam("registrar", "min_expires", 120)');
    const answer = bench.register([`${phone};expires=119`]);
    expect([answer.status, answer.header('Min-Expires')]).toEqual([423, '120']);
    expect(bench.bound()).toEqual([]);
    expect(bench.register([`${phone};expires=120`]).status).toBe(200);
  });

  it('423 is for intervals greater than zero and smaller than one hour alone', () => {
    const bench = new RegistrarBench('save("location");', 'modparam("registrar", "min_expires", 7200)');
    expect(bench.register([`${phone};expires=3599`]).status).toBe(423);
    expect(bench.register([`${phone};expires=3600`]).status).toBe(200);
    expect(bench.register([`${phone};expires=0`]).status).toBe(200);
    expect(bench.bound()).toEqual([]);
  });

  it('over, the binding is gone', () => {
    const bench = new RegistrarBench();
    bench.register([`${phone};expires=60`]);
    bench.harness.advance(59_000);
    expect(bench.bound()).toHaveLength(1);
    bench.harness.advance(1000);
    expect(bench.bound()).toEqual([]);
    bench.harness.advance(61_000);
    expect(bench.harness.statistic('usrloc:location-contacts')).toBe(0);
    expect(bench.harness.statistic('usrloc:location-expires')).toBe(1);
  });
});

describe('RFC 3261 10.3 step 7: bindings', () => {
  it('are searched by the URI comparison rules', () => {
    const bench = new RegistrarBench();
    bench.register(['Contact: <sip:%62ob@HOST.example.com:5062;x=1>']);
    bench.register(['Contact: <sip:bob@host.example.com:5062;y=2>']);
    expect(bench.bound()).toEqual(['sip:bob@host.example.com:5062;y=2']);
    bench.register(['Contact: <sip:bob@host.example.com>']);
    expect(bench.bound()).toHaveLength(2);
  });

  it('of another Call-ID MUST be removed if the expiration time is zero, and updated otherwise', () => {
    const bench = new RegistrarBench();
    bench.register([`${phone};expires=100`], { callId: 'a', cseq: 50 });
    const updated = bench.register([`${phone};expires=200`], { callId: 'b', cseq: 1 });
    expect(updated.contacts).toEqual(['<sip:bob@192.0.2.1:5062>;expires=200']);
    expect(bench.register([`${phone};expires=0`], { callId: 'c', cseq: 1 }).contacts).toEqual([]);
  });

  it('of the same Call-ID MUST be updated or removed when the CSeq is higher', () => {
    const bench = new RegistrarBench();
    bench.register([`${phone};expires=100`], { cseq: 1 });
    expect(bench.register([`${phone};expires=200`], { cseq: 2 }).contacts).toEqual([
      '<sip:bob@192.0.2.1:5062>;expires=200',
    ]);
    expect(bench.register([`${phone};expires=0`], { cseq: 3 }).contacts).toEqual([]);
  });

  it.each([1, 2])(
    'of the same Call-ID: CSeq %i after 2 MUST abort the update, and the request fails',
    (cseq) => {
      const bench = new RegistrarBench();
      bench.register([`${phone};expires=100`], { cseq: 2 });
      const answer = bench.register([`${phone};expires=200`], { cseq });
      expect(answer.status).toBe(500);
      expect(bench.register([], { callId: 'x' }).contacts).toEqual(['<sip:bob@192.0.2.1:5062>;expires=100']);
    },
  );

  it('that were removed do not come back with an older request', () => {
    const bench = new RegistrarBench();
    bench.register([phone], { cseq: 1 });
    bench.register([`${phone};expires=0`], { cseq: 3 });
    expect(bench.register([phone], { cseq: 2 }).status).toBe(500);
    expect(bench.bound()).toEqual([]);
    expect(bench.register([phone], { cseq: 4 }).status).toBe(200);
  });

  it('allow_dup_cseq: an equal CSeq is a refresh', () => {
    const bench = new RegistrarBench('save("location");', 'modparam("registrar", "allow_dup_cseq", 1)');
    bench.register([`${phone};expires=100`], { cseq: 2 });
    expect(bench.register([`${phone};expires=200`], { cseq: 2 }).contacts).toEqual([
      '<sip:bob@192.0.2.1:5062>;expires=200',
    ]);
    expect(bench.register([phone], { cseq: 1 }).status).toBe(500);
  });

  it('RFC 3261 17.2.2: the very same request again, its transaction forgotten, gets the same answer', () => {
    const bench = new RegistrarBench();
    const first = bench.register([`${phone};expires=600`], { cseq: 1, branch: 'one' });
    bench.harness.advance(60_000);
    const again = bench.register([`${phone};expires=600`], { cseq: 1, branch: 'one' });
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.contacts).toEqual(['<sip:bob@192.0.2.1:5062>;expires=540']);
  });

  it('may be any URI', () => {
    const bench = new RegistrarBench();
    const answer = bench.register(['Contact: <mailto:bob@example.org>', 'Contact: <tel:+4930123456>', phone]);
    expect(answer.status).toBe(200);
    expect(bench.bound().sort()).toEqual([
      'mailto:bob@example.org',
      'sip:bob@192.0.2.1:5062',
      'tel:+4930123456',
    ]);
  });

  it.each([
    ['no URI', 'Contact: <hello>'],
    ['a URI that cannot be read', 'Contact: <sip:bob@exa mple.org>'],
    ['an unclosed bracket', 'Contact: <sip:bob@192.0.2.1'],
    ['a q beyond 1', `${phone};q=1.5`],
    ['a q with four decimals', `${phone};q=0.1234`],
    ['a q that is none', `${phone};q=high`],
  ])('with %s get 400', (_name, contact) => {
    const bench = new RegistrarBench();
    const answer = bench.register([contact]);
    expect(answer.status).toBe(400);
    expect(answer.header('P-Registrar-Error')).not.toBeNull();
    expect(bench.bound()).toEqual([]);
  });
});

describe('RFC 3261 10.3 step 8: the answer', () => {
  it('MUST enumerate all current bindings, each with its interval; it has a Date', () => {
    const bench = new RegistrarBench();
    bench.register([`${phone};q=0.5;expires=100;+sip.instance="<urn:uuid:1>"`], { callId: 'a' });
    bench.harness.advance(10_000);
    const answer = bench.register([`${tablet};q=1.0;expires=200;methods="INVITE,BYE"`], { callId: 'b' });
    expect(answer.contacts).toEqual([
      '<sip:bob@192.0.2.2:5062>;q=1;expires=200;methods="INVITE,BYE"',
      '<sip:bob@192.0.2.1:5062>;q=0.5;expires=90;+sip.instance="<urn:uuid:1>"',
    ]);
    expect(answer.header('Date')).toMatch(/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/);
  });
});

describe('limits', () => {
  it('503 says when to come back: when the first contact is due to expire', () => {
    const bench = new RegistrarBench('save("location");', 'modparam("registrar", "max_contacts", 1)');
    bench.register([`${phone};expires=100`]);
    bench.harness.advance(40_000);
    const answer = bench.register([tablet]);
    expect([answer.status, answer.header('Retry-After')]).toEqual([503, '60']);
    expect(bench.bound()).toEqual(['sip:bob@192.0.2.1:5062']);
    // Room is made by the same request.
    expect(bench.register([`${phone};expires=0`, tablet]).status).toBe(200);
    expect(bench.bound()).toEqual(['sip:bob@192.0.2.2:5062']);
  });

  it('503 says what the script wants', () => {
    const bench = new RegistrarBench(
      'save("location", "max-contacts=1");',
      'modparam("registrar", "retry_after", 7)',
    );
    bench.register([phone]);
    expect(bench.register([tablet]).header('Retry-After')).toBe('7');
  });

  it('of a datagram do not let one contact grow without end', () => {
    const bench = new RegistrarBench();
    expect(bench.register([`Contact: <sip:${'b'.repeat(1100)}@192.0.2.1>`]).status).toBe(400);
    expect(bench.register([`${phone};x="${'y'.repeat(5000)}"`]).status).toBe(400);
    expect(bench.register([phone, `Path: <sip:${'p'.repeat(5000)}@192.0.2.1;lr>`]).status).toBe(400);
    expect(bench.register([phone], { to: `<sip:${'b'.repeat(65)}@example.org>` }).status).toBe(404);
  });
});
