/**
 * The tm module of one node: creates transactions for the script, answers and relays through them, and counts.
 * RFC 3261 16 and 17 live in the proxy and transaction layers; here is what OpenSIPS's functions mean by them.
 */

import type { MessageContext } from '#module/context.ts';
import type { ParameterValues } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import type { LocalOutcome, LocalRequest, MessageError, TransactionService } from '#module/services.ts';
import type { Counter } from '#module/statistics.ts';
import { Backups } from '#modules/tm/backups.ts';
import { LocalRequests } from '#modules/tm/local-request.ts';
import { type TransactionCore, transactionCore } from '#modules/tm/ports.ts';
import { plainRelay, relayRequest } from '#modules/tm/relay.ts';
import { ScriptTransaction } from '#modules/tm/script-transaction.ts';
import { ResponseContext } from '#proxy/response-context.ts';
import type { SipMessage } from '#sip/message.ts';
import { buildResponse } from '#sip/response.ts';
import { toBytes } from '#sip/serialize.ts';
import { reasonPhrase } from '#sip/status.ts';
import type { ServerTransaction } from '#transaction/server-transaction.ts';
import { type Failure, isFailure } from '#util/failure.ts';
import { LogLimiter } from '#util/log-limiter.ts';
import { type Flow, isStream } from '#util/socket-address.ts';

export interface TransactionParameters {
  readonly automaticTrying: boolean;
  /** `cluster_auto_cancel`: CANCEL on an anycast socket never reaches the script. */
  readonly automaticCancel: boolean;
  /** Timer B and F, ms. */
  readonly finalResponseMilliseconds: number;
  /** Timer C, ms. */
  readonly inviteFinalMilliseconds: number;
  /** `;cid=1` beside the branch for people who read captures, '' when not clustered. */
  readonly viaParameter: string;
  readonly block6xx: boolean;
  readonly translate503: boolean;
  /** Every 1xx starts Timer C anew. */
  readonly restartTimerC: boolean;
  readonly detectLoops: boolean;
  readonly understoodOptions: readonly string[];
}

export class TransactionModule implements TransactionService {
  readonly host: ModuleHost;
  readonly core: TransactionCore;
  readonly parameters: TransactionParameters;
  /** `onreply_route` without a name: run for every reply. Known once the script is bound. */
  hasGlobalReplyRoute = false;
  /** Header line that names this server in its own replies, '' when `server_signature` is off. */
  readonly serverHeader: string;
  readonly counters: {
    readonly receivedReplies: Counter;
    readonly relayedReplies: Counter;
    readonly localReplies: Counter;
    readonly serverTransactions: Counter;
    readonly clientTransactions: Counter;
    readonly refusedRequests: Counter;
    /** Indexed by class, 2…6. */
    readonly byClass: readonly Counter[];
  };
  /** Mask of `minor_branch_flag`, 0 without one. */
  readonly minorFlag: number;
  /** RFC 3261 18.1.1: longer requests go over TCP; Infinity when nothing does. */
  readonly largeBytes: number;
  /** A request that is as long may be longer when it leaves. */
  readonly nearlyLargeBytes: number;
  readonly backups = new Backups(this);
  readonly #localRequests: LocalRequests;
  readonly #warnings = new LogLimiter();
  #tagCount = 0;

