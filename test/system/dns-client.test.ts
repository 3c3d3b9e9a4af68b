/** What DNS servers can do to whoever asks them, over loopback UDP and TCP: lifetimes, aliases, lies, silence. */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import {
  type Answer,
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  streamDecode,
  streamEncode,
} from 'dns-packet';
import { afterEach, describe, expect, it } from 'vitest';
import { HostFile } from '#net/host-file.ts';
import type { TimedRecords } from '#net/name-cache.ts';
import { DnsClient } from '#net/name-client.ts';
import { type NameKind, unansweredCode } from '#sip/name-port.ts';
import { type Failure, isFailure } from '#util/failure.ts';

type Reply = Omit<Packet, 'type' | 'id' | 'questions'> & Partial<Pick<Packet, 'id' | 'questions'>>;
type Respond = (query: DecodedPacket, isStream: boolean) => readonly (Reply | Buffer)[];

const truncated = 0x0200;
const [serverFailure, noSuchName, formatError] = [2, 3, 1];
const address = (name: string, data: string, ttl = 60): Answer => ({ type: 'A', name, data, ttl });
const alias = (name: string, data: string, ttl = 60): Answer => ({ type: 'CNAME', name, data, ttl });

/** Over UDP and TCP at one port; the replies to a question leave in order. */
class StubServer {
  readonly asked: DecodedPacket[] = [];
  readonly #datagrams: Socket = createSocket('udp4');
  readonly #streams: Server;

