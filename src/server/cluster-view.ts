/** The cluster as management methods show it: OpenSIPS's JSON, and anyvia's own with all figures. */

import type { ClusterNode } from '#cluster/cluster-node.ts';
import type { PeerView } from '#cluster/peer.ts';
import type { ClusterView } from '#module/services.ts';

export function clusterViewOf(cluster: ClusterNode, reload: () => unknown): ClusterView {
  return {
    list: () => ({ Clusters: [{ cluster_id: cluster.clusterId, Nodes: cluster.peers().map(openSipsNode) }] }),
    topology: () => ({
      Clusters: [
        {
          cluster_id: cluster.clusterId,
          Nodes: [
            { node_id: cluster.nodeId, Neighbours: cluster.livePeers() },
            ...cluster.peers().map((peer) => ({ node_id: peer.nodeId, Neighbours: peer.reaches })),
          ],
        },
      ],
    }),
    reload,
    count: (which) => {
      const peers = cluster.peers();
      if (which === 'all') return peers.length;
      const up = peers.filter((peer) => isUp(peer)).length;
      return which === 'up' ? up : peers.length - up;
    },
  };
}

function isUp(peer: PeerView): boolean {
  return peer.state === 'up' || peer.state === 'relayed';
}

function openSipsNode(peer: PeerView): Record<string, unknown> {
  return {
    node_id: peer.nodeId,
    url: urlOf(peer),
    link_state: isUp(peer) ? 'Up' : peer.state === 'connecting' ? 'Probe' : 'Down',
    state: peer.state === 'disabled' ? 'Disabled' : 'Enabled',
    next_hop: peer.through === 0 ? peer.nodeId : peer.through,
    description: peer.description,
  };
}

function urlOf({ address, port, secure }: PeerView): string {
  return `${secure ? 'bins' : 'bin'}:${address.includes(':') ? `[${address}]` : address}:${port}`;
}
