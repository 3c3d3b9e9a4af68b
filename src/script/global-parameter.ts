/** The names of OpenSIPS's global parameters, 2.4 to 4.0, with ours. What has no meaning here is accepted. */

/** Parameters that anyvia acts on. */
const meaningful = [
  'log_level',
  'xlog_level',
  'xlog_print_level',
  'server_header',
  'server_signature',
  'user_agent_header',
  'disable_503_translation',
  'disable_stateless_fwd',
  'max_while_loops',
  'enable_asserts',
  'abort_on_assert',
  'db_default_url',
  'socket',
  'listen',
  'alias',
  'control_socket',
  'compatibility',
  'xlog_default_level',
];

const accepted = `udp_workers children tcp_workers tcp_children timer_workers auto_aliases advertised_address
 advertised_port mhomed tos mcast_ttl mcast_loopback maxbuffer tcp_connect_timeout tcp_connection_lifetime
 tcp_max_connections tcp_max_msg_time tcp_socket_backlog tcp_listen_backlog tcp_accept_aliases tcp_keepalive
 tcp_keepcount tcp_keepidle tcp_keepinterval tcp_parallel_read_on_workers tcp_threads tcp_no_new_conn_bflag
 tcp_no_new_conn_rplflag disable_tcp disable_tls port poll_method check_via dns rev_dns dns_try_ipv6 dns_try_naptr
 dns_retr_time dns_retr_no dns_servers_no dns_use_search_list disable_dns_failover disable_dns_blacklist sip_warning
 dst_blacklist xlog_buf_size xlog_force_color pv_print_buf_size log_prefix log_stdout stderror_enabled syslog_enabled
 syslog_facility syslog_name log_event_enabled stderror_level_filter syslog_level_filter log_event_level_filter
 stderror_log_format syslog_log_format log_json_buf_size log_msg_buf_size log_stderror log_facility log_name debug fork
 debug_mode mpath workdir wdir chroot open_files_limit disable_core_dump memlog mem_log memdump mem_dump mem_warming
 mem_warming_percentage mem_warming_pattern_file shm_hash_split_percentage shm_secondary_hash_size shm_memlog_size
 restart_persistency_cache_file restart_persistency_size db_version_table db_max_async_connections query_buffer_size
 query_flush_time exec_msg_threshold exec_dns_threshold tcp_threshold event_shm_threshold event_pkg_threshold
 auto_scaling_profile auto_scaling_cycle worker_reactor_timeout pi_framework avp_aliases user group uid gid bin_listen
 bin_children tcp_async tls_method tls_verify tls_certificate tls_private_key tls_ca_list bond`.split(/\s+/);

const known = new Set([...meaningful, ...accepted]);

export function isGlobalParameter(name: string): boolean {
  return known.has(name);
}

export function globalParameterNames(): Iterable<string> {
  return known;
}
