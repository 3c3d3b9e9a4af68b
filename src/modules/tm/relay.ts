/**
 * `t_relay()`: turns the Request-URI and the additional branches of a context into targets, runs the branch route on
 * each, and hands them to the proxy layer (RFC 3261 16.5 and 16.6).
 */

import type { AdditionalBranch, MessageContext } from '#module/context.ts';
import type { BranchState, ScriptTransaction } from '#modules/tm/script-transaction.ts';
import type { TransactionModule } from '#modules/tm/transaction-module.ts';
import { forwardRequestStatelessly } from '#proxy/stateless.ts';
import type { MessageEdits } from '#sip/edits.ts';
import { toBytes } from '#sip/serialize.ts';
import { Failure, isFailure } from '#util/failure.ts';
import type { Flow, LocalSocket } from '#util/socket-address.ts';

/** Return codes of OpenSIPS's `t_relay()`. */
export const relayResult = { relayed: 1, failed: -1, noDestination: -3, badDestination: -4 } as const;

/** Relays the request of `context`; `outbound` overrides every branch's next hop (`t_relay(, "udp:host:port")`). */
export function relayRequest(
  module: TransactionModule,
  context: MessageContext,
  outbound: string | null,
): number {
  if (outbound !== null) context.destinationUri = outbound;
  if (context.request.method === 'ACK') return relayAck(module, context);
  if (context.request.method === 'CANCEL') return relayCancel(module, context);
  const transaction = module.transaction(context);
  if (transaction === null) return relayResult.failed;
  module.sendTrying(transaction);
  const results = takeBranches(context).map((branch) => relayBranch(module, transaction, context, branch));
  if (results.some((result) => result === relayResult.relayed)) return relayResult.relayed;
  answerUnroutable(module, context, transaction);
  return results[0] ?? relayResult.noDestination;
}

/** Also the branch of the Request-URI itself, first. The list is emptied: the next `t_relay()` starts anew. */
function takeBranches(context: MessageContext): AdditionalBranch[] {
  const first: AdditionalBranch = {
    requestUri: context.requestUri,
    destinationUri: context.destinationUri,
    path: context.path,
    q: context.q,
    flags: context.branchFlags,
    socket: context.sendSocket,
  };
  return [first, ...context.branches.splice(0)];
}

function relayBranch(
  module: TransactionModule,
  transaction: ScriptTransaction,
  context: MessageContext,
  branch: AdditionalBranch,
): number {
  let edits = context.edits.clone();
  let { requestUri, destinationUri } = branch;
  let replyRoute = '';
  if (transaction.branchRoute !== '') {
    const branchContext = transaction.branchContext(requestUri, destinationUri, edits);
    branchContext.branchFlags = branch.flags;
    branchContext.branchIndex = transaction.proxy.branches.length;
    const armed = transaction.replyRoute;
    module.host.runRoute('branch', transaction.branchRoute, branchContext);
    // t_on_reply inside a branch route is about this branch alone.
    if (transaction.replyRoute !== armed) {
      replyRoute = transaction.replyRoute;
      transaction.replyRoute = armed;
    }
    if (branchContext.dropped) return relayResult.failed;
    ({ requestUri, destinationUri, edits } = branchContext);
  }
  const state: BranchState = { requestUri, flags: branch.flags, replyRoute, attributes: new Map() };
  return resolveBranch(module, transaction, { context, branch, state, destinationUri, edits });
}

interface PreparedBranch {
  readonly context: MessageContext;
  readonly branch: AdditionalBranch;
  readonly state: BranchState;
  readonly destinationUri: string | null;
  readonly edits: MessageEdits;
}

/** Sends at once when the destination is an address; otherwise when its name is resolved. */
function resolveBranch(
  module: TransactionModule,
  transaction: ScriptTransaction,
  prepared: PreparedBranch,
): number {
  const { branch, state, destinationUri } = prepared;
  const path = firstPathUri(branch.path);
  let answered = false;
  let later = false;
  let result: number = relayResult.relayed;
  const socket = branch.socket ?? prepared.context.sendSocket;
  module.host.resolve(destinationUri ?? path ?? state.requestUri, socket, (flow) => {
    answered = true;
    if (later) transaction.resolving--;
    if (transaction.ended) return;
    if (isFailure(flow)) {
      result = relayResult.badDestination;
      module.host.log.warn(`t_relay: ${flow.message}`, { callId: transaction.server.request.callId });
      if (later) endIfNothingLeft(module, prepared.context, transaction);
      return;
    }
    if (startBranch(module, transaction, prepared, flow)) return;
    result = relayResult.failed;
    if (later) endIfNothingLeft(module, prepared.context, transaction);
  });
  if (!answered) {
    later = true;
    transaction.resolving++;
  }
  return result;
}

