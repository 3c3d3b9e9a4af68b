/**
 * A server transaction: one request that arrived, and its answers (RFC 3261 17.2, RFC 6026). The rules stand in
 * `machine.ts`. Invariant: one final response leaves, further 2xx to an INVITE excepted. The ACK to a failure ends
 * here; the ACK to a 2xx is a request of its own and is never taken for one of ours.
 */

import { parseMessage, type SipMessage } from '#sip/message.ts';
import { toBytes } from '#sip/serialize.ts';
import {
  type InviteServerEvent,
  type InviteServerState,
  inviteServer,
  type RequestServerEvent,
  type RequestServerState,
  type Row,
  requestServer,
  type ServerAction,
  type ServerState,
  type TimerName,
} from '#transaction/machine.ts';
import { replyFlow } from '#transaction/reply-flow.ts';
import type { TransactionTable } from '#transaction/table.ts';
import { TransactionTimers } from '#transaction/timers.ts';
import { isFailure } from '#util/failure.ts';
import type { Flow } from '#util/socket-address.ts';

/** What the listing shows of one request sent on. */
export interface BranchDescription {
  readonly index: number;
  /** `address:port` */
  readonly destination: string;
  /** State of its client transaction. */
  readonly state: string;
  /** Final status, 0 while pending. */
  readonly status: number;
  readonly cancelled: boolean;
}

export interface ServerUser {
  /** An ACK that belongs to a 2xx but carries the INVITE's branch. */
  onAck(now: number, ack: SipMessage): void;
  /** Timer H: the failure was never acknowledged. */
  onServerTimeout(now: number): void;
  onServerTransportError(now: number): void;
  onServerTerminated(now: number): void;
  /** For the listing; absent: there are none. */
  describeBranches?(): readonly BranchDescription[];
}

export interface ServerParts {
  readonly request: SipMessage;
  readonly source: Flow;
  readonly user: ServerUser;
}

const nobody: ServerUser = {
  onAck: () => {},
  onServerTimeout: () => {},
  onServerTransportError: () => {},
  onServerTerminated: () => {},
};

/** What is over has no request of its own. */
const nobodysRequest = parseMessage(
  'OPTIONS sip:nobody@localhost SIP/2.0\r\nVia: SIP/2.0/UDP localhost;branch=z9hG4bK-over\r\n' +
    'From: <sip:nobody@localhost>;tag=none\r\nTo: <sip:nobody@localhost>\r\nCall-ID: over\r\nCSeq: 1 OPTIONS\r\n\r\n',
) as SipMessage;

type ServerRow = Row<ServerState, ServerAction>;

export class ServerTransaction {
  readonly key: string;
  /** Null when nobody will ask for it any more. */
  #request: SipMessage | null;
  readonly method: string;
  readonly source: Flow;
  /** Where its responses go; a script may insist on `source` (force_rport). */
  replyTo: Flow;
  readonly isInvite: boolean;
  readonly created: number;
  user: ServerUser;
  /** Whose it is above the proxy layer: theirs to set, and of no meaning here. */
  owner: unknown = null;
  state: ServerState;
  /** Status of the last response sent, 0 = none yet. */
  lastStatus = 0;
  /** As text: see `ClientRequest`. */
  #lastResponse: string | null = null;
  #ended = false;
  readonly #table: TransactionTable;
  readonly #timers: TransactionTimers;

  /** @internal use `TransactionTable.createServer` */
  constructor(table: TransactionTable, now: number, key: string, parts: ServerParts) {
    const { request, source, user } = parts;
    this.#table = table;
    this.key = key;
    this.#request = request;
    this.method = request.method;
    this.source = source;
    this.replyTo = replyFlow(request, source);
    this.user = user;
    this.created = now;
    this.isInvite = request.method === 'INVITE';
    this.state = this.isInvite ? 'proceeding' : 'trying';
    this.#timers = new TransactionTimers(table, this, source, 0);
  }

  get request(): SipMessage {
    return this.#request ?? nobodysRequest;
  }

