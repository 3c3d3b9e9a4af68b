/** What the user of a proxied request decides, and the corners where messages cross. */

import { describe, expect, it } from 'vitest';
import { branchesMax } from '#proxy/response-context.ts';
import { isFailure } from '#util/failure.ts';
import { nothing, ProxyBench } from '../../support/proxy-bench.ts';
import { callee, caller, headerOf, request } from '../../support/transaction-bench.ts';

describe('a plain call', () => {
  it('is forwarded, answered and forgotten', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    for (const status of [100, 180, 200]) bench.answer(sent, status);
    expect(bench.takeUpstreamNames()).toEqual(['180', '200']);
    expect(bench.takeEvents()).toEqual(['response 0 180', 'reply 180', 'response 0 200', 'reply 200']);
    bench.advance(32_000);
    expect(bench.events).toEqual(['end']);
    expect(bench.remains()).toEqual(nothing);
  });
});

describe('a request that is no INVITE', () => {
  it('is over for its user with its last branch; retransmissions are answered until Timer J', () => {
    const bye = request('BYE', { toTag: 'bob' });
    const bench = new ProxyBench(bye);
    bench.answer(bench.fork(), 200);
    bench.advance(5000);
    expect(bench.takeEvents()).toEqual(['response 0 200', 'reply 200', 'end']);
    bench.take();
    bench.table.findServer(bye)!.receive(bench.now, bye);
    expect(bench.takeUpstreamNames()).toEqual(['200']);
    bench.advance(32_000);
    expect(bench.events).toEqual([]);
    expect(bench.remains()).toEqual(nothing);
  });
});

describe('onResponse', () => {
  it('may drop a provisional response', () => {
    const bench = new ProxyBench();
    bench.verdict = 'drop';
    bench.answer(bench.fork(), 180);
    expect(bench.takeUpstream()).toEqual([]);
  });

  it('cannot drop a final one', () => {
    const bench = new ProxyBench();
    bench.verdict = 'drop';
    bench.answer(bench.fork(), 200);
    expect(bench.takeUpstreamNames()).toEqual(['200']);
  });
});

describe('onFinal', () => {
  it('may go on with another branch: the caller hears nothing of the first', () => {
    const bench = new ProxyBench();
    bench.whenFailed = (status) => {
      if (status !== 486) return 'forward';
      bench.add();
      return 'continue';
    };
    bench.answer(bench.fork(), 486);
    expect(bench.takeUpstream()).toEqual([]);
    const second = bench.take().find((sent) => sent.message.method === 'INVITE' && sent.message.isRequest)!;
    bench.answer(second.message, 200);
    expect(bench.takeUpstreamNames()).toEqual(['200']);
  });

  it('sees the best of the branches that came after its last word, not the failure it dealt with', () => {
    const bench = new ProxyBench();
    bench.whenFailed = (status) => {
      if (status !== 401) return 'forward';
      bench.add();
      return 'continue';
    };
    bench.answer(bench.fork(), 401);
    const second = bench.take().find((sent) => sent.flow.port === callee.port + 1)!;
    bench.answer(second.message, 500);
    expect(bench.takeUpstreamNames()).toEqual(['500']);
    expect(bench.takeEvents().filter((event) => event.startsWith('final'))).toEqual([
      'final 0 401',
      'final 1 500',
    ]);
  });

  it('may reply by itself', () => {
    const bench = new ProxyBench();
    bench.whenFailed = () => {
      bench.context.reply(bench.now, { status: 480, reason: 'Gone fishing', headers: '', toTag: 'x' });
      return 'forward';
    };
    bench.answer(bench.fork(), 486);
    expect(bench.takeUpstreamNames()).toEqual(['480']);
  });

  it('may wait; `conclude` asks it again', () => {
    const bench = new ProxyBench();
    let waits = true;
    bench.whenFailed = () => (waits ? 'continue' : 'forward');
    bench.answer(bench.fork(), 486);
    expect(bench.takeUpstream()).toEqual([]);
    waits = false;
    bench.context.conclude(bench.now);
    expect(bench.takeUpstreamNames()).toEqual(['486']);
  });
});

describe('reply', () => {
  const busy = { status: 486, reason: 'Busy', headers: 'X-Why: lunch\r\n', toTag: 'local' };

  it('sends the response with its tag, the server header and the headers given', () => {
    const bench = new ProxyBench();
    expect(bench.context.reply(bench.now, busy)).toBe(true);
    const reply = bench.takeUpstream()[0]!;
    expect(reply.message.text).toContain('X-Why: lunch\r\nServer: test\r\n');
    expect(reply.message.toTag).toBe('local');
  });

  it('cancels what is still ringing', () => {
    const bench = new ProxyBench();
    bench.answer(bench.fork(), 180);
    bench.take();
    bench.context.reply(bench.now, busy);
    expect(bench.takeNames()).toEqual(['486', 'CANCEL']);
  });

  it('is refused once there is a final response', () => {
    const bench = new ProxyBench();
    bench.context.reply(bench.now, busy);
    expect(bench.context.reply(bench.now, { ...busy, status: 200 })).toBe(false);
    expect(bench.takeUpstreamNames()).toEqual(['486']);
  });

  it('of a 2xx is not told to the user when it can no longer leave', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    bench.context.reply(bench.now, busy);
    bench.takeEvents();
    bench.answer(sent, 200);
    expect(bench.takeEvents()).toEqual(['response 0 200']);
    expect(bench.takeUpstreamNames()).toEqual(['486']);
  });
});

