/**
 * What peers hear regularly: that this node lives, how long a frame takes, and who it reaches. And what follows from
 * hearing nothing: the link is given up.
 */

import { frameTypes } from '#cluster/frame.ts';
import { type Heartbeat, heartbeatCodec, noEcho, type Reach, reachCodec } from '#cluster/heartbeat.ts';
import type { LinkKeeper } from '#cluster/link-keeper.ts';
import type { Outbox } from '#cluster/outbox.ts';
import type { Peer } from '#cluster/peer.ts';
import type { PeerTable } from '#cluster/peer-table.ts';

export interface PulseParts {
  readonly peers: PeerTable;
  readonly links: LinkKeeper;
  readonly outbox: Outbox;
}

export class Pulse {
  readonly #parts: PulseParts;
  #isDraining = false;
  #reachIsNew = false;

  constructor(parts: PulseParts) {
    this.#parts = parts;
  }

  /** Once per heartbeat interval. */
  beat(now: number): void {
    const { peers, links } = this.#parts;
    let anyLost = false;
    for (const peer of peers.all) {
      if (links.checkAlive(peer, now)) anyLost = true;
      else if (peer.connection !== null) this.#beatFor(peer, now);
    }
    if (anyLost) peers.update(now);
  }

  onHeartbeat(peer: Peer, heartbeat: Heartbeat, now: number): void {
    peer.lastHeartbeat = { sentAt: heartbeat.sentAt, receivedAt: now };
    if (heartbeat.echoAge === noEcho) return;
    peer.roundTrip = Math.max(0, ((now >>> 0) - heartbeat.echo - heartbeat.echoAge) | 0);
  }

  onReach(peer: Peer, reach: Reach, now: number): void {
    peer.draining = reach.draining;
    peer.reaches = new Map(reach.nodes.map((entry) => [entry.node, entry.incarnation]));
    this.#parts.peers.update(now);
  }

  setDraining(isDraining: boolean): void {
    if (this.#isDraining === isDraining) return;
    this.#isDraining = isDraining;
    this.renewReach();
  }

  /** What this node reaches has changed: peers are told when this turn ends. */
  renewReach(): void {
    this.#reachIsNew = true;
    this.#parts.outbox.schedule();
  }

  onTurnEnd(now: number): void {
    if (!this.#reachIsNew) return;
    this.#reachIsNew = false;
    const linked = this.#parts.peers.all.filter((peer) => peer.connection !== null);
    const nodes = linked.map((peer) => ({ node: peer.id, incarnation: peer.incarnation }));
    const body: Reach = { draining: this.#isDraining, nodes };
    for (const peer of linked) {
      const frame = { type: frameTypes.reach, codec: reachCodec, body, priority: 'urgent' } as const;
      this.#parts.outbox.send(now, peer.id, frame);
    }
  }

  #beatFor(peer: Peer, now: number): void {
    const { sentAt, receivedAt } = peer.lastHeartbeat;
    const echoAge = receivedAt < 0 ? noEcho : Math.trunc(now - receivedAt);
    const body: Heartbeat = { sentAt: now >>> 0, echo: sentAt, echoAge };
    const frame = { type: frameTypes.heartbeat, codec: heartbeatCodec, body, priority: 'urgent' } as const;
    this.#parts.outbox.send(now, peer.id, frame);
  }
}
