/** Accepts connections over TCP: the links of other nodes, and SIP. */

import { createServer, type Server, type Socket } from 'node:net';
import type { Link, LinkUser } from '#cluster/link-transport.ts';
import { type LinkEnvironment, LinkSocket } from '#net/link-socket.ts';
import { Failure } from '#util/failure.ts';

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
  /** Takes the link and says who serves it. */
  accept(link: Link, now: number): LinkUser;
}

/** Members of the largest cluster, several times over; strangers beyond that are turned away by the kernel. */
const connectionsMax = 1024;
/** Node's own. */
const backlogDefault = 511;

export class LinkListener {
  readonly #server: Server;
  readonly #links = new Set<LinkSocket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Failure: NET_LINK_ADDRESS_UNUSABLE. */
  static listen(options: LinkListenerOptions): Promise<LinkListener | Failure> {
    const server = createServer();
    server.maxConnections = options.connectionsMax ?? connectionsMax;
    const listener = new LinkListener(server);
    server.on('connection', (socket) => listener.#accept(socket, options));
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
    return closed;
  }

  #accept(socket: Socket, options: LinkListenerOptions): void {
    const link = new LinkSocket(socket, options.environment, '', 0);
    this.#links.add(link);
    socket.on('close', () => this.#links.delete(link));
    link.serve(options.accept(link, options.environment.monotonic()));
    options.environment.afterEvent();
  }
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

function problemOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRNOTAVAIL') return 'this machine does not have the address (EADDRNOTAVAIL)';
  if (error.code === 'EADDRINUSE') return 'another process has the address and port (EADDRINUSE)';
  if (error.code === 'EACCES') return 'not permitted, ports below 1024 need a privilege (EACCES)';
  return error.message;
}
