/**
 * Credentials judged and asked for (RFC 3261 22, RFC 7616, RFC 8760). Where passwords come from is the business of
 * others: the script's variables here, `auth_db` for the database. What the script needs to know of the outcome stands
 * in the context: `auth.line` of the credentials that were right, `auth.stale`, `auth.answered`.
 */

import type { MessageContext } from '#module/context.ts';
import type { ParameterValues } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import {
  type AuthenticationService,
  type AuthorizationKind,
  type CredentialOwner,
  type PasswordAnswer,
  secretService,
  statelessService,
  transactionService,
} from '#module/services.ts';
import type { Counter } from '#module/statistics.ts';
import { isOffered, type Nonce, NonceMaker } from '#modules/auth/nonce.ts';
import { NonceGuard } from '#modules/auth/nonce-guard.ts';
import {
  type DigestAlgorithm,
  type DigestCredentials,
  expectedResponse,
  formatChallenge,
  hashOf,
  parseCredentials,
  type QualityOfProtection,
  sameResponse,
} from '#sip/digest.ts';
import { headerNames } from '#sip/header-name.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';
import { LogLimiter } from '#util/log-limiter.ts';

/** OpenSIPS's codes. */
export const authorizationCodes = {
  authorized: 1,
  unknownUser: -1,
  wrongPassword: -2,
  staleNonce: -3,
  noCredentials: -4,
  error: -5,
} as const;

/** A peer's clock may be this much ahead of ours; nodes keep time by NTP. */
const clockSkewSeconds = 10;

/** Credentials for the realm, from one header line, with a good nonce. */
interface Claim {
  readonly line: number;
  readonly credentials: DigestCredentials;
  readonly algorithm: DigestAlgorithm;
  readonly nonce: Nonce;
}

const headers = {
  www: {
    credentials: headerNames.authorization,
    challenge: 'WWW-Authenticate',
    status: 401,
    reason: 'Unauthorized',
  },
  proxy: {
    credentials: headerNames.proxyAuthorization,
    challenge: 'Proxy-Authenticate',
    status: 407,
    reason: 'Proxy Authentication Required',
  },
} as const;

const counterNames = [
  'challenges',
  'authorized',
  'unknown_users',
  'wrong_passwords',
  'stale_nonces',
  'replayed_nonces',
  'missing_credentials',
  'errors',
] as const;

export class Authentication implements AuthenticationService {
  readonly host: ModuleHost;
  readonly #nonces: NonceMaker;
  readonly #guard: NonceGuard | null;
  readonly #lifetimeSeconds: number;
  readonly #realmPrefix: string;
  readonly #counters: Readonly<Record<(typeof counterNames)[number], Counter>>;
  readonly #problems = new LogLimiter();

