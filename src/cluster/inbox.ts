/**
 * Frames that came in over a link that is up, by type. A frame for another node is passed on; one of a type that is
 * not known here is skipped and counted, which is what lets versions mix during an upgrade; one that cannot be read
 * costs itself alone.
 */

import { type ChannelMessage, channelCodec } from '#cluster/channels.ts';
import { type ClaimWords, claimsCodec } from '#cluster/claim-batch.ts';
import type { ClaimOwner } from '#cluster/claim-directory.ts';
import {
  type ClaimLookup,
  type LookupAnswer,
  type LostClaim,
  lookupAnswerCodec,
  lookupCodec,
  lostClaimCodec,
} from '#cluster/claim-homes.ts';
import type { Connection, IncomingFrame } from '#cluster/connection.ts';
import { type ForwardedDatagram, forwardCodec, withReceiveTime } from '#cluster/forward.ts';
import { type FrameName, frameTypes } from '#cluster/frame.ts';
import { type Heartbeat, heartbeatCodec, type Reach, reachCodec } from '#cluster/heartbeat.ts';
import { goodbyeCodec, refuseCodec } from '#cluster/hello.ts';
import { isOfLink, type Outbox } from '#cluster/outbox.ts';
import { answerCodec, askCodec, type OwnerAnswer } from '#cluster/owner-question.ts';
import type { Peer } from '#cluster/peer.ts';
import type { PeerTable } from '#cluster/peer-table.ts';
import { type CallResult, callCodec, callResultCodec, type RemoteCall } from '#cluster/remote-call.ts';
import type { Codec } from '#util/codec.ts';

export interface InboxUser {
  onHeartbeat(peer: Peer, heartbeat: Heartbeat, now: number): void;
  onReach(peer: Peer, reach: Reach, now: number): void;
  onGoodbye(peer: Peer, reason: string, now: number): void;
  onClaims(peer: Peer, claims: ClaimWords, now: number): void;
  onAsk(peer: Peer, question: { readonly id: number; readonly key: string }, now: number): void;
  onAnswer(from: ClaimOwner, answer: OwnerAnswer, now: number): void;
  onLookup(from: ClaimOwner, lookup: ClaimLookup, now: number): void;
  onLookupAnswer(from: ClaimOwner, answer: LookupAnswer, now: number): void;
  onClaimLost(lost: LostClaim, now: number): void;
  onForward(peer: Peer, datagram: ForwardedDatagram, now: number): void;
  onForwardRefused(peer: Peer, datagram: ForwardedDatagram, now: number): void;
  onChannel(peer: Peer, message: ChannelMessage, now: number): void;
  onCall(peer: Peer, call: RemoteCall & { readonly id: number }, now: number): void;
  onCallResult(peer: Peer, result: CallResult, now: number): void;
}

type Handler = (peer: Peer, frame: IncomingFrame, now: number) => void;

/** Bodies of this version and older must end where their last field ends; newer ones may have more. */
const bodyVersionKnown = 1;

export class Inbox {
  readonly #nodeId: number;
  readonly #peers: PeerTable;
  readonly #outbox: Outbox;
  readonly #handlers: ReadonlyMap<number, Handler>;

  constructor(nodeId: number, peers: PeerTable, outbox: Outbox, user: InboxUser) {
    this.#nodeId = nodeId;
    this.#peers = peers;
    this.#outbox = outbox;
    this.#handlers = new Map(
      Object.entries(handlersOf(user)).map(([name, handler]) => [frameTypes[name as FrameName], handler]),
    );
  }

  /** `link`: the peer at the other end of the connection, which need not be the frame's source. */
  receive(link: Peer, connection: Connection, frame: IncomingFrame, now: number): void {
    const { header } = frame;
    if (header.destination !== this.#nodeId) {
      this.#outbox.relay(now, link, frame);
      return;
    }
    if (header.type === frameTypes.refuse) {
      connection.refusedByPeer(refuseCodec.read(frame.body), now);
      return;
    }
    const source = header.source === link.id ? link : this.#peers.get(header.source);
    // It reaches us through this link: what it says from here on must not be lost, so it is reached from here on too.
    if (source !== null && source !== link && !source.isReached) this.#peers.believeRelay(source, now);
    if (source === null || !source.isReached || (source !== link && isOfLink(header.type))) {
      link.counters.drops.notUp++;
      return;
    }
    const handler = this.#handlers.get(header.type);
    if (handler === undefined) source.counters.drops.unknownType++;
    else handler(source, frame, now);
  }
}

/** The frame's body, or null, which has been counted then. */
function read<Body>(codec: Codec<Body>, peer: Peer, frame: IncomingFrame): Body | null {
  const { body, header } = frame;
  const value = codec.read(body);
  if (!body.failed && (body.left === 0 || header.version > bodyVersionKnown)) return value;
  peer.counters.drops.malformed++;
  return null;
}

function handlersOf(user: InboxUser): Partial<Record<FrameName, Handler>> {
  const on =
    <Body>(codec: Codec<Body>, handle: (peer: Peer, body: Body, now: number) => void): Handler =>
    (peer, frame, now) => {
      const body = read(codec, peer, frame);
      if (body !== null) handle(peer, body, now);
    };
  return {
    heartbeat: on(heartbeatCodec, (peer, body, now) => user.onHeartbeat(peer, body, now)),
    reach: on(reachCodec, (peer, body, now) => user.onReach(peer, body, now)),
    goodbye: on(goodbyeCodec, (peer, body, now) => user.onGoodbye(peer, body.reason, now)),
    claims: on(claimsCodec, (peer, body, now) => user.onClaims(peer, body, now)),
    ask: on(askCodec, (peer, body, now) => user.onAsk(peer, body, now)),
    answer: on(answerCodec, (peer, body, now) => user.onAnswer(peer.life, body, now)),
    lookup: on(lookupCodec, (peer, body, now) => user.onLookup(peer.life, body, now)),
    lookupAnswer: on(lookupAnswerCodec, (peer, body, now) => user.onLookupAnswer(peer.life, body, now)),
    claimLost: on(lostClaimCodec, (_peer, body, now) => user.onClaimLost(body, now)),
    forward: on(forwardCodec, (peer, body, now) => {
      peer.counters.forwardsIn[body.kind]++;
      user.onForward(peer, withReceiveTime(body, now), now);
    }),
    forwardRefused: on(forwardCodec, (peer, body, now) =>
      user.onForwardRefused(peer, withReceiveTime(body, now), now),
    ),
    channel: on(channelCodec, (peer, body, now) => user.onChannel(peer, body, now)),
    call: on(callCodec, (peer, body, now) => user.onCall(peer, body, now)),
    callResult: on(callResultCodec, (peer, body, now) => user.onCallResult(peer, body, now)),
  };
}
