/** The side of a phone in digest authentication: reads challenges, writes credentials. */

import { createHash } from 'node:crypto';

export interface Account {
  readonly username: string;
  readonly password: string;
}

const names: Readonly<Record<string, string>> = {
  MD5: 'md5',
  'SHA-256': 'sha256',
  'SHA-512-256': 'sha512-256',
};

/** Directives of a challenge by name; quotes removed. */
export function readChallenge(value: string): Record<string, string> {
  const directives: Record<string, string> = {};
  for (const [, name, quoted, bare] of value.matchAll(/([a-z]+)=(?:"([^"]*)"|([^,\s]+))/gi))
    directives[name!] = quoted ?? bare ?? '';
  return directives;
}

/** Values of all challenge headers in the text of a response. */
export function challengesOf(response: string): Record<string, string>[] {
  return [...response.matchAll(/^(?:WWW|Proxy)-Authenticate: (.*)\r$/gim)].map((match) =>
    readChallenge(match[1]!),
  );
}

/** Value of the Authorization header that answers `challenge`, with count `nc` when it offers qop. */
export function answerChallenge(
  challenge: Readonly<Record<string, string>>,
  account: Account,
  request: { readonly method: string; readonly uri: string; readonly body?: string },
  nc = 1,
): string {
  const { realm = '', nonce = '', algorithm = 'MD5', opaque } = challenge;
  const hash = (text: string): string =>
    createHash(names[algorithm.replace('-sess', '')]!).update(text, 'latin1').digest('hex');
  const qop = challenge.qop?.split(',').at(-1) ?? '';
  const cnonce = '0a4f113b';
  const count = nc.toString(16).padStart(8, '0');
  const { username, password } = account;
  let ha1 = hash(`${username}:${realm}:${password}`);
  if (algorithm.endsWith('-sess')) ha1 = hash(`${ha1}:${nonce}:${cnonce}`);
  const body = qop === 'auth-int' ? `:${hash(request.body ?? '')}` : '';
  const ha2 = hash(`${request.method}:${request.uri}${body}`);
  const middle = qop === '' ? nonce : `${nonce}:${count}:${cnonce}:${qop}`;
  return (
    `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="${request.uri}", ` +
    `response="${hash(`${ha1}:${middle}:${ha2}`)}", algorithm=${algorithm}` +
    (opaque === undefined ? '' : `, opaque="${opaque}"`) +
    (qop === '' && !algorithm.endsWith('-sess') ? '' : `, cnonce="${cnonce}"`) +
    (qop === '' ? '' : `, qop=${qop}, nc=${count}`)
  );
}
