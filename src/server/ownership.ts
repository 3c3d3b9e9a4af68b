/**
 * Joins SIP and the cluster: which node owns the transaction of a message, and the hand-over of the raw datagram to
 * it. Nothing is decided twice: a response is found by the tag in our own branch, everything else by claims.
 */

import type { ClaimOwner } from '#cluster/claim-directory.ts';
import type { ClusterNode } from '#cluster/cluster-node.ts';
import type { ForwardedDatagram, ForwardKind } from '#cluster/forward.ts';
import type { Takeover } from '#cluster/takeover.ts';
import type { Counter, Statistics } from '#module/statistics.ts';
import type { TransactionClaims } from '#modules/tm/ports.ts';
import type { HeldArrivals } from '#server/held-arrivals.ts';
import { PassedAnswers } from '#server/passed-answers.ts';
import type { Arrival, ReadArrival } from '#server/receive.ts';
import type { Trace } from '#server/trace.ts';
import type { SipMessage } from '#sip/message.ts';
import { detach } from '#sip/serialize.ts';
import type { OwnerTag } from '#transaction/branch.ts';
import type { TransactionTable } from '#transaction/table.ts';
import { sharedName } from '#util/socket-address.ts';

/** OpenSIPS's names of what was handed over; ACKs count as requests there. */
const counterNames: Readonly<Record<ForwardKind, string>> = {
  reply: 'cluster_reply',
  request: 'cluster_request',
  cancel: 'cluster_cancel',
  ack: 'cluster_request',
};

export class Ownership implements TransactionClaims {
  readonly #cluster: ClusterNode;
  readonly #table: TransactionTable;
  readonly #trace: Trace;
  readonly #sent: Readonly<Record<ForwardKind, Counter>>;
  readonly #received: Readonly<Record<ForwardKind, Counter>>;
  readonly #unanswered: Counter;
  readonly #passed: PassedAnswers;
  /** Keys of new requests whose home is being asked. */
  readonly #locating = new Set<string>();
  /** Null when it is switched off. */
  takeover: Takeover | null = null;
  /** Set right after construction: it hands back to the receiver. */
  held!: HeldArrivals;
  /** New requests that still arrive are handed to a peer that takes work. */
  draining = false;

