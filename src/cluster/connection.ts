/**
 * One byte stream to another node: HELLO and PROOF first, then frames. Nothing but the handshake is accepted before
 * the other side has proved itself, and a frame out of sequence ends the stream: something then is wrong with it.
 * Whether a node may join is not decided here but by the user.
 */

import {
  FrameHeader,
  type FrameName,
  frameBytesMax,
  frameTypes,
  handshakeFrameBytesMax,
  headerBytes,
} from '#cluster/frame.ts';
import { FrameReader, type FrameSink } from '#cluster/frame-reader.ts';
import {
  type Hello,
  helloCodec,
  isProof,
  makeProof,
  proofCodec,
  type Refusal,
  refusals,
  refuseCodec,
} from '#cluster/hello.ts';
import { type Link, type LinkUser, tlsHandshakeByte } from '#cluster/link-transport.ts';
import { LinkWriter, type LinkWriterUser } from '#cluster/link-writer.ts';
import { ByteReader, type Codec, encode } from '#util/codec.ts';
import { bracketed } from '#util/ip-address.ts';
import type { Timer, TimerQueue, TimerTarget } from '#util/timer-queue.ts';

/** From dial or accept to the proof. Two round trips; a peer that needs longer is in no state to take calls. */
const handshakeMilliseconds = 3000;

/** One frame as it arrived, read into the same object again and again. */
export interface IncomingFrame {
  readonly header: FrameHeader;
  readonly body: ByteReader;
  /** The whole frame, for passing it on. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

export interface ConnectionUser {
  readonly timers: TimerQueue;
  readonly secrets: readonly Uint8Array[];
  /** Null: the other side may go on to prove itself. */
  judge(hello: Hello, connection: Connection, now: number): Refusal | null;
  onAuthenticated(connection: Connection, now: number): void;
  onFrame(connection: Connection, frame: IncomingFrame, now: number): void;
  onRefusal(connection: Connection, refusal: Refusal, byPeer: boolean, now: number): void;
  /** Once, for every connection that was not refused and not closed by {@link Connection.close}. */
  onLost(connection: Connection, reason: string, now: number): void;
}

export type ConnectionState = 'connecting' | 'hello awaited' | 'proof awaited' | 'up' | 'closed';

