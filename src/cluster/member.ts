/**
 * A member of the cluster as the membership table or the script names it, and the two text forms in which OpenSIPS
 * operators write it down. Nothing here is resolved or connected.
 */

import { Failure, isFailure } from '#util/failure.ts';

export interface Member {
  readonly clusterId: number;
  readonly nodeId: number;
  /** IP text, or a name that the link transport resolves at every dial. */
  readonly address: string;
  readonly port: number;
  /** `bins:`: links to it are TLS. */
  readonly secure: boolean;
  /** False: switched off by the operator; links to it are closed, its own are refused. */
  readonly enabled: boolean;
  /** Lower is preferred among peers that could relay. */
  readonly priority: number;
  readonly description: string;
  /** Heartbeats missed in a row that take the link down. */
  readonly pingRetries: number;
  /** '' when unset. */
  readonly sipAddress: string;
  /** Key of its row, for people; absent without a table. */
  readonly rowId?: number;
}

/** Where a peer listens. */
export interface BinAddress {
  readonly address: string;
  readonly port: number;
  /** True for `bins:`, the channel over TLS. */
  readonly secure: boolean;
}

/** Ports of OpenSIPS's proto_bin and proto_bins. */
const binPort = 5555;
const binsPort = 5556;
/** OpenSIPS's defaults of the table's columns. */
const priorityDefault = 50;
const pingRetriesDefault = 3;
/** What the table's column holds. */
const nodeIdMax = 2_147_483_647;

/**
 * `bin:HOST[:PORT]` or `bins:…`, IPv6 in brackets; without a port also bare, unless its last group reads like one.
 * Failure: CLUSTER_URL_INVALID.
 */
export function parseBinUrl(url: string): BinAddress | Failure {
  const bare = /^(?:(bins?):(?:\/\/)?)?([0-9a-f:]*:[0-9a-f:]*:[0-9a-f.:]*)$/i.exec(url.trim());
  if (bare !== null && isIPv6(bare[2]!)) return bareAddress(url, bare[1] ?? '', bare[2]!);
  const parts = /^(?:(bins?):(?:\/\/)?)?(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/i.exec(
    url.trim(),
  );
  const secure = parts?.[1]?.toLowerCase() === 'bins';
  const port = parts?.[4] === undefined ? (secure ? binsPort : binPort) : Number(parts[4]);
  if (parts === null || port < 1 || port > 65_535) {
    return new Failure('CLUSTER_URL_INVALID', `"${url}" is no link address: expected bin:HOST:PORT`);
  }
  return { address: parts[2] ?? parts[3]!, port, secure };
}

function isIPv6(text: string): boolean {
  return URL.canParse(`http://[${text}]`);
}

/** `2001:db8::2:5566` is an address as it stands, and most likely not the one that is meant. */
function bareAddress(url: string, scheme: string, address: string): BinAddress | Failure {
  const [, host, port] = /^(.*):(\d{4,5})$/.exec(address) ?? [];
  if (host !== undefined && isIPv6(host)) {
    const wanted = `${scheme === '' ? 'bin' : scheme}:[${host}]:${port}`;
    return new Failure('CLUSTER_URL_INVALID', `"${url}" can be read in two ways: write ${wanted}`);
  }
  const secure = scheme.toLowerCase() === 'bins';
  return { address, port: secure ? binsPort : binPort, secure };
}

/**
 * `my_node_info` and `neighbor_node_info`: `cluster_id=1,node_id=2,url=bin:10.0.0.2:5566[,priority=…]`.
 * Failures: CLUSTER_NODE_INFO_INVALID, CLUSTER_URL_INVALID.
 */
export function parseNodeInfo(text: string): Member | Failure {
  const values = readProperties(text);
  if (isFailure(values)) return values;
  const clusterId = number(values, 'cluster_id', -1);
  const nodeId = number(values, 'node_id', -1);
  if (!(clusterId >= 1)) return invalid(text, 'cluster_id must be a number from 1');
  if (!(nodeId >= 1 && nodeId <= nodeIdMax))
    return invalid(text, `node_id must be a number from 1 to ${nodeIdMax}`);
  const url = values.get('url');
  if (url === undefined) return invalid(text, 'url is missing');
  const bin = parseBinUrl(url);
  if (isFailure(bin)) return bin;
  const priority = number(values, 'priority', priorityDefault);
  const pingRetries = number(values, 'no_ping_retries', pingRetriesDefault);
  const state = number(values, 'state', 1);
  if (Number.isNaN(priority)) return invalid(text, 'priority must be a number');
  if (!(pingRetries >= 0)) return invalid(text, 'no_ping_retries must be a number from 0');
  if (state !== 0 && state !== 1) return invalid(text, 'state must be 1 (enabled) or 0 (disabled)');
  return {
    clusterId,
    nodeId,
    address: bin.address,
    port: bin.port,
    secure: bin.secure,
    enabled: state === 1,
    priority,
    description: values.get('description') ?? '',
    pingRetries,
    sipAddress: values.get('sip_addr') ?? '',
  };
}

const knownProperties: readonly string[] = [
  'cluster_id',
  'node_id',
  'url',
  'state',
  'no_ping_retries',
  'priority',
  'sip_addr',
  'flags',
  'description',
];

function readProperties(text: string): Map<string, string> | Failure {
  const values = new Map<string, string>();
  for (const part of text.split(/[,;]/)) {
    if (part.trim() === '') continue;
    const equals = part.indexOf('=');
    const name = part.slice(0, equals === -1 ? undefined : equals).trim();
    if (equals === -1 || !knownProperties.includes(name)) {
      return invalid(text, `"${part.trim()}" is none of ${knownProperties.join(', ')} with a value`);
    }
    values.set(name, part.slice(equals + 1).trim());
  }
  return values;
}

function number(values: ReadonlyMap<string, string>, name: string, otherwise: number): number {
  const text = values.get(name);
  if (text === undefined) return otherwise;
  return /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
}

function invalid(text: string, problem: string): Failure {
  return new Failure('CLUSTER_NODE_INFO_INVALID', `node info "${text}": ${problem}`);
}