  constructor(host: ModuleHost, parameters: ParameterValues) {
    this.host = host;
    this.core = host.service(transactionCore);
    this.parameters = readParameters(host, parameters);
    this.serverHeader = serverHeader(host);
    const { viaParameter, finalResponseMilliseconds } = this.parameters;
    this.#localRequests = new LocalRequests({
      host,
      core: this.core,
      viaParameter,
      finalResponseMilliseconds,
    });
    const flag =
      parameters.minor_branch_flag === null
        ? 0
        : host.flagBit('branch', String(parameters.minor_branch_flag));
    this.minorFlag = isFailure(flag) ? 0 : flag;
    this.largeBytes = largestDatagram(host);
    this.nearlyLargeBytes = this.largeBytes - growthBytesMax;
    const counter = (name: string): Counter => host.statistics.counter('tm', name);
    this.counters = {
      receivedReplies: counter('received_replies'),
      relayedReplies: counter('relayed_replies'),
      localReplies: counter('local_replies'),
      serverTransactions: counter('UAS_transactions'),
      clientTransactions: counter('UAC_transactions'),
      refusedRequests: counter('refused_requests'),
      byClass: [0, 1, 2, 3, 4, 5, 6].map((digit) => counter(`${digit}xx_transactions`)),
    };
    host.statistics.gauge('tm', 'inuse_transactions', () => this.core.table.serverCount);
    const { counters } = this.core.table;
    for (const name of Object.keys(counters) as (keyof typeof counters)[])
      host.statistics.gauge('tm', name, () => counters[name]);
    host.hooks.afterRequestRoute.push((context) => this.#endUnanswered(context));
  }

  /** The transaction of this context, made if there is none yet; null for an ACK or when the table is full. */
  transaction(context: MessageContext): ScriptTransaction | null {
    if (context.transaction !== null) return context.transaction as ScriptTransaction;
    // A request of our own has nobody to answer.
    if (context.request.method === 'ACK' || context.routeKind === 'local') return null;
    const now = this.host.clock.monotonic();
    const made = new ScriptTransaction(this, context);
    const arrival = { request: context.request, source: context.source };
    const settings = {
      timerC: this.parameters.inviteFinalMilliseconds,
      frTimeout: this.parameters.finalResponseMilliseconds,
      viaParameter: this.parameters.viaParameter,
      serverHeader: this.serverHeader,
      translate503: this.parameters.translate503,
      block6xx: this.parameters.block6xx,
      restartTimerC: this.parameters.restartTimerC,
      detectLoops: this.parameters.detectLoops,
      understoodOptions: this.parameters.understoodOptions,
    };
    const proxy = ResponseContext.create(now, this.core.table, arrival, { user: made, settings });
    if (isFailure(proxy)) {
      this.warn(proxy, context.request.callId);
      // For sl_reply_error, which is what scripts do when t_relay() fails.
      const error: MessageError = {
        class: 2,
        level: 3,
        info: proxy.message,
        status: 503,
        reason: reasonPhrase(503),
      };
      context.attachments.set('error', error);
      return null;
    }
    made.proxy = proxy;
    context.transaction = made;
    made.server.owner = made;
    this.counters.serverTransactions.value++;
    this.claim(now, made);
    return made;
  }

  /** One line per cause in half a minute: a flood of requests must not fill the disk. */
  warn(failure: Failure, callId: string): void {
    const suppressed = this.#warnings.pass(this.host.clock.monotonic(), failure.code);
    if (suppressed === null) return;
    const again = suppressed === 0 ? '' : ` (${suppressed} more before)`;
    this.host.log.warn(`${failure.message}${again}`, { code: failure.code, callId });
  }

  exists(context: MessageContext): boolean {
    return context.transaction !== null;
  }

  create(context: MessageContext): boolean {
    return this.transaction(context) !== null;
  }

  reply(context: MessageContext, status: number, reason: string, body = '', contentType = ''): number {
    const transaction = this.transaction(context);
    if (transaction === null) return -1;
    const sent = transaction.proxy.reply(this.host.clock.monotonic(), {
      status,
      reason,
      headers: context.replyHeaders,
      toTag: status > 100 ? transaction.newToTag() : '',
      ...(body === '' ? {} : { body, contentType }),
    });
    return sent ? 1 : -1;
  }

  relay(context: MessageContext): number {
    return relayRequest(this, context, plainRelay);
  }

  send(request: LocalRequest, done: (outcome: LocalOutcome) => void): void {
    this.counters.clientTransactions.value++;
    this.#localRequests.send(request, done);
  }

  redirections(context: MessageContext): { replies: SipMessage[]; tried: string[] } {
    const branches = (context.transaction as ScriptTransaction | null)?.proxy.branches ?? [];
    const tried = branches.map((branch) => branch.target.requestUri);
    const redirecting = branches.filter(({ status }) => status >= 300 && status < 400);
    return { replies: redirecting.flatMap(({ response }) => response ?? []), tried };
  }

  /** The script's side of a server transaction; null when it was made by something else. */
  ownerOf(server: ServerTransaction): ScriptTransaction | null {
    return server.owner instanceof ScriptTransaction ? server.owner : null;
  }

  forget(transaction: ScriptTransaction): void {
    transaction.server.owner = null;
  }

  /** A CANCEL for this transaction: answered 200, its pending branches cancelled (RFC 3261 16.10). */
  cancel(transaction: ScriptTransaction, cancel: SipMessage, source: Flow): void {
    transaction.cancelled = true;
    const now = this.host.clock.monotonic();
    transaction.proxy.receiveCancel(now, cancel, source, transaction.cancelReason);
    this.backups.change(now, transaction);
  }

  /** The tag that replies made here carry: the same for all replies of one request (RFC 3261 8.2.6.2). */
  toTag(context: MessageContext): string {
    const known = context.attachments.get('tm.totag') as string | undefined;
    if (known !== undefined) return known;
    this.#tagCount++;
    const tag = `${this.host.nodeId}-${this.host.incarnation.toString(36)}-${this.#tagCount.toString(36)}`;
    context.attachments.set('tm.totag', tag);
    return tag;
  }

  /** 100 Trying at once, so that the caller stops retransmitting (RFC 3261 16.2). */
  sendTrying(transaction: ScriptTransaction): void {
    const server = transaction.server;
    if (!this.parameters.automaticTrying || !server.isInvite || server.lastStatus !== 0) return;
    transaction.obeyForcedPort();
    const text = buildResponse(server.request, {
      status: 100,
      reason: 'Giving it a try',
      toTag: '',
      headers: this.serverHeader,
      received: transaction.context.source,
    });
    server.respond(this.host.clock.monotonic(), 100, toBytes(text));
  }

  countReply(status: number, relayed: boolean): void {
    if (relayed) this.counters.relayedReplies.value++;
    else this.counters.localReplies.value++;
    if (status >= 200) this.counters.byClass[Math.floor(status / 100)]!.value++;
  }

  /** The script made a transaction and then left it: the caller gets an answer, or it would stay for ever. */
  #endUnanswered(context: MessageContext): void {
    const transaction = context.transaction as ScriptTransaction | null;
    if (transaction === null || transaction.resolving > 0 || transaction.proxy.branches.length > 0) return;
    if (transaction.proxy.waiting.isExpecting) return;
    if (transaction.server.lastStatus < 200) this.reply(context, 500, reasonPhrase(500));
  }

  /** Tells the peers whose it is. */
  claim(now: number, transaction: ScriptTransaction): void {
    const claims = this.core.claims;
    if (claims === null || !transaction.context.source.socket.anycast) return;
    const isInvite = transaction.server.isInvite;
    const { inviteFinalMilliseconds, finalResponseMilliseconds } = this.parameters;
    const life = isInvite ? inviteFinalMilliseconds + finalResponseMilliseconds : finalResponseMilliseconds;
    claims.claim(now, transaction.server.key, life + lateMessageMilliseconds);
  }
}

