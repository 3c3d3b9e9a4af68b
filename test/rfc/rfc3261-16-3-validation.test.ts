/** RFC 3261 16.3: what a request must be to be forwarded, in the order of the clause, each failure with its answer. */

import { describe, expect, it } from 'vitest';
import { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import { isFailure } from '#util/failure.ts';
import { ProxyBench } from '../support/proxy-bench.ts';
import { message, request } from '../support/transaction-bench.ts';

const noHops = 'Max-Forwards: 0\r\n';

function refusal(bench: ProxyBench, target: { requestUri?: string; edits?: MessageEdits } = {}): string {
  const added = bench.add(target);
  expect(isFailure(added) && added.code).toBe('PROXY_REQUEST_REFUSED');
  return bench.takeNames().join();
}

describe('RFC 3261 16.3 step 2 the URI scheme', () => {
  it.each(['http://example.org', 'urn:service:sos', 'nobodyKnowsThisScheme:totally', 'bob'])(
    '%s: the request is answered 416',
    (requestUri) => expect(refusal(new ProxyBench(), { requestUri })).toBe('416'),
  );

  it.each(['sip:a@b', 'SIPS:a@b', 'tel:+49'])('%s is understood', (requestUri) => {
    expect(isFailure(new ProxyBench().add({ requestUri }))).toBe(false);
  });
});

describe('RFC 3261 16.3 step 3 Max-Forwards', () => {
  it('0: the request is answered 483 and not forwarded', () => {
    expect(refusal(new ProxyBench(request('INVITE', { maxForwards: noHops })))).toBe('483');
  });

  it('0 in an OPTIONS: the proxy answers for itself, with what it can', () => {
    const bench = new ProxyBench(request('OPTIONS', { maxForwards: noHops }));
    bench.add();
    const [reply] = bench.take();
    expect(reply!.message.status).toBe(200);
    for (const name of ['Accept', 'Accept-Encoding', 'Accept-Language', 'Supported'])
      expect(reply!.message.findNamed(name), name).not.toBe(-1);
  });

  it('1 goes one hop further', () => {
    const bench = new ProxyBench(request('INVITE', { maxForwards: 'Max-Forwards: 1\r\n' }));
    expect(bench.fork().maxForwards).toBe(0);
  });
});

describe('RFC 3261 16.3 step 4 loops', () => {
  it('a request that was here before and would go the same way is answered 482', () => {
    const sent = new ProxyBench().fork();
    const looped = message(sent.text.replace(sent.requestUri, 'sip:bob@example.org'));
    expect(refusal(new ProxyBench(looped))).toBe('482');
  });
});

describe('RFC 3261 16.3 step 5 Proxy-Require', () => {
  const received = request('INVITE', { headers: 'Proxy-Require: foo, bar\r\nProxy-Require: baz\r\n' });

  it('names what is not understood: 420, Unsupported lists it', () => {
    const bench = new ProxyBench(received, { understoodOptions: ['bar'] });
    bench.add();
    const [reply] = bench.take();
    expect(reply!.message.status).toBe(420);
    expect(reply!.message.firstValue(headerNames.unsupported)).toBe('foo, baz');
  });

  it('what is understood goes on', () => {
    const bench = new ProxyBench(received, { understoodOptions: ['foo', 'bar', 'baz'] });
    expect(bench.fork().values(headerNames.proxyRequire)).toEqual(['foo', 'bar', 'baz']);
  });

  it('a line that the script takes out was understood by it', () => {
    const edits = new MessageEdits();
    for (let line = 0; line < received.lineCount; line++)
      if (received.lineHeader(line) === headerNames.proxyRequire)
        edits.remove(received.lineStart(line), received.lineEnd(line));
    expect(isFailure(new ProxyBench(received).add({ edits }))).toBe(false);
  });

  it('is not asked of an ACK or a CANCEL (RFC 3261 8.2.2.3)', () => {
    const ack = request('CANCEL', { headers: 'Proxy-Require: foo\r\n' });
    expect(isFailure(new ProxyBench(ack).add())).toBe(false);
  });
});

describe('RFC 3261 16.3 the order', () => {
  it.each([
    [{ requestUri: 'urn:x' }, noHops, 'Proxy-Require: foo\r\n', '416'],
    [{}, noHops, 'Proxy-Require: foo\r\n', '483'],
    [{}, 'Max-Forwards: 5\r\n', 'Proxy-Require: foo\r\n', '420'],
  ])('%j with %j and %j is answered %s', (target, maxForwards, headers, status) => {
    expect(refusal(new ProxyBench(request('INVITE', { maxForwards, headers })), target)).toBe(status);
  });

  it('is gone through once: a branch that a failure route adds is not refused for what the first was not', () => {
    const bench = new ProxyBench();
    bench.whenFailed = () =>
      isFailure(bench.add({ requestUri: 'sip:other@host' })) ? 'forward' : 'continue';
    bench.answer(bench.fork(), 486);
    expect(bench.takeNames()).toEqual(['ACK', 'INVITE']);
  });
});
