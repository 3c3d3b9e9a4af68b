/** `socket=proto:host[:port] {option}` of OpenSIPS 3 and 4, and `listen=` of 2.4 with the same options in any order. */

import { Failure } from '#util/failure.ts';

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

/** Failure SCRIPT_SOCKET_INVALID names what cannot be read. */
export function parseSocket(text: string): SocketDefinition | Failure {
  const words = text.replace(/"/g, '').split(/\s+/);
  const place = /^(?:([a-z_]+):)?(\[[^\]]+\]|[^:\s]+)(?::(\d{1,5}|\*))?$/i.exec(words[0] ?? '');
  if (place === null) return invalid(text, 'expected protocol:address:port');
  const protocol = (place[1] ?? 'udp').toLowerCase();
  if (!protocols.includes(protocol)) return invalid(text, `unknown protocol "${protocol}"`);
  const port = Number(place[3] ?? 0) || 0;
  if (port > 65_535) return invalid(text, `${port} is no port`);
  const definition = {
    protocol,
    host: place[2]!.replace(/^\[|\]$/g, ''),
    port,
    anycast: false,
    reusePort: false,
    advertisedHost: '',
    advertisedPort: 0,
    tag: '',
  };
  for (let index = 1; index < words.length; index++) {
    const word = words[index]!.toLowerCase();
    if (word === 'anycast') definition.anycast = true;
    else if (word === 'reuse_port') definition.reusePort = true;
    else if (word === 'tag') definition.tag = words[++index] ?? '';
    else if (word === 'as') {
      const advertised = /^(\[[^\]]+\]|[^:\s]+)(?::(\d{1,5}))?$/.exec(words[++index] ?? '');
      if (advertised === null) return invalid(text, '"as" needs host[:port]');
      definition.advertisedHost = advertised[1]!.replace(/^\[|\]$/g, '');
      definition.advertisedPort = Number(advertised[2] ?? 0);
    } else if (ignoredOptions.includes(word)) index++;
    else if (!ignoredFlags.includes(word)) return invalid(text, `unknown option "${words[index]}"`);
  }
  return definition;
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