  constructor(respond: Respond) {
    const replies = (query: DecodedPacket, isStream: boolean): Buffer[] =>
      respond(query, isStream).map((reply) => {
        if (reply instanceof Buffer) return reply;
        const { id, questions } = query;
        const packet: Packet = { type: 'response', id: id ?? 0, questions: questions ?? [], ...reply };
        return isStream ? streamEncode(packet) : encode(packet);
      });
    this.#datagrams.on('message', (bytes, { address: host, port }) => {
      const query = decode(bytes);
      this.asked.push(query);
      for (const reply of replies(query, false)) this.#datagrams.send(reply, port, host);
    });
    this.#streams = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        for (const reply of replies(streamDecode(bytes) as DecodedPacket, true)) socket.write(reply);
      });
    });
  }

  /** Returns its place. */
  async open(): Promise<string> {
    this.#streams.listen(0, '127.0.0.1');
    await once(this.#streams, 'listening');
    const { port } = this.#streams.address() as AddressInfo;
    this.#datagrams.bind(port, '127.0.0.1');
    await once(this.#datagrams, 'listening');
    return `127.0.0.1:${port}`;
  }

  close(): void {
    this.#streams.close();
    this.#datagrams.close();
  }
}

const servers: StubServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Asks through a client with one server per entry. */
async function ask(
  kind: NameKind,
  name: string,
  ...responds: readonly Respond[]
): Promise<TimedRecords<NameKind> | Failure> {
  const places: string[] = [];
  for (const respond of responds) {
    const server = new StubServer(respond);
    servers.push(server);
    places.push(await server.open());
  }
  const hosts = new HostFile(() => 0, '/nonexistent');
  const client = new DnsClient(
    { servers: places, serversMax: 0, tryMilliseconds: 300, tries: 1 },
    hosts,
    () => undefined,
  );
  const answer = await new Promise<TimedRecords<NameKind> | Failure>((resolve) =>
    client.ask(kind, name, (found) => resolve(found as TimedRecords<NameKind> | Failure)),
  );
  client.close();
  return answer;
}

describe('an answer', () => {
  it('has the lifetime that its SRV and NAPTR records say', async () => {
    const srv: Answer = {
      type: 'SRV',
      name: 'a.test',
      ttl: 17,
      data: { port: 5070, target: 'b.test', priority: 1, weight: 2 },
    };
    expect(await ask('SRV', 'a.test', () => [{ answers: [srv] }])).toEqual({
      records: [{ priority: 1, weight: 2, port: 5070, name: 'b.test' }],
      life: 17,
    });
    const data = {
      order: 1,
      preference: 2,
      flags: 's',
      services: 'SIP+D2U',
      regexp: '',
      replacement: 'c.test',
    };
    const naptr: Answer = { type: 'NAPTR', name: 'a.test', ttl: 23, data };
    expect(await ask('NAPTR', 'a.test', () => [{ answers: [naptr] }])).toEqual({
      records: [{ order: 1, preference: 2, flags: 's', service: 'SIP+D2U', replacement: 'c.test' }],
      life: 23,
    });
  });

  it('that there is nothing is believed as long as the SOA says (RFC 2308 5)', async () => {
    const data = {
      mname: 'ns.test',
      rname: 'root.test',
      serial: 1,
      refresh: 1,
      retry: 1,
      expire: 1,
      minimum: 77,
    };
    const soa: Answer = { type: 'SOA', name: 'test', ttl: 600, data };
    const absent = { flags: noSuchName, authorities: [soa] };
    expect(await ask('A', 'a.test', () => [absent])).toEqual({ records: [], life: 77 });
    expect(await ask('A', 'a.test', () => [{ flags: noSuchName }])).toEqual({ records: [], life: 30 });
  });

  it('may come by aliases, of which the shortest lifetime counts', async () => {
    const whole = [
      alias('A.test', 'b.test', 9),
      alias('b.test', 'c.test', 30),
      address('C.TEST', '192.0.2.1'),
    ];
    expect(await ask('A', 'a.test', () => [{ answers: whole }])).toEqual({ records: ['192.0.2.1'], life: 9 });
    // A server that looks no further is asked again for what the alias says.
    const inParts: Respond = (query) =>
      query.questions![0]!.name === 'a.test'
        ? [{ answers: [alias('a.test', 'b.test', 9)] }]
        : [{ answers: [address('b.test', '192.0.2.2', 5)] }];
    expect(await ask('A', 'a.test', inParts)).toEqual({ records: ['192.0.2.2'], life: 5 });
  });

  it('is given up when aliases lead in a circle', async () => {
    const circle: Respond = (query) => {
      const { name } = query.questions![0]!;
      return [{ answers: [alias(name, name === 'a.test' ? 'b.test' : 'a.test')] }];
    };
    expect(await ask('A', 'a.test', circle)).toMatchObject({ records: [] });
    expect(servers.at(-1)!.asked.length).toBeLessThanOrEqual(9);
  });

  it('that was cut short is asked for over TCP (RFC 7766)', async () => {
    const many = Array.from({ length: 200 }, (_, index) => address('a.test', `192.0.2.${index}`));
    const found = await ask('A', 'a.test', (_query, isStream) =>
      isStream ? [{ answers: many }] : [{ flags: truncated, answers: [] }],
    );
    expect(isFailure(found) ? found : found.records.length).toBe(200);
  });

  it('of somebody who guesses is not listened to', async () => {
    const good = { answers: [address('a.test', '192.0.2.1')] };
    const lie = { answers: [address('a.test', '203.0.113.66')] };
    const respond: Respond = (query) => [
      Buffer.from('no message of the DNS'),
      { ...lie, id: ((query.id ?? 0) + 1) & 0xffff },
      { ...lie, questions: [{ type: 'A', name: 'another.test' }] },
      { ...lie, questions: [{ type: 'AAAA', name: 'a.test' }] },
      good,
    ];
    expect(await ask('A', 'a.test', respond)).toEqual({ records: ['192.0.2.1'], life: 60 });
  });
});

describe('a server', () => {
  const good: Respond = () => [{ answers: [address('a.test', '192.0.2.1')] }];

  it('that says nothing, or that it cannot, is left for the next', async () => {
    const failing = { flags: serverFailure };
    const bads: Respond[] = [
      () => [],
      () => [failing],
      (_query, isStream) => (isStream ? [failing] : [{ flags: truncated }]),
      (_query, isStream) => (isStream ? [Buffer.from('\0\x05lies!')] : [{ flags: truncated }]),
    ];
    for (const bad of bads)
      expect(await ask('A', 'a.test', bad, good)).toEqual({ records: ['192.0.2.1'], life: 60 });
  });

  it('that knows no options is asked without (RFC 6891 7)', async () => {
    const old: Respond = (query) =>
      (query.additionals ?? []).length > 0
        ? [{ flags: formatError }]
        : [{ answers: [address('a.test', '192.0.2.1')] }];
    expect(await ask('A', 'a.test', old)).toEqual({ records: ['192.0.2.1'], life: 60 });
  });

  it('that is alone and says nothing, or refuses, is named', async () => {
    const silent = await ask('A', 'a.test', () => []);
    expect(silent).toMatchObject({ code: unansweredCode, message: expect.stringContaining('ETIMEOUT') });
    const failing = await ask('A', 'a.test', () => [{ flags: serverFailure }]);
    expect(failing).toMatchObject({ code: 'NET_NAME_REFUSED', message: expect.stringContaining('SERVFAIL') });
  });

  it('is not asked for a name that cannot be one', async () => {
    for (const name of [`${'x'.repeat(64)}.test`, 'a..test', '', Array(60).fill('label').join('.')]) {
      expect(await ask('A', name, good)).toMatchObject({ code: 'NET_NAME_INVALID' });
      expect(servers.at(-1)!.asked).toEqual([]);
    }
  });
});
