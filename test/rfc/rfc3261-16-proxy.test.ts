/** RFC 3261 16: proxy behaviour, clause by clause. */

import { describe, expect, it } from 'vitest';
import { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import { ProxyBench } from '../support/proxy-bench.ts';
import { answer, callee, caller, headerOf, message, request } from '../support/transaction-bench.ts';

describe('RFC 3261 16.6 request forwarding', () => {
  it('step 2: replaces the Request-URI', () => {
    expect(new ProxyBench().fork().requestUri).toBe('sip:bob@203.0.113.9:5070');
  });

  it.each([
    ['sip:bob@host?Subject=x&Route=%3Csip:evil%3E', 'sip:bob@host'],
    ['sip:bob@host;method=REGISTER;x=y?a=b', 'sip:bob@host;x=y'],
    ['sip:b?b@host;user=phone', 'sip:b?b@host;user=phone'],
  ])('step 2: of %s the Request-URI keeps what may stand there', (requestUri, sent) => {
    expect(new ProxyBench().fork({ requestUri }).requestUri).toBe(sent);
  });

  it('step 3: takes one off Max-Forwards', () => {
    expect(new ProxyBench().fork().maxForwards).toBe(69);
  });

  it('step 3: adds Max-Forwards 70 where there is none', () => {
    expect(new ProxyBench(request('INVITE', { maxForwards: '' })).fork().maxForwards).toBe(70);
  });

  it('step 3: leaves it alone when the script has done it', () => {
    const received = request('INVITE');
    const edits = new MessageEdits();
    const line = received.find(headerNames.maxForwards);
    edits.replace(received.valueStart(line), received.valueEnd(line), '12');
    expect(new ProxyBench(received).fork({ edits }).maxForwards).toBe(12);
  });

  it('step 4: Record-Route stands above those that were there', () => {
    const received = request('INVITE', { headers: 'Record-Route: <sip:other;lr>\r\n' });
    const sent = new ProxyBench(received).fork({ headers: 'Record-Route: <sip:192.0.2.1;lr>\r\n' });
    expect(sent.values(headerNames.recordRoute)).toEqual(['<sip:192.0.2.1;lr>', '<sip:other;lr>']);
  });

  it('step 8: puts its Via on top, each branch with a branch of its own', () => {
    const bench = new ProxyBench();
    const [first, second] = [bench.fork(), bench.fork()];
    expect(first.values(headerNames.via)).toHaveLength(2);
    expect(first.topVia.host).toBe('192.0.2.1');
    expect(first.topVia.branch).toMatch(/^z9hG4bK1-2\./);
    expect(first.topVia.branch).not.toBe(second.topVia.branch);
  });

  it('changes nothing else: the rest leaves byte-identical', () => {
    const received = request('INVITE', { headers: 'X-Odd:  a\t b \r\nX-Odd2 : c\r\n' });
    const sent = new ProxyBench(received).fork();
    const rest = (text: string): string => text.slice(text.indexOf('From:'));
    expect(rest(sent.text)).toBe(rest(received.text));
  });

  it('step 9: adds Content-Length where a stream needs it and there is none, and nowhere else', () => {
    const received = message(request('INVITE').text.replace(/Content-Length: \d+\r\n/, ''));
    const tcp = { ...callee, socket: { ...callee.socket, protocol: 'tcp' as const } };
    const sent = new ProxyBench(received).fork({ flow: tcp });
    expect(sent.firstValue(headerNames.contentLength)).toBe(String(received.body.length));
    expect(sent.topVia.protocol).toBe('TCP');
    expect(new ProxyBench(received).fork().find(headerNames.contentLength)).toBe(-1);
    const stated = new ProxyBench(request('INVITE')).fork({ flow: tcp });
    expect(stated.values(headerNames.contentLength)).toHaveLength(1);
  });

  it('step 10: sends it to the address of the target, from its socket', () => {
    const bench = new ProxyBench();
    bench.add({ flow: { ...callee, address: '203.0.113.200', port: 5999 } });
    expect(bench.take()[0]!.flow).toEqual({ ...callee, address: '203.0.113.200', port: 5999 });
  });

  it('step 11: sends every branch through a client transaction', () => {
    const bench = new ProxyBench();
    bench.fork();
    bench.advance(500);
    expect(bench.takeNames()).toEqual(['INVITE']);
  });
});

describe('RFC 3261 18.2.1 and RFC 3581 4 the sender’s Via', () => {
  it('gets received when its host is not where the request came from', () => {
    const sent = new ProxyBench(request('INVITE', { sentBy: '10.0.0.1:5062' })).fork();
    expect(sent.values(headerNames.via)[1]).toContain(';received=198.51.100.7');
  });

  it('gets rport filled in when it asks for it', () => {
    const sent = new ProxyBench(request('INVITE', { viaParameters: ';rport' })).fork();
    expect(sent.values(headerNames.via)[1]).toContain(';rport=5062');
  });
});

describe('RFC 3261 16.7 response processing', () => {
  it('step 1: belongs to the branch whose Via it carries, whatever the order of the answers', () => {
    const bench = new ProxyBench();
    const [first, second] = [bench.fork(), bench.fork()];
    bench.answer(second, 180);
    bench.answer(first, 183);
    expect(bench.takeEvents().filter((event) => event.startsWith('response'))).toEqual([
      'response 1 180',
      'response 0 183',
    ]);
  });

  it('step 3: takes its own Via off', () => {
    const bench = new ProxyBench();
    bench.answer(bench.fork(), 180);
    const upstream = bench.takeUpstream()[0]!;
    expect(upstream.message.values(headerNames.via)).toEqual([request('INVITE').firstValue(headerNames.via)]);
    expect(upstream.flow).toEqual(caller);
  });

  it('step 3: takes it off although both stand in one line', () => {
    const bench = new ProxyBench();
    const text = answer(bench.fork(), 180).text.replace('\r\nVia: SIP/2.0/UDP 198', ', SIP/2.0/UDP 198');
    bench.deliver(message(text));
    expect(bench.takeUpstream()[0]!.message.topVia.branch).toBe('z9hG4bKcaller1');
  });

  it('step 3: forwards nothing that has no Via but ours', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    const stripped = (status: number) => message(answer(sent, status).text.replace(/\r\nVia: .*caller1/, ''));
    bench.deliver(stripped(180));
    expect(bench.takeUpstream()).toEqual([]);
    bench.deliver(stripped(200));
    expect(bench.takeUpstreamNames()).toEqual(['502']);
  });

  it('step 5: 100 is not forwarded, every other provisional response is, at once', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    for (const status of [100, 180, 183, 199]) bench.answer(sent, status);
    expect(bench.takeUpstreamNames()).toEqual(['180', '183', '199']);
  });

  it('step 5: a 2xx is forwarded at once although other branches are pending', () => {
    const bench = new ProxyBench();
    bench.fork();
    bench.answer(bench.fork(), 200);
    expect(bench.takeUpstreamNames()).toEqual(['200']);
  });

  it('step 5: every further 2xx to an INVITE is forwarded, of the same branch and of others', () => {
    const bench = new ProxyBench();
    const [first, second] = [bench.fork(), bench.fork()];
    bench.answer(first, 200, 'bob');
    bench.answer(first, 200, 'bob');
    bench.answer(second, 200, 'carol');
    expect(bench.takeUpstream().map((sent) => sent.message.toTag)).toEqual(['bob', 'bob', 'carol']);
  });

  it('step 5: a 2xx to anything else is forwarded once', () => {
    const bench = new ProxyBench(request('OPTIONS'));
    const [first, second] = [bench.fork(), bench.fork()];
    bench.answer(first, 200);
    bench.answer(second, 200);
    expect(bench.takeUpstreamNames()).toEqual(['200']);
  });

  it('step 5: a failure waits for the other branches', () => {
    const bench = new ProxyBench();
    const [first, second] = [bench.fork(), bench.fork()];
    bench.answer(first, 486);
    expect(bench.takeUpstream()).toEqual([]);
    bench.answer(second, 404);
    expect(bench.takeUpstreamNames()).toEqual(['404']);
  });

  it('step 5: a 6xx cancels the other branches and waits for them', () => {
    const bench = new ProxyBench();
    const [first, second] = [bench.fork(), bench.fork()];
    bench.answer(second, 180);
    bench.take();
    bench.answer(first, 603);
    expect(bench.takeNames()).toEqual(['ACK', 'CANCEL']);
    bench.answer(second, 487);
    expect(bench.takeUpstreamNames()).toEqual(['603']);
  });

  it('step 5: after a final response no provisional one follows', () => {
    const bench = new ProxyBench();
    const [first, second] = [bench.fork(), bench.fork()];
    bench.answer(first, 200);
    bench.answer(first, 180);
    bench.answer(second, 183);
    expect(bench.takeUpstreamNames()).toEqual(['200']);
  });

  it.each([
    [[486, 603], 603],
    [[302, 486, 500], 302],
    [[404, 500], 404],
    [[404, 401], 401],
    [[403, 407], 407],
    [[400, 415], 415],
    [[400, 420], 420],
    [[404, 484], 484],
    [[408, 486], 486],
    [[500, 503], 500],
  ])('step 6: of %j the best is %i', (statuses, best) => {
    const bench = new ProxyBench();
    const sent = statuses.map(() => bench.fork());
    for (const [index, status] of statuses.entries()) bench.answer(sent[index]!, status);
    // The branches that a 6xx cancels have answered already.
    expect(bench.takeUpstreamNames()).toEqual([String(best)]);
  });

  it('step 6: a 503 goes upstream as 500', () => {
    const bench = new ProxyBench();
    bench.answer(bench.fork(), 503);
    expect(bench.takeUpstreamNames()).toEqual(['500']);
  });

  it('step 6: a 503 stays 503 when the operator says so', () => {
    const bench = new ProxyBench(request('INVITE'), { translate503: false });
    bench.answer(bench.fork(), 503, 'bob', 'Retry-After: 5\r\n');
    expect(bench.takeUpstreamNames()).toEqual(['503']);
  });

  it('step 6: a branch that never answered counts as 408', () => {
    const bench = new ProxyBench(request('INVITE'), { frTimeout: 5000 });
    bench.fork();
    bench.advance(5000);
    expect(bench.takeUpstreamNames()).toEqual(['408']);
  });

  it('step 7: a 401 or 407 carries the challenges of all of them, unchanged', () => {
    const bench = new ProxyBench();
    const [first, second, third] = [bench.fork(), bench.fork(), bench.fork()];
    bench.answer(first, 401, 'a', 'WWW-Authenticate: Digest realm="one"\r\n');
    bench.answer(second, 407, 'b', 'Proxy-Authenticate: Digest realm="two"\r\n');
    bench.answer(third, 401, 'c', 'WWW-Authenticate: Digest realm="three",  nonce="x"\r\n');
    const reply = bench.takeUpstream()[0]!;
    expect(reply.message.status).toBe(401);
    const of = (header: 'wwwAuthenticate' | 'proxyAuthenticate'): string[] => {
      const found: string[] = [];
      for (let line = 0; line < reply.message.lineCount; line++)
        if (reply.message.lineHeader(line) === headerNames[header]) found.push(reply.message.value(line));
      return found;
    };
    expect(of('wwwAuthenticate')).toEqual(['Digest realm="one"', 'Digest realm="three",  nonce="x"']);
    expect(of('proxyAuthenticate')).toEqual(['Digest realm="two"']);
  });

  it('step 8: a To without a tag stays without one', () => {
    const bench = new ProxyBench();
    const text = answer(bench.fork(), 486, 'gone').text.replace(';tag=gone', '');
    bench.deliver(message(text));
    expect(bench.takeUpstream().at(-1)!.message.toTag).toBe('');
  });

  it('step 9: what a response says goes on as it came, but for our Via', () => {
    const bench = new ProxyBench();
    const response = answer(bench.fork(), 183, 'b', 'X-Odd:  a\t b \r\nRequire : 100rel\r\n');
    bench.deliver(response);
    const [, ...lines] = response.text.split('\r\n');
    expect(bench.takeUpstream()[0]!.message.text.split('\r\n').slice(1)).toEqual(lines.slice(1));
  });

  it('step 10: the ACK to a failure is our own, downstream and upstream', () => {
    const bench = new ProxyBench();
    bench.answer(bench.fork(), 486);
    expect(bench.takeNames()).toEqual(['ACK', '486']);
    bench.acknowledge();
    bench.advance(10_000);
    // The caller's ACK stops Timer G and goes nowhere.
    expect(bench.take()).toEqual([]);
  });

  it('step 10: a 2xx goes on although its server transaction is over', () => {
    const bench = new ProxyBench(request('INVITE'), {}, { t1: 10 });
    const [first, second] = [bench.fork(), bench.fork()];
    bench.answer(second, 180);
    bench.answer(first, 200);
    bench.advance(630);
    expect(bench.context.server.state).toBe('accepted');
    bench.answer(second, 200, 'carol');
    bench.advance(600);
    expect(bench.context.server.state).toBe('terminated');
    bench.take();
    bench.answer(second, 200, 'carol');
    expect(bench.takeUpstreamNames()).toEqual(['200']);
  });

  it('step 10: once a pending INVITE has its final response, the other branches are cancelled', () => {
    const bench = new ProxyBench();
    const [first, second] = [bench.fork(), bench.fork()];
    bench.answer(second, 180);
    bench.take();
    bench.answer(first, 200);
    expect(bench.take().map(({ message: { method, status }, flow }) => [method, status, flow.port])).toEqual([
      ['INVITE', 200, caller.port],
      ['CANCEL', 0, callee.port + 1],
    ]);
  });
});

