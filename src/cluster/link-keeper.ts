/**
 * Keeps one link to every member: who dials (the lower id; the higher one only after a while, in case the network lets
 * one direction through, and so that a second node with its id is found out), when it is dialled again, who may join,
 * and when a silent link is given up. Peers are closed when their connection closes, or after missed heartbeats.
 */

import { Admission } from '#cluster/admission.ts';
import { Connection, type ConnectionUser, type IncomingFrame } from '#cluster/connection.ts';
import { protocolRange } from '#cluster/frame.ts';
import {
  capabilities,
  type Hello,
  instanceBytes,
  nonceBytes,
  type Refusal,
  refusals,
} from '#cluster/hello.ts';
import type { Link, LinkUser } from '#cluster/link-transport.ts';
import type { Peer } from '#cluster/peer.ts';
import { type PeerTable, relaySettle } from '#cluster/peer-table.ts';
import type { ClusterIdentity, ClusterPorts, ClusterSettings } from '#cluster/ports.ts';
import { proofMilliseconds } from '#cluster/sharing-tags.ts';
import { LogLimiter } from '#util/log-limiter.ts';
import type { TimerQueue } from '#util/timer-queue.ts';

export interface LinkKeeperUser {
  onFrame(peer: Peer, connection: Connection, frame: IncomingFrame, now: number): void;
  onLinkUp(peer: Peer, now: number): void;
  onStaleForward(destination: number): void;
}

/** Accepted links that have not proved themselves; every node of the largest cluster may knock at once. */
const strangersMax = 256;
/** Jittered pauses are whole multiples, so that the timer queue has few distinct durations. */
const pauseStep = 10;
/** A link that held this long was a good one: the next pause starts small again. */
const goodLinkMilliseconds = 5000;

/** After a link was lost the higher id dials once, too, a little later: a port that nobody listens on proves a death. */
const probeMilliseconds = 200;

export class LinkKeeper implements ConnectionUser {
  readonly #identity: ClusterIdentity;
  readonly #settings: ClusterSettings;
  readonly #ports: ClusterPorts;
  readonly #peers: PeerTable;
  readonly #user: LinkKeeperUser;
  readonly #instance: Buffer;
  readonly #admission: Admission;
  readonly #limiter = new LogLimiter();
  readonly #strangers = new Set<Connection>();
  #started = false;
  refusalsSent = 0;
  refusalsReceived = 0;

  constructor(
    identity: ClusterIdentity,
    settings: ClusterSettings,
    ports: ClusterPorts,
    parts: { readonly peers: PeerTable; readonly user: LinkKeeperUser },
  ) {
    this.#identity = identity;
    this.#settings = settings;
    this.#ports = ports;
    this.#peers = parts.peers;
    this.#user = parts.user;
    this.#instance = ports.random(instanceBytes);
    this.#admission = new Admission(identity, settings, this.#instance, parts.peers);
  }

  get timers(): TimerQueue {
    return this.#ports.timers;
  }

  get secrets(): readonly Uint8Array[] {
    const { secret, otherSecret = null } = this.#identity;
    return [secret, otherSecret].filter((one) => one !== null);
  }

  /** Accepted links that have not proved themselves yet. */
  get strangers(): number {
    return this.#strangers.size;
  }

  start(now: number): void {
    this.#started = true;
    for (const peer of this.#peers.all) {
      this.#holdRelay(peer, now, this.#settings.heartbeat);
      this.keep(peer, now);
    }
  }

  /** Links to this node must be TLS. */
  set requiresTls(isRequired: boolean) {
    this.#admission.requiresTls = isRequired;
  }

