/** One branch of a proxied request: where it went and what came back. */

import type { MessageEdits } from '#sip/edits.ts';
import type { SipMessage } from '#sip/message.ts';
import type { ClientTransaction } from '#transaction/table.ts';
import type { Flow } from '#util/socket-address.ts';
import type { Timer, TimerTarget } from '#util/timer-queue.ts';

export interface ProxyTarget {
  readonly requestUri: string;
  readonly flow: Flow;
  /** The script's changes for this branch. */
  readonly edits: MessageEdits;
  /** Header lines to stand behind our Via, each ending in CRLF. */
  readonly headers: string;
  /** The user's own. */
  readonly tag?: unknown;
}

export interface BranchOwner {
  onBranchTimer(branch: ProxyBranch, now: number): void;
}

export class ProxyBranch implements TimerTarget {
  readonly index: number;
  readonly target: ProxyTarget;
  client: ClientTransaction | null = null;
  /** Final status, 0 while it is pending. */
  status = 0;
  /** The final response; null while pending, and when the final status is our own (408, 503). */
  response: SipMessage | null = null;
  responseEdits: MessageEdits | null = null;
  provisional = false;
  /** RFC 3261 9.1: a CANCEL waits for the first provisional response. */
  cancel: 'none' | 'wanted' | 'sent' = 'none';
  /** Timer C expired: whatever its CANCEL brings counts as 408. */
  timedOut = false;
  /** Timer C, or the wait for the answer to a CANCEL. */
  timer: Timer | null = null;
  readonly #owner: BranchOwner;

  constructor(index: number, target: ProxyTarget, owner: BranchOwner) {
    this.index = index;
    this.target = target;
    this.#owner = owner;
  }

  get pending(): boolean {
    return this.status === 0;
  }

  onTimer(_kind: number, now: number): void {
    this.#owner.onBranchTimer(this, now);
  }
}
