/**
 * One connection that carries SIP, accepted or dialled: what it has received so far, what waits until it is open, and
 * since when it keeps us waiting. Every wait and every buffer is bounded; whoever exceeds a bound loses the connection.
 */

import type { Link, LinkUser } from '#cluster/link-transport.ts';
import { type FrameUser, StreamFramer } from '#sip/stream-framer.ts';
import { isFailure } from '#util/failure.ts';
import type { Flow, LocalSocket } from '#util/socket-address.ts';
import type { Timer, TimerTarget } from '#util/timer-queue.ts';

/** Why a connection ended, as the statistics call it. */
export type StreamEnd =
  | 'by_peer'
  | 'error'
  | 'idle'
  | 'unframed'
  | 'slow_message'
  | 'slow_reader'
  | 'connect_failed'
  | 'connect_timeout';

export interface StreamOwner {
  onStreamOpen(connection: StreamConnection, now: number): void;
  onStreamMessage(connection: StreamConnection, bytes: Buffer): void;
  onStreamPing(connection: StreamConnection): void;
  onStreamEnd(connection: StreamConnection, end: StreamEnd, detail: string, now: number): void;
}

/** Instead of a time. */
const never = -1;
/** What a peer that reads nothing may have waiting for it: hundreds of messages. */
const unsentBytesMax = 512 * 1024;
/** A peer that reads nothing for so long has gone. */
const unsentMilliseconds = 10_000;

export class StreamConnection implements LinkUser, FrameUser, TimerTarget, Flow {
  readonly socket: LocalSocket;
  readonly address: string;
  readonly port: number;
  readonly isAccepted: boolean;
  /** Further names of this connection in its owner's table. */
  readonly aliases: string[] = [];
  /** Set right after construction. */
  link!: Link;
  isOpen: boolean;
  connectTimer: Timer | null = null;
  /** Not idle before then, ms. */
  keptUntil = 0;
  readonly #owner: StreamOwner;
  readonly #framer = new StreamFramer();
  #lastUse: number;
  /** Since when the message under way has been coming, ms. */
  #insideSince: number;
  /** Messages and pings of the bytes that were just read. */
  #heard = 0;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** Written since the kernel took no more. */
  #unsentBytes = 0;
  #unsentSince = never;
  #isOver = false;

  constructor(owner: StreamOwner, flow: Flow, isAccepted: boolean, now: number) {
    this.#owner = owner;
    this.socket = flow.socket;
    this.address = flow.address;
    this.port = flow.port;
    this.isAccepted = isAccepted;
    this.isOpen = isAccepted;
    this.#lastUse = now;
    // Who connects has something to say.
    this.#insideSince = isAccepted ? now : never;
  }

  write(bytes: Buffer, now: number): void {
    if (this.#isOver) return;
    this.#lastUse = now;
    if (!this.isOpen) {
      this.#waitingBytes += bytes.length;
      if (this.#waitingBytes <= unsentBytesMax) this.#waiting.push(bytes);
      else this.end('slow_reader', now);
      return;
    }
    const isTaken = this.link.write(bytes);
    if (isTaken && this.#unsentSince === never) return;
    if (this.#unsentSince === never) this.#unsentSince = now;
    this.#unsentBytes += bytes.length;
    if (this.#unsentBytes > unsentBytesMax) this.end('slow_reader', now);
  }

  /** Ends it from this side. */
  end(reason: StreamEnd, now: number, detail = ''): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.link.close();
    this.#owner.onStreamEnd(this, reason, detail, now);
  }

  /** Looked at every now and then: does it keep us waiting? */
  look(now: number, limits: { readonly lifetime: number; readonly message: number }): void {
    if (this.#insideSince !== never && now - this.#insideSince > limits.message)
      this.end('slow_message', now);
    else if (this.#unsentSince !== never && now - this.#unsentSince > unsentMilliseconds)
      this.end('slow_reader', now);
    else if (this.isOpen && now > this.keptUntil && now - this.#lastUse > limits.lifetime)
      this.end('idle', now);
  }

  // ── LinkUser ──────────────────────────────────────────────────────────────────────────────────────────────────

  onOpen(now: number): void {
    if (this.#isOver) return;
    this.isOpen = true;
    this.#owner.onStreamOpen(this, now);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const bytes of waiting) this.write(bytes, now);
  }

  onBytes(bytes: Buffer, now: number): void {
    if (this.#isOver) return;
    this.#lastUse = now;
    const wasInside = this.#framer.isInside;
    this.#heard = 0;
    const problem = this.#framer.push(bytes, this);
    if (isFailure(problem)) {
      this.end('unframed', now, problem.message);
      return;
    }
    if (!this.#framer.isInside) {
      if (this.#heard > 0) this.#insideSince = never;
    } else if (this.#heard > 0 || !wasInside) this.#insideSince = now;
  }

  onDrain(): void {
    this.#unsentBytes = 0;
    this.#unsentSince = never;
  }

  onClose(reason: string, now: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const isBroken = reason.includes('failed');
    const end = this.isOpen ? (isBroken ? 'error' : 'by_peer') : 'connect_failed';
    this.#owner.onStreamEnd(this, end, reason, now);
  }

  // ── FrameUser ─────────────────────────────────────────────────────────────────────────────────────────────────

  onFrame(bytes: Buffer): void {
    this.#heard++;
    // What comes behind the message that ended the connection is not read any more.
    if (!this.#isOver) this.#owner.onStreamMessage(this, bytes);
  }

  onPing(): void {
    this.#heard++;
    if (!this.#isOver) this.#owner.onStreamPing(this);
  }

  onTimer(_kind: number, now: number): void {
    this.connectTimer = null;
    if (!this.isOpen) this.end('connect_timeout', now);
  }
}
