/** A node as a process on [::1], and phones with IPv6 sockets of the kernel: a registration, a call, its end. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { isFailure } from '#util/failure.ts';

const program = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((entry) => entry?.address === '::1');

if (!hasIpv6) console.log('Skipped: the node on [::1]: this machine has no IPv6 loopback address');

const script = (port: number, folder: string): string => `
  socket = udp:[::1]:${port}
  control_socket = "${join(folder, 'node.sock')}"
  loadmodule "proto_udp.so"\nloadmodule "sl.so"\nloadmodule "tm.so"\nloadmodule "rr.so"\nloadmodule "usrloc.so"
  loadmodule "registrar.so"\nloadmodule "sipmsgops.so"\nloadmodule "signaling.so"
  route {
    if (is_method("REGISTER")) {
      save("location");
      exit;
    }
    if (has_totag()) {
      loose_route();
      t_relay();
      exit;
    }
    record_route();
    if (lookup("location"))
      t_relay();
    else
      send_reply(404, "Not Found");
  }`;

class Phone {
  readonly #socket: Socket;
  readonly #received: SipMessage[] = [];
  #waiting: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (bytes) => {
      const message = parseMessage(bytes.toString('latin1'));
      if (isFailure(message)) throw new Error(message.message);
      this.#received.push(message);
      this.#waiting?.();
    });
  }

  static async open(): Promise<Phone> {
    const socket = createSocket('udp6');
    socket.bind(0, '::1');
    await once(socket, 'listening');
    return new Phone(socket);
  }

  get address(): string {
    return `[::1]:${this.#socket.address().port}`;
  }

  send(port: number, ...lines: string[]): void {
    this.#socket.send(`${lines.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`, port, '::1');
  }

  /** The next message that is this request or, by its number, this response. */
  async next(what: string | number): Promise<SipMessage> {
    for (;;) {
      const index = this.#received.findIndex((message) => message.status === what || message.method === what);
      if (index !== -1) return this.#received.splice(index, 1)[0]!;
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  close(): void {
    this.#socket.close();
  }
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp6');
  socket.bind(0, '::1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

describe.skipIf(!hasIpv6)('a node on [::1]', () => {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-ipv6-'));
  let node: ChildProcess;
  let port: number;
  let caller: Phone;
  let callee: Phone;

  beforeAll(async () => {
    port = await freePort();
    const file = join(folder, 'ipv6.cfg');
    writeFileSync(file, script(port, folder));
    node = spawn(process.execPath, [program, 'start', '-f', file], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve) => {
      let log = '';
      node.stdout!.on('data', (chunk) => {
        log += String(chunk);
        if (log.includes('is ready')) resolve();
      });
    });
    caller = await Phone.open();
    callee = await Phone.open();
  });

  afterAll(async () => {
    caller.close();
    callee.close();
    // SIGTERM would wait until the transactions have forgotten their retransmissions, half a minute.
    node.kill('SIGKILL');
    await once(node, 'exit');
    rmSync(folder, { recursive: true, force: true });
  });

  it('registers a phone and carries its call', async () => {
    const base = (phone: Phone, method: string, branch: string, cseq: number): string[] => [
      `Via: SIP/2.0/UDP ${phone.address};branch=z9hG4bK${branch};rport`,
      'Max-Forwards: 70',
      `CSeq: ${cseq} ${method}`,
    ];
    callee.send(
      port,
      `REGISTER sip:[::1]:${port} SIP/2.0`,
      ...base(callee, 'REGISTER', 'r', 1),
      `From: <sip:bob@[::1]:${port}>;tag=r`,
      `To: <sip:bob@[::1]:${port}>`,
      'Call-ID: register',
      `Contact: <sip:bob@${callee.address}>`,
    );
    const bound = await callee.next(200);
    expect(bound.firstValue(headerNames.contact)).toContain(`<sip:bob@${callee.address}>`);

    const dialog = [`From: <sip:alice@[::1]>;tag=a`, 'Call-ID: call'];
    caller.send(
      port,
      `INVITE sip:bob@[::1]:${port} SIP/2.0`,
      ...base(caller, 'INVITE', 'i', 1),
      ...dialog,
      `To: <sip:bob@[::1]:${port}>`,
      `Contact: <sip:alice@${caller.address}>`,
    );
    const invite = await callee.next('INVITE');
    expect(invite.topVia.host).toBe('::1');
    expect(invite.topVia.port).toBe(port);
    expect(invite.requestUri).toBe(`sip:bob@${callee.address}`);
    const recordRoute = invite.firstValue(headerNames.recordRoute);
    expect(recordRoute).toMatch(new RegExp(`^<sip:\\[::1\\]:${port};lr`));
    callee.send(
      port,
      'SIP/2.0 200 OK',
      ...invite.values(headerNames.via).map((via) => `Via: ${via}`),
      `Record-Route: ${recordRoute}`,
      ...dialog,
      `To: <sip:bob@[::1]:${port}>;tag=b`,
      'CSeq: 1 INVITE',
      `Contact: <sip:bob@${callee.address}>`,
    );
    const ok = await caller.next(200);
    expect(ok.values(headerNames.via)).toEqual([
      expect.stringContaining(`SIP/2.0/UDP ${caller.address};branch=z9hG4bKi;rport=`),
    ]);

    const inside = (method: string, cseq: number): void =>
      caller.send(
        port,
        `${method} sip:bob@${callee.address} SIP/2.0`,
        ...base(caller, method, method, cseq),
        ...dialog,
        `Route: ${ok.firstValue(headerNames.recordRoute)}`,
        `To: <sip:bob@[::1]:${port}>;tag=b`,
      );
    inside('ACK', 1);
    await callee.next('ACK');
    inside('BYE', 2);
    const bye = await callee.next('BYE');
    expect(bye.find(headerNames.route)).toBe(-1);
    callee.send(
      port,
      'SIP/2.0 200 OK',
      ...bye.values(headerNames.via).map((via) => `Via: ${via}`),
      ...dialog,
      `To: <sip:bob@[::1]:${port}>;tag=b`,
      'CSeq: 2 BYE',
    );
    expect((await caller.next(200)).method).toBe('BYE');
  });
});
