/**
 * Makes an INVITE transaction plain data for the successor of this node, and goes on with one of a dead node: same
 * branches, same routes armed, same AVPs, flags and dialog. Left out: what modules attached to the context beside
 * these, and names that were being resolved.
 */

import { MessageContext } from '#module/context.ts';
import type { ModuleHost } from '#module/host.ts';
import { dialogService } from '#module/services.ts';
import {
  decodeTransaction,
  encodeTransaction,
  type SavedFlow,
  type SavedSpare,
  type SavedTarget,
  type SavedTransaction,
} from '#modules/tm/checkpoint.ts';
import type { BranchState, ScriptTransaction } from '#modules/tm/script-transaction.ts';
import type { TransactionModule } from '#modules/tm/transaction-module.ts';
import { adoptBranch, saveBranch } from '#proxy/adoption.ts';
import type { Alternative, BranchTarget, ProxyBranch, ProxyTarget } from '#proxy/proxy-branch.ts';
import { MessageEdits } from '#sip/edits.ts';
import { parseMessage } from '#sip/message.ts';
import { toBytes } from '#sip/serialize.ts';
import type { ServerTransaction } from '#transaction/server-transaction.ts';
import { isFailure } from '#util/failure.ts';
import { type Flow, sharedName } from '#util/socket-address.ts';

/** Attachment that holds the tag of our own replies. */
const tagAttachment = 'tm.totag';

export function saveTransaction(module: TransactionModule, transaction: ScriptTransaction): Uint8Array {
  const { context, server, proxy } = transaction;
  const { recordRoute } = context;
  const dialogs = module.host.optionalService(dialogService);
  return encodeTransaction({
    request: server.request.text,
    source: saveFlow(server.source),
    lastStatus: server.lastStatus,
    lastResponse: server.lastResponse ?? '',
    cancelled: proxy.cancelled,
    roundStart: proxy.roundStart,
    forceRport: context.forceRport,
    toTag: (context.ownAttachments?.get(tagAttachment) as string | undefined) ?? '',
    requestUri: context.requestUri,
    destinationUri: context.destinationUri,
    sendSocket: context.sendSocket === null ? '' : sharedName(context.sendSocket),
    edits: context.edits.list(),
    attributes: [...(context.ownAttributes ?? [])].map(([name, values]) => ({ name, values })),
    messageFlags: context.messageFlags,
    branchFlags: context.branchFlags,
    recordRoute: recordRoute === null ? null : { ...recordRoute },
    dialog: dialogs?.dialogId(context) ?? '',
    branchRoute: transaction.branchRoute,
    replyRoute: transaction.replyRoute,
    failureRoute: transaction.failureRoute,
    commonHeaders: transaction.commonHeaders,
    cancelReason: transaction.cancelReason,
    branchCount: transaction.branchCount,
    branches: proxy.branches.map(saveTarget),
  });
}

function saveTarget(branch: ProxyBranch): SavedTarget {
  const { target } = branch;
  const { index, requestUri, flags, replyRoute } = target.tag as BranchState;
  const minor = target.minor === true;
  const flow = saveFlow(target.flow);
  const spare = branch.spare === null || !branch.pending ? null : saveSpare(branch.spare);
  return { ...saveBranch(branch), flow, index, requestUri, flags, replyRoute, minor, spare };
}

function saveSpare({ flow, headers, alternatives = [], edits }: ProxyTarget): SavedSpare {
  const places = [flow, ...alternatives].map((place: Alternative) => ({
    ...saveFlow(place),
    headers: place.headers ?? headers,
  }));
  return { places, edits: edits.list() };
}

/** Those places that a socket of this node reaches; null when there are none. */
function restoreSpare(
  host: ModuleHost,
  { places, edits }: SavedSpare,
  target: RestoredTarget,
): ProxyTarget | null {
  const [flow, ...alternatives] = places.flatMap(({ headers, ...saved }) => {
    const place = restoreFlow(host, saved);
    return place === null ? [] : [{ ...place, headers }];
  });
  if (flow === undefined) return null;
  const own = new MessageEdits();
  for (const { start, end, text } of edits) own.replace(start, end, text);
  return { ...target, flow, headers: flow.headers, alternatives, edits: own };
}