  constructor(cluster: ClusterNode, table: TransactionTable, trace: Trace, statistics: Statistics) {
    this.#cluster = cluster;
    this.#table = table;
    this.#trace = trace;
    const counters = (suffix: string): Record<ForwardKind, Counter> => ({
      reply: statistics.counter('tm', counterNames.reply + suffix),
      request: statistics.counter('tm', counterNames.request + suffix),
      cancel: statistics.counter('tm', counterNames.cancel + suffix),
      ack: statistics.counter('tm', counterNames.ack + suffix),
    });
    this.#passed = new PassedAnswers(table.timers, statistics, {
      isReached: (now, { node, incarnation }) => cluster.lifeOf(now, node, incarnation) === 'here',
      deliver: (now, { node }, arrival) => void this.#forward(now, node, 'reply', arrival),
    });
    this.#unanswered = statistics.counter('tm', 'owner_unknown');
    this.#sent = counters('_sent');
    this.#received = counters('_recv');
  }

  claim(now: number, key: string, lifetimeMilliseconds: number): void {
    this.#cluster.claim(now, detach(key), lifetimeMilliseconds);
  }

  release(now: number, key: string): void {
    this.#cluster.release(now, key);
  }

  countReceived(kind: ForwardKind): void {
    this.#received[kind].value++;
  }

  /**
   * A response to a request of another life: a peer's, or a former one of this node. `adopted`: the branch is ours now.
   * `orphan`: nobody goes on with it. `gone`: handed over, kept back, or dropped.
   */
  routeResponse(
    now: number,
    response: SipMessage,
    tag: OwnerTag,
    arrival: Arrival,
  ): 'adopted' | 'orphan' | 'gone' {
    const life = this.#cluster.lifeOf(now, tag.node, tag.incarnation);
    if (life === 'over') {
      const fate = this.#routeToSuccessor(now, response, tag, arrival);
      if (fate === 'orphan') this.#keepAnswer(now, response, tag, arrival);
      return fate;
    }
    if (this.#table.findAdopted(response) !== null) return 'adopted';
    // Cut off from its owner, who may live: what changes nothing for it may go on without it. The callee repeats a
    // final response, and it must come to the owner.
    if (life === 'unseen' && response.status < 200) return 'orphan';
    // What a peer handed over is never handed on.
    const isSent =
      life === 'here' &&
      arrival.receivedBy === 0 &&
      this.#forward(now, tag.node, 'reply', { ...arrival, request: response });
    if (!isSent) this.held.hold(now, arrival);
    return 'gone';
  }

  #routeToSuccessor(
    now: number,
    response: SipMessage,
    tag: OwnerTag,
    arrival: Arrival,
  ): 'adopted' | 'orphan' | 'gone' {
    this.takeover?.settle(now);
    if (this.#table.findAdopted(response) !== null) return 'adopted';
    const successor = this.takeover?.successorOf(tag.node, tag.incarnation) ?? 0;
    if (successor === 0 || successor === this.#cluster.nodeId || arrival.receivedBy !== 0) return 'orphan';
    const kept = { ...arrival, request: response };
    if (this.#forward(now, successor, 'reply', kept)) return 'gone';
    // The heir may live on the other side of a cut, and must hear it: the callee repeats a final response.
    if (!this.#cluster.isAnyoneUnsure(now)) return 'orphan';
    this.held.hold(now, arrival);
    return 'gone';
  }

  /** The caller gets its 2xx; its owner, if it lives, must not take the call for unanswered when it is back. */
  #keepAnswer(now: number, response: SipMessage, { node, incarnation }: OwnerTag, arrival: Arrival): void {
    const { status, cseqMethod, topVia } = response;
    if (status < 200 || status >= 300 || cseqMethod !== 'INVITE' || node === this.#cluster.nodeId) return;
    const owner = { node, incarnation };
    if (!this.#cluster.isProvedDead(now, owner))
      this.#passed.keep(now, owner, detach(topVia.branch), { ...arrival, request: response });
  }

  /** A response to a branch that this node does not have any more, because a peer took it for dead and adopted it. */
  relayToHeir(now: number, response: SipMessage, arrival: Arrival): boolean {
    const heir = this.takeover?.heir ?? 0;
    // The heir itself may have handed it over before it knew that it would be the heir.
    if (heir === 0) return false;
    return this.#forward(now, heir, 'reply', { ...arrival, request: response });
  }

  /**
   * A request that was late because this node stood still, and for which it has no transaction: a CANCEL or an ACK may
   * belong to what a peer adopted meanwhile. False: nobody is known to want it.
   */
  relayLateRequest(now: number, request: SipMessage, arrival: Arrival): boolean {
    const heir = this.takeover?.heir ?? 0;
    const kind = kindOf(request);
    if (heir === 0 || kind === 'request') return false;
    return this.#forward(now, heir, kind, { ...arrival, request });
  }

  /** Is the request's transaction one that this node adopts, but cannot yet? Then it is kept back. */
  awaitsTakeover(now: number, request: SipMessage, arrival: Arrival): boolean {
    const { takeover } = this;
    if (takeover === null || takeover.held === 0) return false;
    const key = this.#keyOf(request);
    if (!takeover.holds(key)) return false;
    takeover.settle(now);
    if (!takeover.holds(key)) return false;
    // Its owner is alive as far as we know, and gets what arrives here from the network as ever.
    if (arrival.receivedBy === 0) return false;
    this.held.hold(now, arrival);
    return true;
  }

  /** Its home is being asked who owns it: a second copy, or the CANCEL, is kept until that is known. */
  awaitsHome(now: number, request: SipMessage, arrival: Arrival): boolean {
    if (this.#locating.size === 0 || !this.#locating.has(this.#keyOf(request))) return false;
    this.held.hold(now, arrival);
    return true;
  }

  #keyOf(request: SipMessage): string {
    return request.method === 'CANCEL' ? this.#table.inviteKey(request) : this.#table.key(request);
  }

  /**
   * Hands the request to its owner, or calls `unowned`: at once when nobody can own it, after asking the peers when
   * `isAsked` and no claim is known.
   */
  findOwner(now: number, arrival: ReadArrival, isAsked: boolean, unowned: () => void): void {
    const { request } = arrival;
    const key = this.#keyOf(request);
    if (this.#cluster.knowsAllClaims) {
      this.#giveTo(now, { arrival, key, isAsked, owner: this.#cluster.owner(now, key) }, unowned);
      return;
    }
    // What waits for the home's answer outlives the datagram it came in.
    const kept: ReadArrival = { ...arrival, bytes: Uint8Array.from(arrival.bytes) };
    if (!isAsked) this.#locating.add(key);
    this.#cluster.locate(now, key, !isAsked, (owner, at) => {
      if (!isAsked) this.#locating.delete(key);
      this.#giveTo(at, { arrival: kept, key, isAsked, owner }, unowned);
    });
  }

  /** `owner`: whoever is known to have claimed it. */
  #giveTo(
    now: number,
    {
      arrival,
      key,
      isAsked,
      owner,
    }: { arrival: ReadArrival; key: string; isAsked: boolean; owner: ClaimOwner | null },
    unowned: () => void,
  ): void {
    const kind = kindOf(arrival.request);
    const life = owner === null ? 'over' : this.#cluster.lifeOf(now, owner.node, owner.incarnation);
    if (owner !== null && owner.node !== this.#cluster.nodeId && life !== 'over') {
      if (life !== 'here' || !this.#forward(now, owner.node, kind, arrival)) this.held.hold(now, arrival);
      return;
    }
    // Of a dead owner's work the peers are asked: one of them may go on with it.
    const isOrphaned = owner !== null && life === 'over';
    if (!isOrphaned && (!isAsked || owner !== null)) {
      unowned();
      return;
    }
    // What waits for the peers' answers outlives the datagram it came in.
    const kept: ReadArrival = { ...arrival, bytes: Uint8Array.from(arrival.bytes) };
    this.#cluster.ask(now, key, (found: ClaimOwner | null, at: number, everyoneAnswered: boolean) => {
      if (found !== null && this.#forward(at, found.node, kind, kept)) return;
      // The owner may be the one who did not answer: the sender repeats a CANCEL, and asks us or another node again.
      const isGuess =
        !everyoneAnswered ||
        this.#cluster.isAnyoneUnsure(now) ||
        (isOrphaned && this.#isHeirOutOfReach(owner));
      if (isAsked && found === null && isGuess) this.#unanswered.value++;
      else unowned();
    });
  }

  /**
   * A CANCEL or an ACK that a peer handed over, because this node had the transaction when it was asked: a copy of the
   * INVITE has won since, and its owner gets it. It goes no further: the winner's claim is its own.
   */
  passOn(now: number, arrival: ReadArrival): boolean {
    const { request, receivedBy } = arrival;
    if (receivedBy === 0 || (request.method !== 'CANCEL' && request.method !== 'ACK')) return false;
    const owner = this.#cluster.owner(now, this.#keyOf(request));
    if (owner === null || owner.node === this.#cluster.nodeId || owner.node === receivedBy) return false;
    if (this.#cluster.lifeOf(now, owner.node, owner.incarnation) !== 'here') return false;
    return this.#forward(now, owner.node, kindOf(request), arrival);
  }

  /** The one who goes on with a dead node's work is not reached: it may be on the other side of a cut. */
  #isHeirOutOfReach({ node, incarnation }: ClaimOwner): boolean {
    const heir = this.takeover?.successorOf(node, incarnation) ?? 0;
    return heir !== 0 && heir !== this.#cluster.nodeId && this.#cluster.incarnationOf(heir) === null;
  }

  /** While this node drains: a new request goes to a peer that takes work. False: nobody does, handle it here. */
  handOver(now: number, request: SipMessage, arrival: Arrival): boolean {
    if (!this.draining || arrival.receivedBy !== 0) return false;
    const peers = this.#cluster.takingPeers();
    if (peers.length === 0) return false;
    const peer = peers[request.cseqNumber % peers.length]!;
    return this.#forward(now, peer, kindOf(request), { ...arrival, request });
  }

  #forward(now: number, node: number, kind: ForwardKind, arrival: ReadArrival): boolean {
    const { source } = arrival;
    const datagram: ForwardedDatagram = {
      kind,
      bytes: arrival.bytes,
      sourceAddress: source.address,
      sourcePort: source.port,
      socket: sharedName(source.socket),
      receivedAt: now,
    };
    if (!this.#cluster.forward(now, node, datagram)) return false;
    this.#sent[kind].value++;
    this.#trace.relayed(arrival.request, arrival, node);
    return true;
  }
}

function kindOf(request: SipMessage): ForwardKind {
  if (request.method === 'CANCEL') return 'cancel';
  return request.method === 'ACK' ? 'ack' : 'request';
}
