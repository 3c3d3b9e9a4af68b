/** Joins takeover, which knows no SIP, with the transactions of the tm module. */

import type { ClaimOwner } from '#cluster/claim-directory.ts';
import type { ClusterNode } from '#cluster/cluster-node.ts';
import { Takeover, type TakeoverUser } from '#cluster/takeover.ts';
import { clusterChannels, type Logger } from '#module/host.ts';
import type { Statistics } from '#module/statistics.ts';
import type { Backups } from '#modules/tm/backups.ts';
import type { TimerQueue } from '#util/timer-queue.ts';

export interface TakeoverMakings {
  readonly cluster: ClusterNode;
  readonly timers: TimerQueue;
  readonly log: Logger;
  readonly statistics: Statistics;
  readonly self: ClaimOwner;
  readonly batchMilliseconds: number;
  /** Null when the script does not load tm. */
  backups(): Backups | null;
}

export function makeTakeover(parts: TakeoverMakings): Takeover {
  const { cluster, statistics } = parts;
  const takeover = new Takeover({
    timers: parts.timers,
    self: parts.self,
    livePeers: () => cluster.livePeers(),
    send: (node, body, isPatient) => cluster.send(node, clusterChannels.takeover, body, isPatient),
    lifeOf: (now, node, incarnation) => cluster.lifeOf(now, node, incarnation),
    batchMilliseconds: parts.batchMilliseconds,
    user: userOf(parts),
    onAdopted: (origin, count) =>
      parts.log.warn(`node [${origin.node}] is gone: ${count} INVITE transactions of it go on here`),
  });
  const { counters } = takeover;
  for (const name of Object.keys(counters) as (keyof typeof counters)[])
    statistics.gauge('tm', `takeover_${name}`, () => counters[name]);
  statistics.gauge('tm', 'takeover_held', () => takeover.held);
  return takeover;
}

function userOf(parts: TakeoverMakings): TakeoverUser {
  return {
    ids: () => parts.backups()?.ids() ?? [],
    write: (id) => parts.backups()?.write(id) ?? null,
    adopt: (now, origin, checkpoint) => parts.backups()?.adopt(now, lifeName(origin), checkpoint) ?? false,
    yield: (now, id) => parts.backups()?.yield(now, id) ?? false,
    drop: (now, origin, id) => parts.backups()?.drop(now, lifeName(origin), id),
    claimAdopted: (now, origin) => parts.backups()?.claimAdopted(now, lifeName(origin)),
  };
}

function lifeName({ node, incarnation }: ClaimOwner): string {
  return `${node}.${incarnation}`;
}
