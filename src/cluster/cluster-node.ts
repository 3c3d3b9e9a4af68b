/**
 * This node's part in the cluster: links to all members, claims, forwarded datagrams, channels of shared state, calls.
 * It knows no SIP and does no input or output: time comes as an argument, effects go through its ports. Frames to one
 * peer leave in one write per turn of the event loop.
 */

import { type ChannelMessage, type ChannelSubscriber, Channels, channelCodec } from '#cluster/channels.ts';
import { ClaimDelivery } from '#cluster/claim-delivery.ts';
import { ClaimDirectory, type ClaimOwner } from '#cluster/claim-directory.ts';
import { ClaimHomes, type OwnerLocated } from '#cluster/claim-homes.ts';
import { type ForwardedDatagram, forwardCodec, withAge } from '#cluster/forward.ts';
import { frameBytesMax, frameTypes } from '#cluster/frame.ts';
import { capabilities, deriveKey, goodbyeCodec } from '#cluster/hello.ts';
import { Inbox, type InboxUser } from '#cluster/inbox.ts';
import { defaultSettings, LinkKeeper } from '#cluster/link-keeper.ts';
import type { Link, LinkUser } from '#cluster/link-transport.ts';
import type { Member } from '#cluster/member.ts';
import { applyMembers, type MembershipChange } from '#cluster/membership.ts';
import { Outbox } from '#cluster/outbox.ts';
import { answerCodec, type OwnerFound, OwnerQuestions } from '#cluster/owner-question.ts';
import type { Peer, PeerView } from '#cluster/peer.ts';
import { PeerTable } from '#cluster/peer-table.ts';
import type { ClusterIdentity, ClusterPorts, ClusterSettings } from '#cluster/ports.ts';
import { Pulse } from '#cluster/pulse.ts';
import {
  type CallDone,
  type CallResult,
  callResultCodec,
  type RemoteCall,
  RemoteCalls,
} from '#cluster/remote-call.ts';
import { type Electorate, proofMilliseconds } from '#cluster/sharing-tags.ts';
import type { Life } from '#cluster/takeover.ts';
import type { Timer, TimerTarget } from '#util/timer-queue.ts';

/** What the cluster asks and tells the node above it. */
export interface ClusterUser {
  /** A datagram that `from` received for us. False: the transaction is not ours, `from` is told. Never forward it. */
  onForward(datagram: ForwardedDatagram, from: number, now: number): boolean;
  /** A datagram of ours that came back: `by` does not own the transaction. */
  onForwardRefused(datagram: ForwardedDatagram, by: number, now: number): void;
  /** What this node has of the transaction with that key, one of `holdings`. Asked when a peer finds no claim. */
  holds(key: string): number;
  /** `winner` has the same transaction, and it keeps it: withdraw ours. The claim is gone already. */
  onClaimLost(key: string, winner: ClaimOwner, now: number): void;
  /** A management method called by `from`; answer once, with JSON text, now or later. */
  onCall(call: RemoteCall, from: number, answer: (resultJson: string) => void): void;
}

export class ClusterNode implements TimerTarget {
  readonly clusterId: number;
  readonly nodeId: number;
  readonly incarnation: number;
  readonly #settings: ClusterSettings;
  readonly #ports: ClusterPorts;
  readonly #user: ClusterUser;
  readonly #peers: PeerTable;
  readonly #links: LinkKeeper;
  readonly #outbox: Outbox;
  readonly #claims: ClaimDirectory;
  readonly #homes: ClaimHomes | null;
  readonly #delivery: ClaimDelivery;
  readonly #pulse: Pulse;
  readonly #questions: OwnerQuestions;
  readonly #calls: RemoteCalls;
  readonly #channels = new Channels();
  #heartbeatTimer: Timer | null = null;
  /** This node's own row is disabled. */
  #isOut = false;
  /** Time of the last event, for the verbs that have none. */
  #now = 0;

