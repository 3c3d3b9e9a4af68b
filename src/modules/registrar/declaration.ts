/** The module `registrar`: save(), lookup() and their kin. */

import type { MessageContext } from '#module/context.ts';
import {
  type ArgumentDeclaration,
  defineModule,
  everyRoute,
  type FunctionDeclaration,
  type ParameterDeclaration,
} from '#module/define.ts';
import { lookup } from '#modules/registrar/lookup.ts';
import { bindingsOf, leadsTo, removeBindings, removeFrom } from '#modules/registrar/queries.ts';
import { RegistrarModule } from '#modules/registrar/registrar-module.ts';
import { save } from '#modules/registrar/save.ts';
import { isSameContact } from '#registrar/registration.ts';
import { socketName } from '#util/socket-address.ts';

type Declaration = FunctionDeclaration<RegistrarModule>;

function integer(name: string, value: number | null, help: string): ParameterDeclaration {
  return { name, kind: 'integer', default: value, help };
}

function text(name: string, value: string | null, help: string): ParameterDeclaration {
  return { name, kind: 'string', default: value, help };
}

function ignored(kind: 'integer' | 'string', names: string, reason: string): ParameterDeclaration[] {
  return names.split(' ').map((name) => ({ name, kind, default: null, ignored: reason, help: reason }));
}

const noPush = 'there are no push notifications';

const parameters: readonly ParameterDeclaration[] = [
  integer('default_expires', 3600, 'Seconds of a binding whose REGISTER names none.'),
  integer('min_expires', 60, 'Shorter bindings, of less than an hour, are refused with 423 and Min-Expires.'),
  integer('max_expires', 0, 'Longer bindings are shortened to this; 0 = no limit.'),
  integer('default_q', -1, 'q × 1000 of a Contact that names none.'),
  integer('case_sensitive', 1, '0: user parts are compared without regard to case.'),
  integer('max_contacts', 0, 'Contacts of one address of record; 0 = 64, which is the most.'),
  integer(
    'retry_after',
    0,
    'Seconds in the Retry-After of a 503; 0 = until the next contact is due to expire.',
  ),
  text('received_avp', null, 'AVP with the URI that the client was seen at.'),
  text('received_param', 'received', 'Contact parameter for that URI, in requests and replies.'),
  integer(
    'allow_dup_cseq',
    0,
    '1: a REGISTER with an equal CSeq is a refresh; RFC 3261 10.3 refuses it with 500.',
  ),
  integer('check_domain', 1, '0: To may name another domain than the Request-URI, which otherwise gets 404.'),
  integer('use_path', null, '0: Path is ignored. 1: as path_mode says, strict by default.'),
  integer(
    'path_mode',
    null,
    'Path (RFC 3327): 0 kept and not told, 1 kept and told to a client that supports it, 2 a client that does not gets 420. Unset: 1.',
  ),
  integer(
    'path_use_received',
    0,
    '1: the `received` parameter of the nearest Path URI is where requests go.',
  ),
  text('realm_prefix', '', 'Taken off the front of the domain of an address of record.'),
  text(
    'sock_hdr_name',
    null,
    'Header with the socket of the REGISTER, for the flag socket-header and add_sock_hdr().',
  ),
  integer('max_username_len', 64, 'Longest user part of an address of record; the column has as much.'),
  integer('max_domain_len', 64, 'Longest domain of an address of record; the column has as much.'),
  integer('max_aor_len', 256, 'Longest address of record.'),
  integer('max_contact_len', 1024, 'Longest Contact URI, 8192 at most.'),
  text('tcp_persistent_flag', null, 'Accepted: connections stay open as long as they are used.'),
  ...ignored('string', 'mcontact_avp attr_avp', 'contacts have no attributes'),
  ...ignored('string', 'gruu_secret', 'there are no GRUUs (RFC 5627)'),
  ...ignored('integer', 'disable_gruu', 'there are no GRUUs (RFC 5627)'),
  ...ignored('integer', 'expires_max_deviation', 'the interval asked for is granted'),
  ...ignored('string', 'pn_providers pn_ct_match_params', noPush),
  ...ignored(
    'integer',
    'pn_enable pn_pnsreg_interval pn_trigger_interval pn_skip_pn_interval pn_refresh_timeout pn_enable_purr',
    noPush,
  ),
];

const domain: ArgumentDeclaration = { name: 'domain', kind: 'string' };

function optional(name: string, kind: 'string' | 'integer' = 'string'): ArgumentDeclaration {
  return { name, kind, optional: true };
}

