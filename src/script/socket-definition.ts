/** `socket=proto:host[:port] {option}` of OpenSIPS 3 and 4, and `listen=` of 2.4 with the same options in any order. */

import { suggestion } from '#script/diagnostic.ts';
import { Failure, isFailure } from '#util/failure.ts';

export interface SocketDefinition {
  readonly protocol: string;
  /** Address without brackets, name, interface, or `*`. */
  readonly host: string;
  /** 0 = the protocol's default. */
  readonly port: number;
  readonly anycast: boolean;
  readonly reusePort: boolean;
  readonly advertisedHost: string;
  readonly advertisedPort: number;
  readonly tag: string;
}

const protocols = [
  'udp',
  'tcp',
  'tls',
  'ws',
  'wss',
  'bin',
  'bins',
  'sctp',
  'hep_udp',
  'hep_tcp',
  'smpp',
  'msrp',
  'msrps',
  'ipsec',
];
/** Accepted without effect here: one event loop has no workers to count, and so on. */
const ignoredFlags = [
  'frag',
  'accept_subdomain',
  'allow_proxy_protocol',
  'send_proxy_protocol',
  'proxy_protocol',
];
const ignoredOptions = ['use_workers', 'use_children', 'tos', 'use_auto_scaling_profile'];

/** A range names more sockets than any node serves: more is a mistake. */
const portsPerLineMax = 100;

/** One definition per port: `udp:HOST:5060-5062,5070` is four. Failure SCRIPT_SOCKET_INVALID says what cannot be read. */
export function parseSockets(text: string): SocketDefinition[] | Failure {
  const words = text.replace(/["']/g, '').split(/\s+/);
  const place = /^(?:([a-z_]+):)?(\[[^\]]+\]|[^:\s]+)(?::([\d,-]+|\*))?$/i.exec(words[0] ?? '');
  if (place === null) return invalid(text, 'expected protocol:address:port');
  const protocol = (place[1] ?? 'udp').toLowerCase();
  if (!protocols.includes(protocol)) return invalid(text, `unknown protocol "${protocol}"`);
  const ports = parsePorts(place[3] ?? '');
  if (ports === null) return invalid(text, `"${place[3]}" is no port`);
  const options = parseOptions(text, words.slice(1));
  if (isFailure(options)) return options;
  const host = place[2]!.replace(/^\[|\]$/g, '');
  return ports.map((port) => ({ protocol, host, port, ...options }));
}

/** `5060`, `5060-5062`, `5060,5070`; none or `*` is the protocol's default, 0. Null when it is no list of ports. */
function parsePorts(text: string): number[] | null {
  if (text === '' || text === '*') return [0];
  const ports: number[] = [];
  for (const part of text.split(',')) {
    const range = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    if (range === null) return null;
    const first = Number(range[1]);
    const last = Number(range[2] ?? first);
    if (last < first || last > 65_535 || last - first >= portsPerLineMax) return null;
    for (let port = first; port <= last; port++) ports.push(port);
  }
  return ports;
}

type SocketOptions = Omit<SocketDefinition, 'protocol' | 'host' | 'port'>;

function parseOptions(text: string, words: readonly string[]): SocketOptions | Failure {
  const options = { anycast: false, reusePort: false, advertisedHost: '', advertisedPort: 0, tag: '' };
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!.toLowerCase();
    if (word === 'anycast') options.anycast = true;
    else if (word === 'reuse_port') options.reusePort = true;
    else if (word === 'tag') {
      options.tag = words[++index] ?? '';
      if (options.tag === '') return invalid(text, '"tag" needs a name');
    } else if (word === 'as') {
      const advertised = /^(\[[^\]]+\]|[^:\s]+)(?::(\d{1,5}))?$/.exec(words[++index] ?? '');
      if (advertised === null) return invalid(text, '"as" needs host[:port]');
      options.advertisedHost = advertised[1]!.replace(/^\[|\]$/g, '');
      options.advertisedPort = Number(advertised[2] ?? 0);
    } else if (ignoredOptions.includes(word)) index++;
    else if (!ignoredFlags.includes(word)) {
      const hint = suggestion(word, [
        ...ignoredFlags,
        ...ignoredOptions,
        'anycast',
        'reuse_port',
        'tag',
        'as',
      ]);
      return invalid(text, `unknown option "${words[index]}"${hint}`);
    }
  }
  return options;
}

/** Values of `alias=`: `[proto:|any:]host[:port]`, several on a line. */
export function parseAliases(text: string): { readonly host: string; readonly port: number }[] {
  const aliases: { host: string; port: number }[] = [];
  for (const word of text.replace(/["']/g, '').split(/[\s,]+/)) {
    if (word === '' || word === 'accept_subdomain') continue;
    const bare = word.replace(/^(any|udp|tcp|tls|sctp|ws|wss):/i, '');
    const match = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}|\*))?$/.exec(bare);
    if (match !== null)
      aliases.push({ host: match[1]!.replace(/^\[|\]$/g, ''), port: Number(match[2] ?? 0) || 0 });
  }
  return aliases;
}

function invalid(text: string, problem: string): Failure {
  return new Failure('SCRIPT_SOCKET_INVALID', `socket "${text}": ${problem}`);
}
