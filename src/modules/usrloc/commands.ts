/** Management commands of the location table, with OpenSIPS's names and JSON. */

import type { CommandDeclaration } from '#module/define.ts';
import type { LocationModule } from '#modules/usrloc/location-module.ts';
import { splitTableKey, tableKey } from '#registrar/address.ts';
import { type Binding, bindingId, contactIdText, instanceOf, nextChange } from '#registrar/binding.ts';
import { parseUri } from '#sip/uri.ts';
import { Failure, isFailure } from '#util/failure.ts';

type Command = CommandDeclaration<LocationModule>;

/** Commands name the Call-ID of what they add, as OpenSIPS does. */
const commandCallId = 'dfjrewr12386fd6-343@anyvia.mi';

function contactOf(module: LocationModule, binding: Binding, wall: number): Record<string, unknown> {
  const instance = instanceOf(binding);
  return {
    Contact: binding.uri,
    ContactID: contactIdText(binding),
    Expires: Math.max(0, Math.round((binding.expires - wall) / 1000)),
    Q: binding.q < 0 ? '' : String(binding.q / 1000),
    Callid: binding.callId,
    Cseq: binding.cseq,
    'User-agent': binding.userAgent,
    ...(binding.received === '' ? {} : { Received: binding.received }),
    ...(binding.path === '' ? {} : { Path: binding.path }),
    State: 'CS_SYNC',
    Flags: 0,
    Cflags: module.flags.write(binding.flags),
    Socket: binding.socket,
    Methods: binding.methods,
    ...(instance === null ? {} : { SIP_instance: instance }),
    Node: binding.node,
  };
}

function addressOf(module: LocationModule, key: string, brief: boolean): Record<string, unknown> {
  const wall = module.host.clock.wall();
  const { address } = splitTableKey(key);
  if (brief) return { AOR: address };
  return {
    AOR: address,
    Contacts: module.table.lookup(key, wall).map((binding) => contactOf(module, binding, wall)),
  };
}

function dump(module: LocationModule, brief: boolean): unknown {
  const domains = new Map<string, Record<string, unknown>[]>([['location', []]]);
  for (const [key] of module.table.all()) {
    const { domain } = splitTableKey(key);
    const addresses = domains.get(domain) ?? [];
    domains.set(domain, addresses);
    addresses.push(addressOf(module, key, brief));
  }
  return {
    Domains: [...domains].map(([name, addresses]) => ({ name, table: addresses.length, AORs: addresses })),
  };
}

function keyOf(parameters: Readonly<Record<string, unknown>>): string {
  return tableKey(String(parameters.table_name), String(parameters.aor));
}

function add(module: LocationModule, parameters: Readonly<Record<string, unknown>>): string | Failure {
  const { contact, expires, q, cflags, methods } = parameters;
  const uri = String(contact);
  const seconds = Number(expires);
  if (isFailure(parseUri(uri))) return new Failure('400', 'bad contact');
  if (!Number.isInteger(seconds) || seconds <= 0) return new Failure('400', 'bad expires');
  const address = keyOf(parameters);
  const wall = module.host.clock.wall();
  const share = Number(q);
  module.publish(address, [
    {
      key: uri,
      ...bindingId(address, uri),
      removed: false,
      uri,
      parameters: '',
      received: '',
      path: '',
      q: Number.isFinite(share) && share >= 0 && share <= 1 ? Math.round(share * 1000) : -1,
      callId: commandCallId,
      cseq: 1,
      mark: 0,
      userAgent: 'anyvia MI',
      socket: '',
      methods: Number(methods) || 0,
      expires: wall + seconds * 1000,
      flags: module.flags.read(String(cflags ?? '')),
      changed: nextChange(module.table.version(address, uri), wall),
      node: module.host.nodeId,
    },
  ]);
  return 'OK';
}

export const commands: readonly Command[] = [
  {
    name: 'usrloc:dump',
    aliases: ['ul_dump'],
    parameters: ['brief?'],
    help: 'All addresses of record and their contacts; brief: without the contacts.',
    run: (module, { brief }) => dump(module, brief !== undefined && brief !== '0' && brief !== 0),
  },
  {
    name: 'usrloc:show_contact',
    aliases: ['ul_show_contact'],
    parameters: ['table_name', 'aor'],
    help: 'Contacts of one address of record.',
    run: (module, parameters) =>
      module.table.lookup(keyOf(parameters), module.host.clock.wall()).length === 0
        ? new Failure('404', 'AOR not found')
        : addressOf(module, keyOf(parameters), false),
  },
  {
    name: 'usrloc:rm',
    aliases: ['ul_rm'],
    parameters: ['table_name', 'aor'],
    help: 'Removes an address of record with all its contacts.',
    run: (module, parameters) => {
      const bindings = module.table.lookup(keyOf(parameters), module.host.clock.wall());
      if (bindings.length === 0) return new Failure('404', 'AOR not found');
      module.remove(keyOf(parameters), bindings);
      return 'OK';
    },
  },
  {
    name: 'usrloc:rm_contact',
    aliases: ['ul_rm_contact'],
    parameters: ['table_name', 'aor', 'contact'],
    help: 'Removes one contact.',
    run: (module, parameters) => {
      const bindings = module.table.lookup(keyOf(parameters), module.host.clock.wall());
      const leaving = bindings.filter((binding) => binding.uri === String(parameters.contact));
      if (leaving.length === 0) return new Failure('404', 'Contact not found');
      module.remove(keyOf(parameters), leaving);
      return 'OK';
    },
  },
  {
    name: 'usrloc:add',
    aliases: ['ul_add'],
    parameters: ['table_name', 'aor', 'contact', 'expires', 'q', 'flags?', 'cflags?', 'methods?'],
    help: 'Adds a contact.',
    run: add,
  },
  {
    name: 'usrloc:flush',
    aliases: ['ul_flush'],
    parameters: [],
    help: 'Begins to write what waits for the database.',
    run: (module) => {
      module.records.pump();
      return 'OK';
    },
  },
  {
    name: 'usrloc:cluster_sync',
    aliases: ['ul_cluster_sync'],
    parameters: [],
    help: 'Compares everything with all peers now; what differs is repaired.',
    run: (module) => {
      module.replica.engine.compareAll();
      return 'OK';
    },
  },
];
