/**
 * One proxied request (RFC 3261 16.7 calls it the response context): its server transaction, its branches, and what
 * goes upstream. Scripts, dialogs and accounting see it through {@link ProxyUser}.
 * Invariant: at most one final response goes upstream, but for further 2xx to an INVITE (RFC 6026).
 */

import { addChallenges, bestBranch } from '#proxy/best-response.ts';
import { forwardedRequest, removeTopVia } from '#proxy/forwarding.ts';
import { type BranchOwner, ProxyBranch, type ProxyTarget } from '#proxy/proxy-branch.ts';
import { MessageEdits } from '#sip/edits.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildCancel } from '#sip/request.ts';
import { buildResponse } from '#sip/response.ts';
import { toBytes } from '#sip/serialize.ts';
import { reasonPhrase } from '#sip/status.ts';
import type { ClientTransaction, ClientUser } from '#transaction/client-transaction.ts';
import type { ServerTransaction, ServerUser } from '#transaction/server-transaction.ts';
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
  /** All branches failed; `response` is null when the status is our own. `continue`: the user goes on by itself. */
  onFinal(
    now: number,
    branch: ProxyBranch | null,
    response: SipMessage | null,
    status: number,
  ): 'forward' | 'continue';
  /** Something above 100 is about to go upstream. */
  onReply(now: number, reply: UpstreamReply): void;
  onEnd(now: number): void;
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

export class ResponseContext implements ClientUser, ServerUser, BranchOwner {
  readonly branches: ProxyBranch[] = [];
  readonly settings: ProxySettings;
  /** Set right after construction. */
  server!: ServerTransaction;
  readonly #table: TransactionTable;
  readonly #user: ProxyUser;
  #running = 0;
  #serverOver = false;
  /** A peer owns the request after all: nothing goes upstream any more. */
  #withdrawn = false;
  #cancelHeaders = '';

  private constructor(table: TransactionTable, user: ProxyUser, settings: ProxySettings) {
    this.#table = table;
    this.#user = user;
    this.settings = settings;
  }

  /** Makes the server transaction too; a Failure when the table is full. */
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

  // ── downstream ────────────────────────────────────────────────────────────────────────────────────────────────

  /** RFC 3261 16.6. `target.edits` is used up: the branch's own changes are added to it. */
  addBranch(now: number, target: ProxyTarget): ProxyBranch | Failure {
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
    if (index >= branchesMax) {
      this.#table.returnSlot(slot);
      return new Failure('PROXY_BRANCHES_TOO_MANY', `${request.callId}: more than ${branchesMax} branches`);
    }
    const branch = new ProxyBranch(index, target, this);
    this.branches.push(branch);
    this.#running++;
    const sent = {
      bytes: toBytes(text),
      method: request.method,
      flow: target.flow,
      finalResponseMilliseconds: this.settings.frTimeout,
    };
    // Known before the request leaves: an answer may come while `startClient` still runs (in memory it does).
    branch.client = this.#table.prepareClient(slot, sent, this);
    branch.client.start(now);
    return branch;
  }

  /** CANCEL to every pending branch (16.10); those that answered nothing yet get theirs with the first 1xx. */
  cancel(now: number, headers = ''): void {
    this.#cancelHeaders = headers;
    for (const branch of this.branches) this.#cancelBranch(now, branch);
  }

  /** A CANCEL that arrived for this request: 200 to it, and 487 follows from the branches. */
  receiveCancel(now: number, cancel: SipMessage, source: Flow, headers = ''): void {
    const server = this.#table.createServer(now, cancel, source, silentServer);
    if (isFailure(server)) return;
    const toTag = this.#user.newToTag();
    const answer = {
      status: 200,
      reason: 'canceling',
      toTag,
      headers: this.settings.serverHeader,
      received: source,
    };
    server.respond(now, 200, toBytes(buildResponse(cancel, answer)));
    if (this.server.lastStatus >= 200) return;
    if (this.branches.every((branch) => !branch.pending)) {
      this.#replyLocally(now, 487);
      return;
    }
    this.cancel(now, headers);
  }

