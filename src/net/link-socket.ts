/** One TCP connection (`node:net`) as a {@link Link}: between two nodes, or with a SIP client or server. */

import type { Socket } from 'node:net';
import type { Link, LinkUser } from '#cluster/link-transport.ts';

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
  readonly #address: string;
  readonly #port: number;
  #user: LinkUser | null = null;
  #error = '';

  /** `address` and `port` stand for the other side until it is connected. */
  constructor(socket: Socket, environment: LinkEnvironment, address: string, port: number) {
    this.#socket = socket;
    this.#environment = environment;
    this.#address = address;
    this.#port = port;
    // A frame waits for nothing: batching is done above.
    socket.setNoDelay(true);
    if (environment.keepAliveMilliseconds !== undefined)
      socket.setKeepAlive(true, environment.keepAliveMilliseconds);
    socket.on('data', (bytes: Buffer) => this.#tell((user, now) => user.onBytes(bytes, now)));
    socket.on('drain', () => this.#tell((user, now) => user.onDrain(now)));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error.code ?? error.message;
    });
    // The other side ended: half-open links are of no use here.
    socket.on('end', () => socket.destroySoon());
    socket.on('close', () => this.#closed());
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? this.#address;
  }

  get remotePort(): number {
    return this.#socket.remotePort ?? this.#port;
  }

  serve(user: LinkUser): void {
    this.#user = user;
  }

  opened(): void {
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
