/** Functions that change the Request-URI and the destination URI. */

import type { MessageContext } from '#module/context.ts';
import { type ArgumentDeclaration, everyRoute, type FunctionDeclaration } from '#module/define.ts';
import type { CoreModule } from '#modules/core/core-module.ts';
import { readUri, withoutBrackets } from '#modules/core/uri-parts.ts';
import { parseHostPort } from '#sip/host-port.ts';

type Declaration = FunctionDeclaration<CoreModule>;
type UriParts = { user?: string; password?: string; host?: string; port?: number };

const text = (name: string): ArgumentDeclaration => ({ name, kind: 'string' });
const integer = (name: string): ArgumentDeclaration => ({ name, kind: 'integer' });

/** Rewrites parts of the Request-URI; -1 when it cannot be read. */
export function changeRequestUri(context: MessageContext, parts: UriParts): number {
  const uri = readUri(context.requestUri);
  if (uri === null) return -1;
  context.requestUri = uri.with(parts);
  return 1;
}

/** One declaration per spelling: OpenSIPS up to 3.0 knew each of them by several names. */
function named(names: readonly string[], rest: Omit<Declaration, 'name' | 'routes'>): Declaration[] {
  return names.map((name) => ({ name, routes: everyRoute, ...rest }));
}

function changeUser(context: MessageContext, change: (user: string) => string): number {
  const uri = readUri(context.requestUri);
  if (uri === null) return -1;
  context.requestUri = uri.with({ user: change(uri.user) });
  return 1;
}

const requestUriFunctions: readonly Declaration[] = [
  ...named(['sethost', 'rewritehost', 'seth'], {
    arguments: [text('host')],
    help: 'Replaces the host of the Request-URI.',
    call: (_core, context, host: string | null) =>
      host === null ? -1 : changeRequestUri(context, { host: withoutBrackets(host) }),
  }),
  ...named(['sethostport', 'rewritehostport', 'sethp'], {
    arguments: [text('hostport')],
    help: 'Replaces host and port of the Request-URI.',
    call: (_core, context, hostPort: string | null) => {
      const parsed = parseHostPort(hostPort ?? '');
      return parsed === null ? -1 : changeRequestUri(context, parsed);
    },
  }),
  ...named(['setuser', 'rewriteuser', 'setu'], {
    arguments: [text('user')],
    help: 'Replaces the user part of the Request-URI.',
    call: (_core, context, user: string | null) => changeRequestUri(context, { user: user ?? '' }),
  }),
  ...named(['setuserpass', 'rewriteuserpass', 'setup'], {
    arguments: [text('userpass')],
    help: 'Replaces user and password ("user:password") of the Request-URI.',
    call: (_core, context, value: string | null) => {
      const [user = '', password = ''] = (value ?? '').split(':', 2);
      return changeRequestUri(context, { user, password });
    },
  }),
  ...named(['setport', 'rewriteport', 'setp'], {
    arguments: [text('port')],
    help: 'Replaces the port of the Request-URI; an empty one removes it.',
    call: (_core, context, port: string | null) => {
      const number = Number(port ?? '');
      return Number.isInteger(number) && number >= 0 && number < 65_536
        ? changeRequestUri(context, { port: number })
        : -1;
    },
  }),
  ...named(['seturi', 'rewriteuri'], {
    arguments: [text('uri')],
    help: 'Replaces the Request-URI.',
    call: (_core, context, uri: string | null) => {
      if (uri === null || readUri(uri) === null) return -1;
      context.requestUri = uri;
      return 1;
    },
  }),
  ...named(['revert_uri'], {
    arguments: [],
    help: 'Takes back all changes of the Request-URI.',
    call: (_core, context) => {
      context.requestUri = context.request.requestUri;
      return 1;
    },
  }),
];

const userFunctions: readonly Declaration[] = [
  ...named(['prefix'], {
    arguments: [text('prefix')],
    help: 'Puts text before the user part of the Request-URI.',
    call: (_core, context, prefix: string | null) => changeUser(context, (user) => (prefix ?? '') + user),
  }),
  ...named(['strip'], {
    arguments: [integer('count')],
    help: 'Removes the first characters of the user part of the Request-URI.',
    call: (_core, context, count: number) => changeUser(context, (user) => user.slice(Math.max(count, 0))),
  }),
  ...named(['strip_tail'], {
    arguments: [integer('count')],
    help: 'Removes the last characters of the user part of the Request-URI.',
    call: (_core, context, count: number) =>
      changeUser(context, (user) => user.slice(0, Math.max(user.length - Math.max(count, 0), 0))),
  }),
];

const destinationFunctions: readonly Declaration[] = [
  ...named(['setdsturi'], {
    arguments: [text('uri')],
    help: 'Sets the next hop of the request, as `$du` does.',
    call: (_core, context, uri: string | null) => {
      if (uri === null || readUri(uri) === null) return -1;
      context.destinationUri = uri;
      return 1;
    },
  }),
  ...named(['resetdsturi'], {
    arguments: [],
    help: 'Removes the next hop: the Request-URI says it again.',
    call: (_core, context) => {
      context.destinationUri = null;
      return 1;
    },
  }),
  ...named(['isdsturiset'], {
    arguments: [],
    help: 'True when the next hop was set.',
    call: (_core, context) => (context.destinationUri === null ? -1 : 1),
  }),
  ...named(['is_myself'], {
    arguments: [text('host'), { name: 'port', kind: 'integer', optional: true }],
    help: 'True when host and port are a socket, an advertised address or an alias of this node.',
    call: (core, _context, host: string | null, port: number | null) =>
      host !== null && core.host.isMyself(withoutBrackets(host), port ?? 0) ? 1 : -1,
  }),
  ...named(['construct_uri'], {
    arguments: [
      text('protocol'),
      { name: 'user', kind: 'string', optional: true },
      text('domain'),
      { name: 'port', kind: 'string', optional: true },
      { name: 'extra', kind: 'string', optional: true },
      { name: 'result', kind: 'variable' },
    ],
    help: 'Puts a URI together and stores it.',
    call: (_core, context, ...values: unknown[]) => {
      const [protocol, user, domain, port, extra] = values as (string | null)[];
      if (protocol == null || protocol === '' || domain == null || domain === '') return -1;
      const userPart = user == null || user === '' ? '' : `${user}@`;
      const portPart = port == null || port === '' ? '' : `:${port}`;
      const extraPart = extra == null || extra === '' ? '' : `;${extra}`;
      const result = values[5] as { write(context: MessageContext, value: string): void };
      result.write(context, `${protocol}:${userPart}${domain}${portPart}${extraPart}`);
      return 1;
    },
  }),
];

export const uriFunctions: readonly Declaration[] = [
  ...requestUriFunctions,
  ...userFunctions,
  ...destinationFunctions,
];
