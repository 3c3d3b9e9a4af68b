import { describe, expect, it } from 'vitest';
import { type TransactionService, transactionService } from '#module/services.ts';
import { signaling } from '#modules/signaling/declaration.ts';
import { sl } from '#modules/sl/declaration.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import {
  invite,
  message,
  request,
  requestContext,
  ScriptBench,
  TestHost,
  testSource,
} from '../../support/module-host.ts';

class OneTransaction implements TransactionService {
  replies: string[] = [];
  known = true;

  exists(): boolean {
    return this.known;
  }

  create(): boolean {
    return true;
  }

  reply(_context: unknown, status: number, reason: string): number {
    this.replies.push(`${status} ${reason}`);
    return 1;
  }

  relay(): number {
    return 1;
  }

  send(): void {}

  redirections() {
    return { replies: [], tried: [] };
  }
}

function ackOf(toTag: string): SipMessage {
  return message(
    'ACK sip:bob@example.org SIP/2.0',
    'Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa',
    'From: "Alice" <sip:alice@example.com:5070;user=phone>;tag=f1',
    `To: <sip:bob@example.org>;tag=${toTag}`,
    'Call-ID: call-1',
    'CSeq: 7 ACK',
    '',
  );
}

describe('sl_send_reply', () => {
  it('answers to where Via says, with a tag that any node knows again', () => {
    const bench = new ScriptBench(sl);
    expect(bench.call(requestContext(), 'sl_send_reply', 404, 'Not here')).toBe(1);
    const { text, flow } = bench.host.sent[0]!;
    expect(flow).toEqual({ socket: testSource.socket, address: '10.0.0.9', port: 5070 });
    expect(text).toMatch(/^SIP\/2\.0 404 Not here\r\n/);
    expect(text).toContain('\r\nServer: anyvia\r\n');
    const sent = parseMessage(text) as SipMessage;
    expect(sent.toTag).not.toBe('');
    const otherNode = new ScriptBench(sl);
    expect(otherNode.instance.absorbsAck(ackOf(sent.toTag))).toBe(true);
    expect(otherNode.host.statistics.read(['sl:received_ACKs'])).toEqual({ 'sl:received_ACKs': 1 });
    expect(bench.host.statistics.read(['4xx_replies', 'sent_replies'])).toEqual({
      'sl:4xx_replies': 1,
      'sl:sent_replies': 1,
    });
  });

  it('absorbs no other ACK', () => {
    const bench = new ScriptBench(sl);
    expect(bench.instance.absorbsAck(ackOf('t1'))).toBe(false);
    expect(bench.instance.absorbsAck(ackOf('sl-abc'))).toBe(false);
  });

  it('answers no ACK', () => {
    const bench = new ScriptBench(sl);
    expect(bench.call(requestContext(request('ACK', 'sip:bob@example.org')), 'sl_send_reply', 404, 'x')).toBe(
      -1,
    );
    expect(bench.host.sent).toEqual([]);
  });

  it('answers to the source port when asked to', () => {
    const bench = new ScriptBench(sl);
    const context = requestContext(invite(), { ...testSource, port: 40_000 });
    context.forceRport = true;
    bench.call(context, 'sl_send_reply', 200, 'OK');
    expect(bench.host.sent[0]!.flow.port).toBe(40_000);
  });

  it('leaves a request that has a transaction to it', () => {
    const host = new TestHost();
    const transactions = new OneTransaction();
    host.provide(transactionService, transactions);
    const bench = new ScriptBench(sl, {}, host);
    bench.call(requestContext(), 'sl_send_reply', 486, 'Busy');
    expect(transactions.replies).toEqual(['486 Busy']);
    expect(host.sent).toEqual([]);
  });

  it('says what the last error was', () => {
    const bench = new ScriptBench(sl);
    const context = requestContext();
    bench.call(context, 'sl_reply_error');
    context.attachments.set('error', { class: 1, level: 1, info: 'x', status: 400, reason: 'Bad From' });
    bench.call(context, 'sl_reply_error');
    expect(bench.host.sent.map(({ text }) => text.split('\r\n')[0])).toEqual([
      'SIP/2.0 500 Server Internal Error',
      'SIP/2.0 400 Bad From',
    ]);
  });
});

describe('send_reply', () => {
  it('chooses tm when there is a transaction, else sl', () => {
    const host = new TestHost();
    new ScriptBench(sl, {}, host);
    const transactions = new OneTransaction();
    host.provide(transactionService, transactions);
    const bench = new ScriptBench(signaling, {}, host);
    expect(bench.call(requestContext(), 'send_reply', 403, 'Forbidden')).toBe(1);
    expect(transactions.replies).toEqual(['403 Forbidden']);
    transactions.known = false;
    expect(bench.call(requestContext(), 'send_reply', 403, 'Forbidden')).toBe(1);
    expect(host.sent).toHaveLength(1);
  });
});
