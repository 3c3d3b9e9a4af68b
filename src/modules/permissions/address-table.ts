/** Addresses and networks in groups, as the table `address` has them; the narrowest network that fits counts. */

import type { TableRow } from '#module/services.ts';
import { type IpNetwork, isInNetwork, parseIp } from '#util/ip-address.ts';

export interface AddressQuery {
  /** 0: any group. */
  readonly group: number;
  readonly address: string;
  /** 0: any port. */
  readonly port: number;
  /** `any`, `udp`, … */
  readonly protocol: string;
  /** What the row's pattern must match; null: nothing is asked. */
  readonly text: string | null;
}

export interface AddressEntry {
  readonly group: number;
  readonly network: IpNetwork;
  readonly port: number;
  readonly protocol: string;
  /** Shell pattern, '' for none. */
  readonly pattern: RegExp | null;
  readonly info: string | null;
}

/** Null when the row has no valid address: it is left out. */
export function readAddress(row: TableRow): AddressEntry | null {
  const address = parseIp(String(row.ip ?? '').trim());
  const bits = Number(row.mask ?? 32);
  if (address === null || !Number.isInteger(bits) || bits < 0) return null;
  const all = address.length * 8;
  // The column's default is 32, which says one address for IPv6 too.
  const prefixLength = bits > all || (all === 128 && bits === 32) ? all : bits;
  const pattern = String(row.pattern ?? '');
  return {
    group: Number(row.grp ?? 0),
    network: { address, prefixLength },
    port: Number(row.port ?? 0),
    protocol: String(row.proto ?? 'any').toLowerCase(),
    pattern: pattern === '' ? null : shellPattern(pattern),
    info: row.context_info === null || row.context_info === undefined ? null : String(row.context_info),
  };
}

export class AddressTable {
  #entries: readonly AddressEntry[] = [];
  /** Whole addresses, by their bytes: found without going through the list. */
  #hosts = new Map<string, AddressEntry[]>();
  #networks: readonly AddressEntry[] = [];

  get entries(): readonly AddressEntry[] {
    return this.#entries;
  }

  replace(entries: readonly AddressEntry[]): void {
    this.#entries = entries;
    this.#hosts = new Map();
    const networks: AddressEntry[] = [];
    for (const entry of entries) {
      const { address, prefixLength } = entry.network;
      if (prefixLength !== address.length * 8) {
        networks.push(entry);
        continue;
      }
      const key = keyOf(address);
      this.#hosts.set(key, [...(this.#hosts.get(key) ?? []), entry]);
    }
    this.#networks = networks.sort((a, b) => b.network.prefixLength - a.network.prefixLength);
  }

  find(query: AddressQuery): AddressEntry | null {
    const address = parseIp(query.address);
    if (address === null) return null;
    const host = this.#hosts.get(keyOf(address))?.find((entry) => fits(entry, query));
    if (host !== undefined) return host;
    return this.#networks.find((entry) => isInNetwork(address, entry.network) && fits(entry, query)) ?? null;
  }
}

function fits(entry: AddressEntry, { group, port, protocol, text }: AddressQuery): boolean {
  // Group 0 of a row is good for all groups.
  if (group !== 0 && entry.group !== 0 && entry.group !== group) return false;
  if (port !== 0 && entry.port !== 0 && entry.port !== port) return false;
  if (protocol !== 'any' && entry.protocol !== 'any' && entry.protocol !== protocol) return false;
  return text === null || entry.pattern === null || entry.pattern.test(text);
}

function keyOf(address: Uint8Array): string {
  return String.fromCharCode(...address);
}

/** `*`, `?` and `[…]` of the shell. */
function shellPattern(pattern: string): RegExp {
  const text = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
    .replace(/\[!/g, '[^');
  try {
    return new RegExp(`^${text}$`, 's');
  } catch {
    return /$^/;
  }
}
