/**
 * Datagrams that the kernel threw away because the receive buffer of a socket was full (`/proc/net/udp`): a limit of
 * ours like any other, though it is not we who act on it. Linux only; elsewhere nothing is known and 0 is said.
 */

import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { parseIp } from '#util/ip-address.ts';

/** Of all sockets bound to these addresses. Where several processes share one (reuse_port), theirs are among them. */
export function countReceiveDrops(
  sockets: readonly { readonly address: string; readonly port: number }[],
): number {
  const wanted = new Set(sockets.map(({ address, port }) => tableAddress(address, port)));
  let drops = 0;
  for (const file of ['/proc/net/udp', '/proc/net/udp6']) {
    for (const line of readTable(file)) {
      const fields = line.trim().split(/\s+/);
      if (wanted.has(fields[1] ?? '')) drops += Number(fields.at(-1));
    }
  }
  return drops;
}

/** As the kernel writes it: each 32-bit word of the address in the machine's own order, the port in hexadecimal. */
export function tableAddress(address: string, port: number): string {
  const bytes = Buffer.from(parseIp(address) ?? []);
  if (endianness() === 'LE') bytes.swap32();
  return `${bytes.toString('hex').toUpperCase()}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
}

function readTable(file: string): string[] {
  try {
    return readFileSync(file, 'latin1').split('\n').slice(1, -1);
  } catch {
    return [];
  }
}