type RestoredTarget = BranchTarget & { readonly commonHeaders: string };

function saveFlow({ socket, address, port }: Flow): SavedFlow {
  return { socket: sharedName(socket), address, port };
}

/** Null when this node cannot go on with it: another version, another socket, or it has that transaction already. */
export function adoptTransaction(
  module: TransactionModule,
  now: number,
  body: Uint8Array,
): ScriptTransaction | null {
  const saved = decodeTransaction(body);
  const request = saved === null ? null : parseMessage(saved.request);
  if (saved === null || request === null || isFailure(request)) return null;
  const source = restoreFlow(module.host, saved.source);
  if (source === null || module.core.table.hasServer(module.core.table.key(request))) return null;
  const context = new MessageContext(request, source, 'request');
  restoreContext(module.host, context, saved);
  const transaction = module.transaction(context);
  if (transaction === null) return null;
  transaction.isAdopted = true;
  transaction.branchRoute = saved.branchRoute;
  transaction.replyRoute = saved.replyRoute;
  transaction.failureRoute = saved.failureRoute;
  transaction.commonHeaders = saved.commonHeaders;
  transaction.cancelReason = saved.cancelReason;
  transaction.branchCount = saved.branchCount;
  transaction.cancelled = saved.cancelled;
  transaction.obeyForcedPort();
  resume(module, now, transaction, saved);
  return transaction;
}

function restoreContext(host: ModuleHost, context: MessageContext, saved: SavedTransaction): void {
  context.forceRport = saved.forceRport;
  context.requestUri = saved.requestUri;
  context.destinationUri = saved.destinationUri;
  context.sendSocket = saved.sendSocket === '' ? null : host.socketNamed(saved.sendSocket);
  context.messageFlags = saved.messageFlags;
  context.branchFlags = saved.branchFlags;
  if (saved.toTag !== '') context.attachments.set(tagAttachment, saved.toTag);
  for (const { start, end, text } of saved.edits) context.edits.replace(start, end, text);
  for (const { name, values } of saved.attributes) context.attributes.set(name, [...values]);
  const { recordRoute } = saved;
  if (recordRoute !== null) context.recordRoute = { ...recordRoute, parameters: [...recordRoute.parameters] };
  if (saved.dialog !== '') host.optionalService(dialogService)?.attach(context, saved.dialog);
}

function resume(
  module: TransactionModule,
  now: number,
  transaction: ScriptTransaction,
  saved: SavedTransaction,
): void {
  const { proxy, server } = transaction;
  proxy.cancelled = saved.cancelled;
  proxy.roundStart = saved.roundStart;
  if (saved.lastResponse !== '') sayAgain(now, server, saved);
  for (const branch of saved.branches) {
    const flow = restoreFlow(module.host, branch.flow);
    if (flow === null) continue;
    const { index, requestUri, flags, replyRoute, minor, status, spare } = branch;
    const tag: BranchState = { index, requestUri, flags, replyRoute, lastStatus: status, attributes: null };
    const { commonHeaders } = saved;
    const target = { requestUri, flow, tag, minor };
    adoptBranch(now, module.core.table, proxy, {
      saved: branch,
      target,
      spare: spare === null ? null : restoreSpare(module.host, spare, { ...target, commonHeaders }),
      commonHeaders,
    });
  }
  proxy.conclude(now);
}

/**
 * A failure is said again: its caller may not have heard it. A caller that still waits hears by itself that it rings,
 * when the callee answers the repeated INVITE; one whose call was answered behind our back shall not.
 */
function sayAgain(
  now: number,
  server: ServerTransaction,
  { lastStatus, lastResponse }: SavedTransaction,
): void {
  const bytes = toBytes(lastResponse);
  if (lastStatus < 200) server.recall(lastStatus, bytes);
  else server.respond(now, lastStatus, bytes);
}

function restoreFlow(host: ModuleHost, { socket, address, port }: SavedFlow): Flow | null {
  const own = host.socketNamed(socket);
  return own === null ? null : { socket: own, address, port };
}