  stop(): void {
    this.#started = false;
    for (const connection of this.#strangers) connection.close();
    this.#strangers.clear();
    for (const peer of this.#peers.all) this.#stopDialling(peer);
  }

  accept(link: Link, now: number): LinkUser {
    const connection = new Connection(this, this.#ownHello(), 0);
    connection.begin(
      now,
      link,
      this.#writerUser(() => this.#peerOf(connection)),
    );
    if (!this.#started || this.#strangers.size >= strangersMax) {
      connection.close();
      this.#complain(
        now,
        'strangers',
        `too many links that have not proved themselves, last from ${connection.remote}`,
      );
    } else {
      this.#strangers.add(connection);
    }
    return connection;
  }

  /** Dials the peer now or later, if there is reason to. */
  keep(peer: Peer, now: number): void {
    if (!this.#started || !peer.member.enabled || peer.connection !== null) return;
    if (peer.dialling !== null || peer.redial !== null) return;
    if (this.#dialsFirst(peer) && peer.dialsFailed === 0) this.#dial(peer, now);
    else this.#dialLater(peer, now);
  }

  /** Ends what there is with the peer; `reason` is for our log. */
  drop(peer: Peer, reason: string): void {
    this.#stopDialling(peer);
    peer.problem = reason;
    const { connection } = peer;
    if (connection === null) return;
    peer.connection = null;
    this.#countLost(peer, connection);
    connection.close();
  }

  /** The peer says that it goes. It is dialled again after the longest pause. */
  leave(peer: Peer, reason: string, now: number): void {
    this.drop(peer, reason);
    peer.hasLeft = true;
    this.#holdRelay(peer, now, this.#settings.heartbeat);
    peer.dialsFailed = Number.MAX_SAFE_INTEGER;
    this.keep(peer, now);
  }

  /** A link on which nothing came for as long as the member's heartbeats allow is given up. True: it was. */
  checkAlive(peer: Peer, now: number): boolean {
    const { connection } = peer;
    if (connection === null) return false;
    if (connection.framesIn !== peer.heardFrames) {
      peer.heardFrames = connection.framesIn;
      peer.missed = 0;
      return false;
    }
    peer.missed++;
    peer.counters.heartbeatsMissed++;
    if (peer.missed < Math.max(1, peer.member.pingRetries)) return false;
    const silence = Math.round((peer.missed * this.#settings.heartbeat) / 1000);
    this.drop(peer, `${peer.missed} heartbeats missed (${silence} s)`);
    // The others count the same heartbeats, up to one later.
    this.#holdRelay(peer, now, this.#settings.heartbeat + this.#settings.relaySettle);
    this.keep(peer, now);
    return true;
  }

  // ── of a connection ───────────────────────────────────────────────────────────────────────────────────────────

  judge(hello: Hello, connection: Connection, now: number): Refusal | null {
    return this.#admission.judge(hello, connection, now);
  }

  onAuthenticated(connection: Connection, now: number): void {
    this.#strangers.delete(connection);
    const peer = this.#peerOf(connection);
    // It may have been taken off the list, or have won another link, during the handshake.
    const refusal = this.judge(connection.hello!, connection, now);
    if (peer === null || refusal !== null) {
      connection.refuse(refusal ?? { code: refusals.unknownNode, reason: 'not a member' }, now);
      return;
    }
    if (peer.connection !== null) this.drop(peer, 'replaced by a new link');
    this.#stopDialling(peer, connection);
    peer.connection = connection;
    peer.dialling = null;
    peer.software = connection.hello!.software;
    peer.refused = false;
    peer.heard = now;
    peer.heardFrames = connection.framesIn;
    peer.missed = 0;
    peer.rivalSince = -1;
    peer.toldProblem = '';
    peer.lastHeartbeat = { sentAt: 0, receivedAt: -1 };
    peer.roundTrip = null;
    peer.reaches = new Map();
    this.#peers.update(now);
    peer.problem = '';
    this.#user.onLinkUp(peer, now);
  }

  onFrame(connection: Connection, frame: IncomingFrame, now: number): void {
    const peer = this.#peerOf(connection);
    if (peer === null || peer.connection !== connection) return;
    peer.heard = now;
    peer.counters.framesIn++;
    peer.counters.bytesIn += frame.end - frame.start;
    this.#user.onFrame(peer, connection, frame, now);
  }

  onRefusal(connection: Connection, refusal: Refusal, byPeer: boolean, now: number): void {
    this.#strangers.delete(connection);
    const node = connection.dialledNode !== 0 ? connection.dialledNode : (connection.hello?.nodeId ?? 0);
    const name = node === 0 ? 'a stranger' : `node [${node}]`;
    const text = byPeer
      ? `${name} at ${connection.remote} refuses this node: ${refusal.reason}`
      : `refused the link with ${name} at ${connection.remote}: ${refusal.reason}`;
    if (byPeer) this.refusalsReceived++;
    else this.refusalsSent++;
    if (refusal.code !== refusals.busy) this.#complain(now, `${refusal.code} ${node}`, text);
    const named = this.#peerOf(connection);
    if (named !== null && !named.isReached && refusal.code !== refusals.busy) {
      named.refused = true;
      named.problem = text;
    }
    const peer = this.#ownerOf(connection);
    if (peer !== null) this.#ended(peer, connection, text, now);
  }

  onLost(connection: Connection, reason: string, now: number): void {
    this.#strangers.delete(connection);
    const peer = this.#ownerOf(connection);
    if (peer === null) return;
    if (connection !== peer.connection) peer.refused = false;
    this.#ended(peer, connection, `${connection.remote}: ${reason}`, now);
  }

  #ended(peer: Peer, connection: Connection, reason: string, now: number): void {
    peer.problem = reason;
    if (peer.dialling === connection) peer.dialling = null;
    if (peer.connection === connection) {
      peer.connection = null;
      peer.mustProbe = true;
      this.#countLost(peer, connection);
      this.#holdRelay(peer, now, this.#settings.relaySettle);
      peer.dialsFailed = now - peer.since > goodLinkMilliseconds ? 0 : peer.dialsFailed + 1;
    } else {
      peer.dialsFailed++;
      if (reason.includes('ECONNREFUSED')) {
        peer.isRefusing = true;
        if (now - peer.refusedAt >= proofMilliseconds) peer.refusedSince = now;
        peer.refusedAt = now;
      }
      if (connection.dialledNode !== 0 && !peer.isReached) this.#tellFailedDial(peer, reason);
    }
    this.#dialLater(peer, now);
    this.#peers.update(now);
  }

  /** It was reached through another until now. */
  onRelayLost(peer: Peer, now: number): void {
    if (peer.relayFrom > now) this.#holdRelay(peer, now, peer.relayFrom - now);
  }

  /** One line for each new reason, not one for each dial. Refusals have a line of their own. */
  #tellFailedDial(peer: Peer, reason: string): void {
    if (peer.refused || peer.toldProblem === reason) return;
    peer.toldProblem = reason;
    this.#ports.log.warn(`no link to node [${peer.id}]: ${reason}`, { node: peer.id });
  }

  #holdRelay(peer: Peer, now: number, milliseconds: number): void {
    peer.relayFrom = now + milliseconds;
    this.#ports.timers.start(now, milliseconds, { onTimer: (_kind, at) => this.#peers.update(at) }, 0);
  }

  /** The link, and the frames that were still queued when it went. */
  #countLost(peer: Peer, connection: Connection): void {
    peer.counters.linksLost++;
    peer.counters.drops.linkLost += connection.writer?.frames ?? 0;
  }

  // ── dialling ──────────────────────────────────────────────────────────────────────────────────────────────────

  #dial(peer: Peer, now: number): void {
    peer.mustProbe = false;
    const connection = new Connection(this, this.#ownHello(), peer.id);
    peer.dialling = connection;
    const link = this.#ports.transport.connect(peer.member, connection);
    connection.begin(
      now,
      link,
      this.#writerUser(() => peer),
    );
  }

  #dialLater(peer: Peer, now: number): void {
    if (!this.#started || !peer.member.enabled || peer.connection !== null) return;
    if (peer.redial !== null || peer.dialling !== null) return;
    if (peer.mustProbe && !this.#dialsFirst(peer)) {
      this.#redialAfter(peer, now, probeMilliseconds);
      return;
    }
    const { redialFirst, redialLast, patience } = this.#settings;
    const doubled = Math.min(redialLast, redialFirst * 2 ** Math.min(peer.dialsFailed, 16));
    // Of a machine without the process everybody wants to know that it still is so.
    const isEager = this.#dialsFirst(peer) || peer.isRefusing;
    const longest = isEager ? doubled : patience + doubled;
    const shortest = isEager ? longest / 2 : patience;
    const share = this.#ports.random(2).readUInt16BE(0) / 0xffff;
    this.#redialAfter(
      peer,
      now,
      Math.round((shortest + (longest - shortest) * share) / pauseStep) * pauseStep,
    );
  }

  #redialAfter(peer: Peer, now: number, pause: number): void {
    const target = {
      onTimer: (_kind: number, at: number): void => {
        peer.redial = null;
        if (peer.connection === null && peer.dialling === null) this.#dial(peer, at);
      },
    };
    peer.redial = this.#ports.timers.start(now, pause, target, 0);
  }

