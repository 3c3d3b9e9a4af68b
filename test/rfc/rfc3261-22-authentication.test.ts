/** RFC 3261 22 and RFC 7616 as RFC 8760 brings it to SIP: what a proxy and a registrar that authenticate must do. */

import { describe, expect, it } from 'vitest';
import { answerChallenge, challengesOf } from '../support/digest-client.ts';
import { NodeHarness, type SentDatagram } from '../support/node-harness.ts';

const alice = { username: 'alice', password: 'wonderland' };
const uri = 'sip:bob@10.0.0.8';

const script = (qop = 'auth', algorithms = 'SHA-256,MD5'): string => `
  ${['proto_udp', 'sl', 'tm', 'signaling', 'sipmsgops', 'auth'].map((name) => `loadmodule "${name}.so"`).join('\n')}
  modparam("auth", "username_spec", "$var(user)")
  modparam("auth", "password_spec", "$var(password)")
  modparam("auth", "calculate_ha1", 1)
  route {
    $var(user) = "alice";
    $var(password) = "wonderland";
    if (is_method("REGISTER")) {
      if (!pv_www_authorize("example.com")) { www_challenge("example.com", "${qop}", "${algorithms}"); exit; }
      send_reply(200, "OK");
      exit;
    }
    if (!pv_proxy_authorize("example.com")) { proxy_challenge("example.com", "${qop}", "${algorithms}"); exit; }
    consume_credentials();
    t_relay();
  }`;

let cseq = 0;

function send(node: NodeHarness, method: string, ...headers: string[]): SentDatagram[] {
  cseq++;
  const lines = [
    `${method} ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa${cseq}`,
    'Max-Forwards: 70',
    'From: <sip:alice@example.com>;tag=f',
    'To: <sip:bob@example.com>',
    `Call-ID: c${cseq}`,
    `CSeq: ${cseq} ${method}`,
    ...headers,
    'Content-Length: 0',
  ];
  return node.receive(`${lines.join('\r\n')}\r\n\r\n`);
}

const status = (sent: readonly SentDatagram[]): string => sent[0]?.text.split(' ')[1] ?? 'nothing';

function challenged(node: NodeHarness, method = 'REGISTER', index = 0): Record<string, string> {
  return challengesOf(send(node, method)[0]!.text)[index]!;
}

const answered = (challenge: Record<string, string>, method = 'REGISTER', nc = 1): string =>
  answerChallenge(challenge, alice, { method, uri }, nc);

describe('RFC 3261 22.1', () => {
  it('an ACK and a CANCEL are not challenged', () => {
    const node = new NodeHarness(script());
    for (const method of ['ACK', 'CANCEL']) {
      const texts = send(node, method).map(({ text }) => text);
      expect(texts.filter((text) => /^SIP\/2\.0 40[17]/.test(text))).toEqual([]);
    }
  });
});

describe('RFC 3261 22.2', () => {
  it('a registrar challenges with 401 and WWW-Authenticate, and takes the answer', () => {
    const node = new NodeHarness(script());
    const sent = send(node, 'REGISTER');
    expect(sent[0]!.text).toMatch(/^SIP\/2\.0 401 Unauthorized\r\n/);
    expect(sent[0]!.text).toContain('\r\nWWW-Authenticate: Digest ');
    const right = answered(challengesOf(sent[0]!.text)[0]!);
    expect(status(send(node, 'REGISTER', `Authorization: ${right}`))).toBe('200');
  });
});

describe('RFC 3261 22.3', () => {
  it('a proxy challenges with 407 and Proxy-Authenticate, consumes its own credentials and passes on the others', () => {
    const node = new NodeHarness(script());
    const sent = send(node, 'MESSAGE');
    expect(sent[0]!.text).toMatch(/^SIP\/2\.0 407 Proxy Authentication Required\r\n/);
    const own = answered(challengesOf(sent[0]!.text)[0]!, 'MESSAGE');
    const other = own.replace('realm="example.com"', 'realm="next.example.net"');
    const relayed = send(
      node,
      'MESSAGE',
      `Proxy-Authorization: ${other}`,
      `Proxy-Authorization: ${own}`,
      `Authorization: ${other}`,
    );
    const text = relayed.find((datagram) => datagram.text.startsWith('MESSAGE '))!.text;
    expect(text).not.toContain('realm="example.com"');
    expect(text.match(/^Proxy-Authorization: .*next\.example\.net/gm)).toHaveLength(1);
    expect(text.match(/^Authorization: .*next\.example\.net/gm)).toHaveLength(1);
  });
});