  /** The claim of another node won: its branches ring, ours end, and the caller hears nothing from us. */
  withdraw(now: number): void {
    this.#withdrawn = true;
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
    const sent = parseMessage(branch.client.bytes!.toString('latin1'));
    if (isFailure(sent)) return;
    const bytes = toBytes(buildCancel(sent, this.#cancelHeaders));
    this.#table.startCancel(now, branch.client, bytes, silentClient);
    // RFC 3261 9.1: without an answer 64 × T1 after the CANCEL, the transaction counts as cancelled.
    this.#setTimer(now, branch, longTimeout(this.#table.settings));
  }

  // ── upstream ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A response made here; false when the transaction has its final response already. */
  reply(now: number, reply: LocalReply): boolean {
    if (this.server.lastStatus >= 200 || this.#withdrawn) return false;
    const toTag = reply.status > 100 ? reply.toTag : '';
    if (reply.status > 100)
      this.#user.onReply(now, { status: reply.status, response: null, edits: null, toTag });
    const text = buildResponse(this.server.request, {
      ...reply,
      toTag,
      headers: reply.headers + this.settings.serverHeader,
      received: this.server.source,
    });
    return this.server.respond(now, reply.status, toBytes(text));
  }

  #replyLocally(now: number, status: number): void {
    this.reply(now, { status, reason: reasonPhrase(status), headers: '', toTag: this.#user.newToTag() });
  }

  #forward(now: number, response: SipMessage, edits: MessageEdits): void {
    if (this.#withdrawn) return;
    this.#user.onReply(now, { status: response.status, response, edits, toTag: response.toTag });
    this.server.respond(now, response.status, toBytes(edits.apply(response.text)));
  }

  // ── ClientUser ────────────────────────────────────────────────────────────────────────────────────────────────

  onResponse(now: number, response: SipMessage, client: ClientTransaction): void {
    const branch = this.branches.find((candidate) => candidate.client === client);
    if (branch === undefined) return;
    const { status } = response;
    if (status < 200) this.#onProvisional(now, branch, response);
    else this.#onFinalResponse(now, branch, response);
  }

  onTimeout(now: number, client: ClientTransaction): void {
    this.#failBranch(now, client, 408);
  }

  onTransportError(now: number, client: ClientTransaction): void {
    // RFC 3261 16.9: as if a 503 had been received.
    this.#failBranch(now, client, 503);
  }

  onTerminated(now: number, client: ClientTransaction): void {
    const branch = this.branches.find((candidate) => candidate.client === client);
    if (branch !== undefined) this.#stopTimer(branch);
    this.#running--;
    this.#endIfOver(now);
  }

  #onProvisional(now: number, branch: ProxyBranch, response: SipMessage): void {
    if (!branch.pending) return;
    branch.provisional = true;
    if (branch.cancel === 'wanted') this.#cancelBranch(now, branch);
    // RFC 3261 16.7 step 2: Timer C starts anew with every provisional response.
    else if (this.server.isInvite && branch.cancel === 'none')
      this.#setTimer(now, branch, this.settings.timerC);
    if (response.status === 100) return;
    const edits = new MessageEdits();
    removeTopVia(response, edits);
    const verdict = this.#user.onResponse(now, branch, response, edits);
    // A provisional response that was overtaken by a final one must not follow it.
    if (verdict === 'forward' && this.server.lastStatus < 200) this.#forward(now, response, edits);
  }

  #onFinalResponse(now: number, branch: ProxyBranch, response: SipMessage): void {
    const edits = new MessageEdits();
    removeTopVia(response, edits);
    this.#user.onResponse(now, branch, response, edits);
    const isSuccess = response.status < 300;
    if (isSuccess && (this.server.isInvite || this.server.lastStatus < 200)) {
      if (branch.pending) this.#settle(branch, response.status, response);
      this.#forward(now, response, edits);
      this.cancel(now);
      return;
    }
    if (!branch.pending) return;
    const status = branch.timedOut ? 408 : response.status;
    this.#settle(branch, status, branch.timedOut ? null : response);
    branch.responseEdits = edits;
    if (status >= 600 && this.settings.block6xx) this.cancel(now);
    this.#finishIfAllFailed(now);
  }

  #failBranch(now: number, client: ClientTransaction, status: number): void {
    const branch = this.branches.find((candidate) => candidate.client === client);
    if (branch === undefined || !branch.pending) return;
    this.#settle(branch, status, null);
    this.#finishIfAllFailed(now);
  }

  #settle(branch: ProxyBranch, status: number, response: SipMessage | null): void {
    branch.status = status;
    branch.response = response;
    this.#stopTimer(branch);
  }

  #finishIfAllFailed(now: number): void {
    if (this.#withdrawn || this.server.lastStatus >= 200) return;
    if (this.branches.some((branch) => branch.pending)) return;
    const best = bestBranch(this.branches);
    const verdict = this.#user.onFinal(now, best, best?.response ?? null, best?.status ?? 0);
    if (verdict === 'continue' || best === null || this.server.lastStatus >= 200) return;
    if (best.response !== null) this.#forwardBest(now, best);
    else if (best.status === 408 && !this.server.isInvite) {
      // RFC 4320 4.2: no 408 to a non-INVITE request, the caller gives up at the same moment.
      this.server.abandon(now);
    } else this.#replyLocally(now, best.cancel !== 'none' && !best.timedOut ? 487 : best.status);
  }

  #forwardBest(now: number, best: ProxyBranch): void {
    const response = best.response!;
    const edits = best.responseEdits!;
    addChallenges(best, this.branches, edits);
    if (response.status === 503 && this.settings.translate503) {
      // RFC 3261 16.7 step 6: a 503 is about us, the caller must not think it is about all of us.
      this.#replyLocally(now, 500);
      return;
    }
    this.#forward(now, response, edits);
  }

  // ── timers ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Timer C (RFC 3261 16.8), or no answer after a CANCEL. */
  onBranchTimer(branch: ProxyBranch, now: number): void {
    branch.timer = null;
    if (!branch.pending || branch.client === null) return;
    if (branch.cancel === 'sent') {
      this.#settle(branch, branch.timedOut ? 408 : 487, null);
      branch.client.abandon(now);
      this.#finishIfAllFailed(now);
      return;
    }
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

  onAck(): void {}

  /** Timer H: the caller never acknowledged its failure. There is nobody left to tell. */
  onServerTimeout(): void {}

  onServerTransportError(): void {}

  onServerTerminated(now: number): void {
    this.#serverOver = true;
    this.#endIfOver(now);
  }

  #endIfOver(now: number): void {
    if (!this.#serverOver || this.#running > 0) return;
    this.#user.onEnd(now);
  }
}
