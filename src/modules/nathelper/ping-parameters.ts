/** Parameters of nathelper's pings, and what they come to. */

import type { ParameterDeclaration, ParameterValues } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import type { PingSettings } from '#modules/nathelper/nat-pings.ts';
import { parseUri } from '#sip/uri.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { type LocalSocket, socketName } from '#util/socket-address.ts';

function integer(name: string, value: number, help: string): ParameterDeclaration {
  return { name, kind: 'integer', default: value, help };
}

function text(name: string, value: string | null, help: string): ParameterDeclaration {
  return { name, kind: 'string', default: value, help };
}

function ignored(kind: 'integer' | 'string', name: string, reason: string): ParameterDeclaration {
  return { name, kind, default: null, ignored: reason, help: reason };
}

export const pingParameters: readonly ParameterDeclaration[] = [
  integer('natping_interval', 0, 'Seconds in which every registered contact is pinged once; 0 = no pings.'),
  integer('ping_nated_only', 0, '1: only contacts that carry usrloc’s nat_bflag.'),
  integer('natping_tcp', 0, '1: also contacts over TCP and TLS, with a double CRLF (RFC 5626).'),
  text('sipping_from', null, 'URI in From of pings that are SIP requests; without it there are none.'),
  text('sipping_bflag', null, 'Branch flag of contacts that get a SIP request instead of four zero bytes.'),
  text('sipping_method', 'OPTIONS', 'Its method.'),
  text('sipping_ignore_rpl_codes', null, 'Statuses, with commas, that do not count as an answer.'),
  text(
    'remove_on_timeout_bflag',
    null,
    'Branch flag of contacts that are removed when they answer no SIP ping.',
  ),
  integer('max_pings_lost', 3, 'Pings without an answer after which that happens.'),
  {
    ...text(
      'natping_socket',
      null,
      'Socket that all pings leave from, udp:IP:PORT; else that of the registration.',
    ),
    aliases: ['force_socket'],
  },
  ignored('integer', 'ping_threshold', 'an answer counts until the next ping'),
  ignored('string', 'sipping_latency_flag', 'latencies are not measured'),
  ignored('integer', 'natping_partitions', 'pings are spread evenly over the interval'),
  ignored('integer', 'natping_processes', 'pings are spread evenly over the interval'),
  ignored('integer', 'remove_on_timeout', 'see remove_on_timeout_bflag'),
  ignored('integer', 'cluster_id', 'in a cluster one node pings each contact, whichever is there'),
  ignored('string', 'cluster_sharing_tag', 'in a cluster one node pings each contact, whichever is there'),
  ignored('string', 'oldip_skip', 'every line of a session description is mended'),
];

/** Null when there are no pings. Failures: NATHELPER_PING_INVALID. */
export function readPingSettings(host: ModuleHost, values: ParameterValues): PingSettings | null | Failure {
  const intervalSeconds = Number(values.natping_interval);
  if (intervalSeconds <= 0) return null;
  const from = String(values.sipping_from ?? '');
  if (from !== '' && isFailure(parseUri(from))) return invalid(`sipping_from "${from}" is no SIP URI`);
  const method = String(values.sipping_method).toUpperCase();
  if (!/^[A-Z0-9._-]+$/.test(method)) return invalid(`sipping_method "${method}" is no method`);
  const sipFlag = flagOf(host, values.sipping_bflag);
  const removeFlag = flagOf(host, values.remove_on_timeout_bflag);
  const socket = socketOf(host, values.natping_socket);
  for (const part of [sipFlag, removeFlag, socket]) if (isFailure(part)) return part;
  return {
    intervalSeconds,
    onlyTranslated: values.ping_nated_only === 1,
    sipFlag: sipFlag as number,
    removeFlag: removeFlag as number,
    from,
    method,
    ignoredStatuses: String(values.sipping_ignore_rpl_codes ?? '')
      .split(',')
      .map(Number)
      .filter((status) => status >= 100),
    overStreams: values.natping_tcp === 1,
    lostMax: Math.max(1, Number(values.max_pings_lost)),
    socket: socket as LocalSocket | null,
  };
}

function flagOf(host: ModuleHost, name: ParameterValues[string]): number | Failure {
  return name === null || name === undefined ? 0 : host.flagBit('branch', String(name));
}

function socketOf(host: ModuleHost, name: ParameterValues[string]): LocalSocket | null | Failure {
  if (name === null || name === undefined) return null;
  const wanted = String(name);
  const found = host.sockets.find((socket) => [socketName(socket), socket.tag].includes(wanted));
  return found ?? invalid(`natping_socket "${wanted}" is no socket of this node`);
}

function invalid(problem: string): Failure {
  return new Failure('NATHELPER_PING_INVALID', problem);
}
