/** Dials other nodes, over TLS where they are listed with `bins:`, and SIP over TCP. Names are resolved at every dial. */

import { connect, isIP, Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Link, LinkPlace, LinkTransport, LinkUser } from '#cluster/link-transport.ts';
import type { LinkCertificates } from '#net/link-certificates.ts';
import { type LinkEnvironment, LinkSocket } from '#net/link-socket.ts';

export interface LinkConnectorOptions {
  /** The address to dial from, where peers know this node by it; absent: the kernel chooses. */
  readonly localAddress?: string;
  /** Absent: TLS links cannot be dialled. */
  readonly certificates?: LinkCertificates | null;
}

export class LinkConnector implements LinkTransport {
  readonly #environment: LinkEnvironment;
  readonly #options: LinkConnectorOptions;
  readonly #links = new Set<LinkSocket>();

  constructor(environment: LinkEnvironment, options: LinkConnectorOptions = {}) {
    this.#environment = environment;
    this.#options = options;
  }

  connect(place: LinkPlace, user: LinkUser): Link {
    const socket = place.secure ? this.#dialSecurely(place) : connect(this.#target(place));
    const link = new LinkSocket(socket, this.#environment, place);
    link.serve(user);
    this.#links.add(link);
    socket.on(place.secure ? 'secureConnect' : 'connect', () => link.opened());
    socket.on('close', () => this.#links.delete(link));
    return link;
  }

  /** Cuts every link without a word; for the end of the process. */
  close(): void {
    for (const link of this.#links) link.destroy();
  }

  /** Whom the certificate names is looked at by the user of the link, who can say so to the other side. */
  #dialSecurely(place: LinkPlace): Socket | TLSSocket {
    const { certificates = null } = this.#options;
    if (certificates === null) {
      const missing = 'it is listed with bins:, and this node has no certificate (tls_mgm)';
      return new Socket().destroy(new Error(missing));
    }
    return connectTls({
      ...this.#target(place),
      ...certificates.options,
      servername: isIP(place.address) === 0 ? place.address : '',
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
  }

  #target({ address, port }: LinkPlace): { host: string; port: number; localAddress?: string } {
    const { localAddress } = this.#options;
    return { host: address, port, ...(localAddress === undefined ? {} : { localAddress }) };
  }
}
