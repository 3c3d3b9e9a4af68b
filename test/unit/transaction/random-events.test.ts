/**
 * The four machines under any sequence of events: they always end, leave no timer behind, deliver at most one final
 * response, and repeat no more often than RFC 3261 lets them. fast-check prints the seed of a failure.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answer, callee, request, TransactionBench } from '../../support/transaction-bench.ts';

/** Longer than every timer, one after the other. */
const everything = 200_000;

const waiting = fc.record({ kind: fc.constant('wait' as const), value: fc.integer({ min: 0, max: 20_000 }) });
const failing = fc.record({ kind: fc.constant('fail' as const), value: fc.constant(0) });
const responding = fc.record({
  kind: fc.constant('respond' as const),
  value: fc.constantFrom(100, 180, 183, 200, 202, 302, 404, 486, 487, 503, 603),
});
const receiving = fc.record({ kind: fc.constant('receive' as const), value: fc.constant(0) });
const acknowledging = fc.record({ kind: fc.constant('ack' as const), value: fc.constant(0) });

const clientEvents = fc.array(fc.oneof(waiting, responding, { arbitrary: failing, weight: 1 }), {
  maxLength: 25,
});
const serverEvents = fc.array(fc.oneof(waiting, responding, receiving, acknowledging, failing), {
  maxLength: 25,
});

const isFinal = (event: string): boolean => Number(event) >= 200;

describe.each(['INVITE', 'OPTIONS'])('the client transaction of %s', (method) => {
  it('ends, tells the user so once, and says nothing afterwards', () => {
    fc.assert(
      fc.property(clientEvents, (events) => {
        const bench = new TransactionBench();
        const { client, sent } = bench.client(method);
        for (const { kind, value } of events) {
          if (kind === 'wait') bench.advance(value);
          else if (kind === 'fail') bench.table.onTransportError(bench.now, callee);
          else client.receive(bench.now, answer(sent, value));
        }
        // What nothing in the RFC ends: an INVITE that rings. Its user does, by Timer C.
        if (client.state === 'proceeding') client.receive(bench.now, answer(sent, 480));
        bench.advance(everything);
        expect(client.state).toBe('terminated');
        expect([bench.timers.size, bench.table.clientCount]).toEqual([0, 0]);
        expect(bench.events.indexOf('terminated')).toBe(bench.events.length - 1);
        const finals = bench.events.filter(isFinal);
        const successes = finals.filter((status) => Number(status) < 300);
        if (method === 'INVITE' && successes.length > 0) expect(finals).toEqual(successes);
        else expect(finals.length).toBeLessThanOrEqual(1);
        const outcomes = bench.events.filter((event) => event === 'timeout' || isFinal(event));
        if (outcomes.includes('timeout')) expect(outcomes).toEqual(['timeout']);
        const repeated = bench.take().filter((copy) => copy.message.method === method).length - 1;
        expect(repeated).toBeLessThanOrEqual(method === 'INVITE' ? 6 : 10);
      }),
      { numRuns: 300 },
    );
  });
});

describe.each(['INVITE', 'OPTIONS'])('the server transaction of %s', (method) => {
  it('ends, sends one final response (or one kind of 2xx to an INVITE), and repeats by the clock alone', () => {
    fc.assert(
      fc.property(serverEvents, (events) => {
        const bench = new TransactionBench();
        const received = request(method);
        const ack = request('ACK', { toTag: 'bob' });
        const server = bench.server(received);
        const accepted: number[] = [];
        let asked = 0;
        for (const { kind, value } of events) {
          if (kind === 'wait') bench.advance(value);
          else if (kind === 'fail') server.fail(bench.now);
          else if (kind === 'respond') {
            if (bench.respond(server, value) && value >= 200) accepted.push(value);
          } else if (kind === 'ack') bench.table.findServer(ack)?.receive(bench.now, ack);
          else {
            asked++;
            bench.table.findServer(received)?.receive(bench.now, received);
          }
        }
        if (accepted.length === 0 && bench.respond(server, 404)) accepted.push(404);
        bench.advance(everything);
        expect(server.state).toBe('terminated');
        expect([bench.timers.size, bench.table.serverCount]).toEqual([0, 0]);
        expect(bench.events.indexOf('terminated')).toBe(bench.events.length - 1);
        const isAccepted = method === 'INVITE' && accepted[0]! < 300;
        if (isAccepted) expect(accepted.every((status) => status < 300)).toBe(true);
        else expect(accepted).toHaveLength(1);
        const finals = bench.take().filter((sent) => sent.message.status >= 200).length;
        const byTimer = method === 'INVITE' && !isAccepted ? 10 : 0;
        expect(finals).toBeLessThanOrEqual(accepted.length + byTimer + asked);
        expect(bench.table.counters.retransmission_rpl_T2).toBeLessThanOrEqual(byTimer);
        // Nobody can send anything any more.
        expect(bench.respond(server, 200)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
