/** acc: parameters that say what has a record, those of old scripts among them. */

import { describe, expect, it } from 'vitest';
import type { MessageContext } from '#module/context.ts';
import { acc } from '#modules/acc/declaration.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { Failure } from '#util/failure.ts';
import { request, requestContext, ScriptBench, type TestHost } from '../../support/module-host.ts';

type Bench = { readonly host: TestHost };

function reply(
  bench: Bench,
  context: MessageContext,
  status: number,
  response: SipMessage | null = null,
): void {
  for (const hook of bench.host.hooks.beforeReplySent) {
    hook({ context, status, response, edits: null, toTag: 't9' }, bench.host.clock.monotonic());
  }
}

function responseWith(status: number, body: string): SipMessage {
  const lines = [
    `SIP/2.0 ${status} Any`,
    'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
    'From: <sip:a@example.org>;tag=f1',
    'To: <sip:b@example.org>;tag=t1',
    'Call-ID: call-1',
    'CSeq: 1 INVITE',
    `Content-Length: ${body.length}`,
  ];
  const message = parseMessage(`${lines.join('\r\n')}\r\n\r\n${body}`);
  if (message instanceof Failure) throw new Error(message.message);
  return message;
}

const texts = (bench: Bench): string[] =>
  bench.host.lines('info').map((line) => `${line.split(': ')[1]} ${/code=(\d+)/.exec(line)![1]}`);

describe('report_cancels', () => {
  for (const [value, lines] of [
    [0, []],
    [1, ['transaction answered 200']],
  ] as const) {
    it(`${value}: a CANCEL has ${lines.length} records`, () => {
      const bench = new ScriptBench(acc, { report_cancels: value });
      const cancel = requestContext(request('CANCEL', 'sip:bob@example.org'));
      expect(bench.call(cancel, 'do_accounting', 'log')).toBe(1);
      reply(bench, cancel, 200);
      expect(texts(bench)).toEqual(lines);
    });
  }
});

describe('early_media', () => {
  it('accounts provisional replies with a body, and no others', () => {
    for (const [value, expected] of [
      [0, ['transaction answered 200']],
      [1, ['transaction answered 183', 'transaction answered 200']],
    ] as const) {
      const bench = new ScriptBench(acc, { early_media: value });
      const call = requestContext();
      bench.call(call, 'do_accounting', 'log');
      reply(bench, call, 180, responseWith(180, ''));
      reply(bench, call, 183, responseWith(183, 'v=0\r\n'));
      reply(bench, call, 200, responseWith(200, 'v=0\r\n'));
      expect(texts(bench)).toEqual(expected);
    }
  });
});

describe('flags of old scripts', () => {
  const parameters = { log_flag: '1', log_missed_flag: '2', failed_transaction_flag: '3' };

  function account(flags: readonly string[], status: number): string[] {
    const bench = new ScriptBench(acc, parameters);
    const call = requestContext();
    for (const flag of flags) call.messageFlags |= bench.host.flagBit('message', flag) as number;
    for (const hook of bench.host.hooks.beforeRequestSent) hook(call, null as never, 0);
    // What a later route sees of the flags is its own business.
    call.messageFlags = 0;
    reply(bench, call, status);
    return texts(bench);
  }

  it.each([
    [[], 200, []],
    [['9'], 200, []],
    [['1'], 200, ['transaction answered 200']],
    [['1'], 486, []],
    [['2'], 200, []],
    [['2'], 486, ['call missed 486']],
    [['1', '2'], 486, ['call missed 486']],
    [['1', '3'], 486, ['transaction answered 486']],
    [['3'], 486, []],
  ])('%j and %i: %j', (flags, status, expected) => {
    expect(account(flags, status)).toEqual(expected);
  });

  it('are those of the script, or none', () => {
    const bench = new ScriptBench(acc);
    expect(bench.host.hooks.beforeRequestSent).toHaveLength(0);
  });
});
