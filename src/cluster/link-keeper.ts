/**
 * Keeps one link to every member: who dials (the lower id; the higher one only after a while, in case the network lets
 * one direction through, and so that a second node with its id is found out), when it is dialled again, who may join,
 * and when a silent link is given up. Peers are closed when their connection closes, or after missed heartbeats.
 */

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
import { LogLimiter } from '#cluster/log-limiter.ts';
import type { Peer } from '#cluster/peer.ts';
import type { PeerTable } from '#cluster/peer-table.ts';
import type { ClusterIdentity, ClusterPorts, ClusterSettings } from '#cluster/ports.ts';
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

export class LinkKeeper implements ConnectionUser {
  readonly #identity: ClusterIdentity;
  readonly #settings: ClusterSettings;
  readonly #ports: ClusterPorts;
  readonly #peers: PeerTable;
  readonly #user: LinkKeeperUser;
  readonly #instance: Buffer;
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
  }

  get timers(): TimerQueue {
    return this.#ports.timers;
  }

  get secret(): Uint8Array | null {
    return this.#identity.secret;
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
    const stranger = this.#judgeCluster(hello);
    if (stranger !== null) return stranger;
    const { dialledNode } = connection;
    if (dialledNode !== 0 && hello.nodeId !== dialledNode && hello.nodeId !== this.#identity.nodeId) {
      return refuse(
        refusals.unknownNode,
        `node [${hello.nodeId}] answers at the address of node [${dialledNode}]`,
      );
    }
    return this.#judgeNode(hello, connection, now);
  }

  /** Reasons name both sides: they stand in both logs. */
  #judgeCluster(hello: Hello): Refusal | null {
    const { clusterId, nodeId, secret } = this.#identity;
    const { lowest, highest } = this.#settings.protocol;
    const [they, we] = [`node [${hello.nodeId}]`, `node [${nodeId}]`];
    if (hello.protocolLowest > highest || hello.protocolHighest < lowest) {
      const theirs = `${hello.protocolLowest} to ${hello.protocolHighest}`;
      return refuse(
        refusals.protocol,
        `${they} speaks link protocol ${theirs}, ${we} ${lowest} to ${highest}`,
      );
    }
    if (hello.clusterId !== clusterId) {
      return refuse(
        refusals.cluster,
        `${they} is of cluster ${hello.clusterId}, ${we} of cluster ${clusterId}`,
      );
    }
    const hasSecret = (hello.capabilities & capabilities.secret) !== 0;
    if (hasSecret === (secret !== null)) return null;
    const [has, hasNot] = hasSecret ? [they, we] : [we, they];
    return refuse(refusals.secret, `${has} has a shared secret, ${hasNot} has none`);
  }

  #judgeNode(hello: Hello, connection: Connection, now: number): Refusal | null {
    const { nodeId } = this.#identity;
    if (hello.nodeId === nodeId) {
      const isSelf = this.#instance.equals(hello.instance);
      return refuse(
        refusals.duplicateNode,
        isSelf
          ? `the address of node [${connection.dialledNode}] leads back to this node`
          : `duplicate node id: two processes are node [${nodeId}]`,
      );
    }
    const peer = this.#peers.get(hello.nodeId);
    if (peer === null)
      return refuse(refusals.unknownNode, `node [${hello.nodeId}] is not a member of the cluster`);
    if (!peer.member.enabled)
      return refuse(refusals.disabledNode, `node [${peer.id}] is disabled in the membership`);
    if (this.secret === null && !isSameAddress(connection.remoteAddress, peer.member.address)) {
      return refuse(refusals.address, `node [${peer.id}] is listed at ${peer.member.address}`);
    }
    return this.#judgeRival(peer, hello, connection, now);
  }

  /** There is a link to that node already: the same process again, or a second one with its id? */
  #judgeRival(peer: Peer, hello: Hello, connection: Connection, now: number): Refusal | null {
    const old = peer.connection;
    if (old === null) return null;
    const isSameProcess = Buffer.from(old.hello!.instance).equals(hello.instance);
    if (isSameProcess) {
      const keepsOld = this.#isDialledByLower(peer, old) && !this.#isDialledByLower(peer, connection);
      return keepsOld ? refuse(refusals.busy, 'there is a link already') : null;
    }
    // The old link of a node that restarted ends in a moment, or is silent; one that goes on speaking is of a rival.
    const settled = 2 * this.#settings.heartbeat;
    if (now - peer.heard > settled) return null;
    if (peer.rivalSince === -1) peer.rivalSince = now;
    if (peer.heard - peer.rivalSince < settled / 2) {
      return refuse(refusals.busy, `there is a link of node [${peer.id}] already`);
    }
    return refuse(refusals.duplicateNode, `duplicate node id: node [${peer.id}] is up at ${old.remote}`);
  }

  onAuthenticated(connection: Connection, now: number): void {
    this.#strangers.delete(connection);
    const peer = this.#peerOf(connection);
    // It may have been taken off the list, or have won another link, during the handshake.
    const refusal = this.judge(connection.hello!, connection, now);
    if (peer === null || refusal !== null) {
      connection.refuse(refusal ?? refuse(refusals.unknownNode, 'not a member'), now);
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
      this.#countLost(peer, connection);
      this.#holdRelay(peer, now, this.#settings.relaySettle);
      peer.dialsFailed = now - peer.since > goodLinkMilliseconds ? 0 : peer.dialsFailed + 1;
    } else {
      peer.dialsFailed++;
      this.#ports.log.debug(`no link to node [${peer.id}]: ${reason}`);
    }
    this.#dialLater(peer, now);
    this.#peers.update(now);
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
    const connection = new Connection(this, this.#ownHello(), peer.id);
    peer.dialling = connection;
    const { address, port } = peer.member;
    const link = this.#ports.transport.connect(address, port, connection);
    connection.begin(
      now,
      link,
      this.#writerUser(() => peer),
    );
  }

  #dialLater(peer: Peer, now: number): void {
    if (!this.#started || !peer.member.enabled || peer.connection !== null) return;
    if (peer.redial !== null || peer.dialling !== null) return;
    const { redialFirst, redialLast, patience } = this.#settings;
    const doubled = Math.min(redialLast, redialFirst * 2 ** Math.min(peer.dialsFailed, 16));
    const longest = this.#dialsFirst(peer) ? doubled : patience + doubled;
    const shortest = this.#dialsFirst(peer) ? longest / 2 : patience;
    const share = this.#ports.random(2).readUInt16BE(0) / 0xffff;
    const pause = Math.round((shortest + (longest - shortest) * share) / pauseStep) * pauseStep;
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

  #isDialledByLower(peer: Peer, connection: Connection): boolean {
    return (connection.dialledNode !== 0) === this.#dialsFirst(peer);
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
  claimBatch: 5,
  askWait: 50,
  callWait: 5000,
  redialFirst: 100,
  redialLast: 2000,
  patience: 5000,
  relaySettle: 300,
  claimsMax: 1_000_000,
  protocol: protocolRange,
};

function refuse(code: number, reason: string): Refusal {
  return { code, reason };
}

/** `::ffff:10.0.0.1` is 10.0.0.1. Names never match: without a secret the list must hold addresses. */
function isSameAddress(left: string, right: string): boolean {
  const plain = (address: string): string => address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  return plain(left) === plain(right);
}
