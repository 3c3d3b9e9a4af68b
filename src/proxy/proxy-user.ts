/** What the proxy layer and those who use it say to each other: settings, reports, replies. Plain data and one port. */

import type { ProxyBranch } from '#proxy/proxy-branch.ts';
import type { MessageEdits } from '#sip/edits.ts';
import type { SipMessage } from '#sip/message.ts';
import type { Flow } from '#util/socket-address.ts';

export interface ProxySettings {
  /** Timer C, ms (OpenSIPS fr_inv_timeout). */
  timerC: number;
  /** Timer B and F, ms (OpenSIPS fr_timeout). */
  frTimeout: number;
  readonly viaParameter: string;
  /** Header line of our own replies, or ''. */
  readonly serverHeader: string;
  readonly translate503: boolean;
  /** RFC 3261 16.7 step 5: a 6xx ends the other branches, and no new ones are tried. */
  readonly block6xx: boolean;
  /** Every provisional response but 100 starts Timer C anew; false: only the first starts it. */
  readonly restartTimerC: boolean;
  /** RFC 5393 4.2: requests that came round are answered 482. */
  readonly detectLoops: boolean;
  /** Option tags of Proxy-Require that the script sees to, lower case. */
  readonly understoodOptions: readonly string[];
}

/** A response of a branch, before it is dealt with. */
export interface BranchReply {
  readonly response: SipMessage;
  readonly source: Flow;
  /** What goes upstream is changed by these. */
  readonly edits: MessageEdits;
  /** The user may choose another of the same class; it counts for all that follows. */
  status: number;
}

/**
 * What a user says when all branches failed. `forward`: the best response goes to the caller. `continue`: the user
 * replied, added branches, or will do so and then call `conclude`; a new round begins. `wait`: this round is not over.
 */
export type FinalVerdict = 'forward' | 'continue' | 'wait';

export interface ProxyUser {
  /** Every response of a branch but 100, before it is dealt with. `drop` counts for provisional ones only. */
  onResponse(now: number, branch: ProxyBranch, reply: BranchReply): 'forward' | 'drop';
  /** All branches failed; `response` is null when the status is our own. */
  onFinal(now: number, branch: ProxyBranch, response: SipMessage | null, status: number): FinalVerdict;
  /** Something above 100 is about to go upstream. */
  onReply(now: number, reply: UpstreamReply): void;
  onEnd(now: number): void;
  /** The place of this branch could not be reached, or could not serve: the next one is tried. */
  onFailover?(now: number, branch: ProxyBranch): void;
  /** The same for all replies of one request (RFC 3261 8.2.6.2). */
  newToTag(): string;
}

export interface UpstreamReply {
  readonly status: number;
  /** Null: a reply of our own. */
  readonly response: SipMessage | null;
  readonly edits: MessageEdits | null;
  readonly toTag: string;
}

export interface LocalReply {
  readonly status: number;
  readonly reason: string;
  readonly headers: string;
  readonly toTag: string;
  readonly body?: string;
  readonly contentType?: string;
}