  constructor(host: ModuleHost, parameters: ParameterValues) {
    this.host = host;
    this.#lifetimeSeconds = Number(parameters.nonce_expire);
    this.#realmPrefix = String(parameters.realm_prefix);
    this.#nonces = new NonceMaker(nonceKey(host, parameters.secret), host.nodeId, host.incarnation);
    this.#guard =
      parameters.disable_nonce_check === 0 ? new NonceGuard(host, this.#lifetimeSeconds * 1000) : null;
    const entries = counterNames.map((name) => [name, host.statistics.counter('auth', name)] as const);
    this.#counters = Object.fromEntries(entries) as Record<(typeof counterNames)[number], Counter>;
  }

  authorize(
    context: MessageContext,
    kind: AuthorizationKind,
    realm: string,
    find: (owner: CredentialOwner) => PasswordAnswer | Promise<PasswordAnswer>,
  ): number | Promise<number> {
    const { request } = context;
    // RFC 3261 22.1: neither can be challenged.
    if (request.method === 'ACK' || request.method === 'CANCEL') return authorizationCodes.authorized;
    const ownRealm = realm === '' ? this.#realmOf(context) : realm;
    if (ownRealm === null) return this.#refuse(context, 400, 'Bad Request');
    const claim = this.#claimOf(context, kind, ownRealm);
    if (typeof claim === 'number') return claim;
    const owner = ownerOf(claim, ownRealm);
    const answer = find(owner);
    if (answer instanceof Promise) return answer.then((found) => this.#judge(context, claim, found));
    return this.#judge(context, claim, answer);
  }

  /** 0, which ends the script, when the challenge was sent; -1 when it could not be. */
  challenge(
    context: MessageContext,
    kind: AuthorizationKind,
    realm: string,
    offer: { readonly algorithms: readonly DigestAlgorithm[]; readonly qop: readonly QualityOfProtection[] },
  ): number {
    if (context.attachments.get('auth.answered') === true) return 0;
    const ownRealm = realm === '' ? this.#realmOf(context) : realm;
    if (ownRealm === null) {
      this.#refuse(context, 400, 'Bad Request');
      return 0;
    }
    const header = headers[kind];
    const parts = {
      realm: ownRealm,
      nonce: this.#nonces.make(this.host.clock.wall(), ownRealm, offer),
      qop: offer.qop,
      stale: context.attachments.get('auth.stale') === true,
      opaque: this.#nonces.opaque(ownRealm),
    };
    // RFC 8760 2.4: one header for each algorithm, in the order of preference.
    const lines = offer.algorithms.map(
      (algorithm) => `${header.challenge}: ${formatChallenge({ ...parts, algorithm })}\r\n`,
    );
    this.#counters.challenges.value++;
    return this.#reply(context, header.status, header.reason, lines.join('')) > 0 ? 0 : -1;
  }

  /** Takes the credentials that were right out of the request. */
  consume(context: MessageContext): number {
    const line = context.attachments.get('auth.line') as number | undefined;
    if (line === undefined) return -1;
    const { message, edits } = context;
    const start = message.lineStart(line);
    const end = message.lineEnd(line);
    if (!edits.touches(start, end)) edits.remove(start, end);
    return 1;
  }

  /** Said once in half a minute for each `cause`. */
  complain(cause: string, message: string): void {
    if (this.#problems.pass(this.host.clock.monotonic(), cause) !== null) this.host.log.error(message);
  }

  // ── judging ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** The first credentials for this realm with a good nonce; a return code when there are none. */
  #claimOf(context: MessageContext, kind: AuthorizationKind, realm: string): Claim | number {
    const { message } = context;
    const header = headers[kind].credentials;
    let isStale = false;
    for (let line = message.find(header); line !== -1; line = message.find(header, line + 1)) {
      const credentials = parseCredentials(message.value(line));
      if (credentials === null) continue;
      // RFC 7616 3.4: directives that are missing or wrong are worth a 400.
      if (isFailure(credentials)) return this.#refuse(context, 400, 'Bad Credentials');
      if (credentials.realm !== realm || credentials.algorithm === null) continue;
      const nonce = this.#nonceOf(credentials, credentials.algorithm);
      // A client may still send what answered an earlier challenge, beside the answer to the last one.
      if (nonce === null) isStale = true;
      else return { line, credentials, algorithm: credentials.algorithm, nonce };
    }
    if (isStale) return this.#stale(context);
    this.#counters.missing_credentials.value++;
    return authorizationCodes.noCredentials;
  }

  #nonceOf(credentials: DigestCredentials, algorithm: DigestAlgorithm): Nonce | null {
    const { realm, opaque } = credentials;
    const nonce = this.#nonces.read(credentials.nonce, realm);
    if (nonce === null || !isOffered(nonce, credentials, algorithm)) return null;
    if (opaque !== '' && opaque !== this.#nonces.opaque(realm)) return null;
    const age = this.host.clock.wall() / 1000 - nonce.time;
    return age <= this.#lifetimeSeconds && age >= -clockSkewSeconds ? nonce : null;
  }

  #judge(context: MessageContext, claim: Claim, answer: PasswordAnswer): number | Promise<number> {
    if (answer === null) {
      this.#counters.unknown_users.value++;
      return authorizationCodes.unknownUser;
    }
    // Its cause is in the log already.
    if (isFailure(answer)) return this.#refuse(context, 500, 'Server Internal Error');
    const { credentials, algorithm } = claim;
    const expected = expectedResponse(credentials, algorithm, answer.ha1.toLowerCase(), context.message);
    if (!sameResponse(credentials.response, expected)) {
      if (answer.reread !== null) return answer.reread().then((found) => this.#judge(context, claim, found));
      this.#counters.wrong_passwords.value++;
      return authorizationCodes.wrongPassword;
    }
    const count = credentials.nonceCount === '' ? 0 : Number.parseInt(credentials.nonceCount, 16);
    const isFresh = this.#guard === null || this.#guard.use(claim.nonce, count);
    if (isFresh instanceof Promise)
      return isFresh.then((fresh) => this.#conclude(context, claim, answer.accept, fresh));
    return this.#conclude(context, claim, answer.accept, isFresh);
  }

  #conclude(context: MessageContext, claim: Claim, accept: () => void, isFresh: boolean): number {
    if (!isFresh) {
      this.#counters.replayed_nonces.value++;
      return this.#stale(context);
    }
    context.attachments.set('auth.line', claim.line);
    context.attachments.delete('auth.stale');
    accept();
    this.#counters.authorized.value++;
    return authorizationCodes.authorized;
  }

  /** RFC 7616 3.3: the next challenge says that only the nonce was at fault. */
  #stale(context: MessageContext): number {
    this.#counters.stale_nonces.value++;
    context.attachments.set('auth.stale', true);
    return authorizationCodes.staleNonce;
  }

  /** Answers the request; a challenge after that is not sent. */
  #refuse(context: MessageContext, status: number, reason: string): number {
    this.#counters.errors.value++;
    if (context.attachments.get('auth.answered') !== true) this.#reply(context, status, reason, '');
    context.attachments.set('auth.answered', true);
    return authorizationCodes.error;
  }

