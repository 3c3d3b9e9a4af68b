/**
 * All transactions of one node. Server transactions are found by the key of RFC 3261 17.2.3, client transactions by
 * the slot in our own branch. Effects go through the transport; time is an argument.
 */

import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildAck } from '#sip/request.ts';
import { toBytes } from '#sip/serialize.ts';
import type { BranchCodec } from '#transaction/branch.ts';
import { type ClientRequest, ClientTransaction, type ClientUser } from '#transaction/client-transaction.ts';
import {
  type BranchDescription,
  ServerTransaction,
  type ServerUser,
} from '#transaction/server-transaction.ts';
import { longTimeout, type TransactionSettings } from '#transaction/settings.ts';
import { assert } from '#util/assert.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import type { Flow } from '#util/socket-address.ts';
import type { TimerQueue } from '#util/timer-queue.ts';

export interface TransactionTransport {
  /** Sends at once or not at all; errors come back later, through `TransactionTable.onTransportError`. */
  send(bytes: Buffer, flow: Flow): void;
}

/** Until a node that was cut off looks again whether it still is: T2, after which requests are repeated anyway. */
const cutOffMilliseconds = 4000;

export interface TransactionTableParts {
  readonly timers: TimerQueue;
  readonly transport: TransactionTransport;
  readonly branches: BranchCodec;
  readonly settings: TransactionSettings;
  /** This node does not hear what is answered to it: no request is given up meanwhile. Absent: it always does. */
  readonly isCutOff?: (now: number) => boolean;
}

/** One line of `anyvia transactions`. */
export interface TransactionDescription {
  readonly method: string;
  readonly callId: string;
  readonly state: string;
  /** Of the last response sent, 0 = none. */
  readonly status: number;
  readonly ageMilliseconds: number;
  /** `address:port` */
  readonly source: string;
  readonly branches: readonly BranchDescription[];
}

/** A place for a client transaction: its branch is known before the request is written. */
export interface ClientSlot {
  readonly slot: number;
  readonly branch: string;
}

const cookie = 'z9hG4bK';
/** What was taken over has no place of its own here. */
const adoptedSlot = -1;

export class TransactionTable {
  readonly timers: TimerQueue;
  readonly settings: TransactionSettings;
  /** OpenSIPS's names, without group. */
  readonly counters = {
    retransmission_req_T1_1: 0,
    retransmission_req_T1_2: 0,
    retransmission_req_T1_3: 0,
    retransmission_req_T2: 0,
    retransmission_rpl_T2: 0,
    /** Timer B or F. */
    timeout_finalresponse: 0,
    /** Timer C. */
    timeout_finalresponse_inv: 0,
    /** Requests sent again to the next address of their target (RFC 3263 4.3). */
    failover_requests: 0,
    /** Requests not taken because the table was full. */
    refused_full: 0,
  };
  readonly branches: BranchCodec;
  readonly #isCutOff: (now: number) => boolean;
  #cutOffUntil = -Infinity;
  readonly #transport: TransactionTransport;
  readonly #servers = new Map<string, ServerTransaction>();
  readonly #clients: (ClientTransaction | null)[] = [];
  readonly #generations: number[] = [];
  readonly #freeSlots: number[] = [];
  #clientCount = 0;
  /** Taken over from dead nodes: their branches name slots of theirs. */
  readonly #adopted = new Map<string, ClientTransaction>();
  /** The request whose key was asked for last. */
  #keyed: SipMessage | null = null;
  #keyedMethod = '';
  #lastKey = '';

  constructor(parts: TransactionTableParts) {
    this.timers = parts.timers;
    this.settings = parts.settings;
    this.#transport = parts.transport;
    this.branches = parts.branches;
    this.#isCutOff = parts.isCutOff ?? (() => false);
  }