  constructor(
    identity: ClusterIdentity,
    ports: ClusterPorts,
    user: ClusterUser,
    settings: Partial<ClusterSettings> = {},
  ) {
    this.clusterId = identity.clusterId;
    this.nodeId = identity.nodeId;
    this.incarnation = identity.incarnation;
    this.#settings = { ...defaultSettings, ...settings };
    this.#ports = ports;
    this.#user = user;
    const { timers, log } = ports;
    const { claimsMax, askWait, callWait } = this.#settings;
    this.#peers = new PeerTable(log, {
      onReached: (peer, now) => this.#onReached(peer, now),
      onUnreached: (peer, now) => this.#onUnreached(peer, now),
      onResumed: (peer, now) => this.#onReached(peer, now, true),
    });
    this.#outbox = new Outbox(this.nodeId, this.#peers, (run) => ports.endOfTurn(run), {
      onTurnEnd: (now) => {
        this.#now = now;
        this.#pulse.onTurnEnd(now);
        this.#delivery.onTurnEnd(now);
      },
      onLinkFlush: (peer, now) => this.#delivery.tell(peer, now),
    });
    const inbox = new Inbox(this.nodeId, this.#peers, this.#outbox, this.#inboxUser());
    this.#links = new LinkKeeper(identity, this.#settings, ports, {
      peers: this.#peers,
      user: {
        onFrame: (peer, connection, frame, now) => {
          this.#now = now;
          inbox.receive(peer, connection, frame, now);
        },
        onLinkUp: (peer) => {
          this.#pulse.renewReach();
          this.#compareDirectories(peer);
        },
        onStaleForward: (node) => {
          const peer = this.#peers.get(node);
          if (peer !== null) peer.counters.drops.stale++;
        },
      },
    });
    const self = { node: this.nodeId, incarnation: this.incarnation };
    this.#claims = new ClaimDirectory(self, hashKeysOf(identity), claimsMax, {
      liveIncarnation: (node) => {
        const peer = this.#peers.get(node);
        return peer?.isReached ? peer.incarnation : -1;
      },
      onClaimsWaiting: (now, urgent) => this.#delivery.wait(now, urgent),
      onClaimLost: (key, winner, now) => user.onClaimLost(key, winner, now),
      onPeersConflict: (conflict, now) => this.#homes?.tellLost(now, conflict),
    });
    this.#homes = this.#settings.claimDirectory === 'home' ? this.#makeHomes(self) : null;
    const parts = {
      timers,
      peers: this.#peers,
      links: this.#links,
      outbox: this.#outbox,
      claims: this.#claims,
      homes: this.#homes,
    };
    this.#delivery = new ClaimDelivery(parts, this.#settings.claimBatch);
    this.#pulse = new Pulse(parts);
    this.#questions = new OwnerQuestions(timers, this.#outbox, askWait);
    this.#calls = new RemoteCalls(timers, this.#outbox, callWait);
    if (identity.secret === null) {
      log.warn('cluster: no shared secret, so peers are known by their listed address alone');
    }
  }

  // ── life ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Begins to dial; links offered to `accept` before are closed. */
  start(now: number): void {
    this.#now = now;
    this.#heartbeatTimer = this.#ports.timers.start(now, this.#settings.heartbeat, this, 0);
    this.#links.start(now);
  }

  /** Says goodbye and closes every link. `reason` stands in the peers' logs: "it is stopping". */
  stop(now: number, reason = 'it is stopping'): void {
    this.#now = now;
    this.#ports.timers.stop(this.#heartbeatTimer);
    this.#delivery.stop();
    this.#outbox.flush(now);
    this.#links.stop();
    for (const peer of this.#peers.all) {
      this.#bidFarewell(peer, reason);
      this.#links.drop(peer, 'this node is stopping');
    }
    this.#peers.update(now);
  }

  /** A link that the transport accepted. */
  accept(link: Link, now: number): LinkUser {
    this.#now = now;
    return this.#links.accept(link, now);
  }

  /**
   * The membership as it is now, this node's own row included or not; links of unchanged members are not touched.
   * Members of other clusters are left out. An own row that is disabled takes this node out of the cluster.
   */
  setMembers(now: number, members: readonly Member[]): MembershipChange {
    this.#now = now;
    const ours = members.filter((member) => member.clusterId === this.clusterId);
    const own = ours.find((member) => member.nodeId === this.nodeId);
    const isOut = own?.enabled === false;
    this.#isOut = isOut;
    this.#links.requiresTls = own?.secure === true || this.#settings.requiresTls;
    const others = ours
      .filter((member) => member.nodeId !== this.nodeId)
      .map((member) => (isOut ? { ...member, enabled: false } : member));
    return applyMembers(now, others, {
      peers: this.#peers,
      links: this.#links,
      bidFarewell: (peer, reason) =>
        this.#bidFarewell(peer, isOut ? 'it is disabled in the membership' : reason),
    });
  }

  /** Tells the peers that this node takes no new work, or takes it again. */
  setDraining(isDraining: boolean): void {
    this.#pulse.setDraining(isDraining);
  }

  // ── ownership ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** `key` is kept while the claim lives: hand over a string that pins no message. Lifetimes end within 17 minutes. */
  claim(now: number, key: string, lifetimeMilliseconds: number): void {
    this.#claims.claim(now, key, lifetimeMilliseconds);
  }

  release(now: number, key: string): void {
    this.#claims.release(now, key);
  }

  /** Who has claimed the key, dead or alive (`lifeOf`), this node included; null when nobody is known to have. */
  owner(now: number, key: string): ClaimOwner | null {
    return this.#claims.owner(now, key);
  }

  /** False: `owner` is not enough, ask with `locate`. */
  get knowsAllClaims(): boolean {
    return this.#homes === null;
  }

  /**
   * Who has claimed the key, out of what may be another node's memory. `reserves`: a request that is new here is claimed
   * for a moment when nobody has it; when that is not sure, all peers are asked. `done` comes once, maybe at once.
   */
  locate(now: number, key: string, reserves: boolean, done: OwnerLocated): void {
    if (this.#homes === null) {
      done(this.owner(now, key), now, true);
      return;
    }
    this.#homes.locate(now, key, reserves, (owner, at, isSure) => {
      if (isSure || !reserves) done(owner, at, isSure);
      else this.ask(at, key, done);
    });
  }

  /** Asks all live peers whether they have the transaction. `done` comes at once when there are none. */
  ask(now: number, key: string, done: OwnerFound): void {
    this.#questions.ask(now, key, this.#peers.live, done);
  }

  /** False when the node is not reached or its queue is full. Only for datagrams that the network brought here. */
  forward(now: number, node: number, datagram: ForwardedDatagram): boolean {
    const body = withAge(datagram, now);
    const frame = { type: frameTypes.forward, codec: forwardCodec, body, priority: 'urgent' } as const;
    const sent = this.#outbox.send(now, node, frame);
    // A silent link may be cut. Whoever gets a datagram both ways takes the second for a repetition.
    const relay = this.#peers.detourTo(node, now, this.#silence);
    if (relay !== null) this.#outbox.sendThrough(now, node, relay, frame);
    if (sent) this.#peers.get(node)!.counters.forwardsOut[datagram.kind]++;
    return sent;
  }

  // ── shared state ──────────────────────────────────────────────────────────────────────────────────────────────

  livePeers(): readonly number[] {
    return this.#peers.live;
  }

  /** Live peers that take new work. */
  takingPeers(): readonly number[] {
    return this.#peers.all.filter((peer) => peer.isReached && !peer.draining).map((peer) => peer.id);
  }

  /** Incarnation of a peer that is reached, null otherwise. */
  incarnationOf(node: number): number | null {
    const peer = this.#peers.get(node);
    return peer?.isReached ? peer.incarnation : null;
  }

  /** Is there a member whose link was lost so lately that it may be alive? */
  isAnyoneUnsure(now: number): boolean {
    return this.#peers.isAnyoneUnsure(now);
  }

  /** Live peers that were heard lately: a cut link is silent for a while before it is given up. */
  heardPeers(now: number): readonly number[] {
    return this.#peers.live.filter((node) => this.#peers.isHeard(node, now, this.#silence));
  }

  /** This node hears fewer than half of those who should be there: others may be going on with its work. */
  isCutOff(now: number): boolean {
    return this.#peers.isCutOff(now, this.#silence);
  }

  /** One heartbeat is missing, and half the time of another: ms. */
  get #silence(): number {
    return 1.5 * this.#settings.heartbeat;
  }

  /** Whether that life of the node goes on, as far as anybody can know now. This node's own former lives are over. */
  lifeOf(now: number, node: number, incarnation: number): Life {
    if (node === this.nodeId) return incarnation === this.incarnation ? 'here' : 'over';
    const peer = this.#peers.get(node);
    if (peer === null || !peer.member.enabled) return 'over';
    // A new life of it that this node has not met yet.
    if (peer.wasReached && incarnation > peer.lastIncarnation) return 'unsure';
    if (peer.isReached) return peer.incarnation === incarnation ? 'here' : 'over';
    // What its silence means is said by the table, which looks for another way first.
    if (this.#peers.isUnmet(peer, now)) return 'unsure';
    if (now < peer.relayFrom || (peer.isExpected && peer.verdict === 'open')) return 'unsure';
    return this.#peers.isUnseen(peer, now) ? 'unseen' : 'over';
  }

  /** Is the process of that life gone for certain? A silent network proves nothing. */
  isProvedDead(now: number, { node, incarnation }: ClaimOwner): boolean {
    if (node === this.nodeId) return incarnation !== this.incarnation;
    const peer = this.#peers.get(node);
    if (peer === null) return false;
    return peer.isReached ? peer.incarnation !== incarnation : now - peer.refusedAt < proofMilliseconds;
  }

  /**
   * Who decides together on what one node alone may do. The dead have no vote once they are known to be dead for
   * `milliseconds`, in which what they granted before ends; at once when nobody else is left who could rely on that.
   */
  electorate(now: number, milliseconds: number): Electorate {
    if (this.#isOut) return { voters: [], reached: [] };
    return { voters: [this.nodeId, ...this.#peers.voters(now, milliseconds)], reached: this.#peers.live };
  }

  /** `isPatient`: it may wait for company as long as claims may. */
  broadcast(channel: number, body: Uint8Array, isPatient = false): void {
    for (const node of this.#peers.live) this.send(node, channel, body, isPatient);
  }

  /** `isPatient`: as in {@link broadcast}. */
  send(node: number, channel: number, body: Uint8Array, isPatient = false): boolean {
    const message: ChannelMessage = { channel, body };
    if (channelCodec.size(message) > frameBytesMax - 64) return false;
    if (isPatient) this.#delivery.wait(this.#now, false);
    return this.#outbox.send(this.#now, node, {
      type: frameTypes.channel,
      codec: channelCodec,
      body: message,
      priority: 'bulk',
      isPatient,
    });
  }

  /** One subscriber per channel. It is told at once of the peers that are up already. */
  subscribe(channel: number, subscriber: ChannelSubscriber, compares = false): void {
    this.#channels.subscribe(channel, subscriber, compares);
    for (const node of this.#peers.live) subscriber.onPeerUp(node, this.incarnationOf(node)!, this.#now);
  }

  /** Calls a management method on another node. `done` comes exactly once. */
  call(now: number, node: number, call: RemoteCall, done: CallDone): void {
    this.#calls.call(now, node, call, done);
  }

  // ── looking in ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Every other member, by node id. */
  peers(): PeerView[] {
    return this.#peers.all.map((peer) => peer.view());
  }

  /** Figures of the cluster as a whole; those of peers stand in {@link peers}. */
  counters(): Record<string, number> {
    return {
      claims: this.#claims.size,
      claimConflicts: this.#claims.conflicts,
      claimsLost: this.#claims.lost,
      claimsEvicted: this.#claims.evicted,
      questionsAsked: this.#questions.asked,
      questionsOpen: this.#questions.open,
      questionsTimedOut: this.#questions.timedOut,
      lookupsAsked: this.#homes?.asked ?? 0,
      lookupsOpen: this.#homes?.open ?? 0,
      lookupsUnanswered: this.#homes?.unanswered ?? 0,
      refusalsSent: this.#links.refusalsSent,
      refusalsReceived: this.#links.refusalsReceived,
      unprovedLinks: this.#links.strangers,
    };
  }

  // ── timers and turns ──────────────────────────────────────────────────────────────────────────────────────────

  onTimer(_kind: number, now: number): void {
    this.#now = now;
    this.#heartbeatTimer = this.#ports.timers.start(now, this.#settings.heartbeat, this, 0);
    this.#delivery.hurry();
    this.#pulse.beat(now);
  }

  // ── peers come and go ─────────────────────────────────────────────────────────────────────────────────────────

  #onReached(peer: Peer, now: number, isAgain = false): void {
    this.#homes?.onChange(now);
    this.#delivery.tellAll(peer, now);
    if (isAgain) this.#channels.peerResumed(peer.id, peer.incarnation, now);
    else this.#channels.peerUp(peer.id, peer.incarnation, now);
  }

  #onUnreached(peer: Peer, now: number): void {
    this.#pulse.renewReach();
    this.#links.onRelayLost(peer, now);
    this.#homes?.onChange(now);
    this.#homes?.onNodeDown(now, peer.id);
    this.#delivery.tellNewHomes(peer.id, now);
    this.#questions.onNodeDown(now, peer.id);
    this.#calls.onNodeDown(now, peer.id);
    this.#channels.peerDown(peer.id, now);
  }

  #makeHomes(self: ClaimOwner): ClaimHomes {
    return new ClaimHomes({
      self,
      timers: this.#ports.timers,
      peers: this.#peers,
      sender: this.#outbox,
      claims: this.#claims,
      waitMilliseconds: this.#settings.askWait,
    });
  }

  #compareDirectories(peer: Peer): void {
    const isOther =
      ((peer.connection!.hello!.capabilities & capabilities.homes) !== 0) === (this.#homes === null);
    if (!isOther) return;
    this.#ports.log.error(
      `claim_directory of node [${peer.id}] is not that of this node: each will miss claims of the other`,
    );
  }

  #bidFarewell(peer: Peer, reason: string): void {
    const address = { type: frameTypes.goodbye, source: this.nodeId, destination: peer.id };
    if (peer.connection?.state === 'up')
      peer.connection.writer!.writeAlone(address, goodbyeCodec, { reason });
  }

  // ── what peers send ───────────────────────────────────────────────────────────────────────────────────────────

  #inboxUser(): InboxUser {
    return {
      onHeartbeat: (peer, heartbeat, now) => this.#pulse.onHeartbeat(peer, heartbeat, now),
      onReach: (peer, reach, now) => this.#pulse.onReach(peer, reach, now),
      onGoodbye: (peer, reason, now) => {
        this.#links.leave(peer, reason, now);
        this.#peers.update(now);
      },
      onClaims: (peer, claims, now) => this.#claims.receive(now, peer.life, claims),
      onAsk: (peer, question, now) => {
        const body = { id: question.id, holds: this.#user.holds(question.key) };
        this.#outbox.send(now, peer.id, {
          type: frameTypes.answer,
          codec: answerCodec,
          body,
          priority: 'urgent',
        });
      },
      onAnswer: (from, answer, now) => this.#questions.onAnswer(now, from, answer),
      onLookup: (from, lookup, now) => this.#homes?.onLookup(now, from, lookup),
      onLookupAnswer: (from, answer, now) => this.#homes?.onAnswer(now, from.node, answer),
      onClaimLost: ({ high, low, ...winner }, now) => this.#claims.lose(now, high, low, winner),
      onForward: (peer, datagram, now) => this.#onForward(peer, datagram, now),
      onForwardRefused: (peer, datagram, now) => this.#user.onForwardRefused(datagram, peer.id, now),
      onChannel: (peer, message, now) => {
        if (!this.#channels.deliver(peer.id, message, now)) peer.counters.drops.unknownType++;
      },
      onCall: (peer, call) => this.#onCall(peer, call),
      onCallResult: (peer, result, now) => this.#calls.onResult(now, peer.id, result),
    };
  }

  #onForward(peer: Peer, datagram: ForwardedDatagram, now: number): void {
    if (this.#user.onForward(datagram, peer.id, now)) return;
    this.#outbox.send(now, peer.id, {
      type: frameTypes.forwardRefused,
      codec: forwardCodec,
      body: withAge(datagram, now),
      priority: 'urgent',
    });
  }

  #onCall(peer: Peer, call: RemoteCall & { readonly id: number }): void {
    const { incarnation } = peer;
    this.#user.onCall({ method: call.method, parameters: call.parameters }, peer.id, (result) => {
      if (peer.incarnation !== incarnation) return;
      let body: CallResult = { id: call.id, ok: true, result };
      if (callResultCodec.size(body) > frameBytesMax - 64) {
        body = {
          id: call.id,
          ok: false,
          result: `the result of ${call.method} is larger than ${frameBytesMax} bytes`,
        };
      }
      const frame = { type: frameTypes.callResult, codec: callResultCodec, body, priority: 'bulk' } as const;
      this.#outbox.send(this.#now, peer.id, frame);
    });
  }
}

/** Equal on all nodes. Without a secret anybody who reads this can compute it: claims may then be aimed at. */
function hashKeysOf({ secret, otherSecret = null, clusterId }: ClusterIdentity): [Buffer, ...Buffer[]] {
  const own = deriveKey(secret ?? Buffer.from(`cluster ${clusterId}`), 'claims');
  return otherSecret === null ? [own] : [own, deriveKey(otherSecret, 'claims')];
}
