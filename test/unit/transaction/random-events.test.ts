/**
 * The four machines under any sequence of events, with any timers, over UDP and TCP: they always end, leave no timer
 * behind, deliver at most one final response, and repeat when RFC 3261 17 says so and never else. fast-check prints
 * the seed of a failure.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SipMessage } from '#sip/message.ts';
import type { ClientTransaction } from '#transaction/client-transaction.ts';
import type { TransactionSettings } from '#transaction/settings.ts';
import type { Flow } from '#util/socket-address.ts';
import {
  answer,
  callee,
  caller,
  request,
  type Sent,
  socket,
  TransactionBench,
} from '../../support/transaction-bench.ts';

const waiting = fc.record({ kind: fc.constant('wait' as const), value: fc.integer({ min: 0, max: 20_000 }) });
const failing = fc.record({ kind: fc.constant('fail' as const), value: fc.constant(0) });
const responding = fc.record({
  kind: fc.constant('respond' as const),
  value: fc.constantFrom(100, 180, 183, 200, 202, 302, 404, 486, 487, 503, 603),
});
const receiving = fc.record({ kind: fc.constant('receive' as const), value: fc.constant(0) });
const acknowledging = fc.record({ kind: fc.constant('ack' as const), value: fc.constant(0) });

const clientEvents = fc.array(
  fc.oneof(waiting, responding, { arbitrary: failing, weight: 1 }, { arbitrary: receiving, weight: 1 }),
  { maxLength: 25 },
);
const serverEvents = fc.array(fc.oneof(waiting, responding, receiving, acknowledging, failing), {
  maxLength: 25,
});

/** T1, T2 and T4 as an operator may set them, and wt_timer. */
const someSettings: fc.Arbitrary<Partial<TransactionSettings>> = fc.record({
  t1: fc.integer({ min: 50, max: 1000 }),
  t2: fc.integer({ min: 1000, max: 8000 }),
  t4: fc.integer({ min: 1000, max: 8000 }),
  linger: fc.constantFrom(0, 0, 2000),
});
const protocols = fc.constantFrom('udp' as const, 'tcp' as const);
const flowOf = (flow: Flow, protocol: 'udp' | 'tcp'): Flow => ({ ...flow, socket: { ...socket, protocol } });

/** Longer than every timer of a transaction, one after the other. */
const everything = 300_000;

const isFinal = (event: string): boolean => Number(event) >= 200;

/** When a client may repeat its request: RFC 3261 17.1.1.2 (Timer A) and 17.1.2.2 (Timer E). */
function mayRepeat(copies: readonly Sent[], method: string, { t1, t2 }: TransactionSettings): boolean {
  const gaps = copies.slice(1).map((copy, index) => copy.at - copies[index]!.at);
  if (method === 'INVITE') return gaps.every((gap, index) => gap === t1 * 2 ** index);
  const doubled = (index: number): number => Math.min(t1 * 2 ** index, t2);
  // In Proceeding the next one comes after T2, whatever was due before.
  const slowFrom = gaps.findIndex((gap, index) => gap !== doubled(index));
  return slowFrom === -1 || gaps.slice(slowFrom).every((gap) => gap === t2);
}

function playClient(
  bench: TransactionBench,
  { client, sent }: { client: ClientTransaction; sent: SipMessage },
  events: readonly { kind: string; value: number }[],
): void {
  for (const { kind, value } of events) {
    if (kind === 'wait') bench.advance(value);
    else if (kind === 'fail') bench.table.onTransportError(bench.now, callee);
    else if (kind === 'receive') client.stopRetransmitting();
    else client.receive(bench.now, answer(sent, value));
    // One timer repeats, one gives up.
    expect(bench.timers.size).toBeLessThanOrEqual(2);
  }
  // What nothing in the RFC ends: an INVITE that rings. Its user does, by Timer C.
  if (client.state === 'proceeding' && client.isInvite) client.receive(bench.now, answer(sent, 480));
  bench.advance(everything);
}

