/** What the server reads from a loaded script before anything is opened: sockets, cluster, control socket. */

import { networkInterfaces } from 'node:os';
import type { LinkPlace } from '#cluster/link-transport.ts';
import type { Member } from '#cluster/member.ts';
import { parseNodeInfo } from '#cluster/member.ts';
import type { ParameterValues } from '#module/define.ts';
import type { LoadedScript } from '#module/load.ts';
import type { CertificateFiles } from '#net/link-certificates.ts';
import type { SocketDefinition } from '#script/socket-definition.ts';
import { certificatesMissing, readCertificates } from '#server/certificates.ts';
import type { StreamSettings } from '#server/streams.ts';
import { parseHostPort } from '#sip/host-port.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { parseIp } from '#util/ip-address.ts';
import type { LocalSocket } from '#util/socket-address.ts';

export interface ClusterConfiguration {
  readonly nodeId: number;
  /** 1: members come from `databaseUrl`. 0: from the script. */
  readonly fromDatabase: boolean;
  readonly databaseUrl: string;
  readonly table: string;
  /** Column of the table → its name (`id_col`, `url_col` …). */
  readonly columns: Readonly<Record<string, string>>;
  /** This node's own entry first; empty when they come from the database. */
  readonly members: readonly Member[];
  readonly sharedSecret: string | null;
  /** `other_secret`: believed beside it. */
  readonly otherSecret: string | null;
  readonly heartbeatMilliseconds: number;
  /** 0: the table is read on command only. */
  readonly pollMilliseconds: number;
  readonly claimBatchMilliseconds: number;
  /** `claim_directory`: who is told of a claim, every node or its home alone. */
  readonly claimDirectory: 'all' | 'home';
  readonly tagLeaseMilliseconds: number;
  /** `sharing_tag_quorum`: whose votes make a holder. */
  readonly tagQuorum: 'majority' | 'reachable';
  /** Cluster whose nodes share the anycast address (`tm_replication_cluster`), 0 = the only one. */
  readonly clusterId: number;
  /** `socket=bin:…`: where peers connect to. Null: the address of our own membership row. */
  readonly listen: { readonly address: string; readonly port: number; readonly secure: boolean } | null;
  /** Of tls_mgm, for links over TLS; null when the script names none. */
  readonly certificates: CertificateFiles | null;
}

export interface HealthConfiguration {
  /** `health_socket`: where the health endpoint listens; '' = nowhere. */
  readonly address: string;
  readonly port: number;
  /** Run by /bin/sh when routers may send packets here, and when they should not any more; '' = nothing. */
  readonly announceCommand: string;
  readonly withdrawCommand: string;
}

/** `tcp_…` as the script says it. */
export interface TcpConfiguration extends StreamSettings {
  readonly backlog: number;
  /** ms until the kernel probes an idle connection; null: it does not. */
  readonly keepAliveMilliseconds: number | null;
}

/** How names are resolved; `servers` empty: as /etc/resolv.conf says. */
export interface NameConfiguration {
  readonly triesIpv6: boolean;
  readonly usesNaptr: boolean;
  readonly failsOver: boolean;
  readonly avoidsFailed: boolean;
  /** `ADDRESS` or `ADDRESS:PORT`. */
  readonly servers: readonly string[];
  /** 0: all. */
  readonly serversMax: number;
  readonly tryMilliseconds: number;
  readonly tries: number;
}

export interface NodeConfiguration {
  readonly sockets: readonly LocalSocket[];
  /** By socket index: the address may be shared with other processes of this machine. */
  readonly reusePort: readonly boolean[];
  readonly aliases: readonly { readonly host: string; readonly port: number }[];
  readonly controlSocket: string;
  readonly health: HealthConfiguration;
  readonly logLevel: number;
  /** T1, T2 and wt_timer as the script sets them for tm, ms. */
  readonly transactionTimers: { readonly t1: number; readonly t2: number; readonly linger: number };
  readonly cluster: ClusterConfiguration | null;
  readonly tcp: TcpConfiguration;
  readonly names: NameConfiguration;
  /** Peers go on with the INVITEs of a node that died (`takeover` of tm). */
  readonly takesOver: boolean;
}

const defaultControlSocket = '/run/anyvia/anyvia.sock';
const defaultSipPort = 5060;
const defaultBinPort = 5555;
const defaultBinsPort = 5556;