  /** Milliseconds for which no request may be given up: a node that does not hear answers cannot say there was none. */
  cutOffPause(now: number): number {
    // What others passed on meanwhile comes a moment after the links.
    if (this.#isCutOff(now)) this.#cutOffUntil = now + 2 * cutOffMilliseconds;
    return now < this.#cutOffUntil ? cutOffMilliseconds : 0;
  }

  get serverCount(): number {
    return this.#servers.size;
  }

  get clientCount(): number {
    return this.#clientCount;
  }

  hasServer(key: string): boolean {
    return this.#servers.has(key);
  }

  serverOf(key: string): ServerTransaction | null {
    return this.#servers.get(key) ?? null;
  }

  servers(): IterableIterator<ServerTransaction> {
    return this.#servers.values();
  }

  /** At most `listedMax` server transactions with the branches of each, oldest first. */
  describe(now: number, listedMax: number): TransactionDescription[] {
    const listed: TransactionDescription[] = [];
    for (const server of this.#servers.values()) {
      if (listed.length >= listedMax) break;
      listed.push({
        method: server.method,
        callId: server.callId,
        state: server.state,
        status: server.lastStatus,
        ageMilliseconds: Math.round(now - server.created),
        source: `${bracketed(server.source.address)}:${server.source.port}`,
        branches: server.user.describeBranches?.() ?? [],
      });
    }
    return listed;
  }

  // ── matching ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** RFC 3261 17.2.3: branch, sent-by and method; an ACK has its INVITE's. */
  key(request: SipMessage): string {
    return this.#key(request, request.method === 'ACK' ? 'INVITE' : request.method);
  }

  /** Key of the INVITE that a CANCEL or an ACK is about (RFC 3261 9.2). */
  inviteKey(request: SipMessage): string {
    return this.#key(request, 'INVITE');
  }

  #key(request: SipMessage, method: string): string {
    // Each request is looked for first and then given its transaction.
    if (this.#keyed === request && this.#keyedMethod === method) return this.#lastKey;
    this.#keyed = request;
    this.#keyedMethod = method;
    this.#lastKey = this.#makeKey(request, method);
    return this.#lastKey;
  }

  #makeKey(request: SipMessage, method: string): string {
    const via = request.topVia;
    // The bare cookie, without anything unique behind it, identifies nothing.
    if (via.branch.length > cookie.length && via.branch.startsWith(cookie))
      return `${via.branch} ${via.host}:${via.port} ${method}`;
    // RFC 3261 17.2.3 for RFC 2543 clients: Request-URI, tags, Call-ID, CSeq number and top Via. The ACK has the To
    // tag of the response, so that of an INVITE is compared in `findServer`.
    const toTag = method === 'INVITE' ? '' : request.toTag;
    const { requestUri, fromTag, callId, cseqNumber } = request;
    const parts = [requestUri, fromTag, toTag, callId, cseqNumber, via.host, via.port];
    return `${parts.join(' ')} ${via.branch} ${method}`;
  }

  /** The transaction that this request repeats, or that this ACK ends; null when there is none. */
  findServer(request: SipMessage): ServerTransaction | null {
    const server = this.#servers.get(this.key(request)) ?? null;
    // An ACK to a 2xx is end to end, whatever branch it carries.
    if (server === null || request.method !== 'ACK') return server;
    if (server.state === 'accepted') return null;
    // RFC 3261 17.2.3: without a cookie the To tag must be that of the response, too.
    return request.topVia.branch.startsWith(cookie) || server.hasAnswered(request.toTag) ? server : null;
  }

  findInvite(cancel: SipMessage): ServerTransaction | null {
    return this.#servers.get(this.inviteKey(cancel)) ?? null;
  }

  /** By the slot in our own branch, then the whole branch and the method (RFC 3261 17.1.3, 16.7 step 1). */
  findClient(response: SipMessage): ClientTransaction | null {
    const { branch } = response.topVia;
    const tag = this.branches.read(branch);
    if (tag === null) return null;
    const client = this.#clients[tag.slot] ?? null;
    if (client === null || client.branch !== branch) return null;
    return this.#matching(client, response);
  }

  /** A client transaction that this node took over: its branch is that of its former owner. */
  findAdopted(response: SipMessage): ClientTransaction | null {
    const client = this.#adopted.get(response.topVia.branch);
    // The Via names the former owner's socket, which need not be one that both have: the whole branch is proof enough.
    return client === undefined ? null : this.#ofMethod(client, response);
  }

