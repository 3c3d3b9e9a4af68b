/**
 * One branch of a proxied request: where it went and what came back. It hears its client transaction and tells the
 * response context, so that nobody has to search for the branch of a response.
 */

import type { MessageEdits } from '#sip/edits.ts';
import type { SipMessage } from '#sip/message.ts';
import type { ClientTransaction, ClientUser } from '#transaction/client-transaction.ts';
import type { BranchDescription } from '#transaction/server-transaction.ts';
import { bracketed } from '#util/ip-address.ts';
import type { Flow } from '#util/socket-address.ts';
import type { Timer, TimerQueue, TimerTarget } from '#util/timer-queue.ts';

/** What a branch keeps of its target; the rest is only needed to write the request. */
export interface BranchTarget {
  readonly requestUri: string;
  readonly flow: Flow;
  /** The user's own. */
  readonly tag?: unknown;
  /** Nobody waits for this branch when all others have failed. */
  readonly minor?: boolean;
}

/** Another place of the same target. */
export interface Alternative extends Flow {
  /** Header lines that stand instead of the target's. */
  readonly headers?: string;
}

export interface ProxyTarget extends BranchTarget {
  /** The script's changes for this branch. */
  readonly edits: MessageEdits;
  /** Header lines to stand behind our Via, each ending in CRLF. */
  readonly headers: string;
  /** Header lines that all requests to this place carry, the ACK to a failure and a CANCEL too. */
  readonly commonHeaders?: string;
  /** Where to go next when `flow` cannot be reached or cannot serve (RFC 3263 4.3), in this order. */
  readonly alternatives?: readonly Alternative[];
  /** RFC 3261 18.1.1: where it goes first when it is longer than so many bytes; `flow` is its first alternative then. */
  readonly large?: { readonly flow: Flow; readonly above: number };
}

/** What is needed to try the next address of the same target; null when there is none. */
export function spareTarget(target: ProxyTarget): ProxyTarget | null {
  const [flow, ...alternatives] = target.alternatives ?? [];
  if (flow === undefined) return null;
  const { socket, address, port, headers = target.headers } = flow;
  return { ...target, flow: { socket, address, port }, alternatives, headers, edits: target.edits.clone() };
}

/** RFC 3261 18.1.1: the transport by the size of the request as it would leave; `write` uses up what it is given. */
export function targetBySize(target: ProxyTarget, write: (target: ProxyTarget) => string): ProxyTarget {
  const { large, flow, alternatives = [], ...rest } = target;
  if (large === undefined) return target;
  const text = write({ ...target, edits: target.edits.clone() });
  if (text.length <= large.above) return { ...rest, flow, alternatives };
  return { ...rest, flow: large.flow, alternatives: [flow, ...alternatives] };
}

export interface BranchOwner {
  onBranchResponse(now: number, branch: ProxyBranch, response: SipMessage, source: Flow): void;
  /** No answer came (408), or the request could not be sent (503). */
  onBranchFailure(now: number, branch: ProxyBranch, status: number): void;
  onBranchTimer(now: number, branch: ProxyBranch): void;
  onBranchTerminated(now: number, branch: ProxyBranch): void;
}

export class ProxyBranch implements TimerTarget, ClientUser {
  readonly index: number;
  readonly target: BranchTarget;
  client: ClientTransaction | null = null;
  /** Final status, 0 while it is pending. */
  status = 0;
  /** The failure that came; null while pending, after a 2xx, and when the final status is our own (408, 503). */
  response: SipMessage | null = null;
  responseEdits: MessageEdits | null = null;
  provisional = false;
  /** RFC 5393 5: its part of Max-Breadth; 0 when it has given that back. */
  breadth = 0;
  /** The next address of the same target. */
  spare: ProxyTarget | null = null;
  /** Another took over when this one could not be reached: this one counts no more. */
  isSuperseded = false;
  /** RFC 3261 9.1: a CANCEL waits for the first provisional response. */
  cancel: 'none' | 'wanted' | 'sent' = 'none';
  cancelHeaders = '';
  /** Timer C expired: whatever failure its CANCEL brings counts as 408. */
  timedOut = false;
  /** Timer C, or the wait for the answer to a CANCEL. */
  timer: Timer | null = null;
  /** A peer may have adopted the transaction while this process stood still. */
  readonly isPatient = true;
  readonly #owner: BranchOwner;

  constructor(index: number, { requestUri, flow, tag, minor = false }: BranchTarget, owner: BranchOwner) {
    this.index = index;
    this.target = { requestUri, flow, tag, minor };
    this.#owner = owner;
  }

  get pending(): boolean {
    return this.status === 0;
  }

  startTimer(now: number, timers: TimerQueue, milliseconds: number): void {
    timers.stop(this.timer);
    this.timer = timers.start(now, milliseconds, this, 0);
  }

  stopTimer(timers: TimerQueue): void {
    timers.stop(this.timer);
    this.timer = null;
  }

  describe(): BranchDescription {
    const { address, port } = this.target.flow;
    return {
      index: this.index,
      destination: `${bracketed(address)}:${port}`,
      state: this.client === null ? '' : this.client.state,
      status: this.status,
      cancelled: this.cancel !== 'none',
    };
  }

  onTimer(_kind: number, now: number): void {
    this.#owner.onBranchTimer(now, this);
  }

  onResponse(now: number, response: SipMessage, source: Flow): void {
    this.#owner.onBranchResponse(now, this, response, source);
  }

  onTimeout(now: number): void {
    this.#owner.onBranchFailure(now, this, 408);
  }

  onTransportError(now: number): void {
    // RFC 3261 16.9: as if a 503 had been received.
    this.#owner.onBranchFailure(now, this, 503);
  }

  onTerminated(now: number): void {
    this.#owner.onBranchTerminated(now, this);
  }
}
