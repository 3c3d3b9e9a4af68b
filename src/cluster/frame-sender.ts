/** How the parts of the cluster node send: to a node by id, whatever way it is reached by at the moment. */

import type { FrameType } from '#cluster/frame.ts';
import type { Codec } from '#util/codec.ts';

/** Urgent frames overtake bulk ones: heartbeats, claims and SIP on one side, copies of state on the other. */
export type FramePriority = 'urgent' | 'bulk';

export interface OutgoingFrame<Body> {
  readonly type: FrameType;
  readonly codec: Codec<Body>;
  readonly body: Body;
  readonly priority: FramePriority;
  /** It may wait until something else leaves over the link, or the batch of claims is due. */
  readonly isPatient?: boolean;
}

export interface FrameSender {
  /** Queues the frame; false when the node is not reached or its queue is full, which is counted. */
  send<Body>(now: number, node: number, frame: OutgoingFrame<Body>): boolean;
}
