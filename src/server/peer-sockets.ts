/**
 * Connections that peers hold. Each node tells the others its stream sockets; a message that must leave by one of them
 * is handed to the node that has it, which sends it over the connection that it holds (RFC 5626 5.3: requests to a
 * client use the flow it registered over). Responses come back there, and find their owner by the branch, as ever.
 */

import { type ClusterPort, type ClusterSubscriber, clusterChannels, type Logger } from '#module/host.ts';
import type { Counter, Statistics } from '#module/statistics.ts';
import { ByteReader, bytes, type Codec, encode, list, struct, text, u8, u16 } from '#util/codec.ts';
import { type Flow, isStream, type LocalSocket, socketName } from '#util/socket-address.ts';

export interface PeerSocketParts {
  readonly cluster: ClusterPort;
  readonly sockets: readonly LocalSocket[];
  readonly statistics: Statistics;
  readonly log: Logger;
  /** Sends from a socket of this node. */
  send(bytes: Uint8Array, flow: Flow): void;
  onUnreachable(flow: Flow): void;
}

interface SocketAddress {
  readonly address: string;
  readonly port: number;
  readonly advertisedAddress: string;
  readonly advertisedPort: number;
}

interface Relayed {
  readonly socket: string;
  readonly address: string;
  readonly port: number;
  readonly bytes: Uint8Array;
}

/** Numbers on the wire, the first byte of each message. */
const kinds = { sockets: 1, send: 2, unreachable: 3 } as const;

/** No node has as many. */
const socketsMax = 1000;

const socketsCodec = list(
  struct<SocketAddress>({ address: text, port: u16, advertisedAddress: text, advertisedPort: u16 }),
  socketsMax,
);
/** `unreachable` carries no bytes. */
const relayedCodec = struct<Relayed>({ socket: text, address: text, port: u16, bytes });

export class PeerSockets implements ClusterSubscriber {
  readonly #parts: PeerSocketParts;
  readonly #byName = new Map<string, LocalSocket>();
  readonly #announcement: Buffer;
  readonly #sent: Counter;
  readonly #received: Counter;
  readonly #failed: Counter;

  constructor(parts: PeerSocketParts) {
    this.#parts = parts;
    this.#announcement = framed(kinds.sockets, socketsCodec, parts.sockets.filter(isStream));
    this.#sent = parts.statistics.counter('tcp', 'relayed_sent');
    this.#received = parts.statistics.counter('tcp', 'relayed_recv');
    this.#failed = parts.statistics.counter('tcp', 'relay_failed');
    parts.cluster.subscribe(clusterChannels.streams, this);
  }

  /** By its name; null when no peer has said that it has it. */
  find(name: string): LocalSocket | null {
    return this.#byName.get(name) ?? null;
  }

  advertised(protocol: string, host: string, port: number): LocalSocket | null {
    for (const socket of this.#byName.values()) {
      if (socket.protocol !== protocol || socket.advertisedPort !== port) continue;
      if (socket.advertisedAddress === host) return socket;
    }
    return null;
  }

  /** True when a peer's socket has this address and port, or advertises them. */
  has(host: string, port: number): boolean {
    for (const socket of this.#byName.values()) {
      if (socket.address === host && socket.port === port) return true;
      if (socket.advertisedAddress === host && socket.advertisedPort === port) return true;
    }
    return false;
  }

  /** The flow's socket is a peer's: it sends. A peer that is gone took its connections with it. */
  send(body: Uint8Array, flow: Flow): void {
    const { socket, address, port } = flow;
    const message = framed(kinds.send, relayedCodec, {
      socket: socketName(socket),
      address,
      port,
      bytes: body,
    });
    if (this.#parts.cluster.send(socket.node!, clusterChannels.streams, message)) {
      this.#sent.value++;
      return;
    }
    this.#failed.value++;
    this.#parts.onUnreachable(flow);
  }

  /** A flow of ours leads nowhere: peers may have sent over it. */
  reportUnreachable({ socket, address, port }: Flow): void {
    const { cluster } = this.#parts;
    const body = { socket: socketName(socket), address, port, bytes: noBytes };
    if (cluster.livePeers().length > 0)
      cluster.broadcast(clusterChannels.streams, framed(kinds.unreachable, relayedCodec, body), true);
  }

  // ── ClusterSubscriber ─────────────────────────────────────────────────────────────────────────────────────────

  onPeerUp(node: number): void {
    this.#parts.cluster.send(node, clusterChannels.streams, this.#announcement);
  }

  /** What is sent meanwhile fails at once; its sockets are still the cluster's. */
  onPeerDown(): void {}

  onMessage(from: number, body: Uint8Array): void {
    const reader = new ByteReader().reset(Buffer.from(body.buffer, body.byteOffset, body.length));
    const kind = u8.read(reader);
    if (kind === kinds.sockets) {
      const sockets = socketsCodec.read(reader);
      if (!reader.failed) this.#learn(from, sockets);
      return;
    }
    const relayed = relayedCodec.read(reader);
    if (reader.failed) return;
    if (kind === kinds.send) this.#sendFor(from, relayed);
    else if (kind === kinds.unreachable) this.#onUnreachable(from, relayed);
  }

  #learn(node: number, sockets: readonly SocketAddress[]): void {
    for (const [name, socket] of this.#byName) if (socket.node === node) this.#byName.delete(name);
    for (const place of sockets) {
      const socket = { ...place, index: -1, protocol: 'tcp', anycast: false, tag: '', node } as const;
      this.#byName.set(socketName(socket), socket);
    }
  }

  #sendFor(from: number, { socket: name, address, port, bytes: body }: Relayed): void {
    const socket = this.#parts.sockets.find((own) => isStream(own) && socketName(own) === name);
    if (socket === undefined) {
      this.#parts.log.warn(`node [${from}] wants to send from ${name}, which is no TCP socket here`);
      return;
    }
    this.#received.value++;
    // The body is a view of the link's buffer.
    this.#parts.send(Buffer.from(body), { socket, address, port });
  }

  #onUnreachable(from: number, { socket: name, address, port }: Relayed): void {
    const socket = this.#byName.get(name);
    if (socket?.node === from) this.#parts.onUnreachable({ socket, address, port });
  }
}

const noBytes = Buffer.alloc(0);

function framed<Value>(kind: number, codec: Codec<Value>, value: Value): Buffer {
  const body = encode(codec, value);
  return Buffer.concat([Buffer.from([kind]), body]);
}
