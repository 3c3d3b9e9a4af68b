/** A phone that says what the test tells it to, over UDP or over one TCP connection to the proxy. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildResponse } from '#sip/response.ts';
import { StreamFramer } from '#sip/stream-framer.ts';
import { isFailure } from '#util/failure.ts';

interface Wire {
  readonly port: number;
  /** `port` of the loopback address, over UDP. */
  write(text: string, port?: number): void;
  close(): void;
}

const host = '127.0.0.1';
let phones = 0;

export class SipPhone {
  readonly transport: 'UDP' | 'TCP';
  readonly user: string;
  readonly heard: SipMessage[] = [];
  pongs = 0;
  isClosed = false;
  #wire!: Wire;
  readonly #proxyPort: number;
  readonly tag = `t${++phones}`;
  #branches = 0;
  #waiting: (() => void)[] = [];

  private constructor(user: string, transport: 'UDP' | 'TCP', proxyPort: number) {
    this.user = user;
    this.transport = transport;
    this.#proxyPort = proxyPort;
  }

  static async udp(user: string, proxyPort: number): Promise<SipPhone> {
    const phone = new SipPhone(user, 'UDP', proxyPort);
    const socket = createSocket('udp4');
    socket.bind(0, host);
    await once(socket, 'listening');
    socket.on('message', (bytes) => phone.#hear(bytes));
    phone.#wire = {
      port: socket.address().port,
      write: (text, port = proxyPort) => socket.send(Buffer.from(text, 'latin1'), port, host),
      close: () => socket.close(),
    };
    return phone;
  }

  /** Connects to the proxy; requests come over this connection, for nobody listens at its port. */
  static async tcp(user: string, proxyPort: number): Promise<SipPhone> {
    const socket = connect(proxyPort, host);
    await once(socket, 'connect');
    return SipPhone.#over(socket, user, proxyPort, socket.localPort!, () => socket.destroy());
  }

  /** Waits for the proxy to connect; `port` is where. */
  static async listening(user: string, proxyPort: number): Promise<SipPhone> {
    const server = createServer();
    server.listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const phone = new SipPhone(user, 'TCP', proxyPort);
    let current: Socket | null = null;
    server.on('connection', (socket) => {
      current = socket;
      phone.#read(socket);
    });
    phone.#wire = {
      port,
      write: (text) => current?.write(Buffer.from(text, 'latin1')),
      close: () => {
        current?.destroy();
        server.close();
      },
    };
    return phone;
  }

  static #over(socket: Socket, user: string, proxyPort: number, port: number, close: () => void): SipPhone {
    const phone = new SipPhone(user, 'TCP', proxyPort);
    phone.#read(socket);
    phone.#wire = { port, write: (text) => socket.write(Buffer.from(text, 'latin1')), close };
    return phone;
  }

  get port(): number {
    return this.#wire.port;
  }

  /** The raw bytes. */
  write(text: string, port?: number): void {
    this.#wire.write(text, port);
  }

  close(): void {
    this.#wire.close();
  }

  /** Sends a request; header lines without their ends. */
  request(method: string, uri: string, parts: RequestParts = {}): void {
    this.write(this.textOf(method, uri, parts));
  }

  textOf(method: string, uri: string, parts: RequestParts = {}): string {
    const { to = uri, toTag = '', callId = `call-${this.tag}`, cseq = 1, body = '', headers = [] } = parts;
    const branch = parts.branch ?? `z9hG4bK${this.tag}-${String(++this.#branches).padStart(6, '0')}`;
    const lines = [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/${this.transport} ${host}:${this.port};branch=${branch};rport`,
      'Max-Forwards: 70',
      `From: <sip:${this.user}@${host}:${this.#proxyPort}>;tag=${this.tag}`,
      `To: <${to}>${toTag === '' ? '' : `;tag=${toTag}`}`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} ${method}`,
      `Contact: <sip:${this.user}@${host}:${this.port}>`,
      ...headers,
      `Content-Length: ${body.length}`,
    ];
    return `${lines.join('\r\n')}\r\n\r\n${body}`;
  }

  /** Answers a request that was heard. */
  answer(request: SipMessage, status: number, headers: readonly string[] = []): void {
    const contact = request.method === 'INVITE' ? [`Contact: <sip:${this.user}@${host}:${this.port}>`] : [];
    const text = buildResponse(request, {
      status,
      reason: 'Test',
      toTag: this.tag,
      headers: [...contact, ...headers].map((line) => `${line}\r\n`).join(''),
    });
    this.write(text, request.topVia.port);
  }

  /** The next message that is this request or, by its number, this response; it is taken. */
  async next(what: string | number, milliseconds = 5000): Promise<SipMessage> {
    const end = Date.now() + milliseconds;
    for (;;) {
      const index = this.heard.findIndex((message) =>
        typeof what === 'number' ? message.status === what : message.isRequest && message.method === what,
      );
      if (index !== -1) return this.heard.splice(index, 1)[0]!;
      const left = end - Date.now();
      if (left <= 0)
        throw new Error(`${this.user} did not hear ${what}: ${this.heard.map(nameOf).join(', ')}`);
      await this.#something(left);
    }
  }

  /** Until something is heard, or the time is over. */
  async #something(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #read(socket: Socket): void {
    const framer = new StreamFramer();
    socket.on('data', (bytes: Buffer) => {
      if (bytes.toString('latin1') === '\r\n') this.pongs++;
      framer.push(bytes, { onFrame: (frame) => this.#hear(frame), onPing: () => {} });
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  #hear(bytes: Buffer): void {
    const message = parseMessage(bytes.toString('latin1'));
    if (isFailure(message)) throw new Error(`${this.user} heard what it cannot read: ${message.message}`);
    this.heard.push(message);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

export interface RequestParts {
  readonly to?: string;
  readonly toTag?: string;
  readonly callId?: string;
  readonly cseq?: number;
  readonly branch?: string;
  readonly body?: string;
  readonly headers?: readonly string[];
}

function nameOf(message: SipMessage): string {
  return message.isRequest ? message.method : `${message.status} ${message.method}`;
}

/** The route set of a dialog as its caller or callee has it. */
export function routesOf(message: SipMessage, isCaller: boolean): string[] {
  const lines: string[] = [];
  for (const value of recordRoutes(message)) lines.push(`Route: ${value}`);
  return isCaller ? lines.reverse() : lines;
}

export function recordRoutes(message: SipMessage): string[] {
  const values: string[] = [];
  for (
    let line = message.findNamed('Record-Route');
    line !== -1;
    line = message.findNamed('Record-Route', line + 1)
  )
    values.push(message.value(line));
  return values;
}
