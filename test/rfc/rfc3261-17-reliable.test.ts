/** RFC 3261 17 over TCP: nothing is repeated, and nothing repeated is waited for. */

import { describe, expect, it } from 'vitest';
import type { Flow } from '#util/socket-address.ts';
import { answer, callee, caller, request, socket, TransactionBench } from '../support/transaction-bench.ts';

const overTcp = (flow: Flow): Flow => ({ ...flow, socket: { ...socket, protocol: 'tcp' } });

function client(bench: TransactionBench, method: string) {
  return bench.client(method, 32_000, overTcp(callee));
}

describe('RFC 3261 17.1.1.2 INVITE client transaction over a reliable transport', () => {
  it('sends the request once; Timer B runs all the same', () => {
    const bench = new TransactionBench();
    client(bench, 'INVITE');
    bench.advance(31_999);
    expect(bench.takeNames()).toEqual(['INVITE']);
    bench.advance(1);
    expect(bench.takeEvents()).toEqual(['timeout', 'terminated']);
  });

  it('is over with its ACK: Timer D is zero', () => {
    const bench = new TransactionBench();
    const invite = client(bench, 'INVITE');
    invite.client.receive(bench.now, answer(invite.sent, 486));
    expect(bench.takeNames()).toEqual(['INVITE', 'ACK']);
    bench.advance(0);
    expect([bench.table.clientCount, bench.timers.size]).toEqual([0, 0]);
  });
});

describe('RFC 3261 17.1.2.2 non-INVITE client transaction over a reliable transport', () => {
  it('sends the request once, in Proceeding too; Timer K is zero', () => {
    const bench = new TransactionBench();
    const options = client(bench, 'OPTIONS');
    bench.advance(5000);
    options.client.receive(bench.now, answer(options.sent, 100));
    bench.advance(20_000);
    expect(bench.takeNames()).toEqual(['OPTIONS']);
    options.client.receive(bench.now, answer(options.sent, 200));
    bench.advance(0);
    expect([bench.table.clientCount, bench.timers.size]).toEqual([0, 0]);
  });
});

describe('RFC 3261 17.2.1 INVITE server transaction over a reliable transport', () => {
  it('sends a failure once and waits for its ACK until Timer H; Timer I is zero', () => {
    const bench = new TransactionBench();
    const server = bench.server(request('INVITE'), overTcp(caller));
    bench.respond(server, 486);
    bench.advance(31_000);
    expect(bench.takeNames()).toEqual(['486']);
    const ack = request('ACK', { toTag: 'bob' });
    bench.table.findServer(ack)!.receive(bench.now, ack);
    bench.advance(0);
    expect([bench.table.serverCount, bench.timers.size]).toEqual([0, 0]);
  });
});

describe('RFC 3261 17.2.2 non-INVITE server transaction over a reliable transport', () => {
  it('is over with its final response: Timer J is zero', () => {
    const bench = new TransactionBench();
    bench.respond(bench.server(request('OPTIONS'), overTcp(caller)), 200);
    bench.advance(0);
    expect([bench.table.serverCount, bench.timers.size]).toEqual([0, 0]);
  });
});

describe('RFC 3261 18.2.2 responses over a reliable transport', () => {
  it('go back over the connection, whatever the Via says', () => {
    const bench = new TransactionBench();
    const flow = overTcp({ ...caller, port: 40_000 });
    bench.respond(bench.server(request('OPTIONS'), flow), 200);
    expect(bench.take()[0]!.flow).toEqual(flow);
  });
});
