/**
 * One proxied request (RFC 3261 16.7 calls it the response context): its server transaction, its branches, and what
 * goes upstream. Scripts, dialogs and accounting see it through {@link ProxyUser}.
 * Invariant: at most one final response goes upstream, but for further 2xx to an INVITE (RFC 6026). The best response
 * is chosen among the branches of one round: those that a failure route adds later begin a new one, as in OpenSIPS.
 * Left out: recursion on 3xx (the script's affair) and the loop detection of RFC 5393 (Max-Forwards bounds loops).
 */

import { addChallenges, bestBranch } from '#proxy/best-response.ts';
import { forwardedRequest, hasNextVia, isHopLimitReached, removeTopVia } from '#proxy/forwarding.ts';
import { type BranchOwner, ProxyBranch, type ProxyTarget } from '#proxy/proxy-branch.ts';
import { MessageEdits } from '#sip/edits.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildCancel } from '#sip/request.ts';
import { buildResponse } from '#sip/response.ts';
import { toBytes } from '#sip/serialize.ts';
import { reasonPhrase } from '#sip/status.ts';
import type { ClientUser } from '#transaction/client-transaction.ts';
import type { BranchDescription, ServerTransaction, ServerUser } from '#transaction/server-transaction.ts';
import { longTimeout } from '#transaction/settings.ts';
import type { TransactionTable } from '#transaction/table.ts';
import { Failure, isFailure } from '#util/failure.ts';
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
  /** RFC 3261 16.7 step 5: a 6xx ends the other branches. */
  readonly block6xx: boolean;
}

export interface ProxyUser {
  /** Every response of a branch but 100, before it is dealt with. `drop` counts for provisional ones only. */
  onResponse(now: number, branch: ProxyBranch, response: SipMessage, edits: MessageEdits): 'forward' | 'drop';
  /**
   * All branches failed; `response` is null when the status is our own. `continue`: the user replied, added branches,
   * or will do so and then call `conclude`.
   */
  onFinal(
    now: number,
    branch: ProxyBranch,
    response: SipMessage | null,
    status: number,
  ): 'forward' | 'continue';
  /** Something above 100 is about to go upstream. */
  onReply(now: number, reply: UpstreamReply): void;
  onEnd(now: number): void;
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

/** A request forked to more places than this is a loop or an attack. */
export const branchesMax = 64;

/** RFC 3326 3.1: a phone that rang in vain need not show a missed call. */
const completedElsewhere = 'Reason: SIP;cause=200;text="Call completed elsewhere"\r\n';

const silentClient: ClientUser = {
  onResponse: () => {},
  onTimeout: () => {},
  onTransportError: () => {},
  onTerminated: () => {},
};
const silentServer: ServerUser = {
  onAck: () => {},
  onServerTimeout: () => {},
  onServerTransportError: () => {},
  onServerTerminated: () => {},
};

export class ResponseContext implements ServerUser, BranchOwner {
  readonly branches: ProxyBranch[] = [];
  readonly settings: ProxySettings;
  /** Set right after construction. */
  server!: ServerTransaction;
  readonly #table: TransactionTable;
  readonly #user: ProxyUser;
  /** Branches whose client transaction is not over. */
  #running = 0;
  /** Index of the first branch of the present round. */
  #roundStart = 0;
  #serverOver = false;
  #isEnded = false;
  /** The caller sent a CANCEL: nothing new is tried for it. */
  #cancelled = false;
  /** A peer owns the request after all: nothing but a 2xx goes upstream any more. */
  #withdrawn = false;
  #cancelHeaders = '';

  private constructor(table: TransactionTable, user: ProxyUser, settings: ProxySettings) {
    this.#table = table;
    this.#user = user;
    this.settings = settings;
  }

  /** Makes the server transaction too; TRANSACTION_TABLE_FULL when there is no room for it. */
  static create(
    now: number,
    table: TransactionTable,
    arrival: { readonly request: SipMessage; readonly source: Flow },
    options: { readonly user: ProxyUser; readonly settings: ProxySettings },
  ): ResponseContext | Failure {
    const context = new ResponseContext(table, options.user, options.settings);
    const server = table.createServer(now, arrival.request, arrival.source, context);
    if (isFailure(server)) return server;
    context.server = server;
    return context;
  }