  /** For listings. */
  get callId(): string {
    if (this.#request !== null) return this.#request.callId;
    const response = parseMessage(this.#lastResponse ?? '');
    return isFailure(response) ? '' : response.callId;
  }

  /** A retransmission of the request, or the ACK to a failure. */
  receive(now: number, request: SipMessage): void {
    this.#step(now, request.method === 'ACK' ? 'ack' : 'request', null, request);
  }

  /** Sends a response of that status; false when the transaction cannot send it any more. */
  respond(now: number, status: number, bytes: Buffer): boolean {
    if (!this.canRespond(status)) return false;
    this.lastStatus = status;
    this.#step(now, this.#sendEvent(status), bytes, null);
    return true;
  }

  /** Another node sent this provisional response before it died: it answers retransmissions from here on. */
  recall(status: number, bytes: Buffer): void {
    this.lastStatus = status;
    this.#lastResponse = bytes.toString('latin1');
  }

  /** True when a response of that status could still be sent. */
  canRespond(status: number): boolean {
    return this.#row(this.#sendEvent(status)) !== null;
  }

  /**
   * RFC 4320 4.2: no answer came in time and none may be sent any more. Retransmissions of the request are absorbed
   * until the caller has given up too. Not for an INVITE.
   */
  giveUp(now: number): void {
    if (this.isInvite || this.lastStatus >= 200) return;
    this.lastStatus = 408;
    this.#step(now, 'sendNothing', null, null);
  }

  /** Absorbs and answers retransmissions by itself from here on: its user is told nothing more, and may go. */
  detachUser(): void {
    this.user = nobody;
    // Half of all transactions linger like this: they hold what they repeat, and no more.
    this.#request = null;
  }

  /** Ends it at once and silently: a peer owns the request after all. */
  abandon(now: number): void {
    this.#terminate(now);
  }

  /** The caller cannot be reached. */
  fail(now: number): void {
    this.#step(now, 'transportError', null, null);
  }

  /** As long as it may have to be repeated; null otherwise. */
  get lastResponse(): string | null {
    return this.#lastResponse;
  }

  /** True when its last response carries this To tag. */
  hasAnswered(toTag: string): boolean {
    const response = parseMessage(this.#lastResponse ?? '');
    return !isFailure(response) && response.toTag === toTag;
  }

  /** @internal */
  expire(now: number, timer: TimerName): void {
    this.#step(now, `timer${timer}` as InviteServerEvent, null, null);
  }

  #sendEvent(status: number): InviteServerEvent | RequestServerEvent {
    if (status < 200) return 'sendProvisional';
    if (!this.isInvite) return 'sendFinal';
    return status < 300 ? 'sendSuccess' : 'sendFailure';
  }

  #row(event: InviteServerEvent | RequestServerEvent): ServerRow | null {
    const row: ServerRow | null | undefined = this.isInvite
      ? inviteServer[this.state as InviteServerState][event as InviteServerEvent]
      : requestServer[this.state as RequestServerState][event as RequestServerEvent];
    // An event of the other machine, such as the ACK that names a BYE: there is no cell for it.
    return row ?? null;
  }

  #step(
    now: number,
    event: InviteServerEvent | RequestServerEvent,
    bytes: Buffer | null,
    message: SipMessage | null,
  ): void {
    const row = this.#row(event);
    if (row === null) return;
    if (row.to !== this.state) {
      this.#timers.stopAll(row.keep ?? []);
      this.state = row.to;
    }
    if (row.start !== undefined) this.#timers.start(now, row.start, this.state);
    for (const action of row.actions) this.#act(now, action, bytes, message);
    if (row.to === 'terminated') this.#terminate(now);
  }

  #act(now: number, action: ServerAction, bytes: Buffer | null, message: SipMessage | null): void {
    switch (action) {
      case 'send':
        this.#table.sendReply(this, bytes!);
        this.#lastResponse = bytes!.toString('latin1');
        return;
      case 'resend':
        // RFC 3261 17.2.1: in Proceeding there may be no response yet; then the retransmission is absorbed.
        if (this.#lastResponse !== null) this.#table.sendReply(this, toBytes(this.#lastResponse));
        return;
      case 'repeat':
        this.#table.counters.retransmission_rpl_T2++;
        this.#table.sendReply(this, toBytes(this.#lastResponse!));
        return;
      case 'forget':
        this.#lastResponse = null;
        this.#request?.trim();
        return;
      case 'passAck':
        this.user.onAck(now, message!);
        return;
      case 'timeout':
        this.user.onServerTimeout(now);
        return;
      case 'transportError':
        this.user.onServerTransportError(now);
    }
  }

  #terminate(now: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.state = 'terminated';
    this.#timers.stopAll([]);
    this.#lastResponse = null;
    this.#table.releaseServer(this);
    this.user.onServerTerminated(now);
  }
}
