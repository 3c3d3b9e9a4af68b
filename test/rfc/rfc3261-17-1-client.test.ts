/** RFC 3261 17.1: client transactions, clause by clause. Times are ms with T1 = 500, T2 = 4000, T4 = 5000. */

import { describe, expect, it } from 'vitest';
import {
  answer,
  callee,
  headerOf,
  message,
  request,
  TransactionBench,
} from '../support/transaction-bench.ts';

describe('RFC 3261 17.1.1.2 INVITE client transaction', () => {
  it('sends the request at once, and again after T1, doubling: 500, 1500, 3500, 7500, 15500, 31500', () => {
    const bench = new TransactionBench();
    bench.client('INVITE', 64 * 500);
    bench.advance(40_000);
    expect(bench.take().map((sent) => sent.at)).toEqual([0, 500, 1500, 3500, 7500, 15_500, 31_500]);
  });

  it('tells the user of a time-out when Timer B fires, and is over', () => {
    const bench = new TransactionBench();
    bench.client('INVITE', 64 * 500);
    bench.advance(31_999);
    expect(bench.events).toEqual([]);
    bench.advance(1);
    expect(bench.events).toEqual(['timeout', 'terminated']);
    expect(bench.timers.size).toBe(0);
  });

  it('does not retransmit in Proceeding, and knows no time-out there', () => {
    const bench = new TransactionBench();
    const { client, sent } = bench.client('INVITE');
    client.receive(bench.now, answer(sent, 100));
    bench.take();
    bench.advance(600_000);
    expect(bench.take()).toEqual([]);
    expect(client.state).toBe('proceeding');
  });

  it('passes every provisional response to the user', () => {
    const bench = new TransactionBench();
    const { client, sent } = bench.client('INVITE');
    for (const status of [100, 180, 183, 180]) client.receive(bench.now, answer(sent, status));
    expect(bench.events).toEqual(['100', '180', '183', '180']);
  });

  it('acknowledges a failure and every repetition of it, and passes it up once', () => {
    const bench = new TransactionBench();
    const { client, sent } = bench.client('INVITE');
    bench.take();
    for (let copy = 0; copy < 3; copy++) client.receive(bench.now, answer(sent, 486));
    expect(bench.takeNames()).toEqual(['ACK', 'ACK', 'ACK']);
    expect(bench.events).toEqual(['486']);
  });

  it('stays in Completed for Timer D, at least 32 s', () => {
    const bench = new TransactionBench({ t1: 100 });
    const { client, sent } = bench.client('INVITE');
    client.receive(bench.now, answer(sent, 486));
    bench.advance(31_999);
    expect(client.state).toBe('completed');
    bench.advance(1);
    expect(client.state).toBe('terminated');
    expect(bench.table.clientCount).toBe(0);
  });

  it('tells the user when the ACK cannot be sent, and is over', () => {
    const bench = new TransactionBench();
    const { client, sent } = bench.client('INVITE');
    client.receive(bench.now, answer(sent, 486));
    bench.table.onTransportError(bench.now, callee);
    expect(bench.events).toEqual(['486', 'transportError', 'terminated']);
  });
});

