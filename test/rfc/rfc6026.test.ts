/** RFC 6026: the Accepted states, and transport errors of server transactions. */

import { describe, expect, it } from 'vitest';
import { answer, request, TransactionBench } from '../support/transaction-bench.ts';

const invite = request('INVITE');

describe('RFC 6026 7.1 the INVITE server transaction in Accepted', () => {
  it('is entered by a 2xx, and absorbs retransmissions of the INVITE without an answer', () => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    bench.respond(server, 200);
    expect(server.state).toBe('accepted');
    bench.take();
    bench.table.findServer(invite)!.receive(bench.now, invite);
    expect(bench.take()).toEqual([]);
  });

  it('sends every further 2xx, and repeats none by itself', () => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    bench.respond(server, 200);
    expect(bench.respond(server, 200)).toBe(true);
    bench.advance(31_000);
    expect(bench.takeNames()).toEqual(['200', '200']);
  });

  it('sends nothing but 2xx', () => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    bench.respond(server, 200);
    expect(bench.respond(server, 180)).toBe(false);
    expect(bench.respond(server, 486)).toBe(false);
  });

  it('lets an ACK through, whatever branch it carries', () => {
    const bench = new TransactionBench();
    bench.respond(bench.server(invite), 200);
    expect(bench.table.findServer(request('ACK', { toTag: 'bob' }))).toBeNull();
  });

  it('ends with Timer L, 64 × T1', () => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    bench.respond(server, 200);
    bench.advance(31_999);
    expect(server.state).toBe('accepted');
    bench.advance(1);
    expect(bench.table.serverCount).toBe(0);
  });
});

describe('RFC 6026 7.2 the INVITE client transaction in Accepted', () => {
  it('passes up every 2xx, and is over after Timer M, 64 × T1', () => {
    const bench = new TransactionBench();
    const { client, sent } = bench.client('INVITE');
    for (const tag of ['bob', 'bob', 'carol']) client.receive(bench.now, answer(sent, 200, tag));
    expect(bench.takeEvents()).toEqual(['200', '200', '200']);
    bench.advance(31_999);
    expect(client.state).toBe('accepted');
    bench.advance(1);
    expect(bench.events).toEqual(['terminated']);
  });

  it('ignores everything else, and sends no ACK', () => {
    const bench = new TransactionBench();
    const { client, sent } = bench.client('INVITE');
    client.receive(bench.now, answer(sent, 200));
    client.receive(bench.now, answer(sent, 180));
    client.receive(bench.now, answer(sent, 486));
    expect(bench.events).toEqual(['200']);
    expect(bench.takeNames()).toEqual(['INVITE']);
  });
});

describe('RFC 6026 8.8 transport errors of a server transaction', () => {
  it.each([100, 200, 486])('tells the user and stays where it is, after %i', (status) => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    bench.respond(server, status);
    const { state } = server;
    server.fail(bench.now);
    expect(bench.events).toEqual(['transportError']);
    expect(server.state).toBe(state);
  });
});
