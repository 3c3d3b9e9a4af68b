/** What the cluster node needs from outside, and how it is set up. Effects go through here and nowhere else. */

import type { LinkTransport } from '#cluster/link-transport.ts';
import type { TimerQueue } from '#util/timer-queue.ts';

export interface ClusterLog {
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface ClusterPorts {
  readonly timers: TimerQueue;
  readonly transport: LinkTransport;
  readonly log: ClusterLog;
  /** Unpredictable bytes, a new buffer each time. */
  random(bytes: number): Buffer;
  /** Runs `run` once when the current turn of the event loop has handled its input; never from within the call. */
  endOfTurn(run: (now: number) => void): void;
}

export interface ClusterIdentity {
  readonly clusterId: number;
  readonly nodeId: number;
  /** Start counter: larger at every start of this node. */
  readonly incarnation: number;
  /** Version of the program, told to peers for people to read. */
  readonly software: string;
  /** Null: peers are known by their listed address alone. */
  readonly secret: Uint8Array | null;
  /** While the secret is being changed: the former or the coming one, which is believed but not used. */
  readonly otherSecret?: Uint8Array | null;
}

/** All in milliseconds unless they say otherwise. */
export interface ClusterSettings {
  readonly heartbeat: number;
  /** How long claims wait for company; 0 = until the end of the turn. Other frames take them along earlier. */
  readonly claimBatch: number;
  /** How long `ask` waits for the peers. */
  readonly askWait: number;
  /** How long `call` waits for a result. */
  readonly callWait: number;
  /** Pause before the first redial; doubled at each failure, with jitter. */
  readonly redialFirst: number;
  readonly redialLast: number;
  /** The node with the higher id dials only when it has heard nothing for this long. */
  readonly patience: number;
  /**
   * How long after the loss of the direct link, or the start, nobody else is taken as a relay: when the node itself has
   * died, the others find out within this time, and it is not reported as up in between.
   */
  readonly relaySettle: number;
  /** Claims remembered, of all nodes together: some 60 bytes each. */
  readonly claimsMax: number;
  /** Who is told of a claim: every node, or its home alone. Equal on all nodes. */
  readonly claimDirectory: 'all' | 'home';
  /** Links to this node must be TLS whatever its row says; otherwise its `url` decides. */
  readonly requiresTls: boolean;
  /** Protocol range to announce; other than the program's own only in tests. */
  readonly protocol: { readonly lowest: number; readonly highest: number };
}
