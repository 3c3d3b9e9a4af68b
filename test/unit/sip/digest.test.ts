/** Digest: the published vectors, each algorithm, and credentials as phones write them. */

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  algorithmOf,
  type DigestAlgorithm,
  type DigestCredentials,
  digestAlgorithms,
  expectedResponse,
  formatChallenge,
  messageText,
  parseCredentials,
  sameResponse,
  userHash,
} from '#sip/digest.ts';
import { Failure, isFailure } from '#util/failure.ts';

function credentials(value: string): DigestCredentials {
  const read = parseCredentials(value);
  if (read === null || isFailure(read)) throw new Error(String(read?.message));
  return read;
}

const get = { method: 'GET', body: '' };

const mufasa = (algorithm: string, response: string): string =>
  'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", ' +
  `algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, ` +
  'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, ' +
  `response="${response}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`;

describe('RFC 7616 3.9.1', () => {
  it.each([
    ['MD5', 'MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', 'SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ] as const)('%s', (algorithm, kind, response) => {
    const read = credentials(mufasa(algorithm, response));
    const ha1 = userHash(kind, read.username, read.realm, 'Circle of Life');
    expect(expectedResponse(read, algorithm, ha1, get)).toBe(response);
    expect(sameResponse(read.response.toUpperCase(), response)).toBe(true);
  });
});

describe('RFC 7616 3.9.2, with the values of erratum 4897: the hash is SHA-512/256, not SHA-512 cut short', () => {
  const name = 'J\u00e4s\u00f8n Doe';

  it('computes the response', () => {
    const read = credentials(
      'Digest username*=UTF-8\'\'J%C3%A4s%C3%B8n%20Doe, realm="api@example.org", uri="/doe.json", ' +
        'algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", nc=00000001, ' +
        'cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", qop=auth, ' +
        'response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5", ' +
        'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS"',
    );
    expect(read.username).toBe(messageText(name));
    const ha1 = userHash('SHA-512-256', read.username, read.realm, 'Secret, or not?');
    expect(expectedResponse(read, 'SHA-512-256', ha1, get)).toBe(read.response);
  });
});

describe('RFC 2617 3.5 and RFC 2069', () => {
  const ha1 = userHash('MD5', 'Mufasa', 'testrealm@host.com', 'Circle Of Life');
  const common =
    'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html"';

  it('computes the response with qop', () => {
    const read = credentials(
      `${common}, qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1"`,
    );
    expect(expectedResponse(read, 'MD5', ha1, get)).toBe(read.response);
  });

  it('computes the response of a phone that knows no qop', () => {
    const read = credentials(`${common}, response="670fd8c2df070c60b045671b8b24ff02"`);
    expect(read).toMatchObject({ algorithm: 'MD5', qop: '', nonceCount: '' });
    expect(expectedResponse(read, 'MD5', ha1, get)).toBe(read.response);
  });
});

describe('every algorithm and qop', () => {
  const names: Record<string, string> = { MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' };

  /** The formulas of RFC 7616 3.4, written out again. */
  function written(algorithm: DigestAlgorithm, qop: string, body: string): string {
    const h = (text: string): string =>
      createHash(names[algorithm.replace('-sess', '')]!).update(text, 'latin1').digest('hex');
    const a1 = 'bob:biloxi.com:zanzibar';
    const ha1 = algorithm.endsWith('-sess') ? h(`${h(a1)}:NONCE:CN`) : h(a1);
    const a2 = qop === 'auth-int' ? `INVITE:sip:bob@biloxi.com:${h(body)}` : 'INVITE:sip:bob@biloxi.com';
    return h(qop === '' ? `${ha1}:NONCE:${h(a2)}` : `${ha1}:NONCE:0000000a:CN:${qop}:${h(a2)}`);
  }

  const table = digestAlgorithms.flatMap((algorithm) =>
    ['', 'auth', 'auth-int'].map((qop) => [algorithm, qop] as const),
  );

  it.each(table)('%s %s', (algorithm, qop) => {
    const extra = qop === '' ? '' : `, qop="${qop}", nc=0000000a`;
    const read = credentials(
      `digest  username = "bob",realm="biloxi.com" ,nonce="NONCE",cnonce=CN,uri="sip:bob@biloxi.com",response="x",algorithm=${algorithm.toLowerCase()}${extra}`,
    );
    expect(read.algorithm).toBe(algorithm);
    const kind = algorithm.replace('-sess', '') as 'MD5';
    const ha1 = userHash(kind, 'bob', 'biloxi.com', 'zanzibar');
    const request = { method: 'INVITE', body: 'v=0\r\n\xff' };
    expect(expectedResponse(read, algorithm, ha1, request)).toBe(written(algorithm, qop, request.body));
  });
});

describe('credentials', () => {
  const good = 'Digest username="a", realm="r", nonce="n", uri="sip:r", response="0"';

  it.each([
    ['Digest realm="r", nonce="n", uri="sip:r", response="0"', 'no username'],
    ['Digest username="a", nonce="n", uri="sip:r", response="0"', 'no realm'],
    ['Digest username="a", realm="r", uri="sip:r", response="0"', 'no nonce'],
    ['Digest username="a", realm="r", nonce="n", response="0"', 'no uri'],
    ['Digest username="a", realm="r", nonce="n", uri="sip:r"', 'no response'],
    [`${good}, username="b"`, 'username stands twice'],
    [`${good}, qop=auth`, 'qop without nc'],
    [`${good}, qop=auth, nc=1, cnonce="c"`, 'qop without nc'],
    [`${good}, qop=auth, nc=00000001, cnonce=""`, 'qop without nc'],
    [`${good}, qop=maybe`, 'qop maybe'],
    [`${good}, =x`, 'unreadable at character'],
    [`${good}, junk`, 'unreadable at character'],
    ['Digest ', 'no username'],
    ['Digest', 'no username'],
    [`Digest ${'a=b,'.repeat(3)}${Array.from({ length: 40 }, (_v, i) => `x${i}=1`).join(',')}`, 'twice'],
  ])('%s', (value, problem) => {
    const read = parseCredentials(value);
    expect(read).toBeInstanceOf(Failure);
    expect((read as Failure).message).toContain(problem);
  });

  it('leaves other schemes to others', () => {
    expect(parseCredentials('Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==')).toBeNull();
    expect(parseCredentials('Digestive x=1')).toBeNull();
    expect(parseCredentials('')).toBeNull();
  });

  it('keeps commas and escapes inside quotes', () => {
    expect(credentials(good.replace('"a"', '"a, \\"b\\" c"')).username).toBe('a, \\"b\\" c');
  });

  it('knows an algorithm that it does not know as such', () => {
    expect(credentials(`${good}, algorithm=AKAv1-MD5`).algorithm).toBeNull();
    expect(algorithmOf('sha-512-256-SESS')).toBe('SHA-512-256-sess');
  });

  it('never fails on a quote that does not close, and ends', () => {
    const read = parseCredentials('Digest username="a, realm="r", nonce="n", uri="sip:r", response="0');
    expect(read).toBeInstanceOf(Failure);
  });
});

describe('whatever stands in the header', () => {
  it('is read or refused, never thrown at, and what is read has all its parts', () => {
    const names = [
      'Digest ',
      'username',
      'username*',
      'realm',
      'nonce',
      'uri',
      'response',
      'qop',
      'nc',
      'cnonce',
    ];
    const rest = [
      'algorithm',
      '=',
      '"',
      ',',
      ' ',
      '\\',
      "UTF-8''%",
      'auth',
      '00000001',
      'MD5',
      '\r\n ',
      '\x00',
      'a',
    ];
    const part = fc.constantFrom(...names, ...rest);
    const text = fc.array(part, { maxLength: 60 }).map((parts) => `Digest ${parts.join('')}`);
    fc.assert(
      fc.property(text, (value) => {
        const read = parseCredentials(value);
        if (read === null || isFailure(read)) return;
        expect(Object.values(read)).not.toContain(undefined);
        const ha1 = userHash('MD5', read.username, read.realm, 'x');
        expect(expectedResponse(read, read.algorithm ?? 'MD5', ha1, get)).toMatch(/^[0-9a-f]{32,64}$/);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('a challenge', () => {
  it('has what it must and no more', () => {
    const parts = { realm: 'ex"ample.com', nonce: 'N', qop: [], stale: false, opaque: '' } as const;
    expect(formatChallenge({ ...parts, algorithm: 'MD5' })).toBe(
      'Digest realm="ex\\"ample.com", nonce="N", algorithm=MD5',
    );
    expect(
      formatChallenge({
        ...parts,
        algorithm: 'SHA-256',
        qop: ['auth', 'auth-int'],
        stale: true,
        opaque: 'O',
      }),
    ).toBe(
      'Digest realm="ex\\"ample.com", nonce="N", opaque="O", stale=true, qop="auth,auth-int", algorithm=SHA-256',
    );
  });
});
