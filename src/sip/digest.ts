/**
 * Digest authentication: credentials read, challenges written, responses computed. RFC 7616 with the algorithms that
 * RFC 8760 brings to SIP, RFC 3261 22, and RFC 2617/2069 for old phones (no qop). Texts are latin1: one character is
 * one byte, so UTF-8 names are hashed as they came.
 * Left out on purpose: `userhash` (a subscriber table cannot be asked by it, so it is never offered), and the comparison
 * of the digest URI with the Request-URI, which proxies on the way may have changed (RFC 3261 22.4).
 */

import { hash, timingSafeEqual } from 'node:crypto';
import type { SipMessage } from '#sip/message.ts';
import { quotedEnd } from '#sip/parameters.ts';
import { isToken } from '#sip/token.ts';
import { Failure } from '#util/failure.ts';

/** RFC 8760 2.1 and RFC 7616 6.1, by their registered names. */
export const digestAlgorithms = [
  'MD5',
  'MD5-sess',
  'SHA-256',
  'SHA-256-sess',
  'SHA-512-256',
  'SHA-512-256-sess',
] as const;

export type DigestAlgorithm = (typeof digestAlgorithms)[number];
/** Hash without the session variant: one H(username:realm:password) serves both. */
export type DigestHash = 'MD5' | 'SHA-256' | 'SHA-512-256';
export type QualityOfProtection = 'auth' | 'auth-int';

export interface DigestCredentials {
  /** As sent, without its quotes. */
  readonly username: string;
  readonly realm: string;
  readonly nonce: string;
  readonly uri: string;
  readonly response: string;
  /** MD5 when the client names none (RFC 7616 3.4); null when it is none that is known here. */
  readonly algorithm: DigestAlgorithm | null;
  readonly cnonce: string;
  /** '' when absent. */
  readonly opaque: string;
  /** '' when absent. */
  readonly qop: QualityOfProtection | '';
  /** As sent, eight hexadecimal digits; '' without qop. */
  readonly nonceCount: string;
}

export interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: DigestAlgorithm;
  readonly qop: readonly QualityOfProtection[];
  readonly stale: boolean;
  /** '' for none. */
  readonly opaque: string;
}

