/**
 * A client transaction: one request sent to one destination (RFC 3261 17.1, RFC 6026). The rules stand in `machine.ts`.
 * Invariant: a final response is passed to the user once, further 2xx to an INVITE excepted; nothing is called after
 * `onTerminated`. What is not needed for retransmissions any more is let go at once, not when the last timer ends.
 */

import type { SipMessage } from '#sip/message.ts';
import {
  type ClientAction,
  type ClientState,
  type InviteClientEvent,
  type InviteClientState,
  inviteClient,
  type RequestClientEvent,
  type RequestClientState,
  type Row,
  requestClient,
  type TimerName,
} from '#transaction/machine.ts';
import type { TransactionTable } from '#transaction/table.ts';
import { TransactionTimers } from '#transaction/timers.ts';
import type { Flow } from '#util/socket-address.ts';

export interface ClientUser {
  /** `source`: where the response came from. */
  onResponse(now: number, response: SipMessage, source: Flow, client: ClientTransaction): void;
  /** Timer B or F. */
  onTimeout(now: number, client: ClientTransaction): void;
  onTransportError(now: number, client: ClientTransaction): void;
  onTerminated(now: number, client: ClientTransaction): void;
}

export interface ClientRequest {
  /**
   * The whole request. Kept as text, not as bytes: small Buffers are cut from shared slabs of 64 kB, and one that is
   * kept for half a minute keeps its slab.
   */
  readonly text: string;
  readonly method: string;
  readonly flow: Flow;
  /** Timer B or F, ms. */
  readonly finalResponseMilliseconds: number;
  /** Header lines for the ACK and the CANCEL too, each ending in CRLF; '' for none. */
  readonly commonHeaders?: string;
}

type ClientRow = Row<ClientState, ClientAction>;

const inviteTimers: readonly TimerName[] = ['A', 'B'];
const requestTimers: readonly TimerName[] = ['E', 'F'];

export class ClientTransaction {
  readonly slot: number;
  readonly branch: string;
  readonly isInvite: boolean;
  readonly method: string;
  readonly flow: Flow;
  readonly user: ClientUser;
  readonly commonHeaders: string;
  state: ClientState;
  /** The CANCEL under way for this INVITE: it shares the INVITE's branch (RFC 3261 9.1). */
  cancel: ClientTransaction | null = null;
  /** For a CANCEL: the INVITE it cancels. */
  readonly cancels: ClientTransaction | null;
  #text: string | null;
  #acknowledgement: string | null = null;
  #ended = false;
  /** Of the response that is being handled. */
  #source: Flow;
  readonly #table: TransactionTable;
  readonly #timers: TransactionTimers;

  /** @internal use `TransactionTable.startClient` */
  constructor(
    table: TransactionTable,
    place: { readonly slot: number; readonly branch: string; readonly cancels?: ClientTransaction },
    request: ClientRequest,
    user: ClientUser,
  ) {
    const { slot, branch } = place;
    this.cancels = place.cancels ?? null;
    this.#table = table;
    this.slot = slot;
    this.branch = branch;
    this.method = request.method;
    this.isInvite = request.method === 'INVITE';
    this.flow = request.flow;
    this.#source = request.flow;
    this.user = user;
    this.commonHeaders = request.commonHeaders ?? '';
    this.#text = request.text;
    this.state = this.isInvite ? 'calling' : 'trying';
    this.#timers = new TransactionTimers(table, this, request.flow, request.finalResponseMilliseconds);
  }

  /** The request as sent; null once it has a final response. */
  get text(): string | null {
    return this.#text;
  }

  /** What it answers every repetition of its failure with; null when there was none. */
  get acknowledgement(): string | null {
    return this.#acknowledgement;
  }

  /** Goes on where a dead node had its failure already: that is acknowledged again whenever it comes (17.1.1.2). */
  resumeCompleted(now: number, acknowledgement: string): void {
    this.state = 'completed';
    this.#text = null;
    this.#acknowledgement = acknowledgement;
    this.#timers.start(now, ['D'], this.state);
  }

  start(now: number): void {
    // Before sending: a transport in memory may answer, and so end the transaction, while `send` still runs.
    this.#timers.start(now, this.isInvite ? inviteTimers : requestTimers, this.state);
    this.#table.send(this.#text!, this.flow);
  }

  /** `source`: where it came from, unless it came from where the request went. */
  receive(now: number, response: SipMessage, source: Flow = this.flow): void {
    this.#source = source;
    const { status } = response;
    if (status < 200) this.#step(now, 'provisional', response);
    else if (!this.isInvite) this.#step(now, 'final', response);
    else this.#step(now, status < 300 ? 'success' : 'failure', response);
  }

  /** The destination cannot be reached (ICMP, send error). */
  fail(now: number): void {
    this.#step(now, 'transportError', null);
  }

  /** No more copies of the request: somebody else sends it. Time-outs and responses go on as before. */
  stopRetransmitting(): void {
    this.#timers.stopAll(['B', 'F', 'D', 'K', 'M']);
  }

  /** Ends it at once, without telling the user anything but that it is over. */
  abandon(now: number): void {
    this.#terminate(now);
  }

  /** @internal */
  expire(now: number, timer: TimerName): void {
    this.#step(now, `timer${timer}` as InviteClientEvent, null);
  }

  #row(event: InviteClientEvent | RequestClientEvent): ClientRow | null {
    return this.isInvite
      ? inviteClient[this.state as InviteClientState][event as InviteClientEvent]
      : requestClient[this.state as RequestClientState][event as RequestClientEvent];
  }

  #step(now: number, event: InviteClientEvent | RequestClientEvent, response: SipMessage | null): void {
    const row = this.#row(event);
    if (row === null) return;
    if (row.to !== this.state) {
      this.#timers.stopAll(row.keep ?? []);
      this.state = row.to;
    }
    if (row.start !== undefined) this.#timers.start(now, row.start, this.state);
    for (const action of row.actions) this.#act(now, action, response);
    if (row.to === 'terminated') this.#terminate(now);
  }

  #act(now: number, action: ClientAction, response: SipMessage | null): void {
    switch (action) {
      case 'pass':
        this.user.onResponse(now, response!, this.#source, this);
        return;
      case 'resend':
        this.#table.countRetransmission(this.#timers.repetition);
        this.#table.send(this.#text!, this.flow);
        return;
      case 'acknowledge':
        // RFC 3261 17.1.1.3: the same ACK for every repetition of the failure.
        if (this.#text !== null)
          this.#acknowledgement = this.#table.buildAcknowledgement(this.#text, response!, this.commonHeaders);
        if (this.#acknowledgement !== null) this.#table.send(this.#acknowledgement, this.flow);
        return;
      case 'forget':
        this.#text = null;
        return;
      case 'timeout':
        this.#table.counters.timeout_finalresponse++;
        this.user.onTimeout(now, this);
        return;
      case 'transportError':
        this.user.onTransportError(now, this);
    }
  }

  #terminate(now: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.state = 'terminated';
    this.#timers.stopAll([]);
    this.#text = null;
    this.#acknowledgement = null;
    this.#table.releaseClient(now, this);
    this.user.onTerminated(now, this);
  }
}
