/**
 * One bound UDP socket (`node:dgram`). Datagrams are handed on as they are read; sending never waits.
 * The address given to `send` is IP text, so the resolver is never asked: a `lookup` of our own answers at once.
 */

import { createSocket, type Socket } from 'node:dgram';
import { Failure } from '#util/failure.ts';
import type { LocalSocket } from '#util/socket-address.ts';

export interface DatagramUser {
  /** `bytes` is the receiver's own copy. */
  onDatagram(bytes: Buffer, address: string, port: number, socket: LocalSocket): void;
  /** The kernel refused to send to this destination (no route, ICMP port unreachable…). */
  onSendError(code: string, address: string, port: number, socket: LocalSocket): void;
}

/** Bytes the kernel may queue for us while the process is busy: about 4,000 SIP messages. */
const receiveBufferBytes = 4 * 1024 * 1024;

type Lookup = (
  hostname: string,
  options: unknown,
  callback: (error: null, address: string, family: number) => void,
) => void;

export class UdpListener {
  readonly socket: LocalSocket;
  readonly #handle: Socket;
  readonly #user: DatagramUser;
  #closed = false;

  private constructor(socket: LocalSocket, handle: Socket, user: DatagramUser) {
    this.socket = socket;
    this.#handle = handle;
    this.#user = user;
  }

  /** Binds. `reusePort` lets several processes share the address, the kernel spreading the senders over them. */
  static bind(socket: LocalSocket, user: DatagramUser, reusePort: boolean): Promise<UdpListener | Failure> {
    const family = socket.address.includes(':') ? 6 : 4;
    const lookup: Lookup = (hostname, _options, callback) => callback(null, hostname, family);
    const handle = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only: family === 6,
      reusePort,
      lookup: lookup as never,
    });
    const listener = new UdpListener(socket, handle, user);
    return new Promise((resolve) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        handle.close();
        resolve(
          new Failure(
            'NET_ADDRESS_UNUSABLE',
            `cannot bind udp:${socket.address}:${socket.port}: ${bindProblem(error)}`,
          ),
        );
      };
      handle.once('error', onError);
      handle.bind({ address: socket.address, port: socket.port, exclusive: true }, () => {
        handle.off('error', onError);
        listener.#opened();
        resolve(listener);
      });
    });
  }

  get port(): number {
    return this.#handle.address().port;
  }

  send(bytes: Uint8Array, address: string, port: number): void {
    if (this.#closed) return;
    this.#handle.send(bytes, 0, bytes.length, port, address, (error) => {
      if (error !== null) {
        const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
        this.#user.onSendError(code, address, port, this.socket);
      }
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handle.close();
  }

  #opened(): void {
    try {
      this.#handle.setRecvBufferSize(receiveBufferBytes);
    } catch {
      // The kernel's limit (net.core.rmem_max) is lower: it keeps its default, and the node works on.
    }
    this.#handle.on('message', (bytes, remote) => {
      this.#user.onDatagram(bytes, remote.address, remote.port, this.socket);
    });
    this.#handle.on('error', (error: NodeJS.ErrnoException) => {
      this.#user.onSendError(error.code ?? 'UNKNOWN', '', 0, this.socket);
    });
  }
}

function bindProblem(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRNOTAVAIL') return 'this machine does not have the address (EADDRNOTAVAIL)';
  if (error.code === 'EADDRINUSE') return 'another process has the address and port (EADDRINUSE)';
  if (error.code === 'EACCES') return 'not permitted, ports below 1024 need a privilege (EACCES)';
  return error.message;
}
