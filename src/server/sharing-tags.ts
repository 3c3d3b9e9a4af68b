/** Joins the leases of sharing tags with the cluster, the log and the module that scripts name them in. */

import type { ClusterNode } from '#cluster/cluster-node.ts';
import { SharingTags } from '#cluster/sharing-tags.ts';
import { clusterChannels, type Logger } from '#module/host.ts';
import type { SharingTagService } from '#module/services.ts';
import type { Statistics } from '#module/statistics.ts';
import type { Clock } from '#util/clock.ts';
import type { TimerQueue } from '#util/timer-queue.ts';

export interface SharingTagMakings {
  readonly cluster: ClusterNode;
  readonly timers: TimerQueue;
  readonly clock: Clock;
  readonly log: Logger;
  readonly statistics: Statistics;
  readonly leaseMilliseconds: number;
  readonly quorum: 'majority' | 'reachable';
  /** Timers may have been started. */
  rearm(): void;
}

export interface MadeSharingTags {
  readonly tags: SharingTags;
  readonly service: SharingTagService;
}

export function makeSharingTags(makings: SharingTagMakings): MadeSharingTags {
  const { cluster, clock, log, statistics } = makings;
  const listeners: ((tag: string, isActive: boolean, reason: string) => void)[] = [];
  const changes = statistics.counter('clusterer', 'sharing_tag_changes');
  const tags = new SharingTags({
    self: { node: cluster.nodeId, incarnation: cluster.incarnation },
    timers: makings.timers,
    startedAt: clock.monotonic(),
    leaseMilliseconds: makings.leaseMilliseconds,
    quorum: makings.quorum,
    electorate: (now, milliseconds) => cluster.electorate(now, milliseconds),
    incarnationOf: (node) => cluster.incarnationOf(node),
    isProvedDead: (now, holder) => cluster.isProvedDead(now, holder),
    send: (node, body) => void cluster.send(node, clusterChannels.sharingTag, body),
    onChange: (tag, isActive, epoch, reason) => {
      changes.value++;
      const state = isActive ? `active (epoch ${epoch})` : `backup: ${reason}`;
      const say = isActive ? log.info : log.warn;
      say.call(log, `sharing tag <${tag}/${cluster.clusterId}> is ${state}`);
      for (const listener of listeners) listener(tag, isActive, reason);
    },
  });
  cluster.subscribe(clusterChannels.sharingTag, tags);
  const view = (): ReturnType<SharingTags['view']> => tags.view(clock.monotonic());
  statistics.gauge('clusterer', 'sharing_tags_active', () => view().filter((tag) => tag.isActive).length);
  const service: SharingTagService = {
    declare: (name, isPreferred) => {
      tags.declare(clock.monotonic(), name, isPreferred);
      makings.rearm();
    },
    isActive: (name) => tags.isActive(clock.monotonic(), name),
    activate: (name) => {
      tags.activate(clock.monotonic(), name);
      makings.rearm();
    },
    list: view,
    onChange: (run) => void listeners.push(run),
  };
  return { tags, service };
}