  #matching(client: ClientTransaction, response: SipMessage): ClientTransaction | null {
    // RFC 3261 18.1.2: a top Via that says another address than ours was not put in by us.
    if (bracketed(response.topVia.host) !== bracketed(client.flow.socket.advertisedAddress)) return null;
    return this.#ofMethod(client, response);
  }

  #ofMethod(client: ClientTransaction, response: SipMessage): ClientTransaction | null {
    if (client.method === response.cseqMethod) return client;
    return response.cseqMethod === 'CANCEL' ? client.cancel : null;
  }

  // ── making ────────────────────────────────────────────────────────────────────────────────────────────────────

  createServer(
    now: number,
    request: SipMessage,
    source: Flow,
    user: ServerUser,
  ): ServerTransaction | Failure {
    if (this.#servers.size >= this.settings.transactionsMax) {
      this.counters.refused_full++;
      return new Failure('TRANSACTION_TABLE_FULL', `${this.#servers.size} transactions are in progress`);
    }
    const key = this.key(request);
    assert(!this.#servers.has(key), 'the request has a transaction already');
    const server = new ServerTransaction(this, now, key, { request, source, user });
    this.#servers.set(key, server);
    return server;
  }

  /** `index` of the branch; `loop`: hash of what decides where the request goes (RFC 5393 4.2), 0 without one. */
  reserveClient(index: number, loop = 0): ClientSlot | Failure {
    if (this.#clientCount >= this.settings.transactionsMax) {
      this.counters.refused_full++;
      return new Failure(
        'TRANSACTION_TABLE_FULL',
        `${this.#clientCount} client transactions are in progress`,
      );
    }
    const slot = this.#freeSlots.pop() ?? this.#clients.length;
    if (slot === this.#clients.length) {
      this.#clients.push(null);
      this.#generations.push(0);
    }
    const generation = ++this.#generations[slot]!;
    this.#clientCount++;
    return { slot, branch: this.branches.write(slot, generation, index, loop) };
  }

  /** The transaction is in the table, and its request leaves with `start`. */
  prepareClient(slot: ClientSlot, request: ClientRequest, user: ClientUser): ClientTransaction {
    const client = new ClientTransaction(this, slot, request, user);
    this.#clients[slot.slot] = client;
    return client;
  }

  /**
   * Goes on with a request that a dead node sent: same text, same branch, so that its receiver sees a retransmission.
   * TRANSACTION_TABLE_FULL when there is no room.
   */
  adoptClient(branch: string, request: ClientRequest, user: ClientUser): ClientTransaction | Failure {
    if (this.#clientCount >= this.settings.transactionsMax) {
      this.counters.refused_full++;
      return new Failure(
        'TRANSACTION_TABLE_FULL',
        `${this.#clientCount} client transactions are in progress`,
      );
    }
    const client = new ClientTransaction(this, { slot: adoptedSlot, branch }, request, user);
    this.#adopted.set(branch, client);
    this.#clientCount++;
    return client;
  }

  /** Gives a reserved place back unused. */
  returnSlot(slot: ClientSlot): void {
    this.#freeSlots.push(slot.slot);
    this.#clientCount--;
  }

  /** Sends the CANCEL of an INVITE, with the retransmissions of a request of its own (RFC 3261 9.1). */
  startCancel(now: number, invite: ClientTransaction, text: string, user: ClientUser): void {
    const request: ClientRequest = {
      text,
      method: 'CANCEL',
      flow: invite.flow,
      finalResponseMilliseconds: longTimeout(this.settings),
    };
    const place = { slot: invite.slot, branch: invite.branch, cancels: invite };
    invite.cancel = new ClientTransaction(this, place, request, user);
    invite.cancel.start(now);
  }

  /** RFC 3261 18.4: the kernel reported that this destination cannot be reached. What waits for it there fails now. */
  onTransportError(now: number, flow: Flow): void {
    this.onTransportErrors(now, [flow]);
  }

  /**
   * The same for all that failed in one turn of the event loop: every transaction is looked at, and a flood of requests
   * to nowhere must not have them looked at once for each.
   */
  onTransportErrors(now: number, flows: readonly Flow[]): void {
    const byPort = Map.groupBy(flows, (flow) => flow.port);
    // Chosen before any of them is told: a failure route may send to the same place again.
    const isFailed = (client: ClientTransaction | null): boolean =>
      client !== null && byPort.get(client.flow.port)?.some((flow) => leadsTo(flow, client.flow)) === true;
    const failed = this.#clients.filter(isFailed);
    const adopted = [...this.#adopted.values()].filter(isFailed);
    for (const client of failed) client!.fail(now);
    for (const client of adopted) client.fail(now);
  }

  // ── for the transactions themselves ───────────────────────────────────────────────────────────────────────────

  /** @internal */
  send(text: string, flow: Flow): void {
    this.#transport.send(toBytes(text), flow);
  }

  /** Sends a response past the state machine, which is over: RFC 3261 16.7 step 10. */
  sendReply(server: ServerTransaction, bytes: Buffer): void {
    this.#transport.send(bytes, server.replyTo);
  }

  /** @internal Null when the request cannot be read: a script may have put in a header line that is none. */
  buildAcknowledgement(sent: string, response: SipMessage, headers: string): string | null {
    const request = parseMessage(sent);
    return isFailure(request) ? null : buildAck(request, response, headers);
  }

  /** @internal */
  countRetransmission(repetition: number): void {
    const { counters } = this;
    if (repetition <= 1) counters.retransmission_req_T1_1++;
    else if (repetition === 2) counters.retransmission_req_T1_2++;
    else if (repetition === 3) counters.retransmission_req_T1_3++;
    else counters.retransmission_req_T2++;
  }

  /** @internal */
  releaseServer(server: ServerTransaction): void {
    this.#servers.delete(server.key);
  }

  /** @internal */
  releaseClient(now: number, client: ClientTransaction): void {
    if (client.cancels !== null) {
      client.cancels.cancel = null;
      return;
    }
    client.cancel?.abandon(now);
    this.#clientCount--;
    if (client.slot === adoptedSlot) {
      this.#adopted.delete(client.branch);
      return;
    }
    this.#clients[client.slot] = null;
    this.#freeSlots.push(client.slot);
  }
}

/** The port is known to be equal. */
function leadsTo(failed: Flow, flow: Flow): boolean {
  return failed.address === flow.address && failed.socket.protocol === flow.socket.protocol;
}
