/**
 * The module `clusterer`: who belongs to the cluster, and what the operator sees of it. The links themselves are made
 * by the server before any module exists; it reads the parameters declared here.
 */

import { defineModule, type ParameterDeclaration } from '#module/define.ts';
import { type ClusterView, clusterView } from '#module/services.ts';
import {
  declareTags,
  listTags,
  raiseTagEvents,
  setTagActive,
  sharingTagVariable,
} from '#modules/clusterer/sharing-tag.ts';
import { Failure } from '#util/failure.ts';

function integer(
  name: string,
  value: number,
  help: string,
  aliases: readonly string[] = [],
): ParameterDeclaration {
  return { name, kind: 'integer', default: value, help, aliases };
}

function text(
  name: string,
  value: string | null,
  help: string,
  aliases: readonly string[] = [],
): ParameterDeclaration {
  return { name, kind: 'string', default: value, help, aliases };
}

function column(name: string): ParameterDeclaration {
  return text(`${name}_col`, name, `Name of the column ${name} of the table.`);
}

function ignored(name: string, reason: string): ParameterDeclaration {
  return { name, kind: 'integer', default: null, ignored: reason, help: reason };
}

/** Heartbeats: three misses of one second each and a peer is down (OpenSIPS: some 8 s). */
const parameters: readonly ParameterDeclaration[] = [
  integer('my_node_id', -1, 'Id of this node, from 1.', ['current_id']),
  integer('db_mode', 1, '1: members are read from the table. 0: from my_node_info and neighbor_node_info.'),
  text('db_url', null, 'Database of the table: mysql://user:password@host/name or sqlite:///path.'),
  text('db_table', 'clusterer', 'Name of the table.'),
  text('my_node_info', null, 'This node: "cluster_id=1,node_id=1,url=bin:10.0.0.1:5566".', ['current_info']),
  {
    name: 'neighbor_node_info',
    kind: 'string',
    default: null,
    repeatable: true,
    aliases: ['neighbor_info'],
    help: 'A peer, in the same form; once per peer.',
  },
  text(
    'shared_secret',
    null,
    'Secret that every node of the cluster knows; proves the links and the branch tags.',
  ),
  text(
    'other_secret',
    null,
    'While the secret is being changed: the former or the coming one, believed but not used.',
  ),
  {
    name: 'sharing_tag',
    kind: 'string',
    default: null,
    repeatable: true,
    help: '"name/cluster=active|backup": a duty of one node at a time. active: this node comes first when nobody has it.',
  },
  integer('sharing_tag_lease', 4, 'Seconds that a sharing tag is held without being renewed, from 2.'),
  text(
    'sharing_tag_quorum',
    'majority',
    'Whose votes make a holder: the "majority" of the members, or of those that are "reachable".',
  ),
  integer('ping_interval', 1, 'Seconds between heartbeats. Three missed in a row take the link down.'),
  integer('membership_interval', 10, 'Seconds between two looks at the table; 0 = only on command.'),
  integer(
    'claim_batch_interval',
    20,
    'Milliseconds that claims and news of dialogs may wait to go out together.',
  ),
  text(
    'claim_directory',
    'all',
    'Who is told which node owns a transaction: "all" nodes, or in large clusters its "home" alone. Equal on all nodes.',
  ),
  integer('enable_stats', 1, 'Accepted; counting costs nothing here.'),
  ignored('ping_timeout', 'a heartbeat is missed when the next one is due'),
  ignored('node_timeout', 'a lost link is dialled again at once, with a growing pause'),
  ignored('seed_fallback_interval', 'every synchronised node is a donor'),
  ignored('sync_timeout', 'state comes from every peer whose link comes up'),
  ignored('sync_packet_size', 'frames are cut to the size of the link'),
  ignored('dispatch_jobs', 'there is one event loop'),
  ignored('enable_rerouting', 'always on: one hop through a peer that reaches the node'),
  {
    name: 'db_bridges_table',
    kind: 'string',
    default: null,
    ignored: 'there are no bridges',
    help: 'no bridges',
  },
  ...['id', 'cluster_id', 'node_id', 'url', 'state', 'no_ping_retries', 'priority', 'sip_addr', 'flags'].map(
    column,
  ),
  column('description'),
];

