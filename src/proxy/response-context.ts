/**
 * One proxied request (RFC 3261 16.7 calls it the response context): its server transaction, its branches, and what
 * goes upstream. Scripts, dialogs and accounting see it through {@link ProxyUser}.
 * Invariant: at most one final response goes upstream, but for further 2xx to an INVITE (RFC 6026). The best response
 * is chosen among the branches of one round: those that a failure route adds later begin a new one, as in OpenSIPS.
 * Left out: recursion on 3xx, which is the script's affair (module uac_redirect).
 */

import { Admission } from '#proxy/admission.ts';
import { addChallenges, bestBranch } from '#proxy/best-response.ts';
import { acceptCancel, completedElsewhere, reasonLines, sendCancel } from '#proxy/cancellation.ts';
import { forwardedRequest, hasNextVia, removeTopVia } from '#proxy/forwarding.ts';
import {
  type BranchOwner,
  ProxyBranch,
  type ProxyTarget,
  spareTarget,
  targetBySize,
} from '#proxy/proxy-branch.ts';
import type { BranchReply, LocalReply, ProxySettings, ProxyUser } from '#proxy/proxy-user.ts';
import { Waiting, type WaitingOwner } from '#proxy/waiting.ts';
import { MessageEdits } from '#sip/edits.ts';
import type { SipMessage } from '#sip/message.ts';
import { buildResponse } from '#sip/response.ts';
import { toBytes } from '#sip/serialize.ts';
import { reasonPhrase } from '#sip/status.ts';
import type { BranchDescription, ServerTransaction, ServerUser } from '#transaction/server-transaction.ts';
import { longTimeout } from '#transaction/settings.ts';
import type { ClientSlot, TransactionTable } from '#transaction/table.ts';
import { Failure, isFailure } from '#util/failure.ts';
import type { Flow } from '#util/socket-address.ts';

/** A request forked to more places than this is a loop or an attack. */
export const branchesMax = 64;

export class ResponseContext implements ServerUser, BranchOwner, WaitingOwner {
  readonly branches: ProxyBranch[] = [];
  readonly settings: ProxySettings;
  /** Set right after construction. */
  server!: ServerTransaction;
  readonly #table: TransactionTable;
  readonly #user: ProxyUser;
  /** Branches whose client transaction is not over. */
  #running = 0;
  /** Index of the first branch of the present round. */
  roundStart = 0;
  #serverOver = false;
  #isEnded = false;
  /** The caller sent a CANCEL: nothing new is tried for it. */
  cancelled = false;
  /** A peer owns the request after all: nothing but a 2xx goes upstream any more. */
  #withdrawn = false;
  #admission: Admission | null = null;
  readonly waiting: Waiting;

  private constructor(table: TransactionTable, user: ProxyUser, settings: ProxySettings) {
    this.#table = table;
    this.#user = user;
    this.settings = settings;
    this.waiting = new Waiting(table.timers, this);
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
    return this.server.lastStatus >= 200 || this.cancelled || this.#withdrawn;
  }

  // ── downstream ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * RFC 3261 16.3: a request that must not be forwarded is answered here, and the Failure says why. Once per request;
   * `requestUri` and `edits` are the script's.
   */
  validate(now: number, requestUri: string, edits: MessageEdits): Failure | null {
    const refusal = this.#admit().refusal(requestUri, edits, this.settings, this.#table.branches);
    if (refusal === null) return null;
    const { status, headers } = refusal;
    this.#replyLocally(now, status, headers);
    const { method, callId } = this.server.request;
    const reason = `${status} ${reasonPhrase(status)}`;
    return new Failure('PROXY_REQUEST_REFUSED', `${method} ${callId}: ${reason} (RFC 3261 16.3)`);
  }

