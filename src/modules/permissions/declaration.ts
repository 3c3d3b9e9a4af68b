/** The module `permissions`: sources that a table allows. Left out: rules in files (`allow_routing` and its kin). */

import type { MessageContext } from '#module/context.ts';
import {
  defineModule,
  everyRoute,
  type FunctionDeclaration,
  type VariableReference,
} from '#module/define.ts';
import { TableMirror } from '#module/table-mirror.ts';
import { nameParameter, openTables, urlParameter } from '#module/table-parameters.ts';
import {
  type AddressEntry,
  type AddressQuery,
  AddressTable,
  readAddress,
} from '#modules/permissions/address-table.ts';
import { messageText } from '#sip/digest.ts';
import { isFailure } from '#util/failure.ts';
import { formatIp } from '#util/ip-address.ts';

interface Permissions {
  readonly addresses: AddressTable;
  readonly mirror: TableMirror;
}

type Declaration = FunctionDeclaration<Permissions>;

/** OpenSIPS's codes: -2 when the table has nothing for the group at all. */
function check(
  { addresses }: Permissions,
  context: MessageContext,
  query: AddressQuery,
  place: VariableReference | null,
): number {
  const found = addresses.find(query);
  if (found !== null) {
    if (place !== null && found.info !== null) place.write(context, messageText(found.info));
    return 1;
  }
  const { group } = query;
  const hasGroup = addresses.entries.some(
    (entry) => group === 0 || entry.group === group || entry.group === 0,
  );
  return hasGroup ? -1 : -2;
}

type AddressArguments = [
  group: number | null,
  address: string | null,
  port: number | null,
  protocol: string | null,
  place: VariableReference | null,
  pattern: string | null,
];

const infoPlace = { name: 'context_info', kind: 'variable', optional: true } as const;
const pattern = { name: 'pattern', kind: 'string', optional: true } as const;
const partition = { name: 'partition', kind: 'string', optional: true } as const;

const functions: readonly Declaration[] = [
  {
    name: 'check_address',
    routes: everyRoute,
    arguments: [
      { name: 'group', kind: 'integer' },
      { name: 'ip', kind: 'string' },
      { name: 'port', kind: 'integer' },
      { name: 'proto', kind: 'string' },
      infoPlace,
      pattern,
      partition,
    ],
    help: 'True when the table has the address in the group (0: in any); -1 it has not, -2 there is no such group.',
    call: (module, context, ...[group, address, port, protocol, place, text]: AddressArguments) => {
      const query = {
        group: group ?? 0,
        address: address ?? '',
        port: port ?? 0,
        protocol: (protocol ?? 'any').toLowerCase(),
        text,
      };
      return check(module, context, query, place);
    },
  },
  {
    name: 'check_source_address',
    routes: everyRoute,
    arguments: [{ name: 'group', kind: 'integer' }, infoPlace, pattern, partition],
    help: 'The same for where the message came from.',
    call: (module, context, group: number | null, place: VariableReference | null, text: string | null) => {
      const { address, port, socket } = context.source;
      const query = { group: group ?? 0, address, port, protocol: socket.protocol, text };
      return check(module, context, query, place);
    },
  },
  {
    name: 'get_source_group',
    routes: everyRoute,
    arguments: [{ name: 'group', kind: 'variable' }, partition],
    help: 'Writes the group of the source into the variable; -1 when it is in none.',
    call: ({ addresses }, context, place: VariableReference) => {
      const { address, port, socket } = context.source;
      const found = addresses.find({ group: 0, address, port, protocol: socket.protocol, text: null });
      if (found === null) return -1;
      place.write(context, found.group);
      return 1;
    },
  },
];

function lineOf({ group, network, port, protocol, info }: AddressEntry): Record<string, unknown> {
  return {
    grp: group,
    ip: formatIp(network.address),
    mask: network.prefixLength,
    port,
    proto: protocol,
    context_info: info,
  };
}

export const permissions = defineModule<Permissions>({
  name: 'permissions',
  help: 'Sources that a table allows. It is kept in memory and read again every minute.',
  parameters: [
    urlParameter,
    nameParameter('address_table', 'address', 'The table.'),
    { name: 'refresh_interval', kind: 'integer', default: 60, help: 'Seconds; 0: on command only.' },
    {
      name: 'check_all_branches',
      kind: 'integer',
      default: null,
      ignored: 'there are no rules in files',
      help: 'Accepted.',
    },
  ],
  functions,
  commands: [
    {
      name: 'permissions:address_reload',
      aliases: ['address_reload'],
      parameters: ['partition?'],
      help: 'Reads the table now.',
      run: async ({ mirror }) => {
        const rows = await mirror.reload();
        return isFailure(rows) ? rows : 'OK';
      },
    },
    {
      name: 'permissions:address_dump',
      aliases: ['address_dump'],
      parameters: ['partition?'],
      help: 'Lists the addresses and networks.',
      run: ({ addresses }) => ({ addresses: addresses.entries.map(lineOf) }),
    },
  ],
  statistics: ['rows', 'failed_reads', 'bad_rows'],
  create: (host, values) => {
    const source = openTables(host, values);
    if (isFailure(source)) return source;
    const addresses = new AddressTable();
    let badRows = 0;
    host.statistics.gauge('permissions', 'bad_rows', () => badRows);
    const mirror = new TableMirror(host, source, {
      group: 'permissions',
      table: String(values.address_table),
      columns: ['grp', 'ip', 'mask', 'port', 'proto', 'pattern', 'context_info'],
      refreshSeconds: Number(values.refresh_interval),
      apply: (rows) => {
        const entries = rows.map(readAddress);
        const good = entries.filter((entry) => entry !== null);
        if (entries.length - good.length > badRows)
          host.log.warn(
            `permissions: ${entries.length - good.length} rows have no valid address and are left out`,
          );
        badRows = entries.length - good.length;
        addresses.replace(good);
      },
    });
    return { addresses, mirror };
  },
});