  #reply(context: MessageContext, status: number, reason: string, lines: string): number {
    const kept = context.replyHeaders;
    context.replyHeaders += lines;
    const stateless = this.host.optionalService(statelessService);
    const transactions = this.host.optionalService(transactionService);
    // Without a transaction a challenge needs none: whoever is unknown costs no memory here.
    const isStateful = stateless === null || transactions?.exists(context) === true;
    const replier = isStateful ? transactions : stateless;
    const result = replier?.reply(context, status, reason) ?? -1;
    context.replyHeaders = kept;
    return result;
  }

  /** Domain of To in a REGISTER, else that of From; null when it cannot be read. */
  #realmOf(context: MessageContext): string | null {
    const { request } = context;
    const uri = parseUri(request.method === 'REGISTER' ? request.to.uri : request.from.uri);
    if (isFailure(uri) || uri.host === '') return null;
    const prefix = this.#realmPrefix;
    return prefix !== '' && uri.host.startsWith(prefix) ? uri.host.slice(prefix.length) : uri.host;
  }
}

function ownerOf({ credentials, algorithm }: Claim, realm: string): CredentialOwner {
  const { username } = credentials;
  const at = username.indexOf('@');
  return {
    username: at === -1 ? username : username.slice(0, at),
    domain: at === -1 ? realm : username.slice(at + 1),
    sentName: username,
    realm,
    hash: hashOf(algorithm),
  };
}

/** The script's own secret, else what the cluster shares. */
function nonceKey(host: ModuleHost, secret: ParameterValues[string]): Uint8Array {
  if (secret !== null && secret !== undefined) return Buffer.from(`anyvia nonce ${String(secret)}`, 'utf8');
  const service = host.service(secretService);
  if (!service.isSecret) {
    host.log.warn(
      'auth: the cluster has no shared secret, so anybody can make nonces: set shared_secret of clusterer or secret of auth',
    );
  }
  return service.derive('nonce');
}