  #stopDialling(peer: Peer, except: Connection | null = null): void {
    this.#ports.timers.stop(peer.redial);
    peer.redial = null;
    if (peer.dialling !== null && peer.dialling !== except) peer.dialling.close();
    peer.dialling = null;
  }

  #dialsFirst(peer: Peer): boolean {
    return this.#identity.nodeId < peer.id;
  }

  // ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #ownHello(): Hello {
    const { clusterId, nodeId, incarnation, software, secret } = this.#identity;
    return {
      protocolLowest: this.#settings.protocol.lowest,
      protocolHighest: this.#settings.protocol.highest,
      clusterId,
      nodeId,
      incarnation,
      instance: this.#instance,
      capabilities:
        capabilities.claims |
        capabilities.relay |
        capabilities.calls |
        (this.#settings.claimDirectory === 'home' ? capabilities.homes : 0) |
        (secret === null ? 0 : capabilities.secret),
      nonce: this.#ports.random(nonceBytes),
      software,
    };
  }

  /** The member that the connection proved, or claims, to be. */
  #peerOf(connection: Connection): Peer | null {
    const node = connection.hello?.nodeId ?? connection.dialledNode;
    return node === 0 ? null : this.#peers.get(node);
  }

  /** The member that this very connection belongs to, as its link or its dial. */
  #ownerOf(connection: Connection): Peer | null {
    const dialled = this.#peers.get(connection.dialledNode);
    if (dialled?.dialling === connection) return dialled;
    const peer = this.#peerOf(connection);
    return peer?.connection === connection ? peer : null;
  }

  #writerUser(peerOf: () => Peer | null): {
    onStaleForward(destination: number): void;
    onWritten(frames: number, bytes: number): void;
  } {
    return {
      onStaleForward: (destination) => this.#user.onStaleForward(destination),
      onWritten: (frames, bytes) => {
        const peer = peerOf();
        if (peer === null) return;
        peer.counters.framesOut += frames;
        peer.counters.bytesOut += bytes;
      },
    };
  }

  #complain(now: number, cause: string, text: string): void {
    const suppressed = this.#limiter.pass(now, cause);
    if (suppressed === null) return;
    this.#ports.log.error(text, suppressed === 0 ? undefined : { repeated: suppressed });
  }
}

export const defaultSettings: ClusterSettings = {
  heartbeat: 1000,
  claimBatch: 20,
  askWait: 50,
  callWait: 5000,
  redialFirst: 100,
  redialLast: 2000,
  patience: 5000,
  relaySettle,
  claimsMax: 1_000_000,
  claimDirectory: 'all',
  requiresTls: false,
  protocol: protocolRange,
};
