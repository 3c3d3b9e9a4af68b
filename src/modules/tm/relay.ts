/**
 * `t_relay()`: turns the Request-URI and the additional branches of a context into targets, runs the branch route on
 * each, and hands them to the proxy layer (RFC 3261 16.5 and 16.6).
 */

import type { AdditionalBranch, MessageContext, RecordRoute } from '#module/context.ts';
import type { BranchState, ScriptTransaction } from '#modules/tm/script-transaction.ts';
import type { TransactionModule } from '#modules/tm/transaction-module.ts';
import type { Alternative } from '#proxy/proxy-branch.ts';
import { forwardRequestStatelessly } from '#proxy/stateless.ts';
import type { Value } from '#script/value.ts';
import type { MessageEdits } from '#sip/edits.ts';
import { toBytes } from '#sip/serialize.ts';
import { parseUri } from '#sip/uri.ts';
import { equalUris } from '#sip/uri-equality.ts';
import { type Failure, isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import { type Flow, isStream, type LocalSocket } from '#util/socket-address.ts';

/** Return codes of OpenSIPS's `t_relay()`. */
export const relayResult = { relayed: 1, failed: -1, noDestination: -3, badDestination: -4 } as const;

export interface RelayOptions {
  /** Overrides every branch's next hop (`t_relay(, "udp:host:port")`). */
  readonly outbound: string | null;
  /** `no-auto-477`: the script answers by itself when nothing could be sent. */
  readonly isSilent: boolean;
  /** `no-dns-failover` is not said: every address of a name may be tried. */
  readonly failsOver: boolean;
}

export const plainRelay: RelayOptions = { outbound: null, isSilent: false, failsOver: true };

/** Relays the request of `context`. */
export function relayRequest(
  module: TransactionModule,
  context: MessageContext,
  { outbound, isSilent, failsOver }: RelayOptions,
): number {
  if (outbound !== null) context.destinationUri = outbound;
  if (context.request.method === 'ACK') return relayAck(module, context);
  if (context.request.method === 'CANCEL') return relayCancel(module, context);
  const transaction = module.transaction(context);
  if (transaction === null) return relayResult.failed;
  transaction.failsOver = failsOver;
  const now = module.host.clock.monotonic();
  const branches = takeBranches(context);
  const refused =
    transaction.proxy.validate(now, context.requestUri, context.edits) ??
    transaction.proxy.announce(now, branches.length);
  if (refused !== null) return refuse(module, refused);
  module.sendTrying(transaction);
  const results = branches.map((branch) => relayBranch(module, transaction, context, branch));
  if (results.some((result) => result === relayResult.relayed)) return relayResult.relayed;
  if (!isSilent) answerUnroutable(module, context, transaction);
  return results[0] ?? relayResult.noDestination;
}

function refuse(module: TransactionModule, refused: Failure): number {
  module.counters.refusedRequests.value++;
  module.host.log.debug(refused.message, { code: refused.code });
  return relayResult.failed;
}

/** `t_inject_branches`: the destinations of `context`, whatever message it is about, join those that are under way. */
export function injectBranches(
  module: TransactionModule,
  context: MessageContext,
  transaction: ScriptTransaction,
): number {
  const isRequest = context.message === transaction.context.message;
  const base = isRequest ? context : transaction.injectionContext();
  const results = takeBranches(context).map((branch) => relayBranch(module, transaction, base, branch));
  const added = results.filter((result) => result === relayResult.relayed).length;
  transaction.proxy.waiting.noteArrived(added);
  return added > 0 ? 1 : -1;
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
  if (context.branches.length === 0) return [first];
  const targets = [first];
  // RFC 3261 16.5: nobody is asked twice.
  for (const branch of context.branches.splice(0))
    if (!targets.some((target) => isSameTarget(target, branch))) targets.push(branch);
  return targets;
}

function isSameTarget(a: AdditionalBranch, b: AdditionalBranch): boolean {
  if (a.destinationUri !== b.destinationUri || a.path !== b.path || a.socket !== b.socket) return false;
  return equalUris(a.requestUri, b.requestUri);
}

function relayBranch(
  module: TransactionModule,
  transaction: ScriptTransaction,
  context: MessageContext,
  branch: AdditionalBranch,
): number {
  const prepared = prepareBranch(module, transaction, context, branch);
  return prepared === null ? relayResult.failed : resolveBranch(module, transaction, prepared);
}

/** Runs the branch route; null when it dropped the branch. */
function prepareBranch(
  module: TransactionModule,
  transaction: ScriptTransaction,
  context: MessageContext,
  branch: AdditionalBranch,
): PreparedBranch | null {
  const edits = context.edits.clone();
  const { requestUri, flags } = branch;
  const index = transaction.branchCount++;
  if (transaction.branchRoute === '') {
    const state: BranchState = { index, requestUri, flags, replyRoute: '', lastStatus: 0, attributes: null };
    return { context, branch, state, recordRoute: context.recordRoute, edits };
  }
  const attributes = new Map<string, Value[]>();
  const changed = transaction.branchContext(branch, edits, attributes);
  changed.sendSocket = branch.socket ?? context.sendSocket;
  changed.branchIndex = index;
  const armed = transaction.replyRoute;
  transaction.replyRoute = '';
  void module.host.runRoute('branch', transaction.branchRoute, changed);
  // t_on_reply inside a branch route is about this branch alone.
  const replyRoute = transaction.replyRoute;
  transaction.replyRoute = armed;
  if (changed.dropped) return null;
  const state: BranchState = {
    index,
    requestUri: changed.requestUri,
    flags: changed.branchFlags,
    replyRoute,
    lastStatus: 0,
    attributes,
  };
  const { destinationUri, path, q, sendSocket: socket, recordRoute } = changed;
  const target = { ...state, destinationUri, path, q, socket };
  return { context, branch: target, state, recordRoute, edits: changed.edits };
}

interface PreparedBranch {
  readonly context: MessageContext;
  readonly branch: AdditionalBranch;
  readonly state: BranchState;
  readonly recordRoute: RecordRoute | null;
  readonly edits: MessageEdits;
}

/** Sends at once when the destination is an address; otherwise when its name is resolved. */
function resolveBranch(
  module: TransactionModule,
  transaction: ScriptTransaction,
  prepared: PreparedBranch,
): number {
  const { branch, state } = prepared;
  const path = firstPathUri(branch.path);
  let answered = false;
  let later = false;
  let result: number = relayResult.relayed;
  const socket = branch.socket ?? prepared.context.sendSocket;
  // RFC 3261 16.6 step 7: an outbound proxy of the script first, then the first Route, then the Request-URI.
  const onFlow = (flow: Flow | Failure, others: readonly Flow[]): void => {
    answered = true;
    if (later) transaction.resolving--;
    if (transaction.ended) return;
    if (isFailure(flow)) {
      result = relayResult.badDestination;
      module.warn(flow, transaction.server.request.callId);
      if (later) endIfNothingLeft(module, prepared.context, transaction);
      return;
    }
    if (startBranch(module, transaction, prepared, { flow, others })) return;
    result = relayResult.failed;
    if (later) endIfNothingLeft(module, prepared.context, transaction);
  };
  const target = branch.destinationUri ?? path ?? state.requestUri;
  module.host.resolve(target, socket, onFlow, prepared.context.requestSource.socket);
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
  { flow, others }: { readonly flow: Flow; readonly others: readonly Flow[] },
): boolean {
  const { context, branch, state, recordRoute, edits } = prepared;
  const listening = isStream(flow.socket) ? listeningPlace(branch, state.requestUri, flow) : null;
  const large =
    context.request.text.length > module.nearlyLargeBytes ? largeWay(module, prepared, flow) : null;
  const now = module.host.clock.monotonic();
  for (const hook of module.host.hooks.beforeRequestSent) hook(context, edits, now);
  const route = branch.path === '' ? '' : `Route: ${branch.path}\r\n`;
  const { requestUri } = state;
  const incoming = context.source.socket;
  const headersFor = (out: LocalSocket): string =>
    recordRouteHeaders({ record: recordRoute, incoming, out, requestUri }) + route;
  const named = transaction.failsOver ? others : noPlaces;
  const places = listening === null ? named : [listening, ...named];
  // What stands in Record-Route depends on the socket that the request leaves by.
  const headed = (place: Flow): Alternative =>
    place.socket === flow.socket ? place : { ...place, headers: headersFor(place.socket) };
  const started = transaction.proxy.addBranch(now, {
    requestUri,
    flow,
    ...(places.length > 0 && { alternatives: places.map(headed) }),
    ...(large !== null && { large }),
    edits,
    headers: headersFor(flow.socket),
    commonHeaders: transaction.commonHeaders,
    tag: state,
    minor: (state.flags & module.minorFlag) !== 0,
  });
  if (isFailure(started)) {
    module.warn(started, transaction.server.request.callId);
    return false;
  }
  module.counters.clientTransactions.value++;
  module.backups.change(now, transaction);
  return true;
}

/**
 * RFC 3261 18.1.1: a long request goes over TCP, unless its target asks for UDP, or is a client that was seen at this
 * address: translators let in what the client opened, and no connection. Its Record-Route stays that of UDP, which the
 * later requests of the dialog may well use (RFC 3261 16.6 step 4), on whatever node they arrive.
 */
function largeWay(
  module: TransactionModule,
  { branch, context, state }: PreparedBranch,
  flow: Flow,
): { flow: Flow; above: number } | null {
  if (branch.destinationUri !== null && (branch.socket ?? context.sendSocket) !== null) return null;
  const target = branch.destinationUri ?? firstPathUri(branch.path) ?? state.requestUri;
  const stream = streamInstead(module, flow, target);
  return stream === null ? null : { flow: stream, above: module.largeBytes };
}

/** The same place over TCP; null when it is that already, cannot be, or `target` is a URI that asks for UDP. */
function streamInstead(module: TransactionModule, flow: Flow, target: string): Flow | null {
  const mustBeUdp = isStream(flow.socket) || /;transport=udp(?:[;?>]|$)/i.test(target);
  return mustBeUdp ? null : module.host.streamFlow(flow);
}

/**
 * A client that registered over a connection is reached over it. When that is gone, it may still listen where its
 * Contact says; one behind an address translator, which its Contact betrays, does not.
 */
function listeningPlace(branch: AdditionalBranch, contact: string, flow: Flow): Flow | null {
  if (branch.destinationUri === null) return null;
  const uri = parseUri(contact);
  if (isFailure(uri) || uri.host !== flow.address) return null;
  const port = uri.port === 0 ? defaultSipPort : uri.port;
  return port === flow.port ? null : { ...flow, port };
}

const defaultSipPort = 5060;
const noPlaces: readonly Flow[] = [];

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
  if (transaction.proxy.branches.length > 0 || transaction.proxy.waiting.isExpecting) return;
  module.reply(context, 478, 'Unresolvable destination');
}

