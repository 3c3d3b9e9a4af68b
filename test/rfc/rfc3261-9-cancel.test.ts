/** RFC 3261 9: the CANCELs that a proxy sends, and those that it is sent. */

import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { readSent } from '../support/node-harness.ts';
import { nothing, ProxyBench } from '../support/proxy-bench.ts';
import { callerAddress, names, only, ScriptCall } from '../support/script-call.ts';
import { callee, headerOf, request } from '../support/transaction-bench.ts';

describe('RFC 3261 9.1 the CANCEL that we send', () => {
  function cancelled() {
    const bench = new ProxyBench(request('INVITE', { headers: 'Route: <sip:next.example;lr>\r\n' }));
    const sent = bench.fork();
    bench.answer(sent, 180);
    bench.take();
    bench.cancel();
    return { bench, sent, cancel: bench.take().find(({ message: { isRequest } }) => isRequest)! };
  }

  it('goes to every pending branch: at once to those that rang, to the others with their first 1xx', () => {
    const bench = new ProxyBench();
    const [first, second, third] = [bench.fork(), bench.fork(), bench.fork()];
    bench.answer(first, 180);
    bench.answer(third, 404);
    bench.take();
    bench.cancel();
    const ports = (): number[] =>
      bench
        .take()
        .filter(({ message }) => message.isRequest && message.method === 'CANCEL')
        .map(({ flow }) => flow.port);
    expect(ports()).toEqual([callee.port]);
    bench.answer(second, 183);
    expect(ports()).toEqual([callee.port + 1]);
  });

  it('is not sent for anything but an INVITE', () => {
    const bench = new ProxyBench(request('OPTIONS'));
    bench.answer(bench.fork(), 100);
    bench.context.cancel(bench.now);
    expect(bench.takeNames()).toEqual([]);
  });

  it('is not sent twice', () => {
    const { bench, sent } = cancelled();
    bench.answer(sent, 183);
    bench.context.cancel(bench.now);
    expect(bench.takeNames()).toEqual(['183']);
  });

  it('never comes when no 1xx does: the INVITE counts as cancelled when it times out', () => {
    const bench = new ProxyBench(request('INVITE'), { frTimeout: 5000 });
    bench.fork();
    bench.cancel();
    bench.take();
    bench.advance(5000);
    expect(bench.takeNames().filter((name) => name !== 'INVITE')).toEqual(['487']);
  });

  it('waits for a provisional response', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    bench.cancel();
    expect(bench.takeNames()).toEqual(['200']);
    bench.answer(sent, 100);
    expect(bench.takeNames()).toEqual(['CANCEL']);
  });

  it('is not sent when the final response comes first', () => {
    const bench = new ProxyBench();
    const sent = bench.fork();
    bench.cancel();
    bench.take();
    bench.answer(sent, 486);
    expect(bench.takeNames()).toEqual(['ACK', '486']);
  });

  it('has Request-URI, Call-ID, To, From, CSeq number, Route and the top Via of the INVITE', () => {
    const { sent, cancel } = cancelled();
    expect(cancel.message.requestUri).toBe(sent.requestUri);
    expect(cancel.message.callId).toBe(sent.callId);
    expect(headerOf(cancel, 'to')).toBe(sent.firstValue(headerNames.to));
    expect(headerOf(cancel, 'from')).toBe(sent.firstValue(headerNames.from));
    expect(headerOf(cancel, 'cseq')).toBe('1 CANCEL');
    expect(cancel.message.values(headerNames.via)).toEqual([sent.values(headerNames.via)[0]]);
    expect(cancel.message.values(headerNames.route)).toEqual(sent.values(headerNames.route));
    expect(cancel.flow).toEqual(callee);
  });

  it('has no Require or Proxy-Require', () => {
    const received = request('INVITE', { headers: 'Require: 100rel\r\nProxy-Require: x\r\n' });
    const bench = new ProxyBench(received, { understoodOptions: ['x'] });
    bench.answer(bench.fork(), 180);
    bench.take();
    bench.cancel();
    const cancel = bench.take().find((sent) => sent.message.isRequest)!;
    expect(cancel.message.find(headerNames.require)).toBe(-1);
    expect(cancel.message.find(headerNames.proxyRequire)).toBe(-1);
  });

  it('is repeated like any request until it is answered', () => {
    const { bench, cancel } = cancelled();
    bench.advance(500);
    expect(bench.takeNames()).toEqual(['CANCEL']);
    bench.answer(cancel.message, 200);
    bench.advance(10_000);
    expect(bench.take()).toEqual([]);
  });

  it('without a final response 64 × T1 later, the INVITE counts as cancelled', () => {
    const { bench } = cancelled();
    bench.advance(32_000);
    expect(bench.takeUpstreamNames()).toEqual(['487']);
    bench.acknowledge();
    bench.advance(40_000);
    expect(bench.remains()).toEqual(nothing);
  });
});