export class Connection implements LinkUser, FrameSink, TimerTarget {
  readonly #user: ConnectionUser;
  readonly #own: Hello;
  readonly #reader = new FrameReader(this, handshakeFrameBytesMax);
  readonly #incoming = {
    header: new FrameHeader(),
    body: new ByteReader(),
    bytes: Buffer.alloc(0) as Buffer,
    start: 0,
    end: 0,
  };
  /** The node that was dialled; 0 for an accepted link. */
  readonly dialledNode: number;
  #link: Link | null = null;
  #writer: LinkWriter | null = null;
  #state: ConnectionState = 'connecting';
  #peer: Hello | null = null;
  /** Bodies of both HELLOs as they were sent: what the proofs are made over. */
  readonly #ownBytes: Buffer;
  #peerBytes: Buffer = Buffer.alloc(0);
  #sequence = 0;
  #now = 0;
  #timer: Timer | null = null;
  bytesIn = 0;
  framesIn = 0;

  /** `own`: the HELLO of this side, with a nonce of its own for every connection. */
  constructor(user: ConnectionUser, own: Hello, dialledNode: number) {
    this.#user = user;
    this.#own = own;
    this.#ownBytes = encode(helloCodec, own);
    this.dialledNode = dialledNode;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** What the other side said of itself; null before its HELLO. */
  get hello(): Hello | null {
    return this.#peer;
  }

  get writer(): LinkWriter | null {
    return this.#writer;
  }

  get remote(): string {
    const link = this.#link;
    if (link === null) return 'nowhere';
    return `${bracketed(link.remoteAddress)}:${link.remotePort}`;
  }

  get remoteAddress(): string {
    return this.#link?.remoteAddress ?? '';
  }

  get isSecure(): boolean {
    return this.#link?.isSecure ?? false;
  }

  /** {@link Link.distrust}. */
  distrust(address: string): string {
    return this.#link?.distrust(address) ?? '';
  }

  /** Begins, with a link that is being dialled or was accepted. */
  begin(now: number, link: Link, writerUser: LinkWriterUser): void {
    this.#link = link;
    this.#writer = new LinkWriter(link, writerUser);
    this.#state = this.dialledNode === 0 ? 'hello awaited' : 'connecting';
    this.#timer = this.#user.timers.start(now, handshakeMilliseconds, this, 0);
  }

  onOpen(): void {
    if (this.#state !== 'connecting') return;
    this.#sendHandshake('hello', helloCodec, this.#own);
    this.#state = 'hello awaited';
  }

  onBytes(bytes: Buffer, now: number): void {
    if (this.#state === 'closed') return;
    this.#now = now;
    if (this.bytesIn === 0 && bytes[0] === tlsHandshakeByte && !this.isSecure) {
      const reason = 'one side dials with TLS (bins:), the other has no certificate for it';
      this.refuse({ code: refusals.certificate, reason }, now);
      return;
    }
    this.bytesIn += bytes.length;
    const problem = this.#reader.push(bytes);
    if (problem !== '') this.#lose(now, problem);
  }

  onDrain(now: number): void {
    this.#writer?.drained(now);
  }

  onClose(reason: string, now: number): void {
    this.#lose(now, reason);
  }

  onTimer(_kind: number, now: number): void {
    this.#timer = null;
    const waitedFor = this.#state === 'connecting' ? 'connection' : 'handshake';
    this.#lose(now, `no ${waitedFor} within ${handshakeMilliseconds / 1000} s`);
  }

  /** Ends without a callback. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#user.timers.stop(this.#timer);
    this.#link?.close();
  }

  /** Tells the other side why, and ends; the user is told too. */
  refuse(refusal: Refusal, now: number): void {
    if (this.#state === 'closed') return;
    this.#sendHandshake('refuse', refuseCodec, refusal);
    this.close();
    this.#user.onRefusal(this, refusal, false, now);
  }

  onFrame(bytes: Buffer, start: number, end: number): boolean {
    const frame = this.#incoming;
    frame.header.read(bytes, start);
    frame.bytes = bytes;
    frame.start = start;
    frame.end = end;
    frame.body.reset(bytes, start + headerBytes, end);
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.framesIn++;
    if (frame.header.sequence !== this.#sequence) {
      this.#lose(this.#now, `frame ${frame.header.sequence} came where ${this.#sequence} was due`);
    } else if (this.#state === 'up') {
      this.#user.onFrame(this, frame, this.#now);
    } else {
      this.#handshake(frame.header.type, frame.body, this.#now);
    }
    return (this.#state as ConnectionState) !== 'closed';
  }

  /** Only for a connection that is up: REFUSE that comes late. */
  refusedByPeer(refusal: Refusal, now: number): void {
    this.close();
    this.#user.onRefusal(this, refusal, true, now);
  }

  #handshake(type: number, body: ByteReader, now: number): void {
    if (type === frameTypes.hello && this.#state === 'hello awaited') {
      this.#peerBytes = Buffer.from(body.bytes.subarray(body.offset, body.end));
      this.#onHello(helloCodec.read(body), body.failed, now);
    } else if (type === frameTypes.proof && this.#state === 'proof awaited') {
      this.#onProof(proofCodec.read(body).mac, body.failed, now);
    } else if (type === frameTypes.refuse) {
      const refusal = refuseCodec.read(body);
      if (body.failed) this.#lose(now, 'a malformed REFUSE');
      else this.refusedByPeer(refusal, now);
    } else {
      this.refuse(
        { code: refusals.malformed, reason: `frame type ${type} before the handshake is over` },
        now,
      );
    }
  }

  #onHello(hello: Hello, malformed: boolean, now: number): void {
    if (malformed) {
      this.refuse({ code: refusals.malformed, reason: 'the HELLO cannot be read' }, now);
      return;
    }
    // The views of the link's buffer outlive it here.
    this.#peer = { ...hello, nonce: Buffer.from(hello.nonce), instance: Buffer.from(hello.instance) };
    const refusal = this.#user.judge(this.#peer, this, now);
    if (refusal !== null) {
      this.refuse(refusal, now);
      return;
    }
    this.#state = 'proof awaited';
    if (this.dialledNode === 0) this.#sendHandshake('hello', helloCodec, this.#own);
    else this.#sendProof();
  }

  #onProof(mac: Uint8Array, malformed: boolean, now: number): void {
    const { secrets } = this.#user;
    const accepted = this.dialledNode === 0;
    const key = secrets.find((one) =>
      isProof(mac, makeProof(one, this.#peerBytes, this.#ownBytes, accepted)),
    );
    const proved = !malformed && (secrets.length === 0 ? mac.length === 0 : key !== undefined);
    if (!proved) {
      this.refuse({ code: refusals.secret, reason: 'wrong shared secret' }, now);
      return;
    }
    // The side that dialled has chosen the secret: it may not know our own yet, or no more.
    if (accepted) this.#sendProof(key);
    this.#user.timers.stop(this.#timer);
    this.#reader.frameBytesMax = frameBytesMax;
    this.#state = 'up';
    this.#user.onAuthenticated(this, now);
  }

  #sendProof(key = this.#user.secrets[0]): void {
    const mac =
      key === undefined
        ? Buffer.alloc(0)
        : makeProof(key, this.#ownBytes, this.#peerBytes, this.dialledNode !== 0);
    this.#sendHandshake('proof', proofCodec, { mac });
  }

  #sendHandshake<Body>(name: FrameName, codec: Codec<Body>, body: Body): void {
    const destination = this.#peer?.nodeId ?? this.dialledNode;
    this.#writer?.writeAlone({ type: frameTypes[name], source: this.#own.nodeId, destination }, codec, body);
  }

  #lose(now: number, reason: string): void {
    if (this.#state === 'closed') return;
    this.close();
    this.#user.onLost(this, reason, now);
  }
}
