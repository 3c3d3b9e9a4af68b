/**
 * All other members, and by which way each is reached: its own link, else one hop through a live peer that has a link
 * to it. A way that breaks loses what was under way on it, so users see the node go down and come up again even when
 * another way takes over at once: that is their sign to compare their state.
 *
 * A node that is lost is dead for those who are at least half of all nodes that this one has ever reached and that did
 * not take their leave. A smaller part has not seen a death, it has been cut off (`unseen`), and must not act as if it
 * were alone in the world, unless the machine of the lost node refuses connections: that proves its process dead.
 */

import type { Connection } from '#cluster/connection.ts';
import type { Member } from '#cluster/member.ts';
import { Peer } from '#cluster/peer.ts';
import type { ClusterLog } from '#cluster/ports.ts';
import { proofMilliseconds } from '#cluster/sharing-tags.ts';

export interface PeerTableUser {
  onReached(peer: Peer, now: number): void;
  onUnreached(peer: Peer, now: number): void;
  /** It was reached all along, but what a relay had taken for it may be lost. */
  onResumed(peer: Peer, now: number): void;
}

/** How long a part that was cut off believes that the others go on: longer than any call is set up. */
const unseenMilliseconds = 240_000;

/** A node that begins has met by then whoever lives, ms: it is not announced before (`server/health.ts`). */
const meetMilliseconds = 1500;
/** In which all have noticed a loss that their connections tell, ms. */
export const relaySettle = 300;

interface Way {
  readonly path: Connection;
  readonly through: number;
  readonly incarnation: number;
}

export class PeerTable {
  readonly #log: ClusterLog;
  readonly #user: PeerTableUser;
  readonly #peers = new Map<number, Peer>();
  #ordered: readonly Peer[] = [];
  #live: readonly number[] = [];

  constructor(log: ClusterLog, user: PeerTableUser) {
    this.#log = log;
    this.#user = user;
  }

  /** By node id. */
  get all(): readonly Peer[] {
    return this.#ordered;
  }

  /** Ids of the peers that are reached, in order; a new array whenever it changes. */
  get live(): readonly number[] {
    return this.#live;
  }

  get(node: number): Peer | null {
    return this.#peers.get(node) ?? null;
  }

  add(member: Member, now: number): Peer {
    const peer = new Peer(member);
    peer.since = now;
    peer.addedAt = now;
    this.#peers.set(peer.id, peer);
    this.#order();
    return peer;
  }

  /** The peer must have lost its connection and been updated before. */
  remove(peer: Peer): void {
    this.#peers.delete(peer.id);
    this.#order();
  }

  /** Something that the peer sent has come by a relay: there is no need to wait before it is taken for a way. */
  believeRelay(peer: Peer, now: number): void {
    peer.relayFrom = now;
    this.update(now);
  }

  /** Looks at every way anew; call after any change of links, members or of what peers reach. */
  update(now: number): void {
    const fallen: Peer[] = [];
    const risen: Peer[] = [];
    const resumed: Peer[] = [];
    for (const peer of this.#ordered) {
      const way = this.#wayTo(peer, now);
      if ((way?.path ?? null) === peer.path && (way?.incarnation ?? 0) === peer.incarnation) continue;
      const isUnbroken = peer.path !== null && way !== null && this.#isWhole(peer, way);
      const wasReached = peer.path !== null;
      const reason = peer.problem;
      this.#take(peer, way, now);
      if (isUnbroken) {
        this.#log.info(`direct link to node [${peer.id}] is there again`);
        // A relay may have lost its own link with frames in it that nobody missed: both tell everything anew.
        resumed.push(peer);
        continue;
      }
      if (wasReached) fallen.push(peer);
      if (way !== null) risen.push(peer);
      this.#tell(peer, wasReached, reason);
    }
    if (fallen.length + risen.length > 0)
      this.#live = this.#ordered.filter((peer) => peer.isReached).map((peer) => peer.id);
    this.#judge(now);
    for (const peer of fallen) this.#user.onUnreached(peer, now);
    for (const peer of risen) this.#user.onReached(peer, now);
    for (const peer of resumed) this.#user.onResumed(peer, now);
  }

  /** Is it to be expected that the node lives, although it is not reached? */
  isUnseen(peer: Peer, now: number): boolean {
    return peer.verdict === 'unseen' && now - peer.verdictAt < unseenMilliseconds;
  }

  /**
   * Does this node hear fewer than half of those who should be there, itself counted? Then it has been cut off, as far
   * as anybody can know: `silence` ms after the last frame, before its links are given up, and until they are taken for
   * dead.
   */
  isCutOff(now: number, silence: number): boolean {
    let missing = 0;
    let here = 1;
    for (const peer of this.#ordered) {
      if (!peer.isExpected) continue;
      if (this.isHeard(peer.id, now, silence)) here++;
      else if (!peer.isRefusing && (peer.verdict === 'open' || this.isUnseen(peer, now))) missing++;
    }
    return here < missing;
  }

  /** Has it sent anything in the last `silence` ms, or the one through which it is reached? */
  isHeard(node: number, now: number, silence: number): boolean {
    const peer = this.#peers.get(node);
    if (peer?.isReached !== true) return false;
    return peer.through === 0 ? now - peer.heard <= silence : this.isHeard(peer.through, now, silence);
  }