describe('RFC 3261 16.7 step 2 Timer C', () => {
  it('starts anew with every provisional response but 100', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    bench.answer(sent, 180);
    bench.advance(179_000);
    bench.answer(sent, 183);
    bench.advance(179_000);
    bench.answer(sent, 100);
    bench.take();
    bench.advance(999);
    expect(bench.take()).toEqual([]);
    bench.advance(1);
    expect(bench.takeNames()).toEqual(['CANCEL']);
  });

  it('may be told to count from the first', () => {
    const bench = new ProxyBench(request('INVITE'), { restartTimerC: false });
    const sent = bench.fork();
    bench.answer(sent, 180);
    bench.advance(179_000);
    bench.answer(sent, 183);
    bench.take();
    bench.advance(1000);
    expect(bench.takeNames()).toEqual(['CANCEL']);
  });
});

describe('RFC 3261 16.8 Timer C', () => {
  it('cancels a branch that has answered provisionally only, which then counts as 408', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    bench.answer(sent, 180);
    bench.take();
    bench.advance(180_000);
    expect(bench.takeNames()).toEqual(['CANCEL']);
    bench.answer(sent, 487);
    expect(bench.takeUpstreamNames()).toEqual(['408']);
  });

  it('starts anew with every provisional response but 100', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    bench.answer(sent, 180);
    bench.advance(100_000);
    bench.answer(sent, 183);
    bench.advance(100_000);
    bench.answer(sent, 100);
    bench.take();
    bench.advance(79_999);
    expect(bench.take()).toEqual([]);
    bench.advance(1);
    expect(bench.takeNames()).toEqual(['CANCEL']);
  });

  it('runs from the 100 on', () => {
    const bench = new ProxyBench();
    bench.answer(bench.fork(), 100);
    bench.take();
    bench.advance(180_000);
    expect(bench.takeNames()).toEqual(['CANCEL']);
  });

  it('a 2xx that crosses its CANCEL is forwarded', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    bench.answer(sent, 180);
    bench.advance(180_000);
    bench.take();
    bench.answer(sent, 200);
    expect(bench.takeUpstreamNames()).toEqual(['200']);
  });
});