const hashNames = { MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' } as const;

/** Real credentials have up to 13 directives. */
const directivesMax = 32;

/** By its registered name, without regard to case; null when it is unknown. */
export function algorithmOf(text: string): DigestAlgorithm | null {
  const wanted = text.toLowerCase();
  return digestAlgorithms.find((algorithm) => algorithm.toLowerCase() === wanted) ?? null;
}

export function hashOf(algorithm: DigestAlgorithm): DigestHash {
  return algorithm.replace('-sess', '') as DigestHash;
}

/**
 * Value of an Authorization or Proxy-Authorization line. Null when the scheme is another than Digest. Failure
 * SIP_CREDENTIALS_INVALID names the directive that is missing, doubled or wrong.
 */
export function parseCredentials(value: string): DigestCredentials | Failure | null {
  if (value.slice(0, 6).toLowerCase() !== 'digest' || value.charCodeAt(6) > 32) return null;
  const directives = readDirectives(value, 6);
  if (directives instanceof Failure) return directives;
  const username = directives.get('username') ?? extendedName(directives.get('username*'));
  if (username === undefined) return invalid('no username');
  for (const name of ['realm', 'nonce', 'uri', 'response']) {
    // RFC 7616 3.4: each of them must be there.
    if (!directives.has(name)) return invalid(`no ${name}`);
  }
  const qop = (directives.get('qop') ?? '').toLowerCase();
  if (qop !== '' && qop !== 'auth' && qop !== 'auth-int') return invalid(`qop ${qop}`);
  const nonceCount = directives.get('nc') ?? '';
  const cnonce = directives.get('cnonce') ?? '';
  // RFC 7616 3.4: with qop, both must be there.
  if (qop !== '' && (!/^[0-9a-fA-F]{8}$/.test(nonceCount) || cnonce === ''))
    return invalid('qop without nc or cnonce');
  return {
    username,
    realm: directives.get('realm')!,
    nonce: directives.get('nonce')!,
    uri: directives.get('uri')!,
    response: directives.get('response')!,
    algorithm: algorithmOf(directives.get('algorithm') ?? 'MD5'),
    cnonce,
    opaque: directives.get('opaque') ?? '',
    qop,
    nonceCount: qop === '' ? '' : nonceCount,
  };
}

/** One header value (RFC 7616 3.3). */
export function formatChallenge(challenge: Challenge): string {
  const { realm, nonce, algorithm, qop, stale, opaque } = challenge;
  return (
    `Digest realm="${quoted(realm)}", nonce="${nonce}"` +
    (opaque === '' ? '' : `, opaque="${opaque}"`) +
    (stale ? ', stale=true' : '') +
    (qop.length === 0 ? '' : `, qop="${qop.join(',')}"`) +
    `, algorithm=${algorithm}`
  );
}

/** H(username ":" realm ":" password): what the columns ha1, ha1_sha256 and ha1_sha512t256 hold. Hex, lower case. */
export function userHash(kind: DigestHash, username: string, realm: string, password: string): string {
  return digest(kind, `${username}:${realm}:${password}`);
}

/** What the client must have sent (RFC 7616 3.4.1 to 3.4.3). `ha1` as {@link userHash} gives it. */
export function expectedResponse(
  credentials: DigestCredentials,
  algorithm: DigestAlgorithm,
  ha1: string,
  request: Pick<SipMessage, 'method' | 'body'>,
): string {
  const { nonce, cnonce, nonceCount, qop, uri } = credentials;
  const kind = hashOf(algorithm);
  // RFC 7616 3.4.2: of a session, the first nonces are hashed in.
  const secret = algorithm.endsWith('-sess') ? digest(kind, `${ha1}:${nonce}:${cnonce}`) : ha1;
  // RFC 7616 3.4.3: auth-int covers the body.
  const ofBody = qop === 'auth-int' ? `:${digest(kind, request.body)}` : '';
  const request2 = digest(kind, `${request.method}:${uri}${ofBody}`);
  if (qop === '') return digest(kind, `${secret}:${nonce}:${request2}`);
  return digest(kind, `${secret}:${nonce}:${nonceCount}:${cnonce}:${qop}:${request2}`);
}

/** Takes the same time wherever the two differ. */
export function sameResponse(given: string, expected: string): boolean {
  if (given.length !== expected.length) return false;
  return timingSafeEqual(Buffer.from(given.toLowerCase(), 'latin1'), Buffer.from(expected, 'latin1'));
}

/** Text of a database or script to the bytes that a message would carry for it. */
export function messageText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function digest(kind: DigestHash, text: string): string {
  return hash(hashNames[kind], Buffer.from(text, 'latin1'), 'hex');
}

function invalid(problem: string): Failure {
  return new Failure('SIP_CREDENTIALS_INVALID', `digest credentials: ${problem}`);
}

function quoted(text: string): string {
  return text.replace(/["\\]/g, '\\$&').replace(/[\r\n]/g, '');
}

/** `name=token` or `name="text"`, separated by commas, names in lower case. Escapes stay: they are hashed as sent. */
function readDirectives(value: string, start: number): Map<string, string> | Failure {
  const directives = new Map<string, string>();
  let position = start;
  for (;;) {
    while (position < value.length && (value.charCodeAt(position) <= 32 || value[position] === ','))
      position++;
    if (position >= value.length) return directives;
    if (directives.size >= directivesMax) return invalid('too many directives');
    const equals = value.indexOf('=', position);
    const name = equals === -1 ? '' : value.slice(position, equals).trim().toLowerCase();
    if (!isToken(name)) return invalid(`unreadable at character ${position + 1}`);
    let from = equals + 1;
    while (value.charCodeAt(from) <= 32) from++;
    const isQuoted = value.charCodeAt(from) === 34;
    const comma = value.indexOf(',', from);
    const end = isQuoted ? quotedEnd(value, from) : comma === -1 ? value.length : comma;
    const text = isQuoted ? value.slice(from + 1, end - 1) : value.slice(from, end).trim();
    // Two of a name would mean one thing here and another elsewhere.
    if (directives.has(name)) return invalid(`${name} stands twice`);
    directives.set(name, text);
    position = end;
  }
}

/** RFC 7616 3.4: `username*=UTF-8''J%C3%A4s%C3%B8n` (RFC 5987). */
function extendedName(text: string | undefined): string | undefined {
  const encoded = text === undefined ? null : /^utf-8'[^']*'(.*)$/i.exec(text)?.[1];
  if (encoded === null || encoded === undefined) return undefined;
  return encoded.replace(/%([0-9a-fA-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
