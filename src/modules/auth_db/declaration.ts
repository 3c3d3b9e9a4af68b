/** The module `auth_db`: passwords and users of a database. */

import { BoundedReader } from '#module/bounded-reader.ts';
import {
  defineModule,
  type FunctionDeclaration,
  type ParameterDeclaration,
  type ParameterValues,
  type VariableReference,
} from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import {
  type AuthenticationService,
  type AuthorizationKind,
  authenticationService,
} from '#module/services.ts';
import { openTables, urlParameter } from '#module/table-parameters.ts';
import { Subscribers } from '#modules/auth_db/subscribers.ts';
import { UserQuestions } from '#modules/auth_db/user-questions.ts';
import { type Failure, isFailure } from '#util/failure.ts';

interface AuthDatabase {
  readonly authentication: AuthenticationService;
  readonly subscribers: Subscribers;
  readonly questions: UserQuestions;
}

type Declaration = FunctionDeclaration<AuthDatabase>;

const text = (name: string, value: string | null, help: string): ParameterDeclaration => ({
  name,
  kind: 'string',
  default: value,
  help,
});
const number = (name: string, value: number | null, help: string): ParameterDeclaration => ({
  name,
  kind: 'integer',
  default: value,
  help,
});

const parameters: readonly ParameterDeclaration[] = [
  urlParameter,
  text('user_column', 'username', 'Column of the user name.'),
  text('domain_column', 'domain', 'Column of the domain.'),
  text(
    'password_column',
    null,
    'Column of the MD5 hash; with calculate_ha1, of the password. Unset: ha1 or password.',
  ),
  text('password_column_2', null, 'Column of the MD5 hash for names that are sent with their domain.'),
  text('hash_column_sha256', 'ha1_sha256', 'Column of the SHA-256 hash.'),
  text('hash_column_sha512t256', 'ha1_sha512t256', 'Column of the SHA-512-256 hash.'),
  text('uri_user_column', 'username', 'Column of the user for the db_ functions.'),
  text('uri_domain_column', 'domain', 'Column of the domain for the db_ functions.'),
  text('uri_uriuser_column', 'uri_user', 'Column of the name that a user may use.'),
  number('calculate_ha1', 0, '1: the table holds passwords; 0: it holds hashes.'),
  number(
    'use_domain',
    null,
    '1: the domain must be that of the row; 0: names alone count. Unset: the domain decides between equal names.',
  ),
  text('load_credentials', '', 'Columns to put into AVPs: "$avp(name)=column;column".'),
  number(
    'cache_lifetime',
    10,
    'Seconds for which a row is kept; 0 = not at all. A wrong password is looked up anew.',
  ),
  number('query_timeout', 4, 'Seconds to wait for the database.'),
  {
    ...number('skip_version_check', 0, ''),
    ignored: 'a column that is missing is told with the query',
    help: 'Accepted: a column that is missing is told with the query.',
  },
];

const tableArgument = { name: 'table', kind: 'string', optional: true } as const;

function authorize(name: string, kind: AuthorizationKind): Declaration {
  return {
    name,
    routes: ['request'],
    arguments: [{ name: 'realm', kind: 'string' }, tableArgument],
    help:
      'Judges the credentials by the table; other messages go on meanwhile. 1: right; -1 unknown user, -2 wrong ' +
      'password, -3 stale nonce, -4 no credentials, -5 error, and answered 400 or 500.',
    waits: true,
    call: ({ authentication, subscribers }, context, realm: string | null, table: string | null) =>
      authentication.authorize(context, kind, realm ?? '', (owner) =>
        subscribers.find(context, table ?? 'subscriber', owner),
      ),
  };
}

const functions: readonly Declaration[] = [
  authorize('www_authorize', 'www'),
  authorize('proxy_authorize', 'proxy'),
  {
    name: 'db_does_uri_exist',
    routes: ['request', 'failure', 'local'],
    arguments: [{ name: 'uri', kind: 'string', optional: true }, tableArgument],
    help: 'True when the table has the user of the URI (unset: the Request-URI).',
    waits: true,
    call: ({ questions }, context, uri: string | null, table: string | null) =>
      questions.exists(uri ?? context.requestUri, table ?? 'subscriber'),
  },
  {
    name: 'db_is_to_authorized',
    routes: ['request'],
    arguments: [{ name: 'table', kind: 'string' }],
    help: 'True when the table gives the name in To to the user of the credentials.',
    waits: true,
    call: ({ questions }, context, table: string | null) =>
      questions.mayUse(context, context.request.to.uri, table ?? 'uri'),
  },
  {
    name: 'db_is_from_authorized',
    routes: ['request'],
    arguments: [{ name: 'table', kind: 'string' }],
    help: 'True when the table gives the name in From to the user of the credentials.',
    waits: true,
    call: ({ questions }, context, table: string | null) =>
      questions.mayUse(context, context.request.from.uri, table ?? 'uri'),
  },
  {
    name: 'db_get_auth_id',
    routes: ['request', 'failure', 'local'],
    arguments: [
      { name: 'table', kind: 'string' },
      { name: 'uri', kind: 'string' },
      { name: 'auth', kind: 'variable' },
      { name: 'realm', kind: 'variable' },
    ],
    help: 'Writes the user and the realm that a URI belongs to into the variables.',
    waits: true,
    call: (
      { questions },
      context,
      table: string | null,
      uri: string | null,
      user: VariableReference,
      realm: VariableReference,
    ) => questions.ownerOf(context, table ?? 'uri', uri ?? '', { user, realm }),
  },
];

function create(host: ModuleHost, values: ParameterValues): AuthDatabase | Failure {
  const source = openTables(host, values);
  if (isFailure(source)) return source;
  const reader = new BoundedReader(host, 'auth_db', source, Number(values.query_timeout) * 1000);
  return {
    authentication: host.service(authenticationService),
    subscribers: new Subscribers(host, reader, values),
    questions: new UserQuestions(reader, values),
  };
}

export const authDb = defineModule<AuthDatabase>({
  name: 'auth_db',
  help: 'Digest authentication by the table subscriber of a database, which is asked without holding up other messages.',
  needs: ['auth'],
  parameters,
  functions,
  commands: [
    {
      name: 'auth_db:forget',
      parameters: [],
      help: 'Forgets the rows that are kept, so that every change in the table counts at once.',
      run: ({ subscribers }) => ({ forgotten: subscribers.forgetAll() }),
    },
  ],
  statistics: ['queries', 'failed_queries', 'refused_queries', 'waiting_queries', 'cached_users'],
  create,
});