/** RFC 3261 17.2: how long after its final response a server transaction still expects messages (64 × T1). */
const lateMessageMilliseconds = 32_000;

function readParameters(host: ModuleHost, values: ParameterValues): TransactionParameters {
  const name = String(values.cluster_param);
  return {
    automaticCancel: values.cluster_auto_cancel !== 0,
    automaticTrying: values.auto_100trying !== 0,
    finalResponseMilliseconds: Number(values.fr_timeout) * 1000,
    inviteFinalMilliseconds: Number(values.fr_inv_timeout) * 1000,
    viaParameter: host.cluster === null ? '' : `;${name}=${host.nodeId}`,
    block6xx: values.disable_6xx_block === 0,
    translate503: host.globalParameter('disable_503_translation') !== 1,
    restartTimerC: values.restart_fr_on_each_reply !== 0,
    detectLoops: values.loop_detection !== 0,
    understoodOptions: String(values.proxy_require_options)
      .split(/[\s,]+/)
      .filter((option) => option !== '')
      .map((option) => option.toLowerCase()),
  };
}

function serverHeader(host: ModuleHost): string {
  if (host.globalParameter('server_signature') === 0) return '';
  const header = host.globalParameter('server_header');
  return `${header === null ? 'Server: anyvia' : String(header)}\r\n`;
}

/** What our Via and Record-Route, a Path and header lines of the script add to a request. */
const growthBytesMax = 700;
/** RFC 3261 18.1.1: room for what the answer may have more than the request. */
const answerRoomBytes = 200;
/** Ethernet's: RFC 3261 18.1.1 has 1,300 where the path MTU is not known, 200 less than that. */
const pathMtuDefault = 1500;

/** `udp_mtu`, 0 = whatever fits into a datagram leaves as one. */
function largestDatagram(host: ModuleHost): number {
  const mtu = Number(host.globalParameter('udp_mtu') ?? pathMtuDefault);
  return mtu === 0 || !host.sockets.some(isStream) ? Infinity : mtu - answerRoomBytes;
}
