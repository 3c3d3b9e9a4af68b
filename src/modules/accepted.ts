/**
 * Modules that scripts load and that have nothing to do here: transports, databases and management transports are
 * part of the program. Their parameters are accepted, so that a script for OpenSIPS runs unchanged; each says why it
 * has no effect. A misspelt one is still an error.
 */

import { defineModule, type ModuleDeclaration, type ParameterDeclaration } from '#module/define.ts';

function ignored(
  kind: 'integer' | 'string',
  reason: string,
  names: readonly string[],
): ParameterDeclaration[] {
  return names.map((name) => ({ name, kind, default: null, ignored: reason, help: reason }));
}

function accept(
  name: string,
  help: string,
  parameters: readonly ParameterDeclaration[],
  aliases: readonly string[] = [],
): ModuleDeclaration {
  return defineModule<unknown>({ name, help, aliases, parameters, create: () => null });
}

const noTcp = 'connections are read and written without waiting, with limits of their own (tcp_… parameters)';
const noTrace = 'there is no tracing to a capture server';
const noHttp = 'there is no HTTP server: management goes through the control socket';
const ownControl = 'management goes through the control socket (control_socket, anyvia mi)';
const ownLinks = 'the cluster links have queues and limits of their own';
const ownDatabase = 'the database is only read in the background, with its own time limits';

const oneDomain = 'a node has one certificate, for links it dials and links it accepts';
const alwaysVerified = 'both sides of a link always prove themselves';

function certificateFile(name: string, help: string): ParameterDeclaration {
  return {
    name,
    kind: 'string',
    default: null,
    repeatable: true,
    help: `${help} "[domain]" before it is allowed.`,
  };
}

/** In the order in which they are listed in `index.ts`. */
export const acceptedModules: readonly ModuleDeclaration[] = [
  accept('proto_udp', 'SIP over UDP; always there.', [
    ...ignored('integer', 'a socket without a port has port 5060', ['udp_port']),
  ]),
  accept('proto_tcp', 'SIP over TCP, on the sockets that the script names as tcp:ADDRESS:PORT.', [
    { name: 'tcp_port', kind: 'integer', default: 5060, help: 'Port of a TCP socket that names none.' },
    {
      name: 'tcp_crlf_pingpong',
      kind: 'integer',
      default: 1,
      help: '1: a double CRLF is answered with a CRLF (RFC 5626).',
    },
    ...ignored('integer', 'blanks between messages are always skipped', ['tcp_crlf_drop']),
    ...ignored('integer', noTcp, [
      'tcp_send_timeout',
      'tcp_max_msg_chunks',
      'tcp_async',
      'tcp_async_max_postponed_chunks',
      'tcp_async_local_connect_timeout',
      'tcp_async_local_write_timeout',
      'tcp_parallel_handling',
    ]),
    ...ignored('integer', noTrace, ['trace_on']),
    ...ignored('string', noTrace, ['trace_destination', 'trace_filter_route']),
  ]),
  accept('proto_bin', 'Links between the nodes of a cluster.', [
    {
      name: 'bin_port',
      kind: 'integer',
      default: 5555,
      help: 'Port of the cluster links where the membership names none.',
    },
    ...ignored('integer', ownLinks, [
      'bin_send_timeout',
      'bin_max_msg_chunks',
      'bin_async',
      'bin_async_max_postponed_chunks',
      'bin_async_local_connect_timeout',
      'bin_async_local_write_timeout',
    ]),
  ]),
  accept('proto_bins', 'Links between the nodes of a cluster over TLS; certificates come from tls_mgm.', [
    {
      name: 'bins_port',
      kind: 'integer',
      default: 5556,
      help: 'Port of the TLS links where socket=bins: names none.',
    },
    ...ignored('integer', ownLinks, [
      'bins_handshake_timeout',
      'bins_send_timeout',
      'bins_max_msg_chunks',
      'bins_async',
      'bins_async_max_postponed_chunks',
      'bins_async_local_connect_timeout',
      'bins_async_handshake_connect_timeout',
    ]),
  ]),
  accept('tls_mgm', 'Certificates of the cluster links over TLS (bins:).', [
    certificateFile(
      'certificate',
      'PEM file with the certificate of this node, and what leads to its authority.',
    ),
    certificateFile('private_key', 'PEM file with its key.'),
    certificateFile('ca_list', 'PEM file with the authorities whose certificates are believed.'),
    ...ignored('string', oneDomain, [
      'server_domain',
      'client_domain',
      'match_ip_address',
      'match_sip_domain',
      'client_sip_domain_avp',
      'client_tls_domain_avp',
    ]),
    ...ignored('string', alwaysVerified, ['verify_cert', 'require_cert']),
    ...ignored('string', 'TLS 1.2 and 1.3, with what OpenSSL takes for good', [
      'tls_method',
      'ciphers_list',
      'dh_params',
      'ec_curve',
      'tls_library',
    ]),
  ]),
  accept('db_mysql', 'Database access for mysql:// addresses; always there.', [
    ...ignored('integer', ownDatabase, [
      'exec_query_threshold',
      'timeout_interval',
      'max_db_queries',
      'max_db_retries',
      'ps_max_col_size',
      'use_tls',
    ]),
  ]),
  accept('db_sqlite', 'Database access for sqlite:// addresses; always there.', [
    ...ignored('integer', ownDatabase, ['alloc_limit', 'busy_timeout', 'exec_query_threshold']),
    ...ignored('string', 'no extensions are loaded', ['load_extension']),
  ]),
  accept('mi_fifo', `Accepted: ${ownControl}.`, [
    ...ignored('string', ownControl, [
      'fifo_name',
      'fifo_user',
      'fifo_group',
      'reply_dir',
      'reply_indent',
      'trace_destination',
      'trace_bwlist',
    ]),
    ...ignored('integer', ownControl, ['fifo_mode', 'pretty_printing']),
  ]),
  accept('mi_datagram', `Accepted: ${ownControl}.`, [
    ...ignored('string', ownControl, [
      'socket_name',
      'unix_socket_user',
      'unix_socket_group',
      'reply_indent',
      'trace_destination',
      'trace_bwlist',
    ]),
    ...ignored('integer', ownControl, [
      'children_count',
      'unix_socket_mode',
      'socket_timeout',
      'pretty_printing',
    ]),
  ]),
  accept(
    'mi_http',
    `Accepted: ${noHttp}.`,
    [
      ...ignored('string', noHttp, [
        'root',
        'mi_http_root',
        'mi_json_root',
        'trace_destination',
        'trace_bwlist',
      ]),
      ...ignored('integer', noHttp, ['mi_http_method', 'pretty_printing']),
    ],
    ['mi_json'],
  ),
  accept('httpd', `Accepted: ${noHttp}.`, [
    ...ignored('string', noHttp, [
      'ip',
      'tls_cert_file',
      'tls_key_file',
      'tls_ciphers',
      'auth_realm',
      'auth_username',
      'auth_password',
    ]),
    ...ignored('integer', noHttp, ['port', 'buf_size', 'post_buf_size', 'receive_buf_size', 'conn_timeout']),
  ]),
];
