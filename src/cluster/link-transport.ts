/**
 * The byte streams beneath the cluster, and beneath SIP over TCP. `net/link-*.ts` implements them, tests do so in
 * memory; one compliance suite runs over both. Callbacks never come from within a call into the transport.
 */

/** One byte stream, made by dialling or accepted. */
export interface Link {
  /** The other side, for the log and, without a secret, for the membership check. IP text without brackets. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Over TLS. */
  readonly isSecure: boolean;
  /**
   * Why the certificate of the other side does not prove it to be the node that is listed at `address`, as the end of
   * "the certificate of node [2] …"; '' when it does, or when the link is plain.
   */
  distrust(address: string): string;
  /** Queues the bytes, which belong to the link from now on. False: it has enough, wait for `onDrain`. */
  write(bytes: Buffer): boolean;
  /** Sends what was written, then ends. No callback follows. */
  close(): void;
}

export interface LinkUser {
  /** A dialled link is there; accepted ones begin open. */
  onOpen(now: number): void;
  /** `bytes` may be kept; they are nobody else's. */
  onBytes(bytes: Buffer, now: number): void;
  /** More may be written after a `write` that returned false. */
  onDrain(now: number): void;
  /** The other side ended, the network broke, or the dial failed. Comes once, and last. */
  onClose(reason: string, now: number): void;
}

/** Where a node listens, as the membership names it. */
export interface LinkPlace {
  /** IP text without brackets, or a name. */
  readonly address: string;
  readonly port: number;
  /** `bins:`: links to it are TLS. */
  readonly secure: boolean;
}

/** Begins the TLS record of a ClientHello (RFC 8446 5.1). A frame of ours begins with 0: none is that long. */
export const tlsHandshakeByte = 0x16;

export interface LinkTransport {
  /** Begins to dial; `user.onOpen` or `user.onClose` follows. */
  connect(place: LinkPlace, user: LinkUser): Link;
}
