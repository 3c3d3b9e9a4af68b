/** The module `usrloc`: parameters with OpenSIPS's names, management commands with its JSON. */

import { defineModule, type ParameterDeclaration } from '#module/define.ts';
import { LocationModule } from '#modules/usrloc/location-module.ts';
import type { Binding } from '#registrar/binding.ts';
import { locationService } from '#registrar/location-service.ts';
import { Failure } from '#util/failure.ts';

function ignored(kind: 'integer' | 'string', names: string, reason: string): ParameterDeclaration[] {
  return names.split(' ').map((name) => ({ name, kind, default: null, ignored: reason, help: reason }));
}

const shared = 'registrations are shared in full by all nodes of the cluster';
const inMemory = 'registrations live in the memory of all nodes';

const parameters: readonly ParameterDeclaration[] = [
  {
    name: 'timer_interval',
    kind: 'integer',
    default: 60,
    help: 'Seconds between two sweeps for expired contacts.',
  },
  ...ignored('string', 'working_mode_preset cluster_mode restart_persistency pinging_mode ha_shtag', shared),
  ...ignored('integer', 'location_cluster ha_cluster skip_replicated_db_ops shared_pinging', shared),
  ...ignored('string', 'sql_write_mode db_url cachedb_url', inMemory),
  ...ignored('integer', 'db_mode max_contact_delete', inMemory),
  ...ignored('integer', 'use_domain desc_time_order matching_mode cseq_delay', 'RFC 3261 10.3 is followed'),
  ...ignored('integer', 'hash_size regen_broken_contactid mi_dump_kv_store', 'tables grow by themselves'),
  ...ignored(
    'integer',
    'contact_refresh_timer latency_event_min_us latency_event_min_us_delta',
    'there are no pings yet',
  ),
  ...ignored('string', 'nat_bflag', 'branch flags are kept with the contact'),
];

function contactOf(binding: Binding, wall: number): Record<string, unknown> {
  return {
    Contact: binding.uri,
    Expires: Math.max(0, Math.round((binding.expires - wall) / 1000)),
    Q: binding.q < 0 ? '' : String(binding.q / 1000),
    Callid: binding.callId,
    Cseq: binding.cseq,
    'User-agent': binding.userAgent,
    Received: binding.received,
    Path: binding.path,
    Node: binding.node,
  };
}

function addressOf(module: LocationModule, address: string): unknown {
  const wall = module.host.clock.wall();
  return {
    AOR: address,
    Contacts: module.table.lookup(address, wall).map((binding) => contactOf(binding, wall)),
  };
}

export const usrloc = defineModule<LocationModule>({
  name: 'usrloc',
  help: 'The location table: who is registered where.',
  parameters,
  statistics: ['registered_users', 'location-users', 'location-contacts', 'location-expires'],
  commands: [
    {
      name: 'usrloc:dump',
      aliases: ['ul_dump'],
      parameters: ['brief?'],
      help: 'All addresses of record and their contacts.',
      run: (module) => ({
        Domains: [
          {
            name: 'location',
            table: module.table.addresses,
            AORs: [...module.table.all()].map(([address]) => addressOf(module, address)),
          },
        ],
      }),
    },
    {
      name: 'usrloc:show_contact',
      aliases: ['ul_show_contact'],
      parameters: ['table_name', 'aor'],
      help: 'Contacts of one address of record.',
      run: (module, { aor }) =>
        module.table.lookup(String(aor), module.host.clock.wall()).length === 0
          ? new Failure('404', 'AOR not found')
          : addressOf(module, String(aor)),
    },
    {
      name: 'usrloc:rm',
      aliases: ['ul_rm'],
      parameters: ['table_name', 'aor'],
      help: 'Removes an address of record with all its contacts.',
      run: (module, { aor }) => {
        const bindings = module.table.lookup(String(aor), module.host.clock.wall());
        if (bindings.length === 0) return new Failure('404', 'AOR not found');
        for (const binding of bindings) module.remove(String(aor), binding.uri);
        return 'OK';
      },
    },
    {
      name: 'usrloc:rm_contact',
      aliases: ['ul_rm_contact'],
      parameters: ['table_name', 'aor', 'contact'],
      help: 'Removes one contact.',
      run: (module, { aor, contact }) => {
        if (module.table.find(String(aor), String(contact)) === null)
          return new Failure('404', 'Contact not found');
        module.remove(String(aor), String(contact));
        return 'OK';
      },
    },
  ],
  create: (host, values) => {
    const module = new LocationModule(host, values);
    host.provide(locationService, module);
    return module;
  },
});
