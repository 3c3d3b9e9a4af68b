/**
 * The life of a datagram: what arrives on a UDP socket, or from the peer that received it, and what becomes of it.
 * One promise above all: the script runs once per message, on the node that owns the transaction.
 */

import { MessageContext } from '#module/context.ts';
import type { Hooks } from '#module/hooks.ts';
import type { Logger } from '#module/host.ts';
import type { MessageError } from '#module/services.ts';
import type { Counter, Statistics } from '#module/statistics.ts';
import type { TransactionModule } from '#modules/tm/transaction-module.ts';
import { withoutOwnMaddr } from '#proxy/preprocessing.ts';
import type { Orphans } from '#server/orphans.ts';
import type { Ownership } from '#server/ownership.ts';
import type { Trace } from '#server/trace.ts';
import { isKeepAlive, keepAliveAnswer } from '#sip/keep-alive.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { ParseFailure } from '#sip/parse-failure.ts';
import { requestUriProblem } from '#sip/request-uri.ts';
import { buildResponse } from '#sip/response.ts';
import { toBytes } from '#sip/serialize.ts';
import { reasonPhrase } from '#sip/status.ts';
import type { BranchCodec, OwnerTag } from '#transaction/branch.ts';
import { replyFlow } from '#transaction/reply-flow.ts';
import type { TransactionTable } from '#transaction/table.ts';
import { isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import { keptBack, LogLimiter } from '#util/log-limiter.ts';
import type { Flow } from '#util/socket-address.ts';

export interface ReceiverParts {
  readonly nodeId: number;
  readonly table: TransactionTable;
  readonly branches: BranchCodec;
  /** Null when the script does not load tm: then everything is stateless. */
  readonly transactions: TransactionModule | null;
  /** Null when the node stands alone. */
  readonly ownership: Ownership | null;
  readonly orphans: Orphans;
  readonly trace: Trace;
  readonly log: Logger;
  readonly statistics: Statistics;
  readonly hooks: Hooks;
  /** This process stood still, and does not know yet what its peers made of that. */
  isCatchingUp(now: number): boolean;
  readonly monotonic: () => number;
  /** The script has an `error_route`: it decides what becomes of requests that cannot be read. */
  readonly hasErrorRoute: boolean;
  runErrorRoute(context: MessageContext): void;
  runMainRoute(context: MessageContext): number | Promise<number>;
  /** Replies that `sl` sent: true when this ACK answers one of them. */
  absorbsAck(request: SipMessage): boolean;
  isMyself(host: string, port: number): boolean;
  send(bytes: Uint8Array, flow: Flow): void;
}

/** Ends the To tag of our own answers, whichever node of the cluster gave them. */
const statelessTagEnd = '-stateless';

/** `$err.class` and `$err.level` of a message that cannot be read. */
const unreadable = { class: 1, level: 1 } as const;

/** A datagram that a peer may have received for us. */
export interface Arrival {
  readonly bytes: Uint8Array;
  readonly source: Flow;
  /** Node that received it from the network, 0 = this one. */
  readonly receivedBy: number;
  /** When it was first kept back, ms; absent: it was not. */
  readonly heldSince?: number;
  /** It waited while this process stood still. */
  readonly isLate?: boolean;
}

/** A datagram with the message that was read from it. */
export interface ReadArrival extends Arrival {
  readonly request: SipMessage;
}

export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #counters: Readonly<
    Record<'requests' | 'replies' | 'badRequests' | 'badReplies' | 'dropped', Counter>
  >;
  readonly #badTags: Counter;
  readonly #broken: Counter;
  readonly #unreadable = new LogLimiter();
  /** Keys of requests whose script waits for an answer: what repeats them meanwhile is not new. */
  readonly #waiting = new Set<string>();
  readonly #waitingRepeats: Counter;
  readonly #stale: Counter;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
    const core = (name: string): Counter => parts.statistics.counter('core', name);
    this.#counters = {
      requests: core('rcv_requests'),
      replies: core('rcv_replies'),
      badRequests: core('err_requests'),
      badReplies: core('err_replies'),
      dropped: core('drop_replies'),
    };
    this.#badTags = parts.statistics.counter('tm', 'bad_tags');
    this.#broken = core('broken_invariants');
    this.#waitingRepeats = core('waiting_repeats');
    this.#stale = core('stale_requests');
    parts.statistics.gauge('core', 'waiting_requests', () => this.#waiting.size);
  }

  /** Never throws: a broken invariant ends the handling of this one message and is counted. */
  receive(arrival: Arrival): void {
    try {
      this.#dispatch(this.#parts.monotonic(), arrival);
    } catch (error) {
      this.#broken.value++;
      const stack = error instanceof Error ? error.stack : String(error);
      this.#parts.log.error('a message was dropped because of an error in anyvia itself', { stack });
    }
  }

  #dispatch(now: number, arrival: Arrival): void {
    const { bytes } = arrival;
    const { ownership } = this.#parts;
    if (ownership !== null && this.#parts.isCatchingUp(now)) {
      ownership.held.hold(now, { ...arrival, isLate: true });
      return;
    }
    if (isKeepAlive(bytes)) {
      const answer = keepAliveAnswer(bytes, arrival.source);
      if (answer !== null && arrival.receivedBy === 0) this.#parts.send(answer, arrival.source);
      return;
    }
    const text = latin1Text(bytes);
    const message = parseMessage(text);
    if (isFailure(message)) {
      this.#refuse(message, arrival.source);
      return;
    }
    this.#parts.trace.received(message, arrival);
    if (message.isRequest) this.#request(now, message, arrival);
    else this.#response(now, message, arrival);
  }

  // ── responses ─────────────────────────────────────────────────────────────────────────────────────────────────

  #response(now: number, response: SipMessage, arrival: Arrival): void {
    if (arrival.heldSince === undefined) this.#counters.replies.value++;
    const { table, branches } = this.#parts;
    const branch = response.topVia.branch;
    const tag = branches.read(branch);
    if (tag === null) {
      for (const hook of this.#parts.hooks.onForeignReply) if (hook(response, now)) return;
      this.#parts.orphans.foreignResponse(response);
      return;
    }
    if (branches.isOurs(tag)) {
      const client = table.findClient(response);
      if (client !== null) client.receive(now, response, arrival.source);
      else if (this.#parts.ownership?.relayToHeir(now, response, arrival) !== true)
        this.#counters.dropped.value++;
      return;
    }
    if (!branches.verify(branch)) {
      this.#badTags.value++;
      return;
    }
    this.#peersResponse(now, response, tag, arrival);
  }

  /** The tag's MAC proved the branch ours: another node's, or that of a former life. */
  #peersResponse(now: number, response: SipMessage, tag: OwnerTag, arrival: Arrival): void {
    const { ownership, table, orphans, hooks } = this.#parts;
    const fate = ownership === null ? 'orphan' : ownership.routeResponse(now, response, tag, arrival);
    if (fate === 'adopted') table.findAdopted(response)?.receive(now, response, arrival.source);
    if (fate !== 'orphan') return;
    for (const hook of hooks.onOrphanReply) hook(response, now);
    orphans.response(response, arrival.source);
  }

  // ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  #request(now: number, request: SipMessage, arrival: Arrival): void {
    if (arrival.heldSince === undefined) this.#counters.requests.value++;
    const { table, ownership } = this.#parts;
    if (ownership?.awaitsTakeover(now, request, arrival) === true) return;
    const known = table.findServer(request);
    if (known !== null) {
      known.receive(now, request);
      return;
    }
    if (this.#waiting.size > 0 && this.#isWaitedFor(request)) return;
    if (ownership?.awaitsHome(now, request, arrival) === true) return;
    if (request.method === 'CANCEL' && this.#cancelOwn(request, arrival)) return;
    const isForeign = ownership !== null && arrival.receivedBy === 0 && arrival.source.socket.anycast;
    if (!isForeign) {
      if (ownership?.passOn(now, { ...arrival, request }) !== true) this.#unowned(request, arrival);
      return;
    }
    const isAsked = request.method === 'CANCEL' || (request.method === 'ACK' && !this.#isRoutedHere(request));
    ownership.findOwner(now, { ...arrival, request }, isAsked, () => this.#unowned(request, arrival));
  }

  #cancelOwn(cancel: SipMessage, arrival: Arrival): boolean {
    const { table, transactions } = this.#parts;
    const invite = table.findInvite(cancel);
    if (invite === null || transactions === null) return false;
    const transaction = transactions.ownerOf(invite);
    if (transaction === null) return false;
    if (!transactions.parameters.automaticCancel || !arrival.source.socket.anycast) return false;
    transactions.cancel(transaction, cancel, arrival.source);
    return true;
  }

  /** Nobody owns it: it is new, or it is a CANCEL or an ACK of nothing we know. */
  #unowned(request: SipMessage, arrival: Arrival): void {
    const { ownership } = this.#parts;
    if (arrival.isLate === true) {
      if (ownership?.relayLateRequest(this.#parts.monotonic(), request, arrival) !== true)
        this.#stale.value++;
      return;
    }
    const anycast = ownership !== null && arrival.source.socket.anycast;
    if (request.method === 'CANCEL' && anycast && this.#parts.table.findInvite(request) === null) {
      // RFC 3261 9.2: no matching transaction.
      this.#answer(request, arrival.source, 481);
      return;
    }
    if (request.method === 'ACK' && this.#isAckOfRefusal(request)) return;
    if (anycast && ownership.handOver(this.#parts.monotonic(), request, arrival)) return;
    this.#runScript(request, arrival);
  }

  /** RFC 3261 8.2.7: the ACK of a failure that was answered without a transaction ends here. */
  #isAckOfRefusal(ack: SipMessage): boolean {
    return ack.toTag.endsWith(statelessTagEnd) || this.#parts.absorbsAck(ack);
  }

  #runScript(request: SipMessage, arrival: Arrival): void {
    // RFC 3261 16.3 step 1. Steps 2 to 5 are asked when the script forwards: it may change what they look at.
    const problem = requestUriProblem(request.requestUri);
    if (problem !== '') {
      this.#refuse(new ParseFailure('SIP_URI_INVALID', problem, { partial: request }), arrival.source);
      return;
    }
    const context = new MessageContext(request, arrival.source, 'request', {
      receivedBy: arrival.receivedBy,
    });
    context.requestUri = withoutOwnMaddr(request.requestUri, arrival.source.socket, this.#parts.isMyself);
    const result = this.#parts.runMainRoute(context);
    if (typeof result === 'number') {
      this.#afterRoute(context);
      return;
    }
    const key = this.#parts.table.key(request);
    this.#waiting.add(key);
    result
      .finally(() => this.#waiting.delete(key))
      .then(() => this.#afterRoute(context))
      .catch((error: unknown) => {
        this.#broken.value++;
        this.#parts.log.error('the script ended because of an error', { error: String(error) });
      });
  }

  /**
   * A retransmission of a request whose script waits, or the CANCEL of such an INVITE: dropped, its sender repeats it
   * (RFC 3261 17.1.2.2), and by then the transaction is there.
   */
  #isWaitedFor(request: SipMessage): boolean {
    const { table } = this.#parts;
    const key = request.method === 'CANCEL' ? table.inviteKey(request) : table.key(request);
    if (!this.#waiting.has(key)) return false;
    this.#waitingRepeats.value++;
    return true;
  }

  #afterRoute(context: MessageContext): void {
    const now = this.#parts.monotonic();
    for (const hook of this.#parts.hooks.afterRequestRoute) hook(context, now);
  }

  /** True when the first Route header names us: the request was record-routed by this cluster. */
  #isRoutedHere(request: SipMessage): boolean {
    const route = request.topRoute;
    return route !== null && this.#parts.isMyself(route.host, route.port);
  }

  // ── what cannot be handled ────────────────────────────────────────────────────────────────────────────────────

  /** RFC 3261 16.3: a request that can be read far enough is answered, everything else dropped and counted. */
  #refuse(failure: ParseFailure, source: Flow): void {
    const { partial } = failure;
    (failure.isResponse ? this.#counters.badReplies : this.#counters.badRequests).value++;
    this.#warn(failure, source);
    // RFC 3261 17.1.1.3: nothing answers an ACK.
    if (partial === null || partial.method === 'ACK') return;
    if (!this.#parts.hasErrorRoute) {
      this.#answer(partial, source, failure.status, failure.reason);
      return;
    }
    const context = new MessageContext(partial, source, 'error');
    const { status, reason, message } = failure;
    context.attachments.set('error', { ...unreadable, info: message, status, reason } satisfies MessageError);
    this.#parts.runErrorRoute(context);
  }

  /** One line per sender in half a minute, with the count of those kept back: a flood must not fill the disk. */
  #warn(failure: ParseFailure, source: Flow): void {
    const suppressed = this.#unreadable.pass(this.#parts.monotonic(), source.address);
    if (suppressed === null) return;
    const sender = `${bracketed(source.address)}:${source.port}`;
    this.#parts.log.warn(`a datagram from ${sender} is ${failure.message}${keptBack(suppressed)}`, {
      code: failure.code,
    });
  }

  #answer(request: SipMessage, source: Flow, status: number, reason = reasonPhrase(status)): void {
    const text = buildResponse(request, {
      status,
      reason,
      toTag: `${this.#parts.nodeId}${statelessTagEnd}`,
      headers: '',
      received: source,
    });
    this.#parts.send(toBytes(text), replyFlow(request, source));
  }
}

/** A Buffer says it without being wrapped once more. */
function latin1Text(bytes: Uint8Array): string {
  if (bytes instanceof Buffer) return bytes.toString('latin1');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