describe('addBranch', () => {
  it('is refused when the caller has its answer', () => {
    const bench = new ProxyBench();
    bench.answer(bench.fork(), 200);
    const added = bench.add();
    expect(isFailure(added) && added.code).toBe('PROXY_REQUEST_OVER');
  });

  it('is refused when the caller cancelled, though its failure route wants to go on', () => {
    const bench = new ProxyBench();
    bench.whenFailed = () => (isFailure(bench.add()) ? 'forward' : 'continue');
    const sent = bench.fork();
    bench.answer(sent, 180);
    bench.cancel();
    bench.take();
    bench.answer(sent, 487);
    expect(bench.takeNames()).toEqual(['ACK', '487']);
  });

  it(`is refused beyond ${branchesMax} branches`, () => {
    const bench = new ProxyBench();
    bench.whenFailed = () => 'wait';
    for (let count = 0; count < branchesMax; count++) bench.answer(bench.fork(), 486);
    const added = bench.add();
    expect(isFailure(added) && added.code).toBe('PROXY_BRANCHES_TOO_MANY');
  });

  it('is refused when the table is full, and leaves no place behind', () => {
    const bench = new ProxyBench(request('INVITE'), {}, { transactionsMax: 1 });
    bench.fork();
    const added = bench.add();
    expect(isFailure(added) && added.code).toBe('TRANSACTION_TABLE_FULL');
    expect(bench.context.branches).toHaveLength(1);
    expect(bench.table.clientCount).toBe(1);
  });
});

describe('a CANCEL', () => {
  it('of a request with no pending branch ends it with 487', () => {
    const bench = new ProxyBench();
    bench.cancel();
    expect(bench.takeUpstreamNames()).toEqual(['200', '487']);
  });

  it('of a callee that never answers ends it with 487 when the time is over', () => {
    const bench = new ProxyBench();
    bench.fork();
    bench.cancel();
    bench.advance(32_000);
    expect(bench.takeUpstreamNames()).toEqual(['200', '487']);
  });

  it('is answered with the tag that our own 487 has', () => {
    const bench = new ProxyBench();
    bench.cancel();
    expect(bench.takeUpstream().map((sent) => sent.message.toTag)).toEqual(['proxy', 'proxy']);
  });

  it('hands its Reason on', () => {
    const bench = new ProxyBench();
    bench.answer(bench.fork(), 180);
    bench.take();
    bench.cancel('Reason: SIP;cause=600;text="no"\r\n');
    const sent = bench.take().find((one) => one.message.isRequest)!;
    expect(sent.message.text).toContain('\r\nReason: SIP;cause=600;text="no"\r\n');
  });

  it('to the other branches says that the call was completed elsewhere', () => {
    const bench = new ProxyBench();
    const [first, second] = [bench.fork(), bench.fork()];
    bench.answer(second, 180);
    bench.take();
    bench.answer(first, 200);
    const sent = bench.take().find((one) => one.message.isRequest)!;
    expect(sent.message.text).toContain('\r\nReason: SIP;cause=200;text="Call completed elsewhere"\r\n');
  });

  it('is obeyed although the table has no room for it', () => {
    const bench = new ProxyBench(request('INVITE'), {}, { transactionsMax: 1 });
    bench.answer(bench.fork(), 180);
    bench.take();
    bench.cancel();
    expect(bench.takeNames()).toEqual(['CANCEL']);
  });

  it('of a request with a header line that nobody can read ends it all the same', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    const broken = bench.context.branches[0]!.client!;
    bench.answer(sent, 180);
    Object.defineProperty(broken, 'text', { value: 'INVITE sip:bob SIP/2.0\r\nno header\r\n\r\n' });
    bench.take();
    bench.cancel();
    bench.advance(32_000);
    expect(bench.takeUpstreamNames()).toEqual(['200', '487']);
  });
});

describe('withdraw', () => {
  it('repeats nothing, cancels what rings, and tells the caller nothing', () => {
    const bench = new ProxyBench();
    const [first, second] = [bench.fork(), bench.fork()];
    bench.answer(first, 180);
    bench.take();
    bench.takeEvents();
    bench.context.withdraw(bench.now);
    bench.advance(600);
    expect(bench.take().map((sent) => [sent.message.method, sent.flow.port])).toEqual([
      ['CANCEL', callee.port],
      ['CANCEL', callee.port],
    ]);
    bench.answer(second, 183);
    bench.answer(first, 487);
    bench.answer(second, 487);
    expect(bench.takeUpstream()).toEqual([]);
    bench.advance(40_000);
    expect(bench.remains()).toEqual(nothing);
    expect(bench.events).toEqual(['end']);
  });

  it('still forwards a 2xx: somebody answered the call', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    bench.context.withdraw(bench.now);
    bench.answer(sent, 200);
    const upstream = bench.takeUpstream();
    expect(upstream.map((one) => [one.message.status, one.flow])).toEqual([[200, caller]]);
  });
});

describe('describeBranches', () => {
  it('shows where the request went and how it stands', () => {
    const bench = new ProxyBench();
    bench.answer(bench.fork(), 180);
    bench.answer(bench.fork(), 486);
    bench.cancel();
    expect(bench.table.describe(bench.now, 1)[0]!.branches).toEqual([
      { index: 0, destination: '203.0.113.9:5070', state: 'proceeding', status: 0, cancelled: true },
      { index: 1, destination: '203.0.113.9:5071', state: 'completed', status: 486, cancelled: false },
    ]);
  });
});

describe('the 200 to a CANCEL', () => {
  it('names the CANCEL in CSeq', () => {
    const bench = new ProxyBench();
    bench.fork();
    bench.cancel();
    expect(headerOf(bench.takeUpstream()[0]!, 'cseq')).toBe('1 CANCEL');
  });
});
