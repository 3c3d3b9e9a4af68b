/**
 * IPv4 and IPv6 addresses and networks as text and bytes (RFC 4291 2.2, RFC 4632). Names are never resolved here;
 * zone identifiers (`%eth0`) are left out: no SIP message may carry one.
 */

export interface IpNetwork {
  readonly address: Uint8Array;
  /** Bits from the left that count. */
  readonly prefixLength: number;
}

/** 4 or 16 bytes; null when the text is no address. Brackets around IPv6 are accepted. */
export function parseIp(text: string): Uint8Array | null {
  const bare = text.charCodeAt(0) === 91 && text.endsWith(']') ? text.slice(1, -1) : text;
  if (bare.includes(':')) return parseIpv6(bare);
  return parseIpv4(bare);
}

/** True when `parseIp` would read the text; for IPv4 it makes nothing. */
export function isIp(text: string): boolean {
  return readIpv4(text, null) || parseIp(text) !== null;
}

/** The host as it must stand before a port: IPv6 gets brackets. */
export function bracketed(host: string): string {
  return host.includes(':') && host.charCodeAt(0) !== 91 ? `[${host}]` : host;
}

/** `address`, `address/bits` or `address/255.255.0.0`; null when it is none. */
export function parseNetwork(text: string): IpNetwork | null {
  const slash = text.indexOf('/');
  const address = parseIp(slash === -1 ? text : text.slice(0, slash));
  if (address === null) return null;
  if (slash === -1) return { address, prefixLength: address.length * 8 };
  const rest = text.slice(slash + 1);
  const mask = rest.includes('.') || rest.includes(':') ? parseIp(rest) : null;
  const prefixLength = mask === null ? decimal(rest, address.length * 8) : maskLength(mask);
  return prefixLength < 0 ? null : { address, prefixLength };
}

export function isInNetwork(address: Uint8Array, network: IpNetwork): boolean {
  if (address.length !== network.address.length) return false;
  let bits = network.prefixLength;
  for (let index = 0; bits > 0; index++, bits -= 8) {
    const mask = bits >= 8 ? 0xff : (0xff << (8 - bits)) & 0xff;
    if (((address[index]! ^ network.address[index]!) & mask) !== 0) return false;
  }
  return true;
}

/** RFC 5952 text of 4 or 16 bytes. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: number[] = [];
  for (let index = 0; index < 16; index += 2) groups.push((bytes[index]! << 8) | bytes[index + 1]!);
  const { start, length } = longestZeroRun(groups);
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

function parseIpv4(text: string): Uint8Array | null {
  const bytes = new Uint8Array(4);
  return readIpv4(text, bytes) ? bytes : null;
}

/** True when the text is an IPv4 address; its bytes go into `bytes` unless that is null. */
function readIpv4(text: string, bytes: Uint8Array | null): boolean {
  let part = 0;
  let digits = 0;
  let value = 0;
  for (let position = 0; position <= text.length; position++) {
    const code = position === text.length ? dot : text.charCodeAt(position);
    if (code === dot) {
      if (digits === 0 || value > 255 || part === 4) return false;
      if (bytes !== null) bytes[part] = value;
      part++;
      digits = 0;
      value = 0;
      continue;
    }
    if (code < 48 || code > 57 || digits === 3) return false;
    value = value * 10 + code - 48;
    digits++;
  }
  return part === 4;
}

const dot = 46;

function parseIpv6(text: string): Uint8Array | null {
  const gap = text.indexOf('::');
  if (gap !== -1 && text.indexOf('::', gap + 1) !== -1) return null;
  const head = groupBytes(gap === -1 ? text : text.slice(0, gap));
  const tail = gap === -1 ? [] : groupBytes(text.slice(gap + 2));
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  if (gap === -1 ? missing !== 0 : missing < 2) return null;
  const bytes = new Uint8Array(16);
  bytes.set(head);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

function groupBytes(text: string): number[] | null {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (index === groups.length - 1 && group.includes('.')) {
      const embedded = parseIpv4(group);
      if (embedded === null) return null;
      bytes.push(...embedded);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}

function decimal(text: string, maximum: number): number {
  if (!/^\d{1,3}$/.test(text)) return -1;
  const value = Number(text);
  return value > maximum ? -1 : value;
}

/** -1 when the mask has a hole. */
function maskLength(mask: Uint8Array): number {
  let length = 0;
  let ended = false;
  for (const byte of mask) {
    for (let bit = 7; bit >= 0; bit--) {
      const set = ((byte >> bit) & 1) === 1;
      if (set && ended) return -1;
      if (set) length++;
      else ended = true;
    }
  }
  return length;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  let length = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) {
      length = 0;
      continue;
    }
    if (length === 0) start = index;
    length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
