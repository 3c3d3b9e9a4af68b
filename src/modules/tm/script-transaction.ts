/**
 * A transaction as scripts know it: the server transaction of a request, what was relayed for it, and the routes
 * that the script armed (`t_on_branch`, `t_on_reply`, `t_on_failure`). It translates what the proxy layer reports
 * (RFC 3261 16.7) into runs of these routes.
 */

import { type AdditionalBranch, MessageContext } from '#module/context.ts';
import type { TransactionModule } from '#modules/tm/transaction-module.ts';
import type { ProxyBranch } from '#proxy/proxy-branch.ts';
import type { BranchReply, FinalVerdict, ProxyUser, UpstreamReply } from '#proxy/proxy-user.ts';
import type { ResponseContext } from '#proxy/response-context.ts';
import type { Value } from '#script/value.ts';
import type { MessageEdits } from '#sip/edits.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildResponse } from '#sip/response.ts';
import { reasonPhrase } from '#sip/status.ts';
import type { ServerTransaction } from '#transaction/server-transaction.ts';
import { isFailure } from '#util/failure.ts';
import type { Flow } from '#util/socket-address.ts';

/** What a branch keeps of the script's run that made it. */
export interface BranchState {
  /** `$T_branch_idx`: in the order in which the script made them, whenever their names are resolved. */
  readonly index: number;
  readonly requestUri: string;
  readonly flags: number;
  replyRoute: string;
  /** `$T_branch_last_reply_code`; 0 = none yet. */
  lastStatus: number;
  /** `$bavp(…)`; null until a route is run that could set one. */
  attributes: Map<string, Value[]> | null;
}

/** Where a context keeps `$bavp(…)` of the branch it is about. */
const branchAttributes = 'tm.bavp';

/** Null in routes that are about no branch. */
export function branchAttributesOf(context: MessageContext): Map<string, Value[]> | null {
  return (context.attachments.get(branchAttributes) as Map<string, Value[]> | undefined) ?? null;
}

export class ScriptTransaction implements ProxyUser {
  readonly #module: TransactionModule;
  /** Context of the request route: its AVPs and flags are the transaction's. */
  readonly context: MessageContext;
  /** Set right after construction: it needs this object as its user. */
  proxy!: ResponseContext;

  branchRoute = '';
  replyRoute = '';
  failureRoute = '';
  cancelled = false;
  /** Status of the last reply of any branch, and of the one picked for the failure route. `$T_reply_code`. */
  lastStatus = 0;
  /** True when the last final reply was made here (408, 487 without an answer from outside). */
  lastWasLocal = false;
  allWereLocal = true;
  /** Header lines for all requests of the transaction (branches, ACK, CANCEL), from `t_add_hdrs`. */
  commonHeaders = '';
  /** Header lines for its CANCELs, from `t_add_cancel_reason`. */
  cancelReason = '';
  /** Branches that the script has made so far. */
  branchCount = 0;
  /** Destinations whose names are being resolved: no final answer before they are known. */
  resolving = 0;
  /** Every address of a name may be tried. */
  failsOver = true;
  ended = false;
  /** Number by which the successor of this node knows it; 0: it is of no concern to others. */
  backupId = 0;
  /** A peer's copy of the request is the one that counts. */
  isDisowned = false;
  /** A dead node began it. */
  isAdopted = false;

  get server(): ServerTransaction {
    return this.proxy.server;
  }

  constructor(module: TransactionModule, context: MessageContext) {
    this.#module = module;
    this.context = context;
  }

  // ── what the proxy layer reports ──────────────────────────────────────────────────────────────────────────────

  onResponse(now: number, branch: ProxyBranch, reply: BranchReply): 'forward' | 'drop' {
    const module = this.#module;
    const { status } = reply;
    this.lastStatus = status;
    this.lastWasLocal = false;
    if (status >= 200) this.allWereLocal = false;
    if (status >= 300) module.backups.change(now, this);
    module.counters.receivedReplies.value++;
    const state = branch.target.tag as BranchState;
    state.lastStatus = status;
    const route = state.replyRoute === '' ? this.replyRoute : state.replyRoute;
    if (route === '' && !module.hasGlobalReplyRoute) return 'forward';
    const context = this.#replyContext(reply, state);
    // A reply is not kept waiting: what the route does after such a call changes it no more.
    if (module.hasGlobalReplyRoute) void module.host.runRoute('onreply', '', context);
    if (route !== '' && !context.dropped) void module.host.runRoute('onreply', route, context);
    if (context.changedStatus !== 0) this.#changeStatus(state, reply, context);
    return context.dropped && status < 200 ? 'drop' : 'forward';
  }

