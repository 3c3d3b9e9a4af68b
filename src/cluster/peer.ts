/** One other member of the cluster: its links, the way it is reached by, and what was counted of it. */

import type { ClaimOwner } from '#cluster/claim-directory.ts';
import type { Connection } from '#cluster/connection.ts';
import { type ForwardKind, forwardKindNames } from '#cluster/forward.ts';
import type { Member } from '#cluster/member.ts';
import type { Timer } from '#util/timer-queue.ts';

/** Why a frame for, or of, this node came to nothing. */
export const dropCauses = [
  'unreachable',
  'queueFull',
  'stale',
  'linkLost',
  'relayRefused',
  'malformed',
  'unknownType',
  'notUp',
] as const;
export type DropCause = (typeof dropCauses)[number];

export interface PeerCounters {
  framesIn: number;
  framesOut: number;
  bytesIn: number;
  bytesOut: number;
  /** Frames of others that this node passed on to the peer. */
  relayed: number;
  heartbeatsMissed: number;
  linksLost: number;
  readonly forwardsIn: Record<ForwardKind, number>;
  readonly forwardsOut: Record<ForwardKind, number>;
  readonly drops: Record<DropCause, number>;
}

/** `relayed`: reached through another node. `refused`: one side does not accept the other; see `problem`. */
export type PeerState = 'up' | 'relayed' | 'connecting' | 'refused' | 'down' | 'disabled';

/** What `anyvia cluster` shows. */
export interface PeerView {
  readonly nodeId: number;
  readonly description: string;
  /** Of the membership table; 0 without one. */
  readonly rowId: number;
  readonly address: string;
  readonly port: number;
  /** `bins:`: links to it are TLS. */
  readonly secure: boolean;
  readonly state: PeerState;
  /** Node that relays, 0 when none does. */
  readonly through: number;
  /** 0 while not reached. */
  readonly incarnation: number;
  readonly software: string;
  readonly draining: boolean;
  /** Null before the first measurement. */
  readonly roundTripMilliseconds: number | null;
  readonly queueFrames: number;
  readonly queueBytes: number;
  /** Nodes that it has a direct link to. */
  readonly reaches: readonly number[];
  /** When the state was entered, ms of the monotonic clock. */
  readonly since: number;
  /** Last reason for a loss or refusal, '' when there was none since the link came up. */
  readonly problem: string;
  readonly counters: Readonly<PeerCounters>;
}

export class Peer {
  member: Member;
  /** Authenticated and open; at most one. */
  connection: Connection | null = null;
  /** A dial under way. */
  dialling: Connection | null = null;
  redial: Timer | null = null;
  dialsFailed = 0;
  /** Connection that frames for this node leave by: its own, or that of a peer that relays. */
  path: Connection | null = null;
  /** Node that relays, 0 = direct or not reached. */
  through = 0;
  /** Before this time no other peer is believed to reach it: they may be about to find out too. */
  relayFrom = 0;
  /** Since its link was lost, its machine said that nobody listens on its port: the process is dead. */
  isRefusing = false;
  /** When it said so last, and since when without a gap in which the process could have started and done anything. */
  refusedAt = -Infinity;
  refusedSince = -Infinity;
  /** Its link was lost, and it has not been dialled since. */
  mustProbe = false;
  /** Since this node started; and since then it has not taken its leave. */
  wasReached = false;
  /** When this node learned of the member, ms. */
  addedAt = -Infinity;
  hasLeft = false;
  /** Whether a node that was lost is taken for dead, once that can be said; see `PeerTable`. */
  verdict: 'open' | 'dead' | 'unseen' = 'open';
  verdictAt = 0;
  /** While `path` is set. */
  incarnation = 0;
  /** Of the last life that was reached; 0: none was. */
  lastIncarnation = 0;
  software = '';
  draining = false;
  refused = false;
  problem = '';
  /** Of dials: the last one that stands in the log. */
  toldProblem = '';
  since = 0;
  /** When, during this link, another process first asked for one with the same node id; -1: none did. */
  rivalSince = -1;
  heard = 0;
  heardFrames = 0;
  missed = 0;
  lastHeartbeat = { sentAt: 0, receivedAt: -1 };
  roundTrip: number | null = null;
  /** Node → incarnation, as the peer told last. */
  reaches: ReadonlyMap<number, number> = new Map();
  /** Claims of the current batch that it has been told. */
  claimsTold = 0;
  readonly counters = emptyCounters();

  constructor(member: Member) {
    this.member = member;
  }

  get id(): number {
    return this.member.nodeId;
  }

  /** The peer as it lives now. */
  get life(): ClaimOwner {
    return { node: this.id, incarnation: this.incarnation };
  }

  get isReached(): boolean {
    return this.path !== null;
  }

  /** A member that should be there: when it is not, that says something. */
  get isExpected(): boolean {
    return this.wasReached && !this.hasLeft && this.member.enabled;
  }

  get state(): PeerState {
    if (!this.member.enabled) return 'disabled';
    if (this.connection !== null) return 'up';
    if (this.path !== null) return 'relayed';
    if (this.refused) return 'refused';
    return this.dialling === null ? 'down' : 'connecting';
  }

  /** The queue of a relayed peer is that of the peer that relays. */
  view(): PeerView {
    const { counters } = this;
    return {
      nodeId: this.id,
      description: this.member.description,
      rowId: this.member.rowId ?? 0,
      address: this.member.address,
      port: this.member.port,
      secure: this.member.secure,
      state: this.state,
      through: this.through,
      incarnation: this.incarnation,
      software: this.software,
      draining: this.draining,
      roundTripMilliseconds: this.connection === null ? null : this.roundTrip,
      queueFrames: this.connection?.writer?.frames ?? 0,
      queueBytes: this.connection?.writer?.bytes ?? 0,
      reaches: [...this.reaches.keys()],
      since: this.since,
      problem: this.problem,
      counters: {
        ...counters,
        forwardsIn: { ...counters.forwardsIn },
        forwardsOut: { ...counters.forwardsOut },
        drops: { ...counters.drops },
      },
    };
  }
}

function emptyCounters(): PeerCounters {
  return {
    framesIn: 0,
    framesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    relayed: 0,
    heartbeatsMissed: 0,
    linksLost: 0,
    forwardsIn: zeros(forwardKindNames),
    forwardsOut: zeros(forwardKindNames),
    drops: zeros(dropCauses),
  };
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
