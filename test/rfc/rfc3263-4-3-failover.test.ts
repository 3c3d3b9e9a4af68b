/** RFC 3263 4.3 and RFC 3261 16.7, 16.9: a target with several addresses is one target. */

import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { nothing, ProxyBench } from '../support/proxy-bench.ts';
import { callee, request, type Sent } from '../support/transaction-bench.ts';

const at = (port: number) => ({ ...callee, port });
/** First address, then two more. */
const target = { flow: at(7001), alternatives: [at(7002), at(7003)] };

function requests(bench: ProxyBench): Sent[] {
  return bench.take().filter(({ message }) => message.isRequest && message.method !== 'ACK');
}

const ports = (bench: ProxyBench): number[] => requests(bench).map(({ flow }) => flow.port);

describe('RFC 3263 4.3 the next address is tried', () => {
  it('after a transport error', () => {
    const bench = new ProxyBench();
    bench.fork(target);
    bench.table.onTransportError(bench.now, at(7001));
    expect(ports(bench)).toEqual([7002]);
    bench.table.onTransportError(bench.now, at(7002));
    expect(ports(bench)).toEqual([7003]);
    bench.table.onTransportError(bench.now, at(7003));
    expect(bench.takeNames()).toEqual(['500']);
    expect(bench.takeEvents().filter((event) => event.startsWith('final'))).toEqual(['final 2 503']);
  });

  it('after a 503', () => {
    const bench = new ProxyBench();
    bench.answer(bench.fork(target), 503);
    const [next] = requests(bench);
    expect(next!.flow.port).toBe(7002);
    bench.answer(next!.message, 200);
    expect(bench.takeUpstreamNames()).toEqual(['200']);
  });

  it('after a time-out without any answer', () => {
    const bench = new ProxyBench(request('OPTIONS'), { frTimeout: 3000 });
    bench.fork(target);
    bench.advance(3000);
    expect(
      requests(bench)
        .map(({ flow }) => flow.port)
        .at(-1),
    ).toBe(7002);
  });

  it('with the same request but for the branch', () => {
    const bench = new ProxyBench();
    const sent = bench.fork({ ...target, headers: 'X-Own: 1\r\n' });
    bench.table.onTransportError(bench.now, at(7001));
    const [next] = requests(bench);
    expect(next!.message.topVia.branch).not.toBe(sent.topVia.branch);
    const plain = (text: string): string => text.replace(/branch=z9hG4bK1-\S+?;/, '');
    expect(plain(next!.message.text)).toBe(plain(sent.text));
  });
});

describe('RFC 3263 4.3 the next address is not tried', () => {
  it.each([404, 486, 500, 603])('after a %i: the target was reached', (status) => {
    const bench = new ProxyBench();
    bench.answer(bench.fork(target), status);
    expect(ports(bench)).toEqual([]);
  });

  it('after a provisional response', () => {
    const bench = new ProxyBench(request('INVITE'), { timerC: 10_000 });
    const sent = bench.fork(target);
    bench.answer(sent, 180);
    bench.advance(10_000);
    bench.answer(sent, 487);
    expect(requests(bench).map(({ message }) => message.method)).toEqual(['CANCEL']);
    expect(bench.context.branches).toHaveLength(1);
  });

  it('when the caller has cancelled', () => {
    const bench = new ProxyBench();
    bench.fork(target);
    bench.cancel();
    bench.take();
    bench.table.onTransportError(bench.now, at(7001));
    expect(bench.takeNames()).toEqual(['487']);
  });
});

describe('RFC 3261 16.7 step 6 of targets with several addresses', () => {
  it('the addresses that failed count no more: the best is that of those that are left', () => {
    const bench = new ProxyBench();
    bench.fork(target);
    const other = bench.fork({ flow: at(7009) });
    bench.table.onTransportError(bench.now, at(7001));
    const [next] = requests(bench);
    bench.answer(other, 500);
    bench.answer(next!.message, 502);
    expect(bench.takeUpstreamNames()).toEqual(['500']);
  });

  it('leaves nothing behind, and keeps Max-Breadth', () => {
    const bench = new ProxyBench(request('INVITE', { headers: 'Max-Breadth: 1\r\n' }));
    bench.fork(target);
    bench.table.onTransportError(bench.now, at(7001));
    expect(requests(bench)[0]!.message.firstValue(headerNames.maxBreadth)).toBe('1');
    bench.advance(32_000);
    bench.advance(400_000);
    expect(bench.remains()).toEqual(nothing);
    expect(bench.table.counters.failover_requests).toBe(2);
  });
});