describe.each(['INVITE', 'OPTIONS'])('the client transaction of %s', (method) => {
  it('ends, tells the user so once, says nothing afterwards, and repeats as its timers say', () => {
    fc.assert(
      fc.property(clientEvents, someSettings, protocols, (events, settings, protocol) => {
        const bench = new TransactionBench(settings);
        const one = bench.client(method, 32_000, flowOf(callee, protocol));
        playClient(bench, one, events);
        expect(one.client.state).toBe('terminated');
        expect([bench.timers.size, bench.table.clientCount]).toEqual([0, 0]);
        expect(bench.events.indexOf('terminated')).toBe(bench.events.length - 1);
        const finals = bench.events.filter(isFinal);
        const successes = finals.filter((status) => Number(status) < 300);
        if (method === 'INVITE' && successes.length > 0) expect(finals).toEqual(successes);
        else expect(finals.length).toBeLessThanOrEqual(1);
        const outcomes = bench.events.filter((event) => event === 'timeout' || isFinal(event));
        if (outcomes.includes('timeout')) expect(outcomes).toEqual(['timeout']);
        const copies = bench.take().filter((copy) => copy.message.method === method);
        if (protocol === 'tcp') expect(copies).toHaveLength(1);
        expect(mayRepeat(copies, method, bench.table.settings), copies.map(({ at }) => at).join()).toBe(true);
        expect(copies.at(-1)!.at).toBeLessThan(32_000);
      }),
      { numRuns: 400 },
    );
  });

  it('acknowledges every copy of a failure, and nothing else', () => {
    fc.assert(
      fc.property(clientEvents, (events) => {
        const bench = new TransactionBench();
        const one = bench.client(method);
        let failures = 0;
        const receive = one.client.receive.bind(one.client);
        one.client.receive = (now, response, source) => {
          const { state } = one.client;
          const isOpen = state === 'calling' || state === 'proceeding' || state === 'completed';
          if (response.status >= 300 && isOpen) failures++;
          receive(now, response, source);
        };
        playClient(bench, one, events);
        const acks = bench.take().filter((copy) => copy.message.method === 'ACK');
        expect(acks).toHaveLength(method === 'INVITE' ? failures : 0);
        expect(new Set(acks.map((ack) => ack.message.text)).size).toBeLessThanOrEqual(1);
      }),
      { numRuns: 200 },
    );
  });
});

describe.each(['INVITE', 'OPTIONS'])('the server transaction of %s', (method) => {
  it('ends, sends one final response (or one kind of 2xx to an INVITE), and repeats by the clock alone', () => {
    fc.assert(
      fc.property(serverEvents, someSettings, protocols, (events, settings, protocol) => {
        const bench = new TransactionBench(settings);
        const received = request(method);
        const ack = request('ACK', { toTag: 'bob' });
        const server = bench.server(received, flowOf(caller, protocol));
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
          expect(bench.timers.size).toBeLessThanOrEqual(2);
        }
        if (accepted.length === 0 && bench.respond(server, 404)) accepted.push(404);
        bench.advance(everything);
        expect(server.state).toBe('terminated');
        expect([bench.timers.size, bench.table.serverCount]).toEqual([0, 0]);
        expect(bench.events.indexOf('terminated')).toBe(bench.events.length - 1);
        const isAccepted = method === 'INVITE' && accepted[0]! < 300;
        if (isAccepted) expect(accepted.every((status) => status < 300)).toBe(true);
        else expect(accepted).toHaveLength(1);
        const finals = bench.take().filter((sent) => sent.message.status >= 200);
        if (!isAccepted) expect(new Set(finals.map((sent) => sent.message.text)).size).toBe(1);
        const { retransmission_rpl_T2: byTimer } = bench.table.counters;
        expect(finals.length).toBeLessThanOrEqual(accepted.length + byTimer + asked);
        const { t1, t2 } = bench.table.settings;
        const most = method === 'INVITE' && !isAccepted && protocol === 'udp' ? repetitionsMax(t1, t2) : 0;
        expect(byTimer).toBeLessThanOrEqual(most);
        // Nobody can send anything any more.
        expect(bench.respond(server, 200)).toBe(false);
      }),
      { numRuns: 400 },
    );
  });
});

/** RFC 3261 17.2.1: Timer G from T1, doubled up to T2, until Timer H (64 × T1). */
function repetitionsMax(t1: number, t2: number): number {
  let count = 0;
  for (let at = t1, interval = t1; at < 64 * t1; at += interval) {
    count++;
    interval = Math.min(interval * 2, t2);
  }
  return count;
}

describe('many transactions at once', () => {
  const step = fc.record({
    kind: fc.constantFrom('open' as const, 'answer' as const, 'late' as const, 'wait' as const),
    which: fc.nat(30),
    value: fc.constantFrom(100, 180, 200, 486),
  });

  it('never get each other’s responses, whatever slots they inherit', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const bench = new TransactionBench({ linger: 1000 });
        const all: { client: ClientTransaction; sent: SipMessage }[] = [];
        for (const { kind, which, value } of steps) {
          const one = all[which % Math.max(all.length, 1)];
          if (kind === 'open' || one === undefined)
            all.push(bench.client(which % 2 === 0 ? 'INVITE' : 'OPTIONS'));
          else if (kind === 'wait') bench.advance(which * 200);
          else {
            const response = answer(one.sent, value);
            const found = bench.table.findClient(response);
            // Also when the slot has been taken over: the generation in the branch tells them apart.
            expect(found === null || found === one.client).toBe(true);
            if (one.client.state === 'terminated') expect(found).toBeNull();
            found?.receive(bench.now, response);
          }
        }
        for (const { client } of all) client.abandon(bench.now);
        expect([bench.timers.size, bench.table.clientCount]).toEqual([0, 0]);
        expect(bench.events.filter((event) => event === 'terminated')).toHaveLength(all.length);
      }),
      { numRuns: 200 },
    );
  });
});