const functions: readonly Declaration[] = [
  {
    name: 'save',
    routes: ['request', 'onreply'],
    arguments: [domain, optional('flags'), optional('aor'), optional('ownership_tag')],
    help:
      'Does what the REGISTER asks for and answers it, when all nodes know (usrloc `confirm_timeout`). -1: it was ' +
      'refused and answered. Flags by name or letter: ' +
      'no-reply r, max-contacts=N c, force-registration f, min-expires=N e, max-expires=N E, matching-mode=… M, ' +
      'path-off p0, path-lazy p1, path-strict p2, path-received v, only-request-contacts o, socket-header s.',
    waits: true,
    call: (module, context, table: string, flags: string | null, address: string | null) =>
      save(module, context, { domain: table, flags, address }),
  },
  {
    name: 'lookup',
    routes: ['request', 'failure', 'onreply'],
    arguments: [domain, optional('flags'), optional('aor')],
    help:
      'Puts the registered contacts into the Request-URI and the branches, best q first. -1: none, -2: none that ' +
      'allows the method. Flags by name or letter: method-filtering m, no-branches b, to-branches-only B, branch r, ' +
      'ua-filtering=/regex/ u, case-insensitive i.',
    call: (module, context, table: string, flags: string | null, address: string | null) =>
      lookup(module, context, { domain: table, flags, address }),
  },
  ...questions(),
  {
    name: 'remove',
    routes: ['request', 'onreply'],
    arguments: [
      domain,
      { name: 'aor', kind: 'string' },
      optional('contact'),
      optional('next_hop'),
      optional('sip_instance'),
      optional('bflag'),
    ],
    help: 'Removes the contacts of an address of record, or those of them that all further arguments name.',
    call: (module, context, table: string, uri: string, ...rest: (string | null)[]) => {
      const { key, bindings } = bindingsOf(module, context, table, uri);
      const [contact = null, nextHop = null, instance = null, flag = null] = rest;
      return removeBindings(module, key, bindings, { contact, nextHop, instance, flag }) > 0 ? 1 : -1;
    },
  },
  {
    name: 'remove_ip_port',
    routes: everyRoute,
    arguments: [{ name: 'ip', kind: 'string' }, { name: 'port', kind: 'integer' }, domain, optional('aor')],
    help: 'Removes every contact behind that address, of one address of record or of all.',
    call: (module, _context, address: string, port: number, table: string, uri: string | null) =>
      removeFrom(module, { address, port }, table, uri) > 0 ? 1 : -1,
  },
  {
    name: 'add_sock_hdr',
    routes: ['request'],
    arguments: [{ name: 'name', kind: 'string' }],
    help: 'Adds a header with the socket that the REGISTER arrived on, for a registrar behind this proxy.',
    call: (_module, context, name: string) => {
      const line = `${name}: ${socketName(context.source.socket)}\r\n`;
      context.edits.insert(context.message.headersEnd, line);
      return 1;
    },
  },
];

function questions(): Declaration[] {
  const answer = (isTrue: boolean): number => (isTrue ? 1 : -1);
  return [
    {
      name: 'is_registered',
      routes: everyRoute,
      arguments: [domain, optional('aor')],
      help: 'True when the address of record (that of To in a REGISTER, else of From) has contacts.',
      call: (module, context, table: string, uri: string | null) =>
        answer(bindingsOf(module, context, table, uri).bindings.length > 0),
    },
    {
      name: 'registered',
      routes: everyRoute,
      arguments: [domain, optional('aor')],
      help: 'True when the Request-URI, or the address named, has contacts.',
      call: (module, context: MessageContext, table: string, uri: string | null) =>
        answer(bindingsOf(module, context, table, uri ?? context.requestUri).bindings.length > 0),
    },
    {
      name: 'is_contact_registered',
      routes: everyRoute,
      arguments: [domain, optional('aor'), optional('contact'), optional('callid')],
      help: 'True when that contact (else that of the request) is registered, under that Call-ID when it is named.',
      call: (module, context, table: string, ...rest: (string | null)[]) => {
        const [uri = null, contact = null, callId = null] = rest;
        const { bindings } = bindingsOf(module, context, table, uri);
        const wanted = contact ?? (callId === null ? firstContact(context) : null);
        return answer(
          bindings.some(
            (binding) =>
              (wanted === null || isSameContact(binding.uri, wanted, null)) &&
              (callId === null || binding.callId === callId),
          ),
        );
      },
    },
    {
      name: 'is_ip_registered',
      routes: everyRoute,
      arguments: [domain, optional('aor'), optional('ip'), optional('port', 'integer')],
      help: 'True when a contact is reached at that address (else that of the sender).',
      call: (module, context, table: string, uri: string | null, ip: string | null, port: number | null) => {
        const { bindings } = bindingsOf(module, context, table, uri);
        const { source } = context;
        const address = ip ?? source.address;
        const wantedPort = port ?? (ip === null ? source.port : 0);
        return answer(bindings.some((binding) => leadsTo(binding, address, wantedPort)));
      },
    },
  ];
}

function firstContact(context: MessageContext): string | null {
  return context.request.values(6)[0]?.replace(/^.*<|>.*$/g, '') ?? null;
}

export const registrar = defineModule<RegistrarModule>({
  name: 'registrar',
  help: 'The registrar of RFC 3261 10 on top of the location table.',
  needs: ['usrloc'],
  parameters,
  functions,
  statistics: ['accepted_regs', 'rejected_regs', 'max_expires', 'max_contacts', 'default_expire'],
  create: (host, values) => new RegistrarModule(host, values),
});
