/**
 * The names of OpenSIPS's global parameters, 2.4 to 4.0, with ours, and whether a number or a text is their value. What
 * has no meaning here is accepted, so that scripts run unchanged.
 */

/** Numbers; yes, no, on, off and their like are numbers too. */
const numbers = `log_level xlog_level xlog_print_level xlog_default_level server_signature disable_503_translation
 disable_stateless_fwd max_while_loops enable_asserts abort_on_assert
 udp_workers children tcp_workers tcp_children timer_workers auto_aliases advertised_port mhomed mcast_ttl
 mcast_loopback maxbuffer tcp_connect_timeout tcp_connection_lifetime tcp_max_connections tcp_max_msg_time
 tcp_socket_backlog tcp_listen_backlog tcp_accept_aliases tcp_keepalive tcp_keepcount tcp_keepidle tcp_keepinterval
 tcp_parallel_read_on_workers tcp_threads disable_tcp disable_tls port check_via dns rev_dns dns_try_ipv6 dns_try_naptr
 dns_retr_time dns_retr_no dns_servers_no dns_use_search_list disable_dns_failover disable_dns_blacklist sip_warning
 xlog_buf_size xlog_force_color pv_print_buf_size log_stdout stderror_enabled syslog_enabled log_event_enabled
 stderror_level_filter syslog_level_filter log_event_level_filter log_json_buf_size log_msg_buf_size log_stderror debug
 fork debug_mode open_files_limit disable_core_dump shm_hash_split_percentage shm_secondary_hash_size shm_memlog_size
 mem_warming mem_warming_percentage restart_persistency_size db_max_async_connections query_buffer_size
 query_flush_time exec_msg_threshold exec_dns_threshold tcp_threshold event_shm_threshold event_pkg_threshold
 auto_scaling_cycle udp_mtu worker_reactor_timeout bin_children tcp_async`;

const texts = `server_header user_agent_header db_default_url socket listen alias control_socket compatibility
 health_socket announce_command withdraw_command dns_servers
 advertised_address poll_method dst_blacklist log_prefix syslog_name log_name mpath workdir wdir chroot
 mem_warming_pattern_file restart_persistency_cache_file db_version_table auto_scaling_profile pi_framework avp_aliases
 bin_listen bond mem-group tcp_no_new_conn_bflag tcp_no_new_conn_rplflag syslog_facility log_facility
 stderror_log_format syslog_log_format`;

/** Either: names of levels and of type-of-service classes, or their numbers; names of users, or their ids. */
const mixed = 'tos memlog mem_log memdump mem_dump user group uid gid';

export type GlobalKind = 'number' | 'text' | 'any';

const kinds: ReadonlyMap<string, GlobalKind> = new Map([
  ...kindsOf(numbers, 'number'),
  ...kindsOf(texts, 'text'),
  ...kindsOf(mixed, 'any'),
]);

/** Names that OpenSIPS itself gave up, and what took their place. */
const replacements: Readonly<Record<string, string>> = {
  debug: 'log_level',
  fork: 'debug_mode',
  bin_listen: 'socket=bin:ADDRESS:PORT',
};

function kindsOf(names: string, kind: GlobalKind): [string, GlobalKind][] {
  return names.split(/\s+/).map((name) => [name, kind]);
}

/** Null when there is no such parameter. */
export function globalKind(name: string): GlobalKind | null {
  if (name.startsWith('tls_')) return 'any';
  return kinds.get(name) ?? null;
}

/** Null when the name is in use. */
export function globalReplacement(name: string): string | null {
  return replacements[name] ?? null;
}

export function globalParameterNames(): Iterable<string> {
  return kinds.keys();
}
