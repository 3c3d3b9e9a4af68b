/** One connection, TCP (`node:net`) or TLS (`node:tls`), as a {@link Link}: between two nodes, or with a SIP client or server. */

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Link, LinkUser } from '#cluster/link-transport.ts';
import { distrustOf } from '#net/link-trust.ts';

export interface LinkEnvironment {
  /** Milliseconds, monotonic: the time given to every callback. */
  monotonic(): number;
  /** After each callback: timers may have been started. */
  afterEvent(): void;
  /** Milliseconds without traffic before the kernel probes the other side (SO_KEEPALIVE); absent: never. */
  readonly keepAliveMilliseconds?: number;
  /** An error in anyvia itself while a link was served; that link is closed. */
  onBroken(error: unknown): void;
}

/** After `close`: how long the other side may take to read what was written before. */
const lingerMilliseconds = 1000;

export class LinkSocket implements Link {
  readonly #socket: Socket;
  readonly #environment: LinkEnvironment;
  readonly #place: { readonly address: string; readonly port: number };
  readonly isSecure: boolean;
  #isOpen: boolean;
  #user: LinkUser | null = null;
  #error = '';

  /** `place` stands for the other side until it is connected; null for a link that was accepted. */
  constructor(
    socket: Socket,
    environment: LinkEnvironment,
    place: { readonly address: string; readonly port: number; readonly secure: boolean } | null,
  ) {
    this.#socket = socket;
    this.#environment = environment;
    this.#place = place ?? { address: '', port: 0 };
    this.#isOpen = place === null;
    this.isSecure = place?.secure ?? socket instanceof TLSSocket;
    // A frame waits for nothing: batching is done above.
    socket.setNoDelay(true);
    if (environment.keepAliveMilliseconds !== undefined)
      socket.setKeepAlive(true, environment.keepAliveMilliseconds);
    socket.on('data', (bytes: Buffer) => this.#tell((user, now) => user.onBytes(bytes, now)));
    socket.on('drain', () => this.#tell((user, now) => user.onDrain(now)));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = this.#isOpen ? (error.code ?? error.message) : problemOf(error, this.isSecure);
    });
    // The other side ended: half-open links are of no use here.
    socket.on('end', () => socket.destroySoon());
    socket.on('close', () => this.#closed());
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? this.#place.address;
  }

  get remotePort(): number {
    return this.#socket.remotePort ?? this.#place.port;
  }

  serve(user: LinkUser): void {
    this.#user = user;
  }

  distrust(address: string): string {
    return this.#socket instanceof TLSSocket ? distrustOf(this.#socket, address) : '';
  }

  opened(): void {
    this.#isOpen = true;
    this.#tell((user, now) => user.onOpen(now));
  }

  write(bytes: Buffer): boolean {
    if (this.#socket.destroyed || this.#socket.writableEnded) return true;
    return this.#socket.write(bytes);
  }

  close(): void {
    this.#user = null;
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (socket.connecting) {
      socket.destroy();
      return;
    }
    // Reading goes on until the other side has ended too: unread bytes would turn our last words into a reset.
    socket.end();
    const linger = setTimeout(() => socket.destroy(), lingerMilliseconds);
    linger.unref();
    socket.once('close', () => clearTimeout(linger));
  }

  destroy(): void {
    this.#user = null;
    this.#socket.destroy();
  }

  #closed(): void {
    const reason = this.#error === '' ? 'connection closed' : `connection failed (${this.#error})`;
    this.#tell((user, now) => user.onClose(reason, now));
    this.#user = null;
  }

  #tell(callback: (user: LinkUser, now: number) => void): void {
    const user = this.#user;
    if (user === null) return;
    const now = this.#environment.monotonic();
    try {
      callback(user, now);
    } catch (error) {
      this.#environment.onBroken(error);
      this.destroy();
      user.onClose('closed because of an error in anyvia itself', now);
    }
    this.#environment.afterEvent();
  }
}

/** Why a dial came to nothing. */
function problemOf(error: NodeJS.ErrnoException, isSecure: boolean): string {
  const code = error.code ?? error.message;
  if (!isSecure) return code;
  // What a plain node answers to a ClientHello is no TLS record.
  const isPlain = code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG';
  return isPlain ? 'it is listed with bins:, and speaks no TLS' : code;
}
