/**
 * Accepts connections: of SIP over TCP, and the links of other nodes, over TCP or, on the same port, TLS where there is
 * a certificate for it. The first byte tells which: whether a plain link is welcome is the cluster's business, which
 * can tell the other side.
 */

import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { type Link, type LinkUser, tlsHandshakeByte } from '#cluster/link-transport.ts';
import type { LinkCertificates } from '#net/link-certificates.ts';
import { type LinkEnvironment, LinkSocket } from '#net/link-socket.ts';
import { Failure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';

export interface LinkListenerOptions {
  /** What the log calls the address: `bin`, the cluster's, unless it says otherwise. */
  readonly protocol?: 'bin' | 'tcp';
  /** Accepted at once; beyond that the kernel turns them away. */
  readonly connectionsMax?: number;
  /** Connections that wait to be accepted. */
  readonly backlog?: number;
  /** Several processes share the address. */
  readonly reusePort?: boolean;
  readonly address: string;
  /** 0: any free one, see {@link LinkListener.port}. */
  readonly port: number;
  readonly environment: LinkEnvironment;
  /** Absent: plain links only. */
  readonly certificates?: LinkCertificates | null;
  /** A TLS handshake that came to nothing: from where, and why. */
  onTlsProblem?(address: string, problem: string): void;
  /** Takes the link and says who serves it. */
  accept(link: Link, now: number): LinkUser;
}

/** Members of the largest cluster, several times over; strangers beyond that are turned away by the kernel. */
const connectionsMax = 1024;
/** Node's own. */
const backlogDefault = 511;
/** From the connection to the first byte, and from there to the end of the TLS handshake. */
const firstByteMilliseconds = 3000;

export class LinkListener {
  readonly #server: Server;
  readonly #options: LinkListenerOptions;
  readonly #tls: TlsServer | null;
  readonly #sockets = new Set<Socket>();
  readonly #links = new Set<LinkSocket>();

  private constructor(server: Server, options: LinkListenerOptions) {
    this.#server = server;
    this.#options = options;
    const { certificates = null } = options;
    this.#tls = certificates === null ? null : this.#makeTls(certificates);
  }

  /** Failure: NET_LINK_ADDRESS_UNUSABLE. */
  static listen(options: LinkListenerOptions): Promise<LinkListener | Failure> {
    const server = createServer();
    server.maxConnections = options.connectionsMax ?? connectionsMax;
    const listener = new LinkListener(server, options);
    server.on('connection', (socket) => listener.#receive(socket));
    const { address, port, protocol = 'bin', backlog = backlogDefault, reusePort = false } = options;
    const ipv6Only = protocol === 'tcp' && address.includes(':');
    return new Promise((resolve) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        resolve(
          new Failure(
            'NET_LINK_ADDRESS_UNUSABLE',
            `cannot listen on ${protocol}:${bracketed(address)}:${port}: ${problemOf(error)}`,
          ),
        );
      });
      server.listen({ host: address, port, exclusive: true, backlog, reusePort, ipv6Only }, () => {
        server.removeAllListeners('error');
        server.on('error', (error) => options.environment.onBroken(error));
        resolve(listener);
      });
    });
  }

  get port(): number {
    const bound = this.#server.address();
    return bound === null || typeof bound === 'string' ? 0 : bound.port;
  }

  /** Accepts no more, and cuts the links that it accepted. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const link of this.#links) link.destroy();
    for (const socket of this.#sockets) socket.destroy();
    return closed;
  }

  #makeTls(certificates: LinkCertificates): TlsServer {
    const server = createTlsServer({
      ...certificates.options,
      handshakeTimeout: firstByteMilliseconds,
      requestCert: true,
      rejectUnauthorized: false,
    });
    let inUse = certificates.options;
    // A reload counts from the next handshake on.
    server.prependListener('connection', () => {
      if (inUse !== certificates.options) server.setSecureContext(certificates.options);
      inUse = certificates.options;
    });
    server.on('secureConnection', (socket) => this.#accept(socket));
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      this.#options.onTlsProblem?.(socket.remoteAddress ?? 'nowhere', error.code ?? error.message);
      socket.destroy();
    });
    return server;
  }

  #receive(socket: Socket): void {
    const tls = this.#tls;
    if (tls === null) {
      this.#accept(socket);
      return;
    }
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(firstByteMilliseconds, () => socket.destroy());
    socket.once('data', (bytes: Buffer) => {
      socket.setTimeout(0);
      socket.pause();
      socket.unshift(bytes);
      if (bytes[0] === tlsHandshakeByte) tls.emit('connection', socket);
      else this.#accept(socket);
    });
  }

  #accept(socket: Socket): void {
    const { environment, accept } = this.#options;
    const link = new LinkSocket(socket, environment, null);
    this.#links.add(link);
    socket.on('close', () => this.#links.delete(link));
    link.serve(accept(link, environment.monotonic()));
    socket.resume();
    environment.afterEvent();
  }
}

function problemOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRNOTAVAIL') return 'this machine does not have the address (EADDRNOTAVAIL)';
  if (error.code === 'EADDRINUSE') return 'another process has the address and port (EADDRINUSE)';
  if (error.code === 'EACCES') return 'not permitted, ports below 1024 need a privilege (EACCES)';
  return error.message;
}
