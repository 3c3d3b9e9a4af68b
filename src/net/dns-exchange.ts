/**
 * One question to the DNS servers, in turn, until one of them says something (RFC 1035 4.2). Each try has a socket of
 * its own, so its port is as hard to guess as its id; the kernel takes datagrams of the server alone, and what answers
 * another question is not listened to. An answer that was cut short is asked for again over TCP.
 */

import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { connect } from 'node:net';
import {
  type DecodedPacket,
  decode,
  encode,
  type OptAnswer,
  type Packet,
  streamDecode,
  streamEncode,
} from 'dns-packet';
import type { NameKind } from '#sip/name-port.ts';

export interface DnsServerPlace {
  /** IP text. */
  readonly address: string;
  readonly port: number;
}

export interface ExchangeSettings {
  readonly servers: readonly DnsServerPlace[];
  /** ms for one try of one server. */
  readonly tryMilliseconds: number;
  /** Of each server. */
  readonly tries: number;
}

/** Why no server said anything of use. */
export interface ExchangeProblem {
  readonly reason: string;
  /** No server was heard at all: other questions would fare the same. */
  readonly isSilent: boolean;
}

export type ExchangeDone = (reply: DecodedPacket | ExchangeProblem) => void;

/** Fits an Ethernet frame over IPv6 (DNS flag day 2020). */
const datagramBytes = 1232;
/** An answer over TCP cannot be longer. */
const streamBytesMax = 65_537;
/** RFC 1035 4.1.1, low bits of the flags: no error, and "no such name". */
const said: readonly (string | undefined)[] = ['NOERROR', 'NXDOMAIN'];

export class DnsExchange {
  readonly #settings: ExchangeSettings;
  readonly #kind: NameKind;
  readonly #name: string;
  readonly #done: ExchangeDone;
  #attempt = -1;
  #isPlain = false;
  #reason = 'no DNS server is known';
  #isSilent = true;
  /** Ends what is under way. */
  #stop: () => void = () => {};
  #isOver = false;
  #socket: Socket | null = null;

  /** `done` comes once, later. */
  constructor(
    settings: ExchangeSettings,
    { kind, name }: { readonly kind: NameKind; readonly name: string },
    done: ExchangeDone,
  ) {
    this.#settings = settings;
    this.#kind = kind;
    this.#name = name;
    this.#done = done;
    this.#next();
  }

  /** `done` is not called any more. */
  cancel(): void {
    this.#isOver = true;
    this.#stop();
  }

  get #server(): DnsServerPlace {
    const { servers } = this.#settings;
    return servers[this.#attempt % servers.length]!;
  }

  #next(): void {
    this.#stop();
    const { servers, tries } = this.#settings;
    this.#attempt++;
    if (this.#attempt < servers.length * tries) this.#ask();
    else setImmediate(() => this.#end({ reason: this.#reason, isSilent: this.#isSilent }));
  }

  #end(reply: DecodedPacket | ExchangeProblem): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stop();
    this.#done(reply);
  }

  #fail(reason: string): void {
    if (this.#isOver) return;
    const { address, port } = this.#server;
    this.#reason = `${address}:${port}: ${reason}`;
    this.#next();
  }

  #query(): Packet & { readonly id: number } {
    const option: OptAnswer = {
      type: 'OPT',
      name: '.',
      udpPayloadSize: datagramBytes,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    };
    return {
      type: 'query',
      id: randomInt(0x1_0000),
      // RD: servers that are not told to look further answer for their own zones alone.
      flags: 0x0100,
      questions: [{ type: this.#kind, name: this.#name }],
      additionals: this.#isPlain ? [] : [option],
    };
  }

  #ask(): void {
    const { address, port } = this.#server;
    const query = this.#query();
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const timer = setTimeout(() => this.#fail('ETIMEOUT'), this.#settings.tryMilliseconds);
    this.#stop = () => {
      clearTimeout(timer);
      this.#stop = () => {};
      this.#socket = null;
      socket.close();
    };
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(error.code ?? error.message));
    socket.on('message', (bytes) => this.#onDatagram(bytes, query));
    socket.connect(port, address, () => this.#send(socket, query));
    this.#socket = socket;
  }

  #send(socket: Socket, query: Packet): void {
    // It may have been cancelled in the meantime.
    if (this.#isOver || this.#socket !== socket) return;
    socket.send(encode(query));
  }

  #onDatagram(bytes: Buffer, query: Packet): void {
    const reply = read(() => decode(bytes));
    if (reply === null || !answers(reply, query)) return;
    if (reply.flag_tc) this.#askByStream(query);
    else this.#take(reply);
  }

  #take(reply: DecodedPacket): void {
    const { rcode } = reply as { readonly rcode?: string };
    if (said.includes(rcode)) this.#end(reply);
    else if (rcode === 'FORMERR' && !this.#isPlain) {
      // RFC 6891 7: a server that knows no options.
      this.#isPlain = true;
      this.#attempt--;
      this.#next();
    } else {
      this.#isSilent = false;
      this.#fail(rcode ?? 'no answer');
    }
  }

  /** RFC 7766. */
  #askByStream(query: Packet): void {
    this.#stop();
    const { address, port } = this.#server;
    const socket = connect(port, address, () => socket.write(streamEncode(query)));
    const timer = setTimeout(() => this.#fail('ETIMEOUT'), this.#settings.tryMilliseconds);
    let received = Buffer.alloc(0);
    this.#stop = () => {
      clearTimeout(timer);
      this.#stop = () => {};
      socket.removeAllListeners('close');
      socket.destroy();
    };
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(error.code ?? error.message));
    socket.on('close', () => this.#fail('the connection was closed'));
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) {
        if (received.length > streamBytesMax) this.#fail('too long an answer');
        return;
      }
      const reply = read(() => streamDecode(received) as DecodedPacket);
      if (reply === null || !answers(reply, query)) this.#fail('an answer that cannot be read');
      else this.#take(reply);
    });
  }
}

/** Null when the bytes are no message of the DNS. */
function read(decoded: () => DecodedPacket): DecodedPacket | null {
  try {
    return decoded();
  } catch {
    return null;
  }
}

function answers(reply: DecodedPacket, query: Packet): boolean {
  const [asked] = query.questions ?? [];
  const [repeated] = reply.questions ?? [];
  return (
    reply.type === 'response' &&
    reply.id === query.id &&
    repeated?.type === asked?.type &&
    repeated?.name.toLowerCase() === asked?.name.toLowerCase()
  );
}