  /** A peer that was heard lately and has a link to that node, whose own link is silent; null when it is not, or none. */
  detourTo(node: number, now: number, silence: number): Peer | null {
    if (this.isHeard(node, now, silence)) return null;
    const reachesIt = (peer: Peer): boolean =>
      peer.connection !== null && peer.reaches.has(node) && this.isHeard(peer.id, now, silence);
    return this.#ordered.find(reachesIt) ?? null;
  }

  /** Is there a member whose link was lost so lately, or that was looked for so shortly, that it may be alive? */
  isAnyoneUnsure(now: number): boolean {
    return this.#ordered.some(
      (peer) =>
        peer.member.enabled &&
        !peer.isReached &&
        (now < peer.relayFrom || this.isUnseen(peer, now) || this.isUnmet(peer, now)),
    );
  }

  /** A node that begins knows nothing of its peers: one that it has not met, and that refused no link, may live. */
  isUnmet(peer: Peer, now: number): boolean {
    return !peer.wasReached && !peer.isRefusing && now - peer.addedAt < meetMilliseconds;
  }

  /** Ids of the peers that have a vote: see `ClusterNode.electorate`. */
  voters(now: number, milliseconds: number): number[] {
    const members = this.#ordered.filter(({ member }) => member.enabled);
    const isDead = (peer: Peer): boolean => !peer.isReached && now - peer.refusedAt < proofMilliseconds;
    const isAlone = members.every(isDead);
    return members
      .filter((peer) => !isDead(peer) || (!isAlone && now - peer.refusedSince < milliseconds))
      .map((peer) => peer.id);
  }

  /** Of those that were lost: are they dead, or is this node cut off? Said once for each loss. */
  #judge(now: number): void {
    const missing = this.#ordered.filter((peer) => !peer.isReached && peer.isExpected);
    const here = this.#live.length + 1;
    for (const peer of missing) {
      if (peer.verdict !== 'open' || now < peer.relayFrom) continue;
      peer.verdict = !peer.isRefusing && here < missing.length ? 'unseen' : 'dead';
      peer.verdictAt = now;
    }
  }

  /** The old way seems good still and only a better one has come: nobody needs to take the peer for lost. */
  #isWhole(peer: Peer, way: Way): boolean {
    return (
      peer.path!.state === 'up' &&
      way.through === 0 &&
      way.incarnation === peer.incarnation &&
      peer.through !== 0
    );
  }

  #take(peer: Peer, way: Way | null, now: number): void {
    if (way !== null) {
      peer.isRefusing = false;
      peer.refusedAt = -Infinity;
      peer.lastIncarnation = way.incarnation;
      peer.wasReached = true;
      peer.hasLeft = false;
    }
    // Its own end is not known to have gone: the others may find another way, or find out that there is none.
    if (way === null && peer.through !== 0) peer.relayFrom = Math.max(peer.relayFrom, now + relaySettle);
    peer.verdict = 'open';
    peer.path = way?.path ?? null;
    peer.through = way?.through ?? 0;
    peer.incarnation = way?.incarnation ?? 0;
    peer.since = now;
  }

  #wayTo(peer: Peer, now: number): Way | null {
    if (!peer.member.enabled) return null;
    const { connection } = peer;
    if (connection !== null) {
      return { path: connection, through: 0, incarnation: connection.hello!.incarnation };
    }
    if (now < peer.relayFrom) return null;
    let best: Peer | null = null;
    for (const candidate of this.#ordered) {
      if (candidate.connection === null || !candidate.reaches.has(peer.id)) continue;
      // The way in use stays, or frames would overtake each other for nothing.
      const isInUse = candidate.connection === peer.path;
      if (best === null || isInUse || candidate.member.priority < best.member.priority) best = candidate;
      if (isInUse) break;
    }
    if (best === null) return null;
    return { path: best.connection!, through: best.id, incarnation: best.reaches.get(peer.id)! };
  }

  /** Operators look for "Node [3] is UP" and "node [3] is down". */
  #tell(peer: Peer, wasReached: boolean, reason: string): void {
    const cause = reason === '' ? 'no way to it' : reason;
    const fields = { node: peer.id, incarnation: peer.incarnation };
    if (peer.path === null) {
      this.#log.warn(`node [${peer.id}] is down: ${cause}`, { node: peer.id });
    } else if (wasReached && peer.through !== 0) {
      this.#log.warn(
        `direct link to node [${peer.id}] lost: ${cause}; reached through node [${peer.through}]`,
        fields,
      );
    } else if (peer.through !== 0) {
      this.#log.info(`Node [${peer.id}] is UP (through node [${peer.through}], no direct link)`, fields);
    } else {
      this.#log.info(`Node [${peer.id}] is UP (${peer.path.remote}, ${peer.software})`, fields);
    }
  }

  #order(): void {
    this.#ordered = [...this.#peers.values()].sort((left, right) => left.id - right.id);
    this.#live = this.#ordered.filter((peer) => peer.isReached).map((peer) => peer.id);
  }
}