  #admit(): Admission {
    this.#admission ??= new Admission(this.server.request, this.server.source);
    return this.#admission;
  }

  /** RFC 5393 5.3.3: so many branches are to come together; when Max-Breadth forbids it, the caller gets 440. */
  announce(now: number, branches: number): Failure | null {
    if (this.#admit().breadth.announce(branches + Math.min(this.waiting.expected, 1))) return null;
    return this.#refuseBreadth(now);
  }

  #refuseBreadth(now: number): Failure {
    if (this.branches.every((branch) => !branch.pending)) this.#replyLocally(now, 440);
    const { callId } = this.server.request;
    return new Failure('PROXY_BREADTH_EXHAUSTED', `${callId}: Max-Breadth allows no further branch at once`);
  }

  /**
   * RFC 3261 16.6: sends the request to one more place. `target.edits` is used up: the branch's own changes are added
   * to it. A Failure may mean that the caller has been answered: see `validate` and `announce`.
   */
  addBranch(now: number, target: ProxyTarget): ProxyBranch | Failure {
    const refused = this.#refuse() ?? this.validate(now, target.requestUri, target.edits);
    if (refused !== null) return refused;
    const breadth = this.#admit().breadth.take();
    if (breadth === 0) return this.#refuseBreadth(now);
    const branch = this.#startBranch(now, target, breadth);
    if (isFailure(branch)) this.#admit().breadth.giveBack(breadth);
    return branch;
  }

  #startBranch(now: number, target: ProxyTarget, breadth: number): ProxyBranch | Failure {
    const slot = this.#table.reserveClient(this.branches.length, this.#admit().routingHash);
    if (isFailure(slot)) return slot;
    const sized = targetBySize(target, (plain) => this.#write(plain, slot.branch, breadth));
    const branch = new ProxyBranch(this.branches.length, sized, this);
    branch.breadth = breadth;
    this.#start(now, branch, slot, sized);
    return branch;
  }

  /** The request as it leaves; `target.edits` is used up. */
  #write(target: ProxyTarget, branch: string, breadth: number): string {
    const { request, source } = this.server;
    const { viaParameter } = this.settings;
    return forwardedRequest(request, { ...target, source, branch, viaParameter, breadth });
  }

  /**
   * RFC 3263 4.3: the place could not be reached, or said that it cannot serve: the same request goes to the next
   * address of the same target, as a branch of its own. False when there is none, or the caller has gone.
   */
  #failOver(now: number, branch: ProxyBranch, status: number): boolean {
    const { spare } = branch;
    branch.spare = null;
    // 408: only when nothing was heard at all. One that rang has been reached.
    const isUnserved = status === 503 || (status === 408 && !branch.provisional);
    if (spare === null || !isUnserved || this.isOver || branch.cancel !== 'none') return false;
    const { breadth } = branch;
    branch.breadth = 0;
    // Settled before the next one starts: a transport in memory may fail it at once.
    branch.isSuperseded = true;
    this.#settle(branch, status);
    this.#table.counters.failover_requests++;
    this.#user.onFailover?.(now, branch);
    if (!isFailure(this.#startBranch(now, spare, breadth))) return true;
    branch.isSuperseded = false;
    this.#admit().breadth.giveBack(breadth);
    return false;
  }

  #start(now: number, branch: ProxyBranch, slot: ClientSlot, target: ProxyTarget): void {
    // Before the branch's own changes are added to the edits.
    branch.spare = spareTarget(target);
    const text = this.#write(target, slot.branch, branch.breadth);
    this.branches.push(branch);
    this.#running++;
    const sent = {
      text,
      method: this.server.method,
      flow: target.flow,
      finalResponseMilliseconds: this.settings.frTimeout,
      commonHeaders: target.commonHeaders ?? '',
    };
    if (!this.server.isInvite && this.server.lastStatus === 0)
      this.waiting.startTrying(now, false, this.#table.settings);
    // Known before the request leaves: a transport in memory may answer while `start` still runs.
    branch.client = this.#table.prepareClient(slot, sent, branch);
    // RFC 3261 16.6 steps 10 and 11
    branch.client.start(now);
  }

  #refuse(): Failure | null {
    const { callId } = this.server.request;
    if (this.isOver)
      return new Failure('PROXY_REQUEST_OVER', `${callId}: the request is answered or cancelled`);
    if (this.branches.length >= branchesMax)
      return new Failure('PROXY_BRANCHES_TOO_MANY', `${callId}: more than ${branchesMax} branches`);
    // RFC 3261 16.7 step 5: no new branch once somebody answered for everywhere.
    if (this.settings.block6xx && this.branches.some((branch) => branch.status >= 600))
      return new Failure('PROXY_DECLINED_EVERYWHERE', `${callId}: a 6xx ended the search`);
    return null;
  }

  /** No more branches will be added than there are: see `Waiting.expect`. */
  expectNoMore(now: number): void {
    this.waiting.expectNoMore();
    if (this.branches.length > 0) this.conclude(now);
    else if (!this.isOver) this.#answerTimeout(now);
  }

  /** CANCEL to every pending branch (16.10); those that answered nothing yet get theirs with the first 1xx. */
  cancel(now: number, headers = '', except: ProxyBranch | null = null): void {
    for (const branch of this.branches) if (branch !== except) this.#cancelBranch(now, branch, headers);
  }

  /** CANCEL to one branch, when it is pending. */
  cancelBranch(now: number, branch: ProxyBranch): void {
    this.#cancelBranch(now, branch, '');
  }

  /**
   * A CANCEL that arrived for this request: 200 to it, and 487 follows from the branches. `headers` go into the
   * CANCELs downstream; without any, the caller's own Reason does (RFC 3326 2).
   */
  receiveCancel(now: number, cancel: SipMessage, source: Flow, headers = ''): void {
    // RFC 3261 9.2: the same tag as in the response to the request that is cancelled.
    const parts = { toTag: this.#user.newToTag(), headers: this.settings.serverHeader };
    acceptCancel(now, this.#table, { cancel, source }, parts);
    // RFC 3261 9.2: no effect once there is a final response.
    if (this.isOver) return;
    this.cancelled = true;
    this.waiting.expectNoMore();
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

  // ── from node to node ─────────────────────────────────────────────────────────────────────────────────────────

  /** A branch that a dead node had started; its client transaction, if it is not over, has been adopted. */
  addAdopted(branch: ProxyBranch): void {
    this.branches.push(branch);
    if (branch.client !== null) this.#running++;
  }

  /** A peer goes on with all of this: nothing is sent any more, to anybody. */
  abandon(now: number): void {
    this.#withdrawn = true;
    this.waiting.stop();
    for (const branch of this.branches) branch.client?.abandon(now);
    this.server.abandon(now);
  }

  #cancelBranch(now: number, branch: ProxyBranch, headers: string): void {
    if (!branch.pending || branch.cancel === 'sent' || branch.client === null) return;
    // RFC 3261 9.1: only an INVITE is cancelled, and only once it was answered provisionally.
    if (!this.server.isInvite) return;
    branch.cancelHeaders = headers;
    if (!branch.provisional) {
      branch.cancel = 'wanted';
      return;
    }
    branch.cancel = 'sent';
    // RFC 3261 9.1: without an answer 64 × T1 after the CANCEL, the transaction counts as cancelled.
    branch.startTimer(now, this.#table.timers, longTimeout(this.#table.settings));
    const { client, cancelHeaders } = branch;
    sendCancel(now, this.#table, { client, cancelHeaders });
  }

  // ── upstream ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A response made here; a final one ends the branches. False when the request has its final response already. */
  reply(now: number, reply: LocalReply): boolean {
    const { status } = reply;
    if (this.#withdrawn || this.server.lastStatus >= 200 || !this.server.canRespond(status)) return false;
    // RFC 4320 4.2: never to a request that is no INVITE.
    if (status === 408 && !this.server.isInvite) return false;
    // RFC 4320 4.1: nor anything provisional but 100.
    if (status > 100 && status < 200 && !this.server.isInvite) return false;
    const toTag = status > 100 ? reply.toTag : '';
    if (status > 100) this.#user.onReply(now, { status, response: null, edits: null, toTag });
    const text = buildResponse(this.server.request, {
      ...reply,
      toTag,
      headers: reply.headers + this.settings.serverHeader,
      received: this.server.source,
    });
    const sent = this.server.respond(now, status, toBytes(text));
    if (status >= 200) {
      this.waiting.stop();
      this.cancel(now);
    }
    return sent;
  }

  #replyLocally(now: number, status: number, headers = ''): void {
    this.reply(now, { status, reason: reasonPhrase(status), headers, toTag: this.#user.newToTag() });
  }

  #forward(now: number, { response, edits, status }: Omit<BranchReply, 'source'>): void {
    const { server } = this;
    const isOpen = server.canRespond(status);
    // RFC 3261 16.7 step 10: a 2xx to an INVITE goes on although its server transaction is gone.
    const isStray = !isOpen && server.state === 'terminated' && server.isInvite && status < 300;
    if (!isOpen && !isStray) return;
    if (!this.#withdrawn) this.#user.onReply(now, { status, response, edits, toTag: response.toTag });
    // RFC 3261 16.7 steps 8 and 9: nothing else of it is changed, a missing To tag least of all.
    const bytes = toBytes(edits.apply(response.text));
    if (status >= 200) this.waiting.stop();
    if (isOpen) server.respond(now, status, bytes);
    else this.#table.sendReply(server, bytes);
  }

  // ── BranchOwner ───────────────────────────────────────────────────────────────────────────────────────────────

  onBranchResponse(now: number, branch: ProxyBranch, response: SipMessage, source: Flow): void {
    const { status } = response;
    if (status < 200) this.#onProvisional(now, branch, response, source);
    else if (hasNextVia(response))
      this.#onFinalResponse(now, branch, { response, source, edits: new MessageEdits(), status });
    else this.onBranchFailure(now, branch, 502);
  }

  onBranchFailure(now: number, branch: ProxyBranch, status: number): void {
    if (!branch.pending || this.#failOver(now, branch, status)) return;
    this.#settle(branch, status);
    this.conclude(now);
  }

  onBranchTerminated(now: number, branch: ProxyBranch): void {
    branch.stopTimer(this.#table.timers);
    this.#running--;
    this.#endIfOver(now);
  }

  #onProvisional(now: number, branch: ProxyBranch, response: SipMessage, source: Flow): void {
    if (!branch.pending) return;
    branch.provisional = true;
    // RFC 4320 4.1: nothing but a late 100 may answer a request that is no INVITE, and a 100 is never forwarded.
    if (!this.server.isInvite) return;
    const isTrying = response.status === 100;
    if (branch.cancel === 'wanted') this.#cancelBranch(now, branch, branch.cancelHeaders);
    else if (
      branch.cancel === 'none' &&
      (branch.timer === null || (!isTrying && this.settings.restartTimerC))
    ) {
      // RFC 3261 16.7 step 2: Timer C starts anew with every provisional response but 100.
      branch.startTimer(now, this.#table.timers, this.settings.timerC);
    }
    // RFC 3261 16.7 step 5: 100 is not forwarded.
    if (isTrying || this.#withdrawn || !hasNextVia(response)) return;
    const reply: BranchReply = { response, source, edits: new MessageEdits(), status: response.status };
    removeTopVia(response, reply.edits);
    // A provisional response that was overtaken by a final one does not follow it: `#forward` sees to that.
    if (this.#user.onResponse(now, branch, reply) === 'forward') this.#forward(now, reply);
  }

  #onFinalResponse(now: number, branch: ProxyBranch, reply: BranchReply): void {
    const { response, edits } = reply;
    removeTopVia(response, edits);
    if (!this.#withdrawn) this.#user.onResponse(now, branch, reply);
    if (response.status < 300) {
      // RFC 3261 16.7 step 5: every 2xx to an INVITE goes on at once, the other branches end.
      if (branch.pending) this.#settle(branch, reply.status);
      this.#forward(now, reply);
      this.cancel(now, completedElsewhere);
      return;
    }
    if (!branch.pending || this.#failOver(now, branch, reply.status)) return;
    this.#settle(branch, branch.timedOut ? 408 : reply.status);
    if (!branch.timedOut) {
      branch.response = response;
      branch.responseEdits = edits;
    }
    if (response.status >= 600 && this.settings.block6xx) this.cancel(now);
    this.conclude(now);
  }

  #settle(branch: ProxyBranch, status: number): void {
    branch.status = status;
    // RFC 5393 5.3.3: what a branch does not need any more is there for later ones.
    this.#admission?.breadth.giveBack(branch.breadth);
    branch.breadth = 0;
    branch.stopTimer(this.#table.timers);
  }

  /**
   * RFC 3261 16.7 step 6: answers the caller when every branch has failed. For a user that said `continue` and then
   * could add no branch after all; does nothing while a branch is pending.
   */
  conclude(now: number): void {
    if (this.#withdrawn || this.server.lastStatus >= 200 || this.waiting.isExpecting) return;
    if (this.#isAwaited(now)) return;
    const start = this.roundStart;
    const best = bestBranch(this.branches.slice(start)) ?? bestBranch(this.branches);
    if (best === null) return;
    // Before the user is asked: what it adds, and what that is answered at once, belongs to the next round.
    this.roundStart = this.branches.length;
    const verdict = this.#user.onFinal(now, best, best.response, best.status);
    if (verdict === 'wait') this.roundStart = start;
    if (verdict !== 'forward' || this.server.lastStatus >= 200) return;
    this.#forwardBest(now, best);
  }

  /** Pending branches that count. Those that nobody waits for are cancelled as soon as they are the only ones. */
  #isAwaited(now: number): boolean {
    const isMinor = (branch: ProxyBranch): boolean => branch.target.minor === true;
    const pending = this.branches.filter((branch) => branch.pending);
    if (pending.length === 0) return false;
    if (!pending.every(isMinor) || this.branches.every(isMinor)) return true;
    for (const branch of pending) this.cancelBranch(now, branch);
    return false;
  }

  #forwardBest(now: number, best: ProxyBranch): void {
    const { status, response, responseEdits } = best;
    if (response === null && best.cancel !== 'none' && !best.timedOut) {
      // It was cancelled and will never say so itself.
      this.#replyLocally(now, 487);
    } else if (status === 503 && this.settings.translate503) {
      // RFC 3261 16.7 step 6: a 503 is about one place, the caller must not think it is about all of us.
      this.#replyLocally(now, 500);
    } else if (status === 408 && !this.server.isInvite) {
      this.#answerTimeout(now);
    } else if (response !== null) {
      addChallenges(best, this.branches, responseEdits!);
      this.#forward(now, { response, edits: responseEdits!, status });
    } else this.#replyLocally(now, status);
  }

  /** RFC 4320 4.2: no 408 to a request that is no INVITE, ours or another's: the caller gives up at the same moment. */
  #answerTimeout(now: number): void {
    if (this.server.isInvite) this.#replyLocally(now, 408);
    else this.waiting.stop();
    this.server.giveUp(now);
  }

  // ── timers ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Timer C (RFC 3261 16.8), or no answer after a CANCEL. */
  onBranchTimer(now: number, branch: ProxyBranch): void {
    branch.timer = null;
    if (!branch.pending || branch.client === null) return;
    const pause = this.#table.cutOffPause(now);
    if (pause > 0) branch.startTimer(now, this.#table.timers, pause);
    else if (branch.cancel === 'sent') {
      this.#settle(branch, branch.timedOut ? 408 : 487);
      branch.client.abandon(now);
      this.conclude(now);
    } else {
      this.#table.counters.timeout_finalresponse_inv++;
      branch.timedOut = true;
      this.#cancelBranch(now, branch, '');
    }
  }

  onTryingDue(now: number): void {
    if (this.server.lastStatus === 0) this.#replyLocally(now, 100);
  }

  onExpectationOver(now: number): void {
    this.expectNoMore(now);
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
    this.waiting.stop();
    this.#endIfOver(now);
  }

  describeBranches(): readonly BranchDescription[] {
    return this.branches.map((branch) => branch.describe());
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