  /** True when the caller has its final response, or wants none any more. */
  get isOver(): boolean {
    return this.server.lastStatus >= 200 || this.#cancelled || this.#withdrawn;
  }

  // ── downstream ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * RFC 3261 16.6: sends the request to one more place. `target.edits` is used up: the branch's own changes are added
   * to it. When Max-Forwards allows no further hop, the caller has been answered 483.
   */
  addBranch(now: number, target: ProxyTarget): ProxyBranch | Failure {
    const refused = this.#refuse(now, target);
    if (refused !== null) return refused;
    const index = this.branches.length;
    const slot = this.#table.reserveClient(index);
    if (isFailure(slot)) return slot;
    const { request, source } = this.server;
    const text = forwardedRequest(request, {
      ...target,
      source,
      branch: slot.branch,
      viaParameter: this.settings.viaParameter,
    });
    const branch = new ProxyBranch(index, target, this);
    this.branches.push(branch);
    this.#running++;
    const sent = {
      text,
      method: request.method,
      flow: target.flow,
      finalResponseMilliseconds: this.settings.frTimeout,
    };
    // Known before the request leaves: a transport in memory may answer while `start` still runs.
    branch.client = this.#table.prepareClient(slot, sent, branch);
    branch.client.start(now);
    return branch;
  }

  #refuse(now: number, target: ProxyTarget): Failure | null {
    const { request } = this.server;
    if (this.isOver) {
      return new Failure('PROXY_REQUEST_OVER', `${request.callId}: the request is answered or cancelled`);
    }
    if (this.branches.length >= branchesMax) {
      return new Failure('PROXY_BRANCHES_TOO_MANY', `${request.callId}: more than ${branchesMax} branches`);
    }
    if (isHopLimitReached(request, target.edits)) {
      // RFC 3261 16.3 step 3
      this.#replyLocally(now, 483);
      return new Failure('PROXY_HOPS_EXHAUSTED', `${request.method} ${request.callId}: Max-Forwards is 0`);
    }
    return null;
  }

  /** CANCEL to every pending branch (16.10); those that answered nothing yet get theirs with the first 1xx. */
  cancel(now: number, headers = ''): void {
    this.#cancelHeaders = headers;
    for (const branch of this.branches) this.#cancelBranch(now, branch);
  }

  /**
   * A CANCEL that arrived for this request: 200 to it, and 487 follows from the branches. `headers` go into the
   * CANCELs downstream; without any, the caller's own Reason does (RFC 3326 2).
   */
  receiveCancel(now: number, cancel: SipMessage, source: Flow, headers = ''): void {
    const answer = buildResponse(cancel, {
      status: 200,
      reason: 'canceling',
      // RFC 3261 9.2: the same tag as in the response to the request that is cancelled.
      toTag: this.#user.newToTag(),
      headers: this.settings.serverHeader,
      received: source,
    });
    const server = this.#table.createServer(now, cancel, source, silentServer);
    // No room to remember the CANCEL: it is obeyed all the same, and answered when it is repeated.
    if (!isFailure(server)) server.respond(now, 200, toBytes(answer));
    // RFC 3261 9.2: no effect once there is a final response.
    if (this.isOver) return;
    this.#cancelled = true;
    if (this.branches.every((branch) => !branch.pending)) this.#replyLocally(now, 487);
    else this.cancel(now, headers === '' ? reasonLines(cancel) : headers);
  }

  /** The claim of another node won: its branches ring, ours end, and the caller hears nothing from us. */
  withdraw(now: number): void {
    this.#withdrawn = true;
    for (const branch of this.branches) if (branch.pending) branch.client?.stopRetransmitting();
    this.cancel(now);
    this.server.abandon(now);
  }

