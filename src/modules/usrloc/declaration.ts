/** The module `usrloc`: the location table with OpenSIPS's parameters. */

import { defineModule, type ParameterDeclaration } from '#module/define.ts';
import { commands } from '#modules/usrloc/commands.ts';
import { LocationModule } from '#modules/usrloc/location-module.ts';
import { readWorkingMode } from '#modules/usrloc/working-mode.ts';
import { locationService } from '#registrar/location-service.ts';
import { isFailure } from '#util/failure.ts';

function ignored(kind: 'integer' | 'string', names: string, reason: string): ParameterDeclaration[] {
  return names.split(' ').map((name) => ({ name, kind, default: null, ignored: reason, help: reason }));
}

function text(name: string, help: string): ParameterDeclaration {
  return { name, kind: 'string', default: null, help };
}

const shared = 'registrations are shared in full by all nodes of the cluster';

const parameters: readonly ParameterDeclaration[] = [
  {
    name: 'timer_interval',
    kind: 'integer',
    default: 60,
    help: 'Seconds in which every contact is looked at once for expiry, and between two writes of write-back.',
  },
  text(
    'working_mode_preset',
    'single-instance-no-db, single-instance-sql-write-through, single-instance-sql-write-back, sql-only, ' +
      'full-sharing-cluster …: whether and how registrations are kept in db_url. A preset of a cluster writes back ' +
      'when there is a db_url. In a cluster registrations are shared with every preset.',
  ),
  text('cluster_mode', '"none": registrations are not shared; every other mode shares them in full.'),
  text('restart_persistency', 'load-from-sql: contacts are read at start; a running cluster is asked first.'),
  text(
    'sql_write_mode',
    'none, write-through (at once) or write-back (every timer_interval); never in a call.',
  ),
  text('db_url', 'Database of the table location, mysql:// or sqlite://.'),
  {
    name: 'db_mode',
    kind: 'integer',
    default: null,
    help: 'Older form: 0 memory alone, 1 and 3 write-through, 2 write-back.',
  },
  text('nat_bflag', 'Branch flag of contacts behind an address translator: kept with the contact, pinged.'),
  {
    name: 'use_domain',
    kind: 'integer',
    default: 1,
    help: 'Addresses of record are user@domain; 0: the user part alone.',
  },
  {
    name: 'matching_mode',
    kind: 'integer',
    default: 0,
    help: '0: contacts are told apart by their URI (RFC 3261 10.3); 1: by URI and Call-ID.',
  },
  {
    name: 'confirm_timeout',
    kind: 'integer',
    default: 50,
    help:
      'Milliseconds in which the peers must say that they know a new, changed or removed contact before its REGISTER ' +
      'is answered, so that a call which follows the answer at once finds it on every node. 0: the answer does not wait.',
  },
  ...ignored('string', 'pinging_mode ha_shtag cachedb_url', shared),
  ...ignored('integer', 'location_cluster ha_cluster skip_replicated_db_ops shared_pinging', shared),
  ...ignored('integer', 'max_contact_delete', 'removals are written in batches like everything else'),
  ...ignored('integer', 'desc_time_order cseq_delay', 'RFC 3261 10.3 is followed'),
  ...ignored('integer', 'hash_size regen_broken_contactid mi_dump_kv_store', 'tables grow by themselves'),
  ...ignored(
    'integer',
    'contact_refresh_timer latency_event_min_us latency_event_min_us_delta',
    'latencies of pings are not measured',
  ),
];

const statistics = [
  'registered_users',
  'location-users',
  'location-contacts',
  'location-expires',
  'removals_remembered',
  'removals_forgotten',
  'changes_sent',
  'changes_received',
  'confirmations',
  'unconfirmed',
  'snapshot_contacts',
  'drifted_buckets',
  'repaired_contacts',
  'repairs_waiting',
  'mended_conflicts',
  'unreadable_messages',
  'synchronised',
  'db_waiting',
  'db_written',
  'db_removed',
  'db_failures',
  'db_refused',
  'db_overflowed',
];

export const usrloc = defineModule<LocationModule>({
  name: 'usrloc',
  help:
    'The location table: who is registered where. Event routes: E_UL_AOR_INSERT, E_UL_AOR_DELETE, ' +
    'E_UL_CONTACT_INSERT, E_UL_CONTACT_UPDATE, E_UL_CONTACT_DELETE, raised on the node that made the change.',
  parameters,
  statistics,
  commands,
  create: (host, values) => {
    const url = values.db_url ?? host.globalParameter('db_default_url');
    const withUrl = { ...values, db_url: url };
    const mode = readWorkingMode(withUrl);
    if (isFailure(mode)) return mode;
    const module = new LocationModule(host, withUrl, mode);
    if (values.db_url !== null && !module.records.isKept) {
      host.log.warn(
        'usrloc: db_url has no effect without a mode that uses it (working_mode_preset, db_mode)',
      );
    }
    const problem = module.records.open();
    if (problem !== null) return problem;
    host.provide(locationService, module);
    return module;
  },
});