  /** `change_reply_status`: the same for the caller, the failure route and the choice among the branches. */
  #changeStatus(state: BranchState, reply: BranchReply, context: MessageContext): void {
    const { changedStatus, changedReason } = context;
    const { startLineEnd } = reply.response;
    reply.edits.overwrite(0, startLineEnd, `SIP/2.0 ${changedStatus} ${changedReason}\r\n`);
    reply.status = changedStatus;
    this.lastStatus = changedStatus;
    state.lastStatus = changedStatus;
  }

  onFinal(_now: number, branch: ProxyBranch, response: SipMessage | null, status: number): FinalVerdict {
    this.lastStatus = status;
    this.lastWasLocal = response === null;
    const route = this.failureRoute;
    if (this.resolving > 0) return 'wait';
    if (route === '') return 'forward';
    this.failureRoute = '';
    const context = this.#failureContext(branch, this.#pickedReply(branch, status));
    const branchesBefore = this.proxy.branches.length;
    const result = this.#module.host.runRoute('failure', route, context);
    if (typeof result !== 'number') {
      this.#awaitRoute(result, branchesBefore);
      return 'continue';
    }
    const answered = this.server.lastStatus >= 200;
    const wentOn = answered || this.proxy.branches.length > branchesBefore || this.resolving > 0;
    return wentOn || this.proxy.waiting.isExpecting ? 'continue' : 'forward';
  }

  /** The failure route waits for something: the caller gets no answer before it is through. */
  #awaitRoute(result: Promise<number>, branchesBefore: number): void {
    const { host } = this.#module;
    this.resolving++;
    const finish = (): void => {
      this.resolving--;
      if (this.ended) return;
      // It added nothing: the best answer goes to the caller, and no further route asks what to do.
      if (this.proxy.branches.length === branchesBefore && this.resolving === 0) this.failureRoute = '';
      this.proxy.conclude(host.clock.monotonic());
    };
    result.then(finish, (error: unknown) => {
      host.log.error('a failure route ended because of an error', { error: String(error) });
      finish();
    });
  }

  /**
   * What the failure route sees as the reply, in `$rs` and `$rr`: that of the branch, as the onreply route left it; for
   * a branch that nobody answered what the caller would get.
   */
  #pickedReply({ response, responseEdits }: ProxyBranch, status: number): SipMessage | null {
    if (response !== null && response.status === status) return response;
    const parts = { status, reason: reasonPhrase(status), toTag: this.newToTag(), headers: '' };
    const text =
      response === null
        ? buildResponse(this.context.message, parts)
        : (responseEdits?.apply(response.text) ?? response.text);
    const reply = parseMessage(text);
    return isFailure(reply) ? null : reply;
  }

  onFailover(now: number, branch: ProxyBranch): void {
    this.#module.host.avoid(branch.target.flow);
    this.#module.backups.change(now, this);
  }

  onReply(now: number, reply: UpstreamReply): void {
    this.obeyForcedPort();
    const { backups } = this.#module;
    if (reply.status >= 300) backups.change(now, this);
    // A 2xx that comes again goes on without state (RFC 3261 16.7 step 10).
    else if (reply.status >= 200) backups.end(this);
    this.#module.countReply(reply.status, reply.response !== null);
    for (const hook of this.#module.host.hooks.beforeReplySent)
      hook({ context: this.context, ...reply }, now);
  }

  /** The latest branch with that `$T_branch_idx`: a target with several addresses has one after the other. */
  branchAt(index: number): ProxyBranch | null {
    return this.proxy.branches.findLast(({ target }) => (target.tag as BranchState).index === index) ?? null;
  }

  /** `force_rport`: replies go to the port that the request came from. */
  obeyForcedPort(): void {
    if (this.context.forceRport) this.server.replyTo = this.server.source;
  }

  newToTag(): string {
    return this.#module.toTag(this.context);
  }

  onEnd(now: number): void {
    this.ended = true;
    this.#module.backups.end(this);
    this.#module.forget(this);
    for (const hook of this.#module.host.hooks.onTransactionEnd) hook(this.context, now);
  }

  // ── contexts for the routes ───────────────────────────────────────────────────────────────────────────────────

  branchContext(
    branch: AdditionalBranch,
    edits: MessageEdits,
    attributes: NonNullable<BranchState['attributes']>,
  ): MessageContext {
    const { message, source } = this.context;
    const context = this.#derive('branch', message, { reply: null, source });
    context.requestUri = branch.requestUri;
    context.destinationUri = branch.destinationUri;
    context.path = branch.path;
    context.q = branch.q;
    context.branchFlags = branch.flags;
    context.edits = edits;
    context.attachments.set(branchAttributes, attributes);
    return context;
  }

  /** The request as its own route left it, for branches that a route about another message adds. */
  injectionContext(): MessageContext {
    const { message, source, edits, sendSocket } = this.context;
    const context = this.#derive('failure', message, { reply: null, source });
    context.edits = edits.clone();
    context.sendSocket = sendSocket;
    return context;
  }

  #replyContext(reply: BranchReply, state: BranchState): MessageContext {
    const { response, source, edits } = reply;
    const context = this.#derive('onreply', response, { reply: response, source });
    context.edits = edits;
    context.branchFlags = state.flags;
    state.attributes ??= new Map();
    context.attachments.set(branchAttributes, state.attributes);
    context.branchIndex = state.index;
    context.requestUri = state.requestUri;
    return context;
  }

  #failureContext(branch: ProxyBranch, reply: SipMessage | null): MessageContext {
    const { message, source } = this.context;
    const context = this.#derive('failure', message, { reply, source });
    const state = branch.target.tag as BranchState;
    context.branchIndex = state.index;
    context.branchFlags = state.flags;
    if (state.attributes !== null) context.attachments.set(branchAttributes, state.attributes);
    context.edits = this.context.edits.clone();
    context.requestUri = state.requestUri;
    return context;
  }

  #derive(
    kind: 'branch' | 'onreply' | 'failure',
    message: SipMessage,
    { reply, source }: { readonly reply: SipMessage | null; readonly source: Flow },
  ): MessageContext {
    const original = this.context;
    const context = new MessageContext(message, source, kind, {
      request: original.message,
      ...(reply === null ? {} : { reply }),
      receivedBy: original.receivedBy,
      requestSource: original.source,
      attributes: original.attributes,
    });
    context.transaction = this;
    context.dialog = original.dialog;
    context.recordRoute = original.recordRoute;
    context.routeParameters = original.routeParameters;
    context.messageFlags = original.messageFlags;
    context.branchFlags = original.branchFlags;
    if (original.ownAttachments !== null) context.ownAttachments = new Map(original.ownAttachments);
    return context;
  }
}
