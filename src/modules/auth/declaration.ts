/** The module `auth`: digest authentication for scripts. Passwords of a database are the business of `auth_db`. */

import { attributeName } from '#module/attribute-name.ts';
import type { MessageContext } from '#module/context.ts';
import {
  defineModule,
  type FunctionDeclaration,
  type ParameterDeclaration,
  type ParameterValues,
} from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import { type AuthorizationKind, authenticationService } from '#module/services.ts';
import { Authentication, authorizationCodes } from '#modules/auth/authentication.ts';
import { ScriptPasswords } from '#modules/auth/script-passwords.ts';
import { algorithmOf, type DigestAlgorithm, type QualityOfProtection } from '#sip/digest.ts';
import { parseNameAddress } from '#sip/name-address.ts';
import { parseUri } from '#sip/uri.ts';
import { type Failure, isFailure } from '#util/failure.ts';

interface AuthModule {
  readonly authentication: Authentication;
  readonly passwords: ScriptPasswords;
  readonly callerIdentity: {
    readonly attribute: string;
    readonly prefix: string;
    readonly suffix: string;
  };
}

type Declaration = FunctionDeclaration<AuthModule>;

const text = (name: string, value: string | null, help: string): ParameterDeclaration => ({
  name,
  kind: 'string',
  default: value,
  help,
});
const number = (name: string, value: number, help: string): ParameterDeclaration => ({
  name,
  kind: 'integer',
  default: value,
  help,
});

const parameters: readonly ParameterDeclaration[] = [
  text(
    'secret',
    null,
    'Key of the nonces; unset: derived from what the cluster shares, random without a cluster.',
  ),
  number('nonce_expire', 30, 'Seconds for which a nonce is good.'),
  number('disable_nonce_check', 0, '1: a nonce, or a count of it, may be used again until it expires.'),
  text('realm_prefix', '', 'Taken from the front of the domain when it becomes the realm.'),
  text('username_spec', null, 'Variable with the user name for the pv_ functions: $avp(name) or $var(name).'),
  text('password_spec', null, 'Variable with the password, or its hash, for the pv_ functions.'),
  number('calculate_ha1', 0, '1: password_spec holds the password itself; 0: H(username:realm:password).'),
  text('rpid_avp', '$avp(rpid)', 'AVP with the identity for append_rpid_hf and is_rpid_user_e164.'),
  text('rpid_prefix', '', 'Put before the identity in Remote-Party-ID.'),
  text('rpid_suffix', ';party=calling;id-type=subscriber;screen=yes', 'Put behind it.'),
];

/** OpenSIPS 2.4 says 0 or 1 for qop; later versions name it. Null when it is neither. */
function readQop(value: string | null): readonly QualityOfProtection[] | null {
  const wanted = (value ?? '').trim();
  if (wanted === '' || wanted === '0') return [];
  if (wanted === '1') return ['auth'];
  const list = wanted.split(',').map((name) => name.trim().toLowerCase());
  return list.every((name) => name === 'auth' || name === 'auth-int')
    ? (list as QualityOfProtection[])
    : null;
}

/** Names separated by commas, the preferred first; MD5 alone when there is none. Null when one is unknown. */
function readAlgorithms(value: string | null): readonly DigestAlgorithm[] | null {
  if (value === null || value.trim() === '') return ['MD5'];
  const list = value.split(',').map((name) => algorithmOf(name.trim()));
  return list.includes(null) ? null : (list as DigestAlgorithm[]);
}

function challenge(name: string, kind: AuthorizationKind, status: string): Declaration {
  return {
    name,
    routes: ['request'],
    arguments: [
      { name: 'realm', kind: 'string' },
      { name: 'qop', kind: 'string', optional: true },
      { name: 'algorithms', kind: 'string', optional: true },
    ],
    help:
      `Answers ${status} with a challenge for each algorithm, and ends the script. Realm "": the domain of the ` +
      'request. qop: "auth", "auth-int", both, or 0 or 1 as in OpenSIPS 2.4. Algorithms: MD5, SHA-256, SHA-512-256, each also with -sess.',
    call: (
      { authentication },
      context,
      realm: string | null,
      qop: string | null,
      algorithms: string | null,
    ) => {
      const offer = { qop: readQop(qop), algorithms: readAlgorithms(algorithms) };
      if (offer.qop === null || offer.algorithms === null) {
        authentication.complain(
          name,
          `${name}: qop "${qop ?? ''}" or algorithms "${algorithms ?? ''}" unknown`,
        );
        return -1;
      }
      return authentication.challenge(context, kind, realm ?? '', {
        qop: offer.qop,
        algorithms: offer.algorithms,
      });
    },
  };
}

