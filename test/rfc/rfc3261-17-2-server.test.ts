/** RFC 3261 17.2: server transactions, clause by clause. Times are ms with T1 = 500, T2 = 4000, T4 = 5000. */

import { describe, expect, it } from 'vitest';
import { caller, request, TransactionBench } from '../support/transaction-bench.ts';

const invite = request('INVITE');
const ack = request('ACK', { toTag: 'bob' });

describe('RFC 3261 17.2.1 INVITE server transaction', () => {
  it('answers a retransmission with the last provisional response', () => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    bench.respond(server, 100);
    bench.respond(server, 180);
    bench.take();
    server.receive(bench.now, invite);
    expect(bench.takeNames()).toEqual(['180']);
  });

  it('absorbs a retransmission while there is no response yet', () => {
    const bench = new TransactionBench();
    bench.server(invite).receive(bench.now, invite);
    expect(bench.take()).toEqual([]);
  });

  it('repeats a failure: T1, doubled up to T2, until Timer H', () => {
    const bench = new TransactionBench();
    bench.respond(bench.server(invite), 486);
    bench.advance(60_000);
    expect(bench.take().map((sent) => sent.at)).toEqual([
      0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ]);
    expect(bench.events).toEqual(['timeout', 'terminated']);
    expect(bench.table.serverCount).toBe(0);
  });

  it('answers a retransmission in Completed with the final response', () => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    bench.respond(server, 486);
    bench.take();
    server.receive(bench.now, invite);
    expect(bench.takeNames()).toEqual(['486']);
  });

  it('discards any further final response in Completed', () => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    bench.respond(server, 486);
    expect(bench.respond(server, 200)).toBe(false);
    expect(bench.respond(server, 500)).toBe(false);
    expect(bench.takeNames()).toEqual(['486']);
  });

  it('stops repeating at the ACK, which is not passed up, and absorbs its copies for Timer I (T4)', () => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    bench.respond(server, 486);
    bench.table.findServer(ack)!.receive(bench.now, ack);
    bench.take();
    bench.advance(4999);
    bench.table.findServer(ack)!.receive(bench.now, ack);
    expect(server.state).toBe('confirmed');
    bench.advance(1);
    expect(server.state).toBe('terminated');
    expect(bench.take()).toEqual([]);
    expect(bench.events).toEqual(['terminated']);
  });
});

describe('RFC 3261 17.2.2 non-INVITE server transaction', () => {
  const bye = request('BYE', { toTag: 'bob' });

  it('discards a retransmission in Trying', () => {
    const bench = new TransactionBench();
    bench.server(bye).receive(bench.now, bye);
    expect(bench.take()).toEqual([]);
  });

  it('answers a retransmission in Proceeding with the last provisional response', () => {
    const bench = new TransactionBench();
    const server = bench.server(bye);
    bench.respond(server, 100);
    server.receive(bench.now, bye);
    expect(bench.takeNames()).toEqual(['100', '100']);
  });

  it.each(['trying', 'proceeding'])('takes a final response in %s (erratum 1470)', (state) => {
    const bench = new TransactionBench();
    const server = bench.server(bye);
    if (state === 'proceeding') bench.respond(server, 100);
    expect(server.state).toBe(state);
    expect(bench.respond(server, 200)).toBe(true);
    expect(server.state).toBe('completed');
  });

  it('answers a retransmission in Completed with the final response, and discards any other final response', () => {
    const bench = new TransactionBench();
    const server = bench.server(bye);
    bench.respond(server, 200);
    expect(bench.respond(server, 404)).toBe(false);
    server.receive(bench.now, bye);
    expect(bench.takeNames()).toEqual(['200', '200']);
  });

  it('is over after Timer J (64 × T1), repeating nothing of itself', () => {
    const bench = new TransactionBench();
    const server = bench.server(bye);
    bench.respond(server, 200);
    bench.advance(31_999);
    expect(server.state).toBe('completed');
    bench.advance(1);
    expect(server.state).toBe('terminated');
    expect(bench.takeNames()).toEqual(['200']);
  });
});

describe('RFC 3261 17.2.3 matching requests', () => {
  it('matches by branch, sent-by and method', () => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    expect(bench.table.findServer(request('INVITE', { callId: 'other' }))).toBe(server);
    expect(bench.table.findServer(request('INVITE', { branch: 'z9hG4bKcaller2' }))).toBeNull();
    expect(bench.table.findServer(request('INVITE', { sentBy: '198.51.100.8:5062' }))).toBeNull();
    expect(bench.table.findServer(request('INVITE', { sentBy: '198.51.100.7:5063' }))).toBeNull();
    expect(bench.table.findServer(request('OPTIONS'))).toBeNull();
  });

  it('matches an ACK to its INVITE', () => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    bench.respond(server, 404);
    expect(bench.table.findServer(ack)).toBe(server);
  });

  it('RFC 3261 9.2: matches a CANCEL to the INVITE that it names, not to itself', () => {
    const bench = new TransactionBench();
    const server = bench.server(invite);
    expect(bench.table.findInvite(request('CANCEL'))).toBe(server);
    expect(bench.table.findServer(request('CANCEL'))).toBeNull();
  });

  it.each([
    ['no cookie', '1'],
    ['the bare cookie', 'z9hG4bK'],
  ])('matches a branch with %s by Request-URI, tags, Call-ID, CSeq and top Via', (_name, branch) => {
    const bench = new TransactionBench();
    const server = bench.server(request('INVITE', { branch }));
    expect(bench.table.findServer(request('INVITE', { branch }))).toBe(server);
    expect(bench.table.findServer(request('INVITE', { branch, callId: 'call-2' }))).toBeNull();
    expect(bench.table.findServer(request('INVITE', { branch, cseq: 2 }))).toBeNull();
    bench.respond(server, 404);
    expect(bench.table.findServer(request('ACK', { branch, toTag: 'bob' }))).toBe(server);
    expect(bench.table.findInvite(request('CANCEL', { branch }))).toBe(server);
  });
});

describe('RFC 3261 18.2.2 and RFC 3581 4 where responses go', () => {
  it('to the port of the Via', () => {
    const bench = new TransactionBench();
    bench.respond(bench.server(request('OPTIONS', { sentBy: '198.51.100.7:6000' })), 200);
    expect(bench.take()[0]!.flow).toEqual({ ...caller, port: 6000 });
  });

  it('to 5060 when the Via names no port', () => {
    const bench = new TransactionBench();
    bench.respond(bench.server(request('OPTIONS', { sentBy: '198.51.100.7' })), 200);
    expect(bench.take()[0]!.flow).toEqual({ ...caller, port: 5060 });
  });

  it('to where the request came from when rport asks for it', () => {
    const bench = new TransactionBench();
    const options = request('OPTIONS', { sentBy: '10.1.1.1:6000', viaParameters: ';rport' });
    bench.respond(bench.server(options), 200);
    expect(bench.take()[0]!.flow).toEqual(caller);
  });
});