export function readConfiguration(
  script: LoadedScript,
  listen: readonly string[],
): NodeConfiguration | Failure {
  const definitions: SocketDefinition[] = [...script.sockets];
  for (const text of listen) {
    const definition = readListenOption(text);
    if (isFailure(definition)) return definition;
    definitions.push(definition);
  }
  const places = readSockets(script, definitions);
  if (isFailure(places)) return places;
  const { sockets, reusePort } = places;
  if (sockets.length === 0) {
    return new Failure(
      'SERVER_SOCKET_MISSING',
      'the script names no UDP or TCP socket: add socket=udp:ADDRESS:5060',
    );
  }
  const cluster = readCluster(script, definitions);
  if (isFailure(cluster)) return cluster;
  const health = readHealth(script.globals);
  if (isFailure(health)) return health;
  const names = readNames(script.globals);
  if (isFailure(names)) return names;
  const transaction = parametersOf(script, 'tm');
  return {
    sockets,
    reusePort,
    aliases: script.aliases,
    controlSocket: String(script.globals.get('control_socket') ?? defaultControlSocket),
    health,
    logLevel: Number(script.globals.get('log_level') ?? 2),
    transactionTimers: {
      t1: Number(transaction?.T1_timer ?? 500),
      t2: Number(transaction?.T2_timer ?? 4000),
      linger: Number(transaction?.wt_timer ?? 0) * 1000,
    },
    cluster,
    tcp: readTcp(script),
    names,
    takesOver: Number(transaction?.takeover ?? 1) !== 0,
  };
}

function readHealth(globals: LoadedScript['globals']): HealthConfiguration | Failure {
  const commands = {
    announceCommand: String(globals.get('announce_command') ?? ''),
    withdrawCommand: String(globals.get('withdraw_command') ?? ''),
  };
  const text = String(globals.get('health_socket') ?? '');
  if (text === '') return { address: '', port: 0, ...commands };
  const place = parseHostPort(text);
  if (place === null || parseIp(place.host) === null || place.port === 0) {
    return new Failure(
      'SERVER_HEALTH_INVALID',
      `health_socket="${text}": expected ADDRESS:PORT, such as 127.0.0.1:8080`,
    );
  }
  return { address: place.host, port: place.port, ...commands };
}

/** UDP first: where a script names an address alone, it means that. */
function readSockets(
  script: LoadedScript,
  definitions: readonly SocketDefinition[],
): { sockets: LocalSocket[]; reusePort: boolean[] } | Failure {
  const sockets: LocalSocket[] = [];
  const reusePort: boolean[] = [];
  for (const protocol of ['udp', 'tcp'] as const) {
    const port =
      protocol === 'udp' ? defaultSipPort : Number(parametersOf(script, 'proto_tcp')?.tcp_port ?? 5060);
    for (const definition of definitions) {
      if (definition.protocol !== protocol) continue;
      if (protocol === 'tcp' && definition.anycast)
        return new Failure(
          'SERVER_SOCKET_ANYCAST',
          `socket=tcp:${definition.host} anycast: the packets of a connection must all reach one node, use its own address`,
        );
      const addresses = addressesOf(definition.host);
      if (isFailure(addresses)) return addresses;
      for (const address of addresses) {
        const numbered = definition.port === 0 ? { ...definition, port } : definition;
        sockets.push({ ...localSocket(sockets.length, withAdvertised(script, numbered), address), protocol });
        reusePort.push(definition.reusePort);
      }
    }
  }
  return { sockets, reusePort };
}

