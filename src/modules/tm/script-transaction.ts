/**
 * A transaction as scripts know it: the server transaction of a request, what was relayed for it, and the routes
 * that the script armed (`t_on_branch`, `t_on_reply`, `t_on_failure`). It translates what the proxy layer reports
 * (RFC 3261 16.7) into runs of these routes.
 */

import { MessageContext } from '#module/context.ts';
import type { TransactionModule } from '#modules/tm/transaction-module.ts';
import type { ProxyBranch } from '#proxy/proxy-branch.ts';
import type { ProxyUser, ResponseContext, UpstreamReply } from '#proxy/response-context.ts';
import type { Value } from '#script/value.ts';
import type { MessageEdits } from '#sip/edits.ts';
import type { SipMessage } from '#sip/message.ts';
import type { ServerTransaction } from '#transaction/server-transaction.ts';

/** What a branch keeps of the script's run that made it. */
export interface BranchState {
  readonly requestUri: string;
  readonly flags: number;
  replyRoute: string;
  /** `$bavp(…)` */
  readonly attributes: Map<string, Value[]>;
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
  /** Header lines for the next local reply or CANCEL, from `t_add_hdrs` and `t_add_cancel_reason`. */
  extraHeaders = '';
  cancelReason = '';
  /** Destinations whose names are being resolved: no final answer before they are known. */
  resolving = 0;
  ended = false;

  get server(): ServerTransaction {
    return this.proxy.server;
  }

  constructor(module: TransactionModule, context: MessageContext) {
    this.#module = module;
    this.context = context;
  }

  // ── what the proxy layer reports ──────────────────────────────────────────────────────────────────────────────

  onResponse(
    _now: number,
    branch: ProxyBranch,
    response: SipMessage,
    edits: MessageEdits,
  ): 'forward' | 'drop' {
    const module = this.#module;
    const status = response.status;
    this.lastStatus = status;
    this.lastWasLocal = false;
    if (status >= 200) this.allWereLocal = false;
    module.counters.receivedReplies.value++;
    const state = branch.target.tag as BranchState;
    const route = state.replyRoute === '' ? this.replyRoute : state.replyRoute;
    if (route === '' && !module.hasGlobalReplyRoute) return 'forward';
    const context = this.#replyContext(branch, response, edits, state);
    if (module.hasGlobalReplyRoute) module.host.runRoute('onreply', '', context);
    if (route !== '' && !context.dropped) module.host.runRoute('onreply', route, context);
    return context.dropped && status < 200 ? 'drop' : 'forward';
  }

  onFinal(
    _now: number,
    branch: ProxyBranch | null,
    response: SipMessage | null,
    status: number,
  ): 'forward' | 'continue' {
    this.lastStatus = status;
    this.lastWasLocal = response === null;
    const route = this.failureRoute;
    if (this.resolving > 0) return 'continue';
    if (route === '') return 'forward';
    this.failureRoute = '';
    const context = this.#failureContext(branch, response);
    const branchesBefore = this.proxy.branches.length;
    this.#module.host.runRoute('failure', route, context);
    const answered = this.server.lastStatus >= 200;
    const wentOn = answered || this.proxy.branches.length > branchesBefore || this.resolving > 0;
    return wentOn ? 'continue' : 'forward';
  }

  onReply(now: number, reply: UpstreamReply): void {
    this.#module.countReply(reply.status, reply.response !== null);
    for (const hook of this.#module.host.hooks.beforeReplySent)
      hook({ context: this.context, ...reply }, now);
  }

  newToTag(): string {
    return this.#module.toTag(this.context);
  }

  onEnd(now: number): void {
    this.ended = true;
    this.#module.forget(this);
    for (const hook of this.#module.host.hooks.onTransactionEnd) hook(this.context, now);
  }

  // ── contexts for the routes ───────────────────────────────────────────────────────────────────────────────────

  branchContext(requestUri: string, destinationUri: string | null, edits: MessageEdits): MessageContext {
    const context = this.#derive('branch', this.context.message, null);
    context.requestUri = requestUri;
    context.destinationUri = destinationUri;
    context.edits = edits;
    return context;
  }

  #replyContext(
    branch: ProxyBranch,
    response: SipMessage,
    edits: MessageEdits,
    state: BranchState,
  ): MessageContext {
    const context = this.#derive('onreply', response, response);
    context.edits = edits;
    context.branchFlags = state.flags;
    context.branchIndex = branch.index;
    context.requestUri = state.requestUri;
    return context;
  }

  #failureContext(branch: ProxyBranch | null, response: SipMessage | null): MessageContext {
    const context = this.#derive('failure', this.context.message, response);
    context.branchIndex = branch === null ? -1 : branch.index;
    context.edits = this.context.edits.clone();
    context.requestUri =
      branch === null ? this.context.requestUri : (branch.target.tag as BranchState).requestUri;
    return context;
  }

  #derive(
    kind: 'branch' | 'onreply' | 'failure',
    message: SipMessage,
    reply: SipMessage | null,
  ): MessageContext {
    const original = this.context;
    const context = new MessageContext(message, original.source, kind, {
      request: original.message,
      ...(reply === null ? {} : { reply }),
      receivedBy: original.receivedBy,
      attributes: original.attributes,
    });
    context.transaction = this;
    context.dialog = original.dialog;
    context.recordRoute = original.recordRoute;
    context.routeParameters = original.routeParameters;
    context.messageFlags = original.messageFlags;
    context.branchFlags = original.branchFlags;
    for (const [name, attachment] of original.attachments) context.attachments.set(name, attachment);
    return context;
  }
}