function authorize(name: string, kind: AuthorizationKind): Declaration {
  return {
    name,
    routes: ['request'],
    arguments: [{ name: 'realm', kind: 'string' }],
    help:
      'Judges the credentials by username_spec and password_spec. 1: right; -1 unknown user, -2 wrong password, ' +
      '-3 stale nonce, -4 no credentials, -5 error.',
    waits: true,
    call: ({ authentication, passwords }, context, realm: string | null) => {
      if (!passwords.isConfigured) {
        authentication.complain(name, `${name}: set username_spec and password_spec of auth`);
        return authorizationCodes.error;
      }
      return authentication.authorize(context, kind, realm ?? '', (owner) => passwords.find(context, owner));
    },
  };
}

function callerIdentity({ callerIdentity: { attribute } }: AuthModule, context: MessageContext): string {
  return String(context.attributes.get(attribute)?.[0] ?? '');
}

const functions: readonly Declaration[] = [
  challenge('www_challenge', 'www', '401'),
  challenge('proxy_challenge', 'proxy', '407'),
  authorize('pv_www_authorize', 'www'),
  authorize('pv_proxy_authorize', 'proxy'),
  {
    name: 'consume_credentials',
    routes: ['request'],
    arguments: [],
    help: 'Takes the credentials that were right out of the request; -1 when there are none.',
    call: ({ authentication }, context) => authentication.consume(context),
  },
  {
    name: 'is_rpid_user_e164',
    routes: ['request'],
    arguments: [],
    help: 'True when the user in rpid_avp is + and 3 to 15 digits.',
    call: (module, context) => {
      const value = callerIdentity(module, context);
      const uri = parseUri(parseNameAddress(value)?.uri ?? value);
      const user = isFailure(uri) ? value : uri.user;
      return /^\+\d{3,15}$/.test(user) ? 1 : -1;
    },
  },
  {
    name: 'append_rpid_hf',
    routes: ['request', 'failure', 'branch'],
    arguments: [
      { name: 'prefix', kind: 'string', optional: true },
      { name: 'suffix', kind: 'string', optional: true },
    ],
    help: 'Adds Remote-Party-ID with the identity in rpid_avp; -1 when there is none.',
    call: (module, context, prefix: string | null, suffix: string | null) => {
      const value = callerIdentity(module, context);
      if (value === '' || /[\r\n]/.test(value)) return -1;
      const line = `${prefix ?? module.callerIdentity.prefix}${value}${suffix ?? module.callerIdentity.suffix}`;
      context.edits.insert(context.message.headersEnd, `Remote-Party-ID: ${line}\r\n`);
      return 1;
    },
  },
];

function create(host: ModuleHost, values: ParameterValues): AuthModule | Failure {
  const passwords = ScriptPasswords.create(values);
  if (isFailure(passwords)) return passwords;
  const authentication = new Authentication(host, values);
  host.provide(authenticationService, authentication);
  return {
    authentication,
    passwords,
    callerIdentity: {
      attribute: attributeName(String(values.rpid_avp)),
      prefix: String(values.rpid_prefix),
      suffix: String(values.rpid_suffix),
    },
  };
}

export const auth = defineModule<AuthModule>({
  name: 'auth',
  help: 'Digest authentication (RFC 7616, RFC 8760) with nonces that every node of the cluster verifies.',
  parameters,
  functions,
  statistics: [
    'challenges',
    'authorized',
    'unknown_users',
    'wrong_passwords',
    'stale_nonces',
    'replayed_nonces',
    'missing_credentials',
    'errors',
    'asked_nonces',
    'unchecked_nonces',
    'used_nonces',
    'forgotten_nonces',
  ],
  create,
});