describe('RFC 3261 22.4', () => {
  it('the digest URI may differ from the Request-URI, which proxies on the way may have changed', () => {
    const node = new NodeHarness(script());
    const right = answerChallenge(challenged(node), alice, { method: 'REGISTER', uri: 'sip:example.com' });
    expect(status(send(node, 'REGISTER', `Authorization: ${right}`))).toBe('200');
  });
});

describe('RFC 7616 3.3', () => {
  it('only a nonce that is too old or unknown makes the next challenge stale', () => {
    const node = new NodeHarness(script());
    const challenge = challenged(node);
    const wrong = answerChallenge(challenge, { ...alice, password: 'x' }, { method: 'REGISTER', uri });
    const refused = send(node, 'REGISTER', `Authorization: ${wrong}`);
    expect(challengesOf(refused[0]!.text)[0]).not.toHaveProperty('stale');
    node.advance(31_001);
    const late = send(node, 'REGISTER', `Authorization: ${answered(challenge)}`);
    expect(challengesOf(late[0]!.text)[0]).toMatchObject({ stale: 'true' });
  });
});

describe('RFC 7616 3.4', () => {
  it('credentials that lack a directive are answered 400', () => {
    const node = new NodeHarness(script());
    const right = answered(challenged(node));
    for (const name of ['username', 'realm', 'nonce', 'uri', 'response', 'nc', 'cnonce']) {
      const lacking = right.replace(new RegExp(`${name}=("[^"]*"|[^,]*)(, |$)`), '');
      expect(status(send(node, 'REGISTER', `Authorization: ${lacking}`)), name).toBe('400');
    }
  });

  it('a count of a nonce is good once', () => {
    const node = new NodeHarness(script());
    const challenge = challenged(node);
    const codes = [1, 2, 2, 1, 3].map((nc) =>
      status(send(node, 'REGISTER', `Authorization: ${answered(challenge, 'REGISTER', nc)}`)),
    );
    expect(codes).toEqual(['200', '200', '401', '401', '200']);
  });

  it('an opaque that comes back changed is refused', () => {
    const node = new NodeHarness(script());
    const changed = answered({ ...challenged(node), opaque: 'changed' });
    expect(status(send(node, 'REGISTER', `Authorization: ${changed}`))).toBe('401');
  });
});

describe('RFC 7616 3.4.1, RFC 7616 3.4.2 and RFC 7616 3.4.3', () => {
  it.each(['MD5', 'MD5-sess', 'SHA-256', 'SHA-256-sess', 'SHA-512-256', 'SHA-512-256-sess'])(
    '%s with auth and with auth-int',
    (algorithm) => {
      for (const qop of ['auth', 'auth-int']) {
        const node = new NodeHarness(script(qop, algorithm));
        const challenge = challenged(node);
        expect(challenge).toMatchObject({ algorithm, qop });
        expect(status(send(node, 'REGISTER', `Authorization: ${answered(challenge)}`))).toBe('200');
      }
    },
  );
});

describe('RFC 8760 2.1, RFC 7616 6.1', () => {
  it('an algorithm that is not known is none of ours', () => {
    const node = new NodeHarness(script());
    const unknown = answered(challenged(node)).replace('algorithm=SHA-256', 'algorithm=AKAv1-MD5');
    expect(status(send(node, 'REGISTER', `Authorization: ${unknown}`))).toBe('401');
  });
});

describe('RFC 8760 2.4', () => {
  it('there is one challenge for each algorithm, the preferred first, and any of them may be answered', () => {
    for (const index of [0, 1]) {
      const node = new NodeHarness(script());
      const challenges = challengesOf(send(node, 'REGISTER')[0]!.text);
      expect(challenges.map(({ algorithm }) => algorithm)).toEqual(['SHA-256', 'MD5']);
      const right = answered(challenges[index]!);
      expect(status(send(node, 'REGISTER', `Authorization: ${right}`))).toBe('200');
    }
  });

  it('an algorithm that was not offered is refused', () => {
    const node = new NodeHarness(script('auth', 'SHA-256'));
    const weaker = answered({ ...challenged(node), algorithm: 'MD5' });
    expect(status(send(node, 'REGISTER', `Authorization: ${weaker}`))).toBe('401');
  });
});