function startBranch(
  module: TransactionModule,
  transaction: ScriptTransaction,
  prepared: PreparedBranch,
  flow: Flow,
): boolean {
  const { context, branch, state, edits } = prepared;
  const now = module.host.clock.monotonic();
  for (const hook of module.host.hooks.beforeRequestSent) hook(context, edits, now);
  const route = branch.path === '' ? '' : `Route: ${branch.path}\r\n`;
  const started = transaction.proxy.addBranch(now, {
    requestUri: state.requestUri,
    flow,
    edits,
    headers: recordRouteHeaders(context, flow.socket) + route,
    tag: state,
  });
  if (isFailure(started)) {
    module.host.log.warn(started.message, { code: started.code });
    return false;
  }
  module.counters.clientTransactions.value++;
  return true;
}

/** A branch came to nothing after the script had ended; the others may have failed while its name was looked up. */
function endIfNothingLeft(
  module: TransactionModule,
  context: MessageContext,
  transaction: ScriptTransaction,
): void {
  answerUnroutable(module, context, transaction);
  if (transaction.resolving === 0) transaction.proxy.conclude(module.host.clock.monotonic());
}

/** Nothing could be sent and nothing is pending: the caller gets an answer (OpenSIPS: 478, RFC 3261 16.9: 503). */
function answerUnroutable(
  module: TransactionModule,
  context: MessageContext,
  transaction: ScriptTransaction,
): void {
  if (transaction.resolving > 0 || transaction.server.lastStatus >= 200) return;
  if (transaction.proxy.branches.length > 0) return;
  module.reply(context, 478, 'Unresolvable destination');
}

/** The ACK to a 2xx is a request of its own that no transaction sees: forwarded statelessly (RFC 3261 16.11, 13.2.2.4). */
function relayAck(module: TransactionModule, context: MessageContext): number {
  let result: number = relayResult.relayed;
  const now = module.host.clock.monotonic();
  for (const hook of module.host.hooks.onEndToEndAck) hook(context, now);
  module.host.resolve(context.destinationUri ?? context.requestUri, context.sendSocket, (flow) => {
    if (isFailure(flow)) {
      result = relayResult.badDestination;
      return;
    }
    sendStatelessly(module, context, flow);
  });
  return result;
}

function sendStatelessly(module: TransactionModule, context: MessageContext, flow: Flow): void {
  const text = forwardRequestStatelessly(context.request, {
    flow,
    source: context.source,
    requestUri: context.requestUri,
    edits: context.edits,
    headers: '',
    viaParameter: module.parameters.viaParameter,
  });
  if (text instanceof Failure) {
    module.host.log.debug(text.message, { code: text.code });
    return;
  }
  module.host.send(toBytes(text), flow);
}

/** A CANCEL for a transaction that is ours was dealt with before the script; this one cancels nothing we know. */
function relayCancel(module: TransactionModule, context: MessageContext): number {
  const invite = module.core.table.findInvite(context.request);
  if (invite === null) return relayResult.failed;
  const transaction = module.ownerOf(invite);
  if (transaction === null) return relayResult.failed;
  module.cancel(transaction, context.request, context.source);
  return relayResult.relayed;
}

/** First URI of a Path vector, for routing; null without one. */
function firstPathUri(path: string): string | null {
  if (path === '') return null;
  const start = path.indexOf('<');
  const end = path.indexOf('>', start);
  return start === -1 || end === -1 ? null : path.slice(start + 1, end);
}

/** RFC 3261 16.6 step 4; two entries with `r2=on` when the request changes sockets on its way through. */
function recordRouteHeaders(context: MessageContext, out: LocalSocket): string {
  const record = context.recordRoute;
  if (record === null) return '';
  const parameters = record.parameters.join('');
  const user = record.user === '' ? '' : `${record.user}@`;
  if (record.preset !== null) return `Record-Route: <sip:${user}${record.preset};lr${parameters}>\r\n`;
  const incoming = context.source.socket;
  if (incoming === out) return recordRoute(user, out, parameters);
  return recordRoute(user, out, `;r2=on${parameters}`) + recordRoute(user, incoming, `;r2=on${parameters}`);
}

function recordRoute(user: string, socket: LocalSocket, parameters: string): string {
  const address = socket.advertisedAddress;
  const host = address.includes(':') && !address.startsWith('[') ? `[${address}]` : address;
  return `Record-Route: <sip:${user}${host}:${socket.advertisedPort};lr${parameters}>\r\n`;
}
