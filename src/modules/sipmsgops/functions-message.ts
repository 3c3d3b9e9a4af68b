/** What kind of message it is, its body, and the parameters of its Request-URI. */

import type { MessageContext } from '#module/context.ts';
import type { ArgumentDeclaration, FunctionDeclaration, VariableReference } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import { bodyMimes, hasBody } from '#modules/sipmsgops/body-mime.ts';
import { messageRoutes } from '#modules/sipmsgops/functions-header.ts';
import { validateMessage } from '#modules/sipmsgops/message-validation.ts';
import { listParameters } from '#sip/parameters.ts';
import { parseUri, type SipUri } from '#sip/uri.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';

type Declaration = FunctionDeclaration<ModuleHost>;

const text = (name: string, optional = false): ArgumentDeclaration => ({ name, kind: 'string', optional });

/** `"INVITE|ACK"` → its names in upper case, once, when the script is loaded; with a variable in it when it runs. */
function parseMethods(literal: string): readonly string[] | Failure {
  const methods = literal.split('|').map((method) => method.trim().toUpperCase());
  if (methods.every((method) => /^[A-Z0-9\-.!%*_+`'~]+$/.test(method))) return methods;
  return new Failure('SIPMSGOPS_METHOD_INVALID', `"${literal}" is no list of methods like "INVITE|ACK"`);
}

const kindFunctions: readonly Declaration[] = [
  {
    name: 'is_method',
    routes: [...messageRoutes, 'error'],
    arguments: [{ name: 'methods', kind: 'static', parse: parseMethods, dynamic: true }],
    help: 'True when the method (in a reply that of CSeq) is one of "A|B|C".',
    call: (_host, context, methods: readonly string[] | null) =>
      methods?.includes(context.message.method) === true ? 1 : -1,
  },
  {
    name: 'has_totag',
    routes: messageRoutes,
    arguments: [],
    help: 'True when To has a tag: the message is within a dialog.',
    call: (_host, context) => (context.message.toTag === '' ? -1 : 1),
  },
  {
    name: 'has_body',
    routes: messageRoutes,
    arguments: [text('mime', true)],
    help: 'True when there is a body, of that type.',
    call: (_host, context, mime: string | null) => (hasBody(context.message, mime) ? 1 : -1),
  },
  {
    name: 'has_body_part',
    routes: messageRoutes,
    arguments: [text('mime', true)],
    help: 'True when the body, or a part of it, is of that type.',
    call: (_host, context, mime: string | null) => {
      const mimes = bodyMimes(context.message);
      return (mime === null ? mimes.length > 0 : mimes.includes(mime.toLowerCase())) ? 1 : -1;
    },
  },
  {
    name: 'sipmsg_validate',
    routes: messageRoutes,
    arguments: [text('flags', true), { name: 'result', kind: 'variable', optional: true }],
    help:
      'True when the message obeys the grammar. Flags: s SDP present, h headers, m Max-Forwards, r Request-URI, ' +
      'f From, t To, c Contact. The result names what is wrong; the code is negative.',
    call: (_host, context, flags: string | null, result: VariableReference | null) => {
      const problem = validateMessage(context.message, flags ?? '');
      result?.write(context, problem === null ? null : problem.reason);
      return problem === null ? 1 : problem.code;
    },
  },
];

function uriOf(context: MessageContext): SipUri | null {
  const uri = parseUri(context.requestUri);
  return isFailure(uri) ? null : uri;
}

/** RFC 3966: the number becomes the user, its parameters stay in front of the `@`. */
function telToSip(context: MessageContext): number {
  const uri = uriOf(context);
  if (uri === null) return -1;
  if (uri.scheme !== 'tel') return 1;
  const from = parseUri(context.message.from.uri);
  const host = isFailure(from) ? '' : from.host;
  if (host === '') return -1;
  const number = uri.user.replace(/[-.()]/g, '');
  context.requestUri = `sip:${number}${uri.parameters}@${bracketed(host)};user=phone`;
  return 1;
}

/** `+` and 3 to 15 digits. */
export function isE164(user: string): boolean {
  return /^\+\d{3,15}$/.test(user);
}

/** `name` or `name=value`. */
function removeParameter(context: MessageContext, name: string): number {
  const uri = uriOf(context);
  if (uri?.parameter(name) == null) return -1;
  const left = listParameters(uri.parameters).filter(
    (entry) => entry.name.toLowerCase() !== name.toLowerCase(),
  );
  const parameters = left
    .map((entry) => `;${entry.name}${entry.value === null ? '' : `=${entry.value}`}`)
    .join('');
  context.requestUri = uri.with({ parameters });
  return 1;
}

const uriFunctions: readonly Declaration[] = [
  {
    name: 'ruri_has_param',
    routes: ['request', 'failure', 'branch', 'local'],
    arguments: [text('name'), text('value', true)],
    help: 'True when the Request-URI has that parameter, with that value.',
    call: (_host, context, name: string | null, value: string | null) => {
      const present = uriOf(context)?.parameter(name ?? '') ?? null;
      return present !== null && (value === null || value === present) ? 1 : -1;
    },
  },
  {
    name: 'ruri_add_param',
    routes: ['request', 'failure', 'branch', 'local'],
    arguments: [text('parameter')],
    help: 'Adds a parameter ("name" or "name=value") to the Request-URI.',
    call: (_host, context, parameter: string | null) => {
      const uri = uriOf(context);
      if (uri === null || parameter === null) return -1;
      context.requestUri = uri.with({ parameters: `${uri.parameters};${parameter.replace(/^;/, '')}` });
      return 1;
    },
  },
  {
    name: 'ruri_del_param',
    routes: ['request', 'failure', 'branch', 'local'],
    arguments: [text('name')],
    help: 'Removes a parameter from the Request-URI.',
    call: (_host, context, name: string | null) => removeParameter(context, name ?? ''),
  },
  {
    name: 'ruri_tel2sip',
    routes: ['request', 'failure', 'branch', 'local'],
    arguments: [],
    help: 'Makes a SIP URI of a tel one, with the host of From.',
    call: (_host, context) => telToSip(context),
  },
  {
    name: 'is_uri_user_e164',
    routes: messageRoutes,
    arguments: [text('uri')],
    help: 'True when the user of the URI is + and up to 15 digits.',
    call: (_host, _context, uri: string | null) => {
      const parsed = parseUri(uri ?? '');
      return !isFailure(parsed) && isE164(parsed.user) ? 1 : -1;
    },
  },
];

export const messageFunctions: readonly Declaration[] = [...kindFunctions, ...uriFunctions];