  #cancelBranch(now: number, branch: ProxyBranch): void {
    if (!branch.pending || branch.cancel === 'sent' || branch.client === null) return;
    // RFC 3261 9.1: only an INVITE is cancelled, and only once it was answered provisionally.
    if (!this.server.isInvite) return;
    if (!branch.provisional) {
      branch.cancel = 'wanted';
      return;
    }
    branch.cancel = 'sent';
    // RFC 3261 9.1: without an answer 64 × T1 after the CANCEL, the transaction counts as cancelled.
    this.#setTimer(now, branch, longTimeout(this.#table.settings));
    const sent = parseMessage(branch.client.text!);
    // A script may have put in a header line that is none: then nobody downstream could read the request either.
    if (isFailure(sent)) return;
    this.#table.startCancel(now, branch.client, buildCancel(sent, this.#cancelHeaders), silentClient);
  }

  // ── upstream ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A response made here; a final one ends the branches. False when the request has its final response already. */
  reply(now: number, reply: LocalReply): boolean {
    const { status } = reply;
    if (this.#withdrawn || this.server.lastStatus >= 200 || !this.server.canRespond(status)) return false;
    const toTag = status > 100 ? reply.toTag : '';
    if (status > 100) this.#user.onReply(now, { status, response: null, edits: null, toTag });
    const text = buildResponse(this.server.request, {
      ...reply,
      toTag,
      headers: reply.headers + this.settings.serverHeader,
      received: this.server.source,
    });
    const sent = this.server.respond(now, status, toBytes(text));
    if (status >= 200) this.cancel(now);
    return sent;
  }

  #replyLocally(now: number, status: number): void {
    this.reply(now, { status, reason: reasonPhrase(status), headers: '', toTag: this.#user.newToTag() });
  }

  #forward(now: number, response: SipMessage, edits: MessageEdits): void {
    const { server } = this;
    const { status } = response;
    const isOpen = server.canRespond(status);
    // RFC 3261 16.7 step 10: a 2xx to an INVITE goes on although its server transaction is gone.
    const isStray = !isOpen && server.state === 'terminated' && server.isInvite && status < 300;
    if (!isOpen && !isStray) return;
    if (!this.#withdrawn) this.#user.onReply(now, { status, response, edits, toTag: response.toTag });
    const bytes = toBytes(edits.apply(response.text));
    if (isOpen) server.respond(now, status, bytes);
    else this.#table.sendReply(server, bytes);
  }

  // ── BranchOwner ───────────────────────────────────────────────────────────────────────────────────────────────

  onBranchResponse(now: number, branch: ProxyBranch, response: SipMessage): void {
    if (response.status < 200) this.#onProvisional(now, branch, response);
    else if (hasNextVia(response)) this.#onFinalResponse(now, branch, response);
    else this.onBranchFailure(now, branch, 502);
  }

  onBranchFailure(now: number, branch: ProxyBranch, status: number): void {
    if (!branch.pending) return;
    this.#settle(branch, status);
    this.conclude(now);
  }

  onBranchTerminated(now: number, branch: ProxyBranch): void {
    this.#stopTimer(branch);
    this.#running--;
    this.#endIfOver(now);
  }

  #onProvisional(now: number, branch: ProxyBranch, response: SipMessage): void {
    if (!branch.pending) return;
    branch.provisional = true;
    // RFC 4320 4.1: nothing but a late 100 may answer a request that is no INVITE, and a 100 is never forwarded.
    if (!this.server.isInvite) return;
    const isTrying = response.status === 100;
    if (branch.cancel === 'wanted') this.#cancelBranch(now, branch);
    else if (branch.cancel === 'none' && (branch.timer === null || !isTrying)) {
      // RFC 3261 16.7 step 2: Timer C starts anew with every provisional response but 100.
      this.#setTimer(now, branch, this.settings.timerC);
    }
    // RFC 3261 16.7 step 5: 100 is not forwarded.
    if (isTrying || this.#withdrawn || !hasNextVia(response)) return;
    const edits = new MessageEdits();
    removeTopVia(response, edits);
    // A provisional response that was overtaken by a final one does not follow it: `#forward` sees to that.
    if (this.#user.onResponse(now, branch, response, edits) === 'forward')
      this.#forward(now, response, edits);
  }

  #onFinalResponse(now: number, branch: ProxyBranch, response: SipMessage): void {
    const edits = new MessageEdits();
    removeTopVia(response, edits);
    if (!this.#withdrawn) this.#user.onResponse(now, branch, response, edits);
    if (response.status < 300) {
      // RFC 3261 16.7 step 5: every 2xx to an INVITE goes on at once, the other branches end.
      if (branch.pending) this.#settle(branch, response.status);
      this.#forward(now, response, edits);
      this.cancel(now, completedElsewhere);
      return;
    }
    if (!branch.pending) return;
    this.#settle(branch, branch.timedOut ? 408 : response.status);
    if (!branch.timedOut) {
      branch.response = response;
      branch.responseEdits = edits;
    }
    if (response.status >= 600 && this.settings.block6xx) this.cancel(now);
    this.conclude(now);
  }

  #settle(branch: ProxyBranch, status: number): void {
    branch.status = status;
    this.#stopTimer(branch);
  }

  /**
   * RFC 3261 16.7 step 6: answers the caller when every branch has failed. For a user that said `continue` and then
   * could add no branch after all; does nothing while a branch is pending.
   */
  conclude(now: number): void {
    if (this.#withdrawn || this.server.lastStatus >= 200) return;
    if (this.branches.some((branch) => branch.pending)) return;
    const best = bestBranch(this.branches.slice(this.#roundStart));
    if (best === null) return;
    const known = this.branches.length;
    const verdict = this.#user.onFinal(now, best, best.response, best.status);
    if (this.branches.length > known) this.#roundStart = known;
    if (verdict === 'continue' || this.server.lastStatus >= 200) return;
    if (best.status === 503 && this.settings.translate503) {
      // RFC 3261 16.7 step 6: a 503 is about one place, the caller must not think it is about all of us.
      this.#replyLocally(now, 500);
    } else if (best.response !== null) {
      addChallenges(best, this.branches, best.responseEdits!);
      this.#forward(now, best.response, best.responseEdits!);
    } else if (best.status === 408 && !this.server.isInvite) {
      // RFC 4320 4.2: no 408 to a request that is no INVITE, the caller gives up at the same moment.
      this.server.giveUp(now);
    } else this.#replyLocally(now, best.cancel !== 'none' && !best.timedOut ? 487 : best.status);
  }

  // ── timers ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Timer C (RFC 3261 16.8), or no answer after a CANCEL. */
  onBranchTimer(now: number, branch: ProxyBranch): void {
    branch.timer = null;
    if (!branch.pending || branch.client === null) return;
    if (branch.cancel === 'sent') {
      this.#settle(branch, branch.timedOut ? 408 : 487);
      branch.client.abandon(now);
      this.conclude(now);
      return;
    }
    this.#table.counters.timeout_finalresponse_inv++;
    branch.timedOut = true;
    this.#cancelBranch(now, branch);
  }

  #setTimer(now: number, branch: ProxyBranch, milliseconds: number): void {
    this.#stopTimer(branch);
    branch.timer = this.#table.timers.start(now, milliseconds, branch, 0);
  }

  #stopTimer(branch: ProxyBranch): void {
    this.#table.timers.stop(branch.timer);
    branch.timer = null;
  }

  // ── ServerUser ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The table hands no ACK to a 2xx to us: it goes its own way, end to end. */
  onAck(): void {}

  /** Timer H: the caller never acknowledged its failure. There is nobody left to tell. */
  onServerTimeout(): void {}

  /** RFC 6026 8.8: the server transaction stays; the caller will repeat its request. */
  onServerTransportError(): void {}

  onServerTerminated(now: number): void {
    this.#serverOver = true;
    this.#endIfOver(now);
  }

  describeBranches(): readonly BranchDescription[] {
    return this.branches.map((branch) => ({
      index: branch.index,
      destination: `${branch.target.flow.address}:${branch.target.flow.port}`,
      state: branch.client === null ? '' : branch.client.state,
      status: branch.status,
      cancelled: branch.cancel !== 'none',
    }));
  }

  #endIfOver(now: number): void {
    if (this.#isEnded || this.#running > 0) return;
    // What is left of an answered request that is no INVITE (half of all) needs nobody but its server transaction.
    const isIdle = !this.server.isInvite && this.server.lastStatus >= 200;
    if (!this.#serverOver && !isIdle) return;
    this.#isEnded = true;
    this.server.detachUser();
    this.#user.onEnd(now);
  }
}

/** The Reason header lines of a request, as they stand. */
function reasonLines(message: SipMessage): string {
  let lines = '';
  for (let line = message.findNamed('Reason'); line !== -1; line = message.findNamed('Reason', line + 1)) {
    lines += `Reason: ${message.value(line)}\r\n`;
  }
  return lines;
}