/** `advertised_address` and `advertised_port`: of every socket that has no `as` of its own. */
function withAdvertised({ globals }: LoadedScript, definition: SocketDefinition): SocketDefinition {
  if (definition.advertisedHost !== '') return definition;
  const host = String(globals.get('advertised_address') ?? '').replace(/["'[\]]/g, '');
  const port = Number(globals.get('advertised_port') ?? 0);
  return { ...definition, advertisedHost: host, advertisedPort: port };
}

/** What a phone or a network on the other side of the world needs; OpenSIPS gives up after a tenth of a second. */
const connectMillisecondsDefault = 3000;
/** OpenSIPS's own. */
const connectionsDefault = 2048;
const lifetimeSecondsDefault = 120;
const messageSecondsDefault = 4;
const backlogDefault = 511;

function readTcp(script: LoadedScript): TcpConfiguration {
  const number = (name: string, otherwise: number): number => Number(script.globals.get(name) ?? otherwise);
  const protocol = parametersOf(script, 'proto_tcp');
  const idleSeconds = number('tcp_keepidle', 0);
  return {
    connectionsMax: number('tcp_max_connections', connectionsDefault),
    connectMilliseconds: Math.max(1, number('tcp_connect_timeout', connectMillisecondsDefault)),
    lifetimeMilliseconds: number('tcp_connection_lifetime', lifetimeSecondsDefault) * 1000,
    messageMilliseconds: number('tcp_max_msg_time', messageSecondsDefault) * 1000,
    acceptsAliases: number('tcp_accept_aliases', 0) !== 0,
    answersPings: Number(protocol?.tcp_crlf_pingpong ?? 1) !== 0,
    backlog: number('tcp_socket_backlog', number('tcp_listen_backlog', backlogDefault)),
    keepAliveMilliseconds: number('tcp_keepalive', 1) === 0 ? null : idleSeconds * 1000,
  };
}

/** Two seconds for each of two tries: a caller who waits longer has hung up, or sent its request anew. */
const nameTrySecondsDefault = 2;
const nameTriesDefault = 2;

function readNames(globals: LoadedScript['globals']): NameConfiguration | Failure {
  const servers = String(globals.get('dns_servers') ?? '')
    .split(/[\s,]+/)
    .filter((server) => server !== '');
  const wrong = servers.find((server) => parseIp(server) === null && !isPlace(server));
  if (wrong !== undefined) {
    return new Failure(
      'SERVER_DNS_SERVER_INVALID',
      `dns_servers: "${wrong}" is neither ADDRESS nor ADDRESS:PORT, such as 192.0.2.53 or [2001:db8::53]:53`,
    );
  }
  const number = (name: string, otherwise: number): number => Number(globals.get(name) ?? otherwise);
  // As in OpenSIPS, -1 leaves it to the resolver.
  const positive = (name: string, otherwise: number): number => {
    const value = number(name, -1);
    return value > 0 ? value : otherwise;
  };
  return {
    triesIpv6: number('dns_try_ipv6', 1) !== 0,
    usesNaptr: number('dns_try_naptr', 1) !== 0,
    failsOver: number('disable_dns_failover', 0) === 0,
    avoidsFailed: number('disable_dns_blacklist', 0) === 0,
    servers,
    serversMax: positive('dns_servers_no', 0),
    tryMilliseconds: positive('dns_retr_time', nameTrySecondsDefault) * 1000,
    tries: positive('dns_retr_no', nameTriesDefault),
  };
}

/** An address with a port, IPv6 in brackets. */
function isPlace(text: string): boolean {
  const place = parseHostPort(text);
  return place !== null && place.port !== 0 && parseIp(place.host) !== null;
}

function localSocket(index: number, definition: SocketDefinition, address: string): LocalSocket {
  const port = definition.port === 0 ? defaultSipPort : definition.port;
  return {
    index,
    protocol: 'udp',
    address,
    port,
    advertisedAddress: definition.advertisedHost === '' ? address : definition.advertisedHost,
    advertisedPort: definition.advertisedPort === 0 ? port : definition.advertisedPort,
    anycast: definition.anycast,
    tag: definition.tag,
  };
}

/** `-l udp:IP:PORT` or `-l tcp:IP:PORT`, as `opensips -l`. */
function readListenOption(text: string): SocketDefinition | Failure {
  const match = /^(?:(udp|tcp):)?(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[3] ?? 0);
  if (match === null || port > 65_535) {
    return new Failure('SERVER_LISTEN_INVALID', `-l ${text}: expected udp:ADDRESS:PORT or tcp:ADDRESS:PORT`);
  }
  const host = (match[2] ?? '').replace(/^\[|\]$/g, '');
  return {
    protocol: match[1] ?? 'udp',
    host,
    port,
    anycast: false,
    reusePort: false,
    advertisedHost: '',
    advertisedPort: 0,
    tag: '',
  };
}

/** An address, every address of an interface, or every address of the machine (`*`). */
function addressesOf(host: string): string[] | Failure {
  if (parseIp(host) !== null) return [host];
  const interfaces = networkInterfaces();
  if (host === '*') return ['0.0.0.0'];
  const named = interfaces[host];
  if (named !== undefined) return named.map((entry) => entry.address);
  if (host === 'localhost') return ['127.0.0.1'];
  return new Failure(
    'SERVER_SOCKET_UNKNOWN',
    `socket=${host}: neither an address nor an interface of this machine`,
  );
}

function readCluster(
  script: LoadedScript,
  definitions: readonly SocketDefinition[],
): ClusterConfiguration | Failure | null {
  const parameters = parametersOf(script, 'clusterer');
  if (parameters === null) return null;
  const fromDatabase = Number(parameters.db_mode) !== 0;
  const members: Member[] = [];
  for (const text of nodeInfos(parameters)) {
    const member = parseNodeInfo(text);
    if (isFailure(member)) return member;
    members.push(member);
  }
  const nodeId =
    Number(parameters.my_node_id) > 0 ? Number(parameters.my_node_id) : (members[0]?.nodeId ?? 0);
  if (nodeId < 1) {
    return new Failure(
      'SERVER_NODE_ID_MISSING',
      'clusterer: set my_node_id to the id of this node (1 or more)',
    );
  }
  const databaseUrl = String(parameters.db_url ?? script.globals.get('db_default_url') ?? '');
  if (fromDatabase && databaseUrl === '') {
    return new Failure('SERVER_DATABASE_MISSING', 'clusterer: set db_url, or db_mode 0 and my_node_info');
  }
  if (!fromDatabase && members.length === 0) {
    return new Failure('SERVER_NODE_INFO_MISSING', 'clusterer: db_mode 0 needs my_node_info');
  }
  const bin = definitions.find(
    (definition) => definition.protocol === 'bin' || definition.protocol === 'bins',
  );
  const claimDirectory = String(parameters.claim_directory);
  if (claimDirectory !== 'all' && claimDirectory !== 'home') {
    return new Failure(
      'SERVER_CLAIM_DIRECTORY_INVALID',
      `clusterer: claim_directory is "${claimDirectory}", expected "all" or "home"`,
    );
  }
  const tagQuorum = String(parameters.sharing_tag_quorum);
  if (tagQuorum !== 'majority' && tagQuorum !== 'reachable') {
    return new Failure(
      'SERVER_TAG_QUORUM_INVALID',
      `clusterer: sharing_tag_quorum is "${tagQuorum}", expected "majority" or "reachable"`,
    );
  }
  const certificates = readCertificates(parametersOf(script, 'tls_mgm'));
  if (isFailure(certificates)) return certificates;
  if (bin?.protocol === 'bins' && certificates === null) return certificatesMissing();
  return {
    nodeId,
    fromDatabase,
    databaseUrl,
    table: String(parameters.db_table),
    columns: columnsOf(parameters),
    members: fromDatabase ? [] : members,
    sharedSecret: parameters.shared_secret === null ? null : String(parameters.shared_secret),
    otherSecret: parameters.other_secret === null ? null : String(parameters.other_secret),
    heartbeatMilliseconds: Number(parameters.ping_interval) * 1000,
    pollMilliseconds: Number(parameters.membership_interval) * 1000,
    claimBatchMilliseconds: Number(parameters.claim_batch_interval),
    claimDirectory,
    tagLeaseMilliseconds: Math.max(2, Number(parameters.sharing_tag_lease)) * 1000,
    tagQuorum,
    clusterId: Number(parametersOf(script, 'tm')?.tm_replication_cluster ?? 0),
    listen: bin === undefined ? null : listenPlace(script, bin),
    certificates,
  };
}

function columnsOf(parameters: ParameterValues): Record<string, string> {
  const named = Object.entries(parameters).filter(([name]) => name.endsWith('_col'));
  return Object.fromEntries(named.map(([name, value]) => [name.slice(0, -'_col'.length), String(value)]));
}

function nodeInfos(parameters: ParameterValues): string[] {
  const own = parameters.my_node_info;
  const neighbours = (parameters.neighbor_node_info ?? []) as readonly string[];
  return [...(own === null || own === undefined ? [] : [String(own)]), ...neighbours.map(String)];
}

function listenPlace(script: LoadedScript, { protocol, host, port }: SocketDefinition): LinkPlace {
  const secure = protocol === 'bins';
  const configured = secure
    ? (parametersOf(script, 'proto_bins')?.bins_port ?? defaultBinsPort)
    : (parametersOf(script, 'proto_bin')?.bin_port ?? defaultBinPort);
  return { address: host, port: port === 0 ? Number(configured) : port, secure };
}

function parametersOf(script: LoadedScript, name: string): ParameterValues | null {
  return script.modules.find((entry) => entry.declaration.name === name)?.parameters ?? null;
}