/** Of all links together; `anyvia cluster` has them by peer. */
const linkFigures = [
  'frames_in',
  'frames_out',
  'bytes_in',
  'bytes_out',
  'queue_frames',
  'queue_bytes',
  'relayed',
  'heartbeats_missed',
  'links_lost',
  'dropped_unreachable',
  'dropped_queue_full',
  'dropped_stale',
  'dropped_link_lost',
  'dropped_relay_refused',
  'dropped_malformed',
  'dropped_unknown_type',
  'dropped_not_up',
  'claims',
  'claim_conflicts',
  'claims_lost',
  'claims_evicted',
  'questions_asked',
  'questions_open',
  'questions_timed_out',
  'lookups_asked',
  'lookups_open',
  'lookups_unanswered',
  'refusals_sent',
  'refusals_received',
  'unproved_links',
] as const;

export const clusterer = defineModule<ClusterView>({
  name: 'clusterer',
  help: 'Membership of the cluster, its links, and their state.',
  parameters,
  commands: [
    {
      name: 'clusterer:list',
      aliases: ['clusterer_list'],
      parameters: [],
      help: 'Clusters, their nodes, and the state of each link.',
      run: (view) => view.list(),
    },
    {
      name: 'clusterer:list_topology',
      aliases: ['clusterer_list_topology'],
      parameters: [],
      help: 'Who reaches whom.',
      run: (view) => view.topology(),
    },
    {
      name: 'clusterer:list_cap',
      aliases: ['clusterer_list_cap'],
      parameters: [],
      help: 'What is shared with the peers, and whether this node has all of it.',
      run: (view) => view.capabilities(),
    },
    {
      name: 'clusterer:set_status',
      aliases: ['clusterer_set_status'],
      parameters: ['cluster_id', 'node_id?', 'status'],
      help: 'Enables (1) or disables (0) a node, this one without node_id: in the table, for the whole cluster; with db_mode 0 on this node alone.',
      run: (view, { cluster_id, node_id, status }) => {
        const numbers = [cluster_id, node_id ?? 0, status].map(Number);
        if (!numbers.every(Number.isInteger) || (numbers[2] !== 0 && numbers[2] !== 1)) {
          return new Failure('MODULE_STATUS_INVALID', 'cluster_id and node_id are numbers, status is 0 or 1');
        }
        return view.setStatus(numbers[0]!, numbers[1]!, numbers[2] === 1);
      },
    },
    {
      name: 'clusterer:list_shtags',
      aliases: ['clusterer_list_shtags'],
      parameters: [],
      help: 'Sharing tags, and whether this node has them.',
      run: (view) => listTags(view),
    },
    {
      name: 'clusterer:shtag_set_active',
      aliases: ['clusterer_shtag_set_active'],
      parameters: ['tag'],
      help: 'Takes a sharing tag, "name/cluster", from whoever has it; answers when this node has it.',
      run: (view, { tag }) => setTagActive(view, String(tag)),
    },
    {
      name: 'clusterer:reload',
      aliases: ['clusterer_reload'],
      parameters: [],
      help: 'Reads the table now and applies what changed; links of unchanged nodes stay up.',
      run: (view) => view.reload(),
    },
  ],
  variables: [sharingTagVariable],
  statistics: [
    'clusterer_nodes',
    'clusterer_nodes_up',
    'clusterer_nodes_down',
    'sharing_tags_active',
    'sharing_tag_changes',
    ...linkFigures,
  ],
  create: (host, parameters) => {
    const view = host.service(clusterView);
    const problem = declareTags(host, view, (parameters.sharing_tag ?? []) as readonly string[]);
    if (problem !== null) return problem;
    raiseTagEvents(host, view);
    host.statistics.gauge('clusterer', 'clusterer_nodes', () => view.count('all'));
    host.statistics.gauge('clusterer', 'clusterer_nodes_up', () => view.count('up'));
    host.statistics.gauge('clusterer', 'clusterer_nodes_down', () => view.count('down'));
    for (const name of linkFigures) host.statistics.gauge('clusterer', name, () => view.figures()[name] ?? 0);
    return view;
  },
});