describe('RFC 3261 9.2 the CANCEL that arrives', () => {
  const script = `route {
    if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); else send_reply(481, "Unknown"); exit; }
    $du = "sip:10.0.0.8"; t_relay();
  }`;

  it('is answered 200, with the To tag of the response to the INVITE', () => {
    const call = new ScriptCall(script);
    const sent = only(call.send('INVITE'), 'INVITE');
    call.answer(sent, 180);
    const ok = readSent(only(call.send('CANCEL'), '200'));
    expect(ok.firstValue(headerNames.cseq)).toBe('7 CANCEL');
    call.advance(64 * 500);
    const ended = readSent(only(call.take(), '487'));
    expect(ended.toTag).toBe(ok.toTag);
  });

  it('of nothing that is known is answered 481', () => {
    expect(names(new ScriptCall(script).send('CANCEL'))).toEqual([`481 ${callerAddress}`]);
  });

  it('has no effect once there is a final response', () => {
    const call = new ScriptCall(script);
    const sent = only(call.send('INVITE'), 'INVITE');
    call.answer(sent, 486);
    expect(names(call.send('CANCEL'))).toEqual([`200 ${callerAddress}`]);
    expect(call.node.table.clientCount).toBe(1);
  });

  it('repeated is answered again, and cancels nothing twice', () => {
    const call = new ScriptCall(script);
    call.answer(only(call.send('INVITE'), 'INVITE'), 180);
    expect(names(call.send('CANCEL')).toSorted()).toEqual([`200 ${callerAddress}`, 'CANCEL 10.0.0.8:5060']);
    expect(names(call.send('CANCEL'))).toEqual([`200 ${callerAddress}`]);
  });

  it('is matched by the branch of its Via, not by Call-ID and CSeq', () => {
    const call = new ScriptCall(script);
    call.answer(only(call.send('INVITE'), 'INVITE'), 180);
    const text =
      'CANCEL sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKother\r\n' +
      'From: <sip:alice@example.com>;tag=f1\r\nTo: <sip:bob@example.org>\r\nCall-ID: call-1\r\nCSeq: 7 CANCEL\r\n\r\n';
    expect(names(call.receive(text, callerAddress))).toEqual([`481 ${callerAddress}`]);
  });

  it('of an RFC 2543 client is matched by Request-URI, From, Call-ID, CSeq number and Via', () => {
    const text = (method: string, callId: string): string =>
      `${method} sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5070\r\nFrom: <sip:alice@example.com>\r\n` +
      `To: <sip:bob@example.org>\r\nCall-ID: ${callId}\r\nCSeq: 7 ${method}\r\n\r\n`;
    const call = new ScriptCall(script);
    call.answer(only(call.receive(text('INVITE', 'one'), callerAddress), 'INVITE'), 180);
    expect(names(call.receive(text('CANCEL', 'two'), callerAddress))).toEqual([`481 ${callerAddress}`]);
    const known = names(call.receive(text('CANCEL', 'one'), callerAddress));
    expect(known.toSorted()).toEqual([`200 ${callerAddress}`, 'CANCEL 10.0.0.8:5060']);
  });
});
