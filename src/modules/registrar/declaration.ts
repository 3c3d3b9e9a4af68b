/** The module `registrar`: save(), lookup() and their kin. */

import {
  defineModule,
  everyRoute,
  type FunctionDeclaration,
  type ParameterDeclaration,
} from '#module/define.ts';
import { RegistrarModule } from '#modules/registrar/registrar-module.ts';

type Declaration = FunctionDeclaration<RegistrarModule>;

function integer(name: string, value: number, help: string): ParameterDeclaration {
  return { name, kind: 'integer', default: value, help };
}

function ignored(kind: 'integer' | 'string', names: string, reason: string): ParameterDeclaration[] {
  return names.split(' ').map((name) => ({ name, kind, default: null, ignored: reason, help: reason }));
}

const parameters: readonly ParameterDeclaration[] = [
  integer('default_expires', 3600, 'Seconds of a binding whose REGISTER names none.'),
  integer('min_expires', 60, 'Shorter bindings are refused with 423.'),
  integer('max_expires', 0, 'Longer bindings are shortened to this; 0 = no limit.'),
  integer('default_q', -1, 'q × 1000 of a Contact that names none.'),
  integer('case_sensitive', 1, '0: user parts are compared without regard to case.'),
  integer('max_contacts', 0, 'Contacts of one address of record; 0 = 64.'),
  integer('retry_after', 0, 'Seconds in the Retry-After of a 503; 0 = none.'),
  {
    name: 'received_avp',
    kind: 'string',
    default: null,
    help: 'AVP with the URI that the client was seen at.',
  },
  ...ignored(
    'string',
    'received_param realm_prefix sock_hdr_name mcontact_avp attr_avp gruu_secret',
    'not used',
  ),
  ...ignored(
    'string',
    'pn_providers pn_ct_match_params tcp_persistent_flag',
    'there are no push notifications',
  ),
  ...ignored(
    'integer',
    'pn_enable pn_pnsreg_interval pn_trigger_interval',
    'there are no push notifications',
  ),
  ...ignored(
    'integer',
    'pn_skip_pn_interval pn_refresh_timeout pn_enable_purr',
    'there are no push notifications',
  ),
  ...ignored('integer', 'disable_gruu allow_dup_cseq expires_max_deviation', 'RFC 3261 10.3 is followed'),
  ...ignored(
    'integer',
    'max_username_len max_domain_len max_aor_len max_contact_len',
    'a datagram is the limit',
  ),
];

const domain = { name: 'domain', kind: 'string' } as const;
const flags = { name: 'flags', kind: 'string', optional: true } as const;
const address = { name: 'aor', kind: 'string', optional: true } as const;

const functions: readonly Declaration[] = [
  {
    name: 'save',
    routes: ['request', 'onreply'],
    arguments: [domain, flags, address, { name: 'ownership_tag', kind: 'string', optional: true }],
    help: 'Does what the REGISTER asks for and answers it. -1: it was refused and answered.',
    call: (module, context, _domain: string, _flags: string | null, uri: string | null) =>
      module.save(context, uri),
  },
  {
    name: 'lookup',
    routes: ['request', 'failure', 'onreply'],
    arguments: [domain, flags, address],
    help: 'Puts the registered contacts into the Request-URI and the branches, best q first. -1: none.',
    call: (module, context, _domain: string, _flags: string | null, uri: string | null) =>
      module.lookup(context, uri),
  },
  {
    name: 'is_registered',
    routes: everyRoute,
    arguments: [domain, address],
    help: 'True when the address of record (that of To in a REGISTER, else of From) has contacts.',
    call: (module, context, _domain: string, uri: string | null) => {
      const { request } = context;
      const key = module.address(uri ?? (request.method === 'REGISTER' ? request.to.uri : request.from.uri));
      return key !== null && module.isRegistered(key) ? 1 : -1;
    },
  },
  {
    name: 'remove',
    routes: ['request', 'onreply'],
    arguments: [domain, { name: 'aor', kind: 'string' }, { name: 'contact', kind: 'string', optional: true }],
    help: 'Removes the contacts of an address of record, or one of them.',
    call: (module, _context, _domain: string, uri: string, contact: string | null) => {
      const key = module.address(uri);
      if (key === null) return -1;
      const bindings = module.location.table.lookup(key, module.host.clock.wall());
      const leaving = bindings.filter((binding) => contact === null || binding.uri === contact);
      for (const binding of leaving) module.location.remove(key, binding.uri);
      return leaving.length > 0 ? 1 : -1;
    },
  },
];

export const registrar = defineModule<RegistrarModule>({
  name: 'registrar',
  help: 'The registrar of RFC 3261 10 on top of the location table.',
  needs: ['usrloc'],
  parameters,
  functions,
  statistics: ['accepted_regs', 'rejected_regs', 'max_expires', 'max_contacts', 'default_expire'],
  create: (host, values) => new RegistrarModule(host, values),
});