describe('RFC 3261 16.9 transport errors', () => {
  it('count as a 503, which goes upstream as 500', () => {
    const bench = new ProxyBench();
    bench.fork();
    bench.table.onTransportError(bench.now, callee);
    expect(bench.takeEvents()).toContain('final 0 503');
    expect(bench.takeUpstreamNames()).toEqual(['500']);
  });

  it('end their own branch alone', () => {
    const bench = new ProxyBench();
    bench.fork();
    const second = bench.fork();
    bench.table.onTransportError(bench.now, callee);
    bench.answer(second, 486);
    expect(bench.takeUpstreamNames()).toEqual(['486']);
  });
});

describe('RFC 3261 16.10 CANCEL', () => {
  it('is answered 200 at once', () => {
    const bench = new ProxyBench();
    bench.fork();
    bench.cancel();
    const ok = bench.takeUpstream()[0]!;
    expect([ok.message.status, headerOf(ok, 'cseq')]).toEqual([200, '1 CANCEL']);
  });

  it('is answered again when it is repeated', () => {
    const bench = new ProxyBench();
    bench.fork();
    bench.cancel();
    const repeated = request('CANCEL');
    bench.take();
    bench.table.findServer(repeated)!.receive(bench.now, repeated);
    expect(bench.takeUpstreamNames()).toEqual(['200']);
  });

  it('cancels every pending branch', () => {
    const bench = new ProxyBench();
    const branches = [bench.fork(), bench.fork(), bench.fork()];
    for (const sent of branches) bench.answer(sent, 180);
    bench.answer(branches[1]!, 486);
    bench.take();
    bench.cancel();
    const downstream = bench
      .take()
      .filter((sent) => sent.message.method === 'CANCEL' && sent.message.isRequest);
    expect(downstream.map((sent) => sent.flow.port)).toEqual([5070, 5072]);
  });

  it('487 of the branches goes upstream', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    bench.answer(sent, 180);
    bench.cancel();
    bench.take();
    bench.answer(sent, 487);
    expect(bench.takeNames()).toEqual(['ACK', '487']);
  });

  it('has no effect on a request that has its final response', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    bench.answer(sent, 200);
    bench.take();
    bench.cancel();
    expect(bench.takeNames()).toEqual(['200']);
    expect(bench.context.server.lastStatus).toBe(200);
  });

  it('a 2xx that crosses it is forwarded', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    bench.answer(sent, 180);
    bench.cancel();
    bench.take();
    bench.answer(sent, 200);
    expect(bench.takeUpstreamNames()).toEqual(['200']);
  });
});
