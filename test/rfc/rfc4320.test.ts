/** RFC 4320: what may answer a request that is no INVITE, and when. */

import { describe, expect, it } from 'vitest';
import { nothing, ProxyBench } from '../support/proxy-bench.ts';
import { request } from '../support/transaction-bench.ts';

/** Timer E is set to T2 by then: 0.5 + 1 + 2 s. */
const slowMilliseconds = 3500;

describe('RFC 4320 4.1 provisional responses to requests that are no INVITE', () => {
  it('are not sent on', () => {
    const bench = new ProxyBench(request('OPTIONS'));
    const sent = bench.fork();
    bench.answer(sent, 100);
    bench.answer(sent, 183);
    expect(bench.take()).toEqual([]);
  });

  it('are not made here, but for 100', () => {
    const bench = new ProxyBench(request('OPTIONS'));
    const reply = { status: 180, reason: 'Ringing', headers: '', toTag: 'x' };
    expect(bench.context.reply(bench.now, reply)).toBe(false);
    expect(bench.context.reply(bench.now, { ...reply, status: 100 })).toBe(true);
    expect(bench.takeNames()).toEqual(['100']);
  });

  it('100 is sent when there is no other answer by the time that Timer E is set to T2, not before', () => {
    const bench = new ProxyBench(request('OPTIONS'));
    bench.fork();
    bench.advance(slowMilliseconds - 1);
    expect(bench.takeUpstream()).toEqual([]);
    bench.advance(1);
    expect(bench.takeUpstreamNames()).toEqual(['100']);
    bench.advance(20_000);
    expect(bench.takeUpstream()).toEqual([]);
  });

  it('100 follows T1 and T2', () => {
    const bench = new ProxyBench(request('OPTIONS'), {}, { t1: 100, t2: 400 });
    bench.fork();
    bench.advance(299);
    expect(bench.takeUpstream()).toEqual([]);
    bench.advance(1);
    expect(bench.takeUpstreamNames()).toEqual(['100']);
  });

  it('100 is not sent once the request is answered', () => {
    const bench = new ProxyBench(request('OPTIONS'));
    bench.answer(bench.fork(), 200);
    bench.advance(60_000);
    expect(bench.takeUpstreamNames()).toEqual(['200']);
    expect(bench.remains()).toEqual(nothing);
  });

  it('100 has no To tag and answers retransmissions from then on', () => {
    const options = request('OPTIONS');
    const bench = new ProxyBench(options);
    bench.fork();
    bench.advance(slowMilliseconds);
    expect(bench.takeUpstream()[0]!.message.toTag).toBe('');
    bench.table.findServer(options)!.receive(bench.now, options);
    expect(bench.takeUpstreamNames()).toEqual(['100']);
  });

  it('an INVITE gets none of it', () => {
    const bench = new ProxyBench(request('INVITE'));
    bench.fork();
    bench.advance(10_000);
    expect(bench.takeUpstream()).toEqual([]);
  });
});

describe('RFC 4320 4.2 final responses to requests that are no INVITE', () => {
  it('never are 408; retransmissions are absorbed until the caller has given up too', () => {
    const options = request('OPTIONS');
    const bench = new ProxyBench(options, { frTimeout: 3000 });
    bench.fork();
    bench.advance(3000);
    expect(bench.takeEvents()).toEqual(['final 0 408', 'end']);
    expect(bench.takeUpstream()).toEqual([]);
    bench.table.findServer(options)!.receive(bench.now, options);
    expect(bench.takeUpstream()).toEqual([]);
    bench.advance(32_000);
    expect(bench.remains()).toEqual(nothing);
  });

  it('never are the 408 of somebody downstream', () => {
    const bench = new ProxyBench(request('OPTIONS'));
    bench.answer(bench.fork(), 408);
    bench.advance(60_000);
    expect(bench.takeUpstream()).toEqual([]);
    expect(bench.remains()).toEqual(nothing);
  });

  it('never are a 408 that the script asks for', () => {
    const bench = new ProxyBench(request('BYE'));
    const reply = { status: 408, reason: 'Request Timeout', headers: '', toTag: 'x' };
    expect(bench.context.reply(bench.now, reply)).toBe(false);
    expect(bench.take()).toEqual([]);
  });

  it('are what another branch said, when one of them timed out', () => {
    const bench = new ProxyBench(request('OPTIONS'), { frTimeout: 5000 });
    bench.fork();
    bench.answer(bench.fork(), 404);
    bench.advance(5000);
    expect(bench.takeUpstreamNames()).toEqual(['100', '404']);
  });

  it('are not sent when the server transaction is over', () => {
    const bench = new ProxyBench(request('OPTIONS'), { frTimeout: 60_000 });
    const sent = bench.fork();
    bench.context.server.abandon(bench.now);
    bench.answer(sent, 200);
    expect(bench.takeUpstream()).toEqual([]);
  });
});
