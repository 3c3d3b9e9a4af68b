/**
 * The module `uri` of OpenSIPS up to 2.4; later versions spread it over sipmsgops and auth_db. `db_check_to` and
 * `db_check_from` compare names, as with `use_uri_table` 0; `db_does_uri_exist` is auth_db's.
 */

import type { MessageContext } from '#module/context.ts';
import {
  type ArgumentDeclaration,
  defineModule,
  type FunctionDeclaration,
  type ParameterDeclaration,
  type RouteKind,
} from '#module/define.ts';
import { headerNames } from '#sip/header-name.ts';
import { listParameters } from '#sip/parameters.ts';
import { parseUri, type SipUri, unescapeUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';

type Declaration = FunctionDeclaration<null>;

const requestRoutes: readonly RouteKind[] = ['request', 'failure', 'local'];
const messageRoutes: readonly RouteKind[] = ['request', 'onreply', 'failure', 'branch', 'local'];

const text = (name: string, optional = false): ArgumentDeclaration => ({ name, kind: 'string', optional });

function requestUri(context: MessageContext): SipUri | null {
  const uri = parseUri(context.requestUri);
  return isFailure(uri) ? null : uri;
}

/** The user name in the credentials of the request, quotes removed. */
function credentialUser(context: MessageContext): string | null {
  const { message } = context;
  // Those that were found to be right, when some were: others in the message are only claimed.
  const authorized = context.attachments.get('auth.line') as number | undefined;
  let line = authorized ?? message.find(headerNames.proxyAuthorization);
  if (line === -1) line = message.find(headerNames.authorization);
  if (line === -1) return null;
  return /^digest\s.*?\busername="([^"]*)"/is.exec(message.value(line))?.[1] ?? null;
}

/** True when the user of the credentials is the user of that URI. */
function isOwnName(context: MessageContext, text: string): number {
  const name = credentialUser(context);
  const uri = parseUri(text);
  if (name === null || isFailure(uri)) return -1;
  const at = name.indexOf('@');
  const user = at === -1 ? name : name.slice(0, at);
  return user !== '' && user === unescapeUri(uri.user) ? 1 : -1;
}

function removeParameter(context: MessageContext, name: string): number {
  const uri = requestUri(context);
  if (uri === null || uri.parameter(name) === null) return -1;
  const left = listParameters(uri.parameters).filter(
    (entry) => entry.name.toLowerCase() !== name.toLowerCase(),
  );
  const parameters = left
    .map((entry) => `;${entry.name}${entry.value === null ? '' : `=${entry.value}`}`)
    .join('');
  context.requestUri = uri.with({ parameters });
  return 1;
}

/** RFC 3966 to SIP: the number becomes the user, the host is that of From. */
function telToSip(context: MessageContext): number {
  const uri = requestUri(context);
  const from = parseUri(context.message.from.uri);
  if (uri === null || isFailure(from)) return -1;
  if (uri.scheme !== 'tel') return 1;
  if (from.host === '') return -1;
  const number = uri.user.replace(/[-.()]/g, '');
  context.requestUri = `sip:${number}${uri.parameters}@${bracketed(from.host)};user=phone`;
  return 1;
}

const functions: readonly Declaration[] = [
  {
    name: 'has_totag',
    routes: messageRoutes,
    arguments: [],
    help: 'True when To has a tag: the message is within a dialog.',
    call: (_module, context) => (context.message.toTag === '' ? -1 : 1),
  },
  {
    name: 'is_user',
    routes: requestRoutes,
    arguments: [text('user')],
    help: 'True when the credentials of the request are of that user.',
    call: (_module, context, user: string | null) =>
      user !== null && credentialUser(context) === user ? 1 : -1,
  },
  {
    name: 'uri_param',
    routes: requestRoutes,
    arguments: [text('name'), text('value', true)],
    help: 'True when the Request-URI has that parameter, with that value.',
    call: (_module, context, name: string | null, value: string | null) => {
      const present = requestUri(context)?.parameter(name ?? '') ?? null;
      return present !== null && (value === null || value === present) ? 1 : -1;
    },
  },
  {
    name: 'add_uri_param',
    routes: requestRoutes,
    arguments: [text('parameter')],
    help: 'Adds a parameter ("name" or "name=value") to the Request-URI.',
    call: (_module, context, parameter: string | null) => {
      const uri = requestUri(context);
      if (uri === null || parameter === null) return -1;
      context.requestUri = uri.with({ parameters: `${uri.parameters};${parameter.replace(/^;/, '')}` });
      return 1;
    },
  },
  {
    name: 'del_uri_param',
    routes: requestRoutes,
    arguments: [text('name')],
    help: 'Removes a parameter from the Request-URI.',
    call: (_module, context, name: string | null) => removeParameter(context, name ?? ''),
  },
  {
    name: 'db_check_to',
    routes: ['request'],
    arguments: [],
    help: 'True when the user of the credentials is that of To.',
    call: (_module, context) => isOwnName(context, context.request.to.uri),
  },
  {
    name: 'db_check_from',
    routes: ['request'],
    arguments: [],
    help: 'True when the user of the credentials is that of From.',
    call: (_module, context) => isOwnName(context, context.request.from.uri),
  },
  {
    name: 'tel2sip',
    routes: requestRoutes,
    arguments: [],
    help: 'Makes a SIP URI of a tel one, with the host of From.',
    call: (_module, context) => telToSip(context),
  },
  {
    name: 'is_uri_user_e164',
    routes: messageRoutes,
    arguments: [text('uri')],
    help: 'True when the user of the URI is + and 3 to 15 digits.',
    call: (_module, _context, value: string | null) => {
      const uri = parseUri(value ?? '');
      return !isFailure(uri) && /^\+\d{3,15}$/.test(uri.user) ? 1 : -1;
    },
  },
];

const noDatabase = 'nothing here asks a database about URIs';

function ignored(kind: 'integer' | 'string', ...names: string[]): ParameterDeclaration[] {
  return names.map((name) => ({ name, kind, default: null, ignored: noDatabase, help: noDatabase }));
}

export const uri = defineModule<null>({
  name: 'uri',
  help: 'URI functions for scripts written for OpenSIPS up to 2.4.',
  parameters: [
    ...ignored('string', 'db_url', 'db_table', 'user_column', 'domain_column', 'uriuser_column', 'aaa_url'),
    ...ignored('integer', 'use_uri_table', 'use_domain', 'use_sip_uri_host', 'service_type'),
  ],
  functions,
  create: () => null,
});
