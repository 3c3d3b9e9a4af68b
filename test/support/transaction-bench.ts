/**
 * The transaction layer without a network: what it sends is kept with its time, and time passes when a test says so.
 * Also the messages that tests put in, written as text and parsed like any datagram.
 */

import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildResponse } from '#sip/response.ts';
import { reasonPhrase } from '#sip/status.ts';
import { BranchCodec } from '#transaction/branch.ts';
import type { ClientTransaction } from '#transaction/client-transaction.ts';
import type { ServerTransaction } from '#transaction/server-transaction.ts';
import { defaultSettings, type TransactionSettings } from '#transaction/settings.ts';
import { TransactionTable } from '#transaction/table.ts';
import { assert } from '#util/assert.ts';
import { ManualClock } from '#util/clock.ts';
import { isFailure } from '#util/failure.ts';
import type { Flow, LocalSocket } from '#util/socket-address.ts';
import { TimerQueue } from '#util/timer-queue.ts';

export const socket: LocalSocket = {
  index: 0,
  protocol: 'udp',
  address: '192.0.2.1',
  port: 5060,
  advertisedAddress: '192.0.2.1',
  advertisedPort: 5060,
  anycast: true,
  tag: '',
};
export const caller: Flow = { socket, address: '198.51.100.7', port: 5062 };
export const callee: Flow = { socket, address: '203.0.113.9', port: 5070 };

export function message(text: string): SipMessage {
  const parsed = parseMessage(text);
  assert(!isFailure(parsed), isFailure(parsed) ? parsed.message : '');
  return parsed;
}

export interface RequestParts {
  readonly branch?: string;
  readonly sentBy?: string;
  readonly viaParameters?: string;
  readonly callId?: string;
  readonly cseq?: number;
  readonly toTag?: string;
  readonly maxForwards?: string;
  /** Header lines, each ending in CRLF. */
  readonly headers?: string;
}

/** A request as the caller's user agent writes it. */
export function request(method: string, parts: RequestParts = {}): SipMessage {
  const body = method === 'INVITE' ? 'v=0\r\n' : '';
  return message(
    `${method} sip:bob@example.org SIP/2.0\r\n` +
      `Via: SIP/2.0/UDP ${parts.sentBy ?? '198.51.100.7:5062'};branch=${parts.branch ?? 'z9hG4bKcaller1'}` +
      `${parts.viaParameters ?? ''}\r\n` +
      (parts.maxForwards ?? 'Max-Forwards: 70\r\n') +
      `From: <sip:alice@example.org>;tag=alice\r\nTo: <sip:bob@example.org>${parts.toTag === undefined ? '' : `;tag=${parts.toTag}`}\r\n` +
      `Call-ID: ${parts.callId ?? 'call-1'}\r\nCSeq: ${parts.cseq ?? 1} ${method}\r\n${parts.headers ?? ''}` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
}

/** What the callee answers to a request that it was sent. */
export function answer(sent: SipMessage, status: number, toTag = 'bob', headers = ''): SipMessage {
  return message(buildResponse(sent, { status, reason: reasonPhrase(status), toTag, headers }));
}

export interface Sent {
  readonly message: SipMessage;
  readonly flow: Flow;
  readonly at: number;
}

export class TransactionBench {
  readonly clock = new ManualClock();
  readonly timers = new TimerQueue();
  readonly branches = new BranchCodec({ node: 2, incarnation: 71, worker: 0 }, [Buffer.from('a secret')]);
  readonly table: TransactionTable;
  /** Everything sent since the last {@link take}. */
  sent: Sent[] = [];
  /** Names of the user's callbacks since the last {@link takeEvents}, responses as their status. */
  events: string[] = [];

  constructor(settings: Partial<TransactionSettings> = {}) {
    this.table = new TransactionTable({
      timers: this.timers,
      transport: {
        send: (bytes, flow) =>
          this.sent.push({ message: message(bytes.toString('latin1')), flow, at: this.now }),
      },
      branches: this.branches,
      settings: { ...defaultSettings, ...settings },
    });
  }

  get now(): number {
    return this.clock.monotonic();
  }

  /** Lets time pass, timers firing at their exact times. */
  advance(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (let due = this.timers.nextDue(); due <= end; due = this.timers.nextDue()) {
      this.clock.advance(due - this.now);
      this.timers.advance(this.now);
    }
    this.clock.advance(end - this.now);
  }

  take(): Sent[] {
    return this.sent.splice(0);
  }

  takeEvents(): string[] {
    return this.events.splice(0);
  }

  /** Start lines without version or reason: `INVITE`, `180`. */
  takeNames(): string[] {
    return this.take().map(nameOf);
  }

  /** Client transaction of a request to the callee; the request has left. */
  client(
    method: string,
    finalResponseMilliseconds = 32_000,
    flow: Flow = callee,
  ): { client: ClientTransaction; sent: SipMessage } {
    const slot = this.table.reserveClient(0);
    assert(!isFailure(slot), 'no slot');
    const text = request(method, { branch: slot.branch, sentBy: '192.0.2.1:5060' }).text;
    const parts = { text, method, flow, finalResponseMilliseconds };
    const client = this.table.prepareClient(slot, parts, {
      onResponse: (_now, response) => this.events.push(String(response.status)),
      onTimeout: () => this.events.push('timeout'),
      onTransportError: () => this.events.push('transportError'),
      onTerminated: () => this.events.push('terminated'),
    });
    client.start(this.now);
    return { client, sent: message(text) };
  }

  server(received: SipMessage, source: Flow = caller): ServerTransaction {
    const server = this.table.createServer(this.now, received, source, {
      onAck: () => this.events.push('ack'),
      onServerTimeout: () => this.events.push('timeout'),
      onServerTransportError: () => this.events.push('transportError'),
      onServerTerminated: () => this.events.push('terminated'),
    });
    assert(!isFailure(server), 'the table is full');
    return server;
  }

  respond(server: ServerTransaction, status: number): boolean {
    return server.respond(this.now, status, Buffer.from(answer(server.request, status).text, 'latin1'));
  }
}

export function nameOf(sent: Sent): string {
  return sent.message.isRequest ? sent.message.method : String(sent.message.status);
}

/** Value of the first line of that header in a sent message. */
export function headerOf(sent: Sent, header: keyof typeof headerNames): string {
  return sent.message.firstValue(headerNames[header]);
}
