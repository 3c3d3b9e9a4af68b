/** The table of transactions: places that are used again, limits, counters, memory, the listing. */

import { describe, expect, it } from 'vitest';
import type { ClientSlot } from '#transaction/table.ts';
import { isFailure } from '#util/failure.ts';
import { answer, callee, caller, request, TransactionBench } from '../../support/transaction-bench.ts';

const silent = {
  onAck: () => {},
  onServerTimeout: () => {},
  onServerTransportError: () => {},
  onServerTerminated: () => {},
};

describe('places of client transactions', () => {
  it('are used again, but a late response of the old one finds nobody', () => {
    const bench = new TransactionBench();
    const first = bench.client('OPTIONS');
    first.client.receive(bench.now, answer(first.sent, 200));
    bench.advance(5000);
    const second = bench.client('OPTIONS');
    expect(second.client.slot).toBe(first.client.slot);
    expect(bench.table.findClient(answer(first.sent, 200))).toBeNull();
    expect(bench.table.findClient(answer(second.sent, 200))).toBe(second.client);
  });

  it('are not given to two', () => {
    const bench = new TransactionBench();
    const slots = [0, 1, 2].map((index) => bench.table.reserveClient(index) as ClientSlot);
    expect(new Set(slots.map((slot) => slot.slot)).size).toBe(3);
    bench.table.returnSlot(slots[1]!);
    expect((bench.table.reserveClient(0) as ClientSlot).slot).toBe(slots[1]!.slot);
    expect(bench.table.clientCount).toBe(3);
  });
});

describe('limits', () => {
  it('refuse a request when the table is full, and count it', () => {
    const bench = new TransactionBench({ transactionsMax: 1 });
    bench.server(request('INVITE'));
    const refused = bench.table.createServer(
      bench.now,
      request('INVITE', { branch: 'z9hG4bKx' }),
      caller,
      silent,
    );
    expect(isFailure(refused) && refused.code).toBe('TRANSACTION_TABLE_FULL');
    bench.client('OPTIONS');
    const slot = bench.table.reserveClient(0);
    expect(isFailure(slot) && slot.code).toBe('TRANSACTION_TABLE_FULL');
    expect(bench.table.counters.refused_full).toBe(2);
  });
});

describe('counters', () => {
  it('tell the first three retransmissions of a request from later ones', () => {
    const bench = new TransactionBench();
    bench.client('OPTIONS');
    bench.advance(32_000);
    expect(bench.table.counters).toMatchObject({
      retransmission_req_T1_1: 1,
      retransmission_req_T1_2: 1,
      retransmission_req_T1_3: 1,
      retransmission_req_T2: 7,
      timeout_finalresponse: 1,
    });
  });

  it('count replies that Timer G repeats, not those that a retransmission asked for', () => {
    const bench = new TransactionBench();
    const server = bench.server(request('INVITE'));
    bench.respond(server, 486);
    server.receive(bench.now, request('INVITE'));
    expect(bench.table.counters.retransmission_rpl_T2).toBe(0);
    bench.advance(1500);
    expect(bench.table.counters.retransmission_rpl_T2).toBe(2);
  });
});

describe('memory', () => {
  it.each([
    ['INVITE', 200],
    ['INVITE', 486],
    ['BYE', 200],
  ])('of the request is let go when %s has its %i', (method, status) => {
    const bench = new TransactionBench();
    const { client, sent } = bench.client(method);
    expect(client.text).not.toBeNull();
    client.receive(bench.now, answer(sent, status));
    expect(client.text).toBeNull();
  });

  it('is all let go in the end', () => {
    const bench = new TransactionBench();
    const { client, sent } = bench.client('INVITE');
    client.receive(bench.now, answer(sent, 200));
    bench.respond(bench.server(request('INVITE')), 200);
    bench.advance(32_000);
    expect([bench.table.serverCount, bench.table.clientCount, bench.timers.size]).toEqual([0, 0, 0]);
  });
});

describe('onTransportError', () => {
  it('does not fail what a user sends to the same place because of it', () => {
    const bench = new TransactionBench();
    const slot = bench.table.reserveClient(0) as ClientSlot;
    let tries = 0;
    const { text } = request('OPTIONS', { branch: slot.branch });
    const parts = { text, method: 'OPTIONS', flow: callee, finalResponseMilliseconds: 1000 };
    bench.table.prepareClient(slot, parts, {
      onResponse: () => {},
      onTimeout: () => {},
      onTransportError: () => {
        tries++;
        bench.client('OPTIONS');
      },
      onTerminated: () => {},
    });
    bench.table.onTransportError(bench.now, callee);
    expect([tries, bench.table.clientCount]).toEqual([1, 1]);
  });
});

describe('stopRetransmitting', () => {
  it('leaves the time-out and the answer', () => {
    const bench = new TransactionBench();
    const { client } = bench.client('INVITE', 32_000);
    client.stopRetransmitting();
    bench.take();
    bench.advance(32_000);
    expect(bench.take()).toEqual([]);
    expect(bench.events).toEqual(['timeout', 'terminated']);
  });
});

describe('describe', () => {
  it('lists transactions with their age, at most as many as asked for', () => {
    const bench = new TransactionBench();
    bench.respond(bench.server(request('INVITE')), 180);
    bench.advance(250);
    bench.server(request('BYE'));
    expect(bench.table.describe(bench.now, 1)).toEqual([
      {
        method: 'INVITE',
        callId: 'call-1',
        state: 'proceeding',
        status: 180,
        ageMilliseconds: 250,
        source: '198.51.100.7:5062',
        branches: [],
      },
    ]);
    expect(bench.table.describe(bench.now, 10)).toHaveLength(2);
  });

  it('still knows the call of a request that was let go', () => {
    const bench = new TransactionBench();
    const server = bench.server(request('BYE'));
    bench.respond(server, 200);
    server.detachUser();
    expect(bench.table.describe(bench.now, 1)[0]).toMatchObject({
      method: 'BYE',
      callId: 'call-1',
      state: 'completed',
    });
  });
});
