/** RFC 5393: loops of forking proxies are found, and what may be in flight at once is bounded. */

import { describe, expect, it } from 'vitest';
import { forwardRequestStatelessly } from '#proxy/stateless.ts';
import { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { isFailure } from '#util/failure.ts';
import { ProxyBench } from '../support/proxy-bench.ts';
import { callee, caller, message, request } from '../support/transaction-bench.ts';

/** The request as it left the proxy, come back with another Request-URI. */
function cameBack(sent: SipMessage, requestUri = 'sip:bob@example.org'): SipMessage {
  return message(sent.text.replace(sent.requestUri, requestUri));
}

const breadthOf = (sent: SipMessage): string => sent.firstValue(headerNames.maxBreadth);
const withBreadth = (value: number): SipMessage =>
  request('INVITE', { headers: `Max-Breadth: ${value}\r\n` });

describe('RFC 5393 4.2 loop detection', () => {
  it('a request that comes back and would go the same way again is answered 482', () => {
    const sent = new ProxyBench().fork();
    const second = new ProxyBench(cameBack(sent));
    const added = second.add();
    expect(isFailure(added) && added.message).toContain('482 Loop Detected');
    expect(second.takeNames()).toEqual(['482']);
  });

  it('is done across the hops between: our Via need not be the topmost', () => {
    const sent = new ProxyBench().fork();
    const between = 'Via: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKother\r\n';
    const looped = message(cameBack(sent).text.replace('\r\n', `\r\n${between}`));
    const second = new ProxyBench(looped);
    second.add();
    expect(second.takeNames()).toEqual(['482']);
  });

  it('a request that comes back with another target is a spiral and goes on', () => {
    const sent = new ProxyBench().fork();
    const spiral = new ProxyBench(cameBack(sent, 'sip:carol@example.org'));
    expect(spiral.fork().values(headerNames.via)).toHaveLength(3);
  });

  it.each([
    ['Proxy-Authorization', 'Proxy-Authorization: Digest username="a"\r\n'],
    ['Route', 'Route: <sip:elsewhere;lr>\r\n'],
  ])('%s makes a difference', (_name, header) => {
    const sent = new ProxyBench().fork();
    const changed = message(cameBack(sent).text.replace('Max-Forwards', `${header}Max-Forwards`));
    expect(isFailure(new ProxyBench(changed).add())).toBe(false);
  });

  it('the sender makes a difference: scripts route by it', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    const second = new ProxyBench(cameBack(sent), {}, {}, { ...caller, address: '203.0.113.77' });
    expect(isFailure(second.add())).toBe(false);
  });

  it('believes only branches that a node of ours wrote', () => {
    const sent = new ProxyBench().fork();
    const forged = cameBack(sent).text.replace(sent.topVia.branch, `${sent.topVia.branch.slice(0, -1)}_`);
    expect(isFailure(new ProxyBench(message(forged)).add())).toBe(false);
  });

  it('can be left to Max-Forwards', () => {
    const sent = new ProxyBench().fork();
    expect(isFailure(new ProxyBench(cameBack(sent), { detectLoops: false }).add())).toBe(false);
  });
});

describe('RFC 5393 4.2.2 the branch', () => {
  it('says the same for all branches of a request, and for its retransmissions', () => {
    const bench = new ProxyBench();
    const again = new ProxyBench();
    const loops = [bench.fork(), bench.fork(), again.fork()].map(
      (sent) => bench.branches.read(sent.topVia.branch)!.loop,
    );
    expect(new Set(loops).size).toBe(1);
    expect(loops[0]).toBeGreaterThan(0);
  });
});

describe('RFC 5393 5.3.3 Max-Breadth', () => {
  it('is added with 60 where there is none', () => {
    const single = new ProxyBench();
    single.context.announce(single.now, 1);
    expect(breadthOf(single.fork())).toBe('60');
  });

  it('goes whole to the only branch', () => {
    const bench = new ProxyBench(withBreadth(7));
    bench.context.announce(bench.now, 1);
    expect(breadthOf(bench.fork())).toBe('7');
  });

  it('is split over branches that are in flight together, and never exceeded by their sum', () => {
    const bench = new ProxyBench(withBreadth(10));
    bench.context.announce(bench.now, 3);
    const parts = [bench.fork(), bench.fork(), bench.fork()].map((sent) => Number(breadthOf(sent)));
    expect(parts).toEqual([4, 3, 3]);
  });

  it('of a branch that ended is there for those that come later', () => {
    const bench = new ProxyBench(withBreadth(2));
    bench.whenFailed = () => 'continue';
    bench.context.announce(bench.now, 2);
    const [first, second] = [bench.fork(), bench.fork()];
    expect(isFailure(bench.add())).toBe(true);
    bench.answer(first, 404);
    bench.answer(second, 404);
    bench.context.announce(bench.now, 1);
    expect(breadthOf(bench.fork())).toBe('2');
  });

  it('that is too small for the branches is answered 440', () => {
    const bench = new ProxyBench(withBreadth(2));
    const refused = bench.context.announce(bench.now, 3);
    expect(refused?.code).toBe('PROXY_BREADTH_EXHAUSTED');
    const reply = bench.take();
    expect(reply.map((sent) => `${sent.message.status} ${sent.message.reason}`)).toEqual([
      '440 Max-Breadth Exceeded',
    ]);
  });

  it('0 is answered 440', () => {
    const bench = new ProxyBench(withBreadth(0));
    expect(isFailure(bench.add())).toBe(true);
    expect(bench.takeNames()).toEqual(['440']);
  });

  it('does not answer for a request that still rings elsewhere', () => {
    const bench = new ProxyBench(withBreadth(1));
    bench.fork();
    expect(isFailure(bench.add())).toBe(true);
    expect(bench.takeUpstream()).toEqual([]);
  });

  it('a stateless proxy hands on what it got', () => {
    const parts = {
      flow: callee,
      source: caller,
      requestUri: 'sip:x@y',
      headers: '',
      viaParameter: '',
    };
    const forward = (received: SipMessage): string =>
      String(forwardRequestStatelessly(received, { ...parts, edits: new MessageEdits() }));
    expect(forward(withBreadth(9))).toContain('\r\nMax-Breadth: 9\r\n');
    expect(forward(request('OPTIONS'))).toContain('\r\nMax-Breadth: 60\r\n');
    expect(forward(request('ACK'))).not.toContain('Max-Breadth');
  });
});
