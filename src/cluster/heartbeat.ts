/**
 * Frames that keep a link known to be alive, measure it, and tell who else is reached. A heartbeat carries the time of
 * its sender and gives back the last one it saw, with how long it kept it: one frame per second and direction is
 * enough for the round-trip time.
 */

import { boolean, list, struct, u32, u64 } from '#util/codec.ts';

export interface Heartbeat {
  /** The sender's clock in ms, its low 32 bits. */
  readonly sentAt: number;
  /** `sentAt` of the last heartbeat of the other side; meaningless until `echoAge` is real. */
  readonly echo: number;
  /** Milliseconds since that one came; {@link noEcho} when there was none. */
  readonly echoAge: number;
}

export const noEcho = 0xffff_ffff;

export const heartbeatCodec = struct<Heartbeat>({ sentAt: u32, echo: u32, echoAge: u32 });

/** A node that the sender has a direct link to. */
export interface ReachedNode {
  readonly node: number;
  readonly incarnation: number;
}

export interface Reach {
  /** The sender takes no new work: it is about to stop. */
  readonly draining: boolean;
  readonly nodes: readonly ReachedNode[];
}

/** OpenSIPS has the same limit; links are all to all. */
export const membersMax = 128;

export const reachCodec = struct<Reach>({
  draining: boolean,
  nodes: list(struct<ReachedNode>({ node: u32, incarnation: u64 }), membersMax),
});
