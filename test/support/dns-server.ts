/** A DNS server over loopback UDP: answers from a table, and counts what it is asked. Written out by hand (RFC 1035 4). */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { NameKind, NaptrRecord, SrvRecord } from '#sip/name-port.ts';

const types: Readonly<Record<NameKind, number>> = { A: 1, AAAA: 28, SRV: 33, NAPTR: 35 };
const headerBytes = 12;

export interface Zone {
  /** Seconds. */
  ttl: number;
  A: Record<string, readonly string[]>;
  SRV: Record<string, readonly SrvRecord[]>;
  NAPTR: Record<string, readonly NaptrRecord[]>;
}

export class DnsServer {
  /** `KIND name` of every question, repeated ones too. */
  readonly asked: string[] = [];
  readonly zone: Zone = { ttl: 60, A: {}, SRV: {}, NAPTR: {} };
  /** Says nothing to anybody. */
  isSilent = false;
  /** ms before an answer leaves. */
  delay = 0;
  readonly #socket: Socket = createSocket('udp4');

  /** Listens on a free port of loopback. */
  static async open(): Promise<DnsServer> {
    const server = new DnsServer();
    server.#socket.on('message', (query, { address, port }) => {
      const answer = server.#answer(query);
      if (server.isSilent) return;
      setTimeout(() => server.#socket.send(answer, port, address), server.delay);
    });
    server.#socket.bind(0, '127.0.0.1');
    await once(server.#socket, 'listening');
    return server;
  }

  get place(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  count(question: string): number {
    return this.asked.filter((one) => one === question).length;
  }

  close(): void {
    this.#socket.close();
  }

  #answer(query: Buffer): Buffer {
    let end = headerBytes;
    const labels: string[] = [];
    while (query[end] !== 0) {
      labels.push(query.toString('latin1', end + 1, end + 1 + query[end]!));
      end += query[end]! + 1;
    }
    const type = query.readUInt16BE(end + 1);
    const name = labels.join('.').toLowerCase();
    const kind = (Object.keys(types) as NameKind[]).find((key) => types[key] === type) ?? 'A';
    this.asked.push(`${kind} ${name}`);
    const answers = this.#data(kind, name).map((data) => this.#record(type, data));
    const header = Buffer.alloc(headerBytes);
    query.copy(header, 0, 0, 2);
    // A response that is authoritative, recursion as wished; no error, or no such name.
    header.writeUInt16BE(this.#knows(name) ? 0x8580 : 0x8583, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    return Buffer.concat([header, query.subarray(headerBytes, end + 5), ...answers]);
  }

  #knows(name: string): boolean {
    const { A, SRV, NAPTR } = this.zone;
    return name in A || name in SRV || name in NAPTR;
  }

  #data(kind: NameKind, name: string): Buffer[] {
    const { A, SRV, NAPTR } = this.zone;
    if (kind === 'A') return (A[name] ?? []).map((address) => Buffer.from(address.split('.').map(Number)));
    if (kind === 'SRV')
      return (SRV[name] ?? []).map(({ priority, weight, port, name: target }) =>
        Buffer.concat([numbers(priority, weight, port), domain(target)]),
      );
    if (kind !== 'NAPTR') return [];
    return (NAPTR[name] ?? []).map(({ order, preference, flags, service, replacement }) =>
      Buffer.concat([numbers(order, preference), word(flags), word(service), word(''), domain(replacement)]),
    );
  }

  /** The name is a pointer to that of the question. */
  #record(type: number, data: Buffer): Buffer {
    const { ttl } = this.zone;
    return Buffer.concat([numbers(0xc00c, type, 1, ttl >>> 16, ttl & 0xffff, data.length), data]);
  }
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

function word(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]);
}

function domain(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.');
  return Buffer.concat([...labels.map(word), Buffer.from([0])]);
}