describe('RFC 3261 17.1.1.3 the ACK to a failure', () => {
  function acknowledged() {
    const bench = new TransactionBench();
    const slot = bench.table.reserveClient(0) as { slot: number; branch: string };
    const invite = request('INVITE', {
      branch: slot.branch,
      headers: 'Route: <sip:a.example;lr>\r\nRoute: <sip:b.example;lr>\r\n',
    });
    const parts = { text: invite.text, method: 'INVITE', flow: callee };
    const silent = {
      onResponse: () => {},
      onTimeout: () => {},
      onTransportError: () => {},
      onTerminated: () => {},
    };
    const client = bench.table.prepareClient(slot, { ...parts, finalResponseMilliseconds: 1000 }, silent);
    client.start(bench.now);
    client.receive(bench.now, answer(invite, 404, 'remote'));
    return { invite, ack: bench.take()[1]! };
  }

  it('goes where the INVITE went', () => expect(acknowledged().ack.flow).toEqual(callee));

  it('has Call-ID, From and Request-URI of the INVITE', () => {
    const { invite, ack } = acknowledged();
    expect(ack.message.requestUri).toBe(invite.requestUri);
    expect(ack.message.callId).toBe(invite.callId);
    expect(ack.message.from).toEqual(invite.from);
  });

  it('has the To of the response, with its tag', () =>
    expect(acknowledged().ack.message.toTag).toBe('remote'));

  it('has one Via: the top Via of the INVITE', () => {
    const { invite, ack } = acknowledged();
    expect(ack.message.values(1)).toEqual([invite.values(1)[0]]);
  });

  it('has the CSeq number of the INVITE, and the method ACK', () => {
    expect(headerOf(acknowledged().ack, 'cseq')).toBe('1 ACK');
  });

  it('has the Route header fields of the INVITE', () => {
    expect(acknowledged().ack.message.values(7)).toEqual(['<sip:a.example;lr>', '<sip:b.example;lr>']);
  });
});

describe('RFC 3261 17.1.2.2 non-INVITE client transaction', () => {
  it('sends again after 500, 1000, 2000, 4000, then every T2, until Timer F', () => {
    const bench = new TransactionBench();
    bench.client('OPTIONS', 64 * 500);
    bench.advance(60_000);
    expect(bench.take().map((sent) => sent.at)).toEqual([
      0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ]);
    expect(bench.events).toEqual(['timeout', 'terminated']);
  });

  it('repeats every T2 in Proceeding, and Timer F runs on', () => {
    const bench = new TransactionBench();
    const { client, sent } = bench.client('OPTIONS', 64 * 500);
    client.receive(bench.now, answer(sent, 100));
    bench.advance(40_000);
    // The interval that was running is not cut short.
    expect(bench.take().map((copy) => copy.at)).toEqual([
      0, 500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500,
    ]);
    expect(bench.events).toEqual(['100', 'timeout', 'terminated']);
  });

  it('passes the final response up once and absorbs its repetitions for Timer K (T4)', () => {
    const bench = new TransactionBench();
    const { client, sent } = bench.client('BYE');
    client.receive(bench.now, answer(sent, 200));
    client.receive(bench.now, answer(sent, 200));
    expect(bench.events).toEqual(['200']);
    bench.advance(4999);
    expect(client.state).toBe('completed');
    bench.advance(1);
    expect(client.state).toBe('terminated');
    expect(bench.takeNames()).toEqual(['BYE']);
  });
});

describe('RFC 3261 17.1.3 matching responses', () => {
  it('matches by branch and by the method of CSeq', () => {
    const bench = new TransactionBench();
    const { client, sent } = bench.client('INVITE');
    expect(bench.table.findClient(answer(sent, 180))).toBe(client);
    const other = message(answer(sent, 200).text.replace('CSeq: 1 INVITE', 'CSeq: 1 CANCEL'));
    expect(bench.table.findClient(other)).toBeNull();
  });

  it('does not match a branch that is nearly ours', () => {
    const bench = new TransactionBench();
    const { sent } = bench.client('INVITE');
    const { branch } = sent.topVia;
    const forged = branch.slice(0, -1) + (branch.endsWith('A') ? 'B' : 'A');
    expect(bench.table.findClient(message(answer(sent, 180).text.replace(branch, forged)))).toBeNull();
  });
});

describe('RFC 3261 17.1.4 transport errors', () => {
  it.each(['INVITE', 'OPTIONS'])('%s: tells the user, and is over', (method) => {
    const bench = new TransactionBench();
    bench.client(method);
    bench.table.onTransportError(bench.now, callee);
    expect(bench.events).toEqual(['transportError', 'terminated']);
    expect(bench.timers.size).toBe(0);
  });

  it('leaves transactions to other destinations alone', () => {
    const bench = new TransactionBench();
    bench.client('INVITE');
    bench.table.onTransportError(bench.now, { ...callee, port: callee.port + 1 });
    expect(bench.events).toEqual([]);
  });
});