/** The ACK to a 2xx is a request of its own that no transaction sees: forwarded statelessly (RFC 3261 16.11, 13.2.2.4). */
function relayAck(module: TransactionModule, context: MessageContext): number {
  const now = module.host.clock.monotonic();
  for (const hook of module.host.hooks.onEndToEndAck) hook(context, now);
  return relayStatelessly(module, context);
}

function relayStatelessly(module: TransactionModule, context: MessageContext): number {
  let result: number = relayResult.relayed;
  const onFlow = (flow: Flow | Failure): void => {
    if (isFailure(flow)) result = relayResult.badDestination;
    else sendStatelessly(module, context, flow);
  };
  const target = context.destinationUri ?? context.requestUri;
  module.host.resolve(target, context.sendSocket, onFlow, context.source.socket);
  return result;
}

/** RFC 3261 18.1.1: over TCP when it is long, as above. */
function sendStatelessly(module: TransactionModule, context: MessageContext, flow: Flow): void {
  const { destinationUri, requestUri, sendSocket } = context;
  const textBy = (way: Flow): string | Failure =>
    forwardRequestStatelessly(context.request, {
      flow: way,
      source: context.source,
      requestUri,
      edits: context.edits.clone(),
      headers: '',
      viaParameter: module.parameters.viaParameter,
    });
  let text = textBy(flow);
  let way = flow;
  const isFixed = destinationUri !== null && sendSocket !== null;
  if (!isFailure(text) && text.length > module.largeBytes && !isFixed) {
    way = streamInstead(module, flow, destinationUri ?? requestUri) ?? flow;
    if (way !== flow) text = textBy(way);
  }
  if (isFailure(text)) module.host.log.debug(text.message, { code: text.code });
  else module.host.send(toBytes(text), way);
}

