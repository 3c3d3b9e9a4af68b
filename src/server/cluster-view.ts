/** The cluster as management methods show it: OpenSIPS's JSON, and anyvia's own with all figures. */

import type { ClusterNode } from '#cluster/cluster-node.ts';
import type { PeerView } from '#cluster/peer.ts';
import type { ClusterView, SharingTagService } from '#module/services.ts';
import type { Statistics } from '#module/statistics.ts';
import { Failure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';

export interface ClusterViewParts {
  readonly cluster: ClusterNode;
  readonly statistics: Statistics;
  /** Of the modules that the script loads. */
  readonly modules: readonly string[];
  reload(): unknown;
  setStatus(node: number, isEnabled: boolean): unknown;
  readonly tags: SharingTagService;
}

/** What modules share with the peers, by OpenSIPS's names; each with the statistic that says whether it is complete. */
const capabilities = [
  { name: 'tm-repl', module: 'tm', statistic: '' },
  { name: 'dialog-dlg-repl', module: 'dialog', statistic: 'dialog:synchronised' },
  { name: 'dialog-prof-repl', module: 'dialog', statistic: 'dialog:synchronised' },
  { name: 'usrloc-contact-repl', module: 'usrloc', statistic: 'usrloc:synchronised' },
] as const;

export function clusterViewOf(parts: ClusterViewParts): ClusterView {
  const { cluster, reload } = parts;
  const wrapped = (name: string, value: unknown): unknown => ({
    Clusters: [{ cluster_id: cluster.clusterId, [name]: value }],
  });
  return {
    list: () => wrapped('Nodes', cluster.peers().map(openSipsNode)),
    topology: () =>
      wrapped('Nodes', [
        { node_id: cluster.nodeId, Neighbours: directNeighbours(cluster) },
        ...cluster.peers().map((peer) => ({ node_id: peer.nodeId, Neighbours: peer.reaches })),
      ]),
    capabilities: () => wrapped('Capabilities', capabilitiesOf(parts)),
    setStatus: (clusterId, node, isEnabled) => setStatus(parts, { clusterId, node, isEnabled }),
    reload,
    clusterId: cluster.clusterId,
    tags: parts.tags,
    figures: () => figuresOf(cluster),
    count: (which) => {
      const peers = cluster.peers();
      if (which === 'all') return peers.length;
      const up = peers.filter((peer) => isUp(peer)).length;
      return which === 'up' ? up : peers.length - up;
    },
  };
}

/** What stands at the peers in `anyvia cluster`, summed up: `framesIn` is `frames_in`, drops are `dropped_CAUSE`. */
function figuresOf(cluster: ClusterNode): Record<string, number> {
  const figures: Record<string, number> = {};
  const add = (name: string, value: unknown): void => {
    if (typeof value !== 'number') return;
    const statistic = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    figures[statistic] = (figures[statistic] ?? 0) + value;
  };
  for (const [name, value] of Object.entries(cluster.counters())) add(name, value);
  for (const { queueFrames, queueBytes, counters } of cluster.peers()) {
    add('queueFrames', queueFrames);
    add('queueBytes', queueBytes);
    for (const [name, value] of Object.entries(counters)) add(name, value);
    for (const [cause, value] of Object.entries(counters.drops)) add(`dropped_${cause}`, value);
  }
  return figures;
}

/** `node` 0: this one. */
function setStatus(
  { cluster, setStatus: set }: ClusterViewParts,
  { clusterId, node, isEnabled }: { clusterId: number; node: number; isEnabled: boolean },
): unknown {
  if (clusterId !== cluster.clusterId) {
    return new Failure(
      'SERVER_CLUSTER_UNKNOWN',
      `this node is of cluster ${cluster.clusterId}, not ${clusterId}`,
    );
  }
  const wanted = node === 0 ? cluster.nodeId : node;
  const isKnown = wanted === cluster.nodeId || cluster.peers().some((peer) => peer.nodeId === wanted);
  if (!isKnown) return new Failure('SERVER_NODE_UNKNOWN', `node ${wanted} is not in cluster ${clusterId}`);
  return set(wanted, isEnabled);
}

function capabilitiesOf({ modules, statistics }: ClusterViewParts): unknown {
  return capabilities
    .filter(({ module }) => modules.includes(module))
    .map(({ name, statistic }) => {
      const isSynchronised = statistic === '' || (statistics.find(statistic) ?? 1) === 1;
      return { name, state: isSynchronised ? 'Ok' : 'not synced', enabled: 'yes' };
    });
}

function directNeighbours(cluster: ClusterNode): number[] {
  return cluster
    .peers()
    .filter((peer) => peer.state === 'up')
    .map((peer) => peer.nodeId);
}

function isUp(peer: PeerView): boolean {
  return peer.state === 'up' || peer.state === 'relayed';
}

function openSipsNode(peer: PeerView): Record<string, unknown> {
  const isDisabled = peer.state === 'disabled';
  return {
    node_id: peer.nodeId,
    db_id: peer.rowId,
    url: urlOf(peer),
    link_state: peer.state === 'up' ? 'Up' : peer.state === 'connecting' ? 'Probe' : 'Down',
    state: isDisabled ? 'disabled' : 'enabled',
    next_hop: isUp(peer) ? String(peer.through === 0 ? peer.nodeId : peer.through) : 'none',
    description: peer.description === '' ? 'none' : peer.description,
  };
}

function urlOf({ address, port, secure }: PeerView): string {
  return `${secure ? 'bins' : 'bin'}:${bracketed(address)}:${port}`;
}
