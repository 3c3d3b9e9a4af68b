/** A client transaction: one request sent to one destination (RFC 3261 17.1). */

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
  onResponse(now: number, response: SipMessage, client: ClientTransaction): void;
  /** Timer B or F. */
  onTimeout(now: number, client: ClientTransaction): void;
  onTransportError(now: number, client: ClientTransaction): void;
  onTerminated(now: number, client: ClientTransaction): void;
}

export interface ClientRequest {
  readonly bytes: Buffer;
  readonly method: string;
  readonly flow: Flow;
  /** Timer B or F, ms. */
  readonly finalResponseMilliseconds: number;
}

type ClientRow = Row<ClientState, ClientAction>;

export class ClientTransaction {
  readonly slot: number;
  readonly branch: string;
  readonly isInvite: boolean;
  readonly method: string;
  readonly flow: Flow;
  readonly user: ClientUser;
  state: ClientState;
  /** The CANCEL under way for this INVITE: it shares the INVITE's branch (RFC 3261 9.1). */
  cancel: ClientTransaction | null = null;
  /** For a CANCEL: the INVITE it cancels. */
  readonly cancels: ClientTransaction | null;
  #bytes: Buffer | null;
  #acknowledgement: Buffer | null = null;
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
    this.user = user;
    this.#bytes = request.bytes;
    this.state = this.isInvite ? 'calling' : 'trying';
    this.#timers = new TransactionTimers(table, this, request.finalResponseMilliseconds);
  }

  /** The request as sent; null once the transaction is over. */
  get bytes(): Buffer | null {
    return this.#bytes;
  }

  start(now: number): void {
    this.#table.send(this.#bytes!, this.flow);
    if (this.isInvite) this.#timers.start(now, ['A', 'B'], this.state);
    else this.#timers.start(now, ['E', 'F'], this.state);
  }

  receive(now: number, response: SipMessage): void {
    const { status } = response;
    if (status < 200) this.#step(now, 'provisional', response);
    else if (!this.isInvite) this.#step(now, 'final', response);
    else this.#step(now, status < 300 ? 'success' : 'failure', response);
  }

  /** The destination cannot be reached (ICMP, send error). */
  fail(now: number): void {
    this.#step(now, 'transportError', null);
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
    if (this.isInvite)
      return inviteClient[this.state as InviteClientState][event as InviteClientEvent] as ClientRow | null;
    return requestClient[this.state as RequestClientState][event as RequestClientEvent] as ClientRow | null;
  }

  #step(now: number, event: InviteClientEvent | RequestClientEvent, response: SipMessage | null): void {
    const row = this.#row(event);
    if (row === null || row === undefined) return;
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
        this.user.onResponse(now, response!, this);
        return;
      case 'resend':
        this.#table.countRetransmission(this.#timers.repetition);
        this.#table.send(this.#bytes!, this.flow);
        return;
      case 'acknowledge':
        // RFC 3261 17.1.1.3: the same ACK for every repetition of the failure.
        this.#acknowledgement ??= this.#table.buildAcknowledgement(this.#bytes!, response!);
        this.#table.send(this.#acknowledgement, this.flow);
        return;
      case 'timeout':
        this.user.onTimeout(now, this);
        return;
      case 'transportError':
        this.user.onTransportError(now, this);
    }
  }

  #terminate(now: number): void {
    if (this.#bytes === null) return;
    this.state = 'terminated';
    this.#timers.stopAll([]);
    this.#bytes = null;
    this.#acknowledgement = null;
    this.#table.releaseClient(now, this);
    this.user.onTerminated(now, this);
  }
}