/**
 * A CANCEL for a transaction that is ours. RFC 3261 16.10: one of a request that nobody here knows goes on statelessly,
 * for its INVITE may have gone that way.
 */
function relayCancel(module: TransactionModule, context: MessageContext): number {
  const invite = module.core.table.findInvite(context.request);
  const transaction = invite === null ? null : module.ownerOf(invite);
  if (transaction !== null) {
    module.cancel(transaction, context.request, context.source);
    return relayResult.relayed;
  }
  return invite === null ? relayStatelessly(module, context) : relayResult.failed;
}

/** First URI of a Path vector, for routing; null without one. */
function firstPathUri(path: string): string | null {
  if (path === '') return null;
  const start = path.indexOf('<');
  const end = path.indexOf('>', start);
  return start === -1 || end === -1 ? null : path.slice(start + 1, end);
}

interface RecordRouteParts {
  readonly record: RecordRoute | null;
  readonly incoming: LocalSocket;
  readonly out: LocalSocket;
  readonly requestUri: string;
}

/**
 * RFC 3261 16.6 step 4; two entries with `r2=on` when the request changes sockets on its way through. What goes to a
 * SIPS URI is recorded as SIPS.
 */
function recordRouteHeaders({ record, incoming, out, requestUri }: RecordRouteParts): string {
  if (record === null) return '';
  const parameters = record.parameters.join('');
  const scheme = requestUri.startsWith('sips:') ? 'sips' : 'sip';
  const lead = `Record-Route: <${scheme}:${record.user === '' ? '' : `${record.user}@`}`;
  const line = (host: string, between: string): string => `${lead}${host};lr${between}${parameters}>\r\n`;
  const { preset, secondPreset } = record;
  if (preset !== null && secondPreset !== null) return line(preset, ';r2=on') + line(secondPreset, ';r2=on');
  if (preset !== null) return line(preset, '');
  if (incoming === out) return line(hostOf(out), '');
  return line(hostOf(out), ';r2=on') + line(hostOf(incoming), ';r2=on');
}

/** With the transport, unless that is the one that everybody has. */
function hostOf({ advertisedAddress, advertisedPort, protocol }: LocalSocket): string {
  const transport = protocol === 'tcp' ? ';transport=tcp' : '';
  return `${bracketed(advertisedAddress)}:${advertisedPort}${transport}`;
}
