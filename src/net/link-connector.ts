/** Dials over TCP: other nodes, and SIP. A name is resolved anew at every dial. */

import { connect } from 'node:net';
import type { Link, LinkTransport, LinkUser } from '#cluster/link-transport.ts';
import { type LinkEnvironment, LinkSocket } from '#net/link-socket.ts';

export class LinkConnector implements LinkTransport {
  readonly #environment: LinkEnvironment;
  readonly #localAddress: string | null;
  readonly #links = new Set<LinkSocket>();

  /** `localAddress`: the address to dial from, where peers know this node by it; null lets the kernel choose. */
  constructor(environment: LinkEnvironment, localAddress: string | null = null) {
    this.#environment = environment;
    this.#localAddress = localAddress;
  }

  connect(address: string, port: number, user: LinkUser): Link {
    const local = this.#localAddress === null ? {} : { localAddress: this.#localAddress };
    const socket = connect({ host: address, port, ...local });
    const link = new LinkSocket(socket, this.#environment, address, port);
    link.serve(user);
    this.#links.add(link);
    socket.on('connect', () => link.opened());
    socket.on('close', () => this.#links.delete(link));
    return link;
  }

  /** Cuts every link without a word; for the end of the process. */
  close(): void {
    for (const link of this.#links) link.destroy();
  }
}
