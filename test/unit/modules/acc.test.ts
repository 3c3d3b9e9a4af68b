/** acc: which final replies have a record, and what it says. */

import { describe, expect, it } from 'vitest';
import type { MessageContext } from '#module/context.ts';
import { dialogService } from '#module/services.ts';
import { acc } from '#modules/acc/declaration.ts';
import { request, requestContext, ScriptBench, TestHost } from '../../support/module-host.ts';

function finish(bench: { host: TestHost }, context: MessageContext, status: number, toTag = 't9'): void {
  for (const hook of bench.host.hooks.beforeReplySent) {
    hook({ context, status, response: null, edits: null, toTag }, bench.host.clock.monotonic());
  }
}

describe('do_accounting', () => {
  it('writes a record of the answer only', () => {
    const bench = new ScriptBench(acc);
    const context = requestContext();
    bench.call(context, 'do_accounting', 'log');
    finish(bench, context, 180);
    expect(bench.host.logged).toEqual([]);
    finish(bench, context, 200);
    expect(bench.host.lines('info')).toEqual([
      'ACC: transaction answered: timestamp=1800000000;method=INVITE;from_tag=f1;to_tag=t9;call_id=call-1;' +
        'code=200;reason=OK',
    ]);
  });

  it('leaves requests alone that nobody asked for', () => {
    const bench = new ScriptBench(acc);
    finish(bench, requestContext(), 200);
    expect(bench.host.logged).toEqual([]);
  });

  it('tells missed and failed calls on demand', () => {
    const bench = new ScriptBench(acc);
    const silent = requestContext();
    bench.call(silent, 'do_accounting', 'log');
    finish(bench, silent, 486);
    expect(bench.host.logged).toEqual([]);
    const context = requestContext();
    bench.call(context, 'do_accounting', 'log', 'missed | failed');
    finish(bench, context, 486);
    expect(bench.host.lines('info').map((line) => line.split('timestamp')[0])).toEqual([
      'ACC: call missed: ',
      'ACC: transaction answered: ',
    ]);
    expect(bench.host.lines('info')[0]).toContain('code=486;reason=Busy Here');
  });

  it('can be taken back', () => {
    const bench = new ScriptBench(acc);
    const context = requestContext();
    expect(bench.call(context, 'drop_accounting')).toBe(-1);
    bench.call(context, 'do_accounting', 'log');
    expect(bench.call(context, 'drop_accounting')).toBe(1);
    finish(bench, context, 200);
    expect(bench.host.logged).toEqual([]);
  });

  it('refuses records that it cannot write', () => {
    expect(() => new ScriptBench(acc).call(requestContext(), 'do_accounting', 'db')).toThrow(/"db"/);
  });
});

describe('extra fields', () => {
  it('stand in the record under their names; others are not kept', () => {
    const bench = new ScriptBench(acc, { extra_fields: ['log:caller->from_user;route', 'db:x'] });
    const context = requestContext();
    bench.call(context, 'do_accounting', 'log');
    bench.write(context, 'acc_extra', 'alice', { inner: 'caller' });
    bench.write(context, 'acc_extra', 'lost', { inner: 'x' });
    finish(bench, context, 200);
    expect(bench.read(context, 'acc_extra', 'x')).toBeNull();
    expect(bench.host.lines('info')[0]).toMatch(/reason=OK;from_user=alice;route=$/);
  });
});

describe('cdr', () => {
  it('writes one record when the BYE is answered', () => {
    const host = new TestHost();
    host.provide(dialogService, { create: () => true, attach: () => true, dialogId: () => 'd1' });
    const bench = new ScriptBench(acc, {}, host);
    const call = requestContext();
    bench.call(call, 'do_accounting', 'log', 'cdr');
    host.clock.advance(4000);
    finish(bench, call, 200);
    expect(host.logged).toEqual([]);
    host.clock.advance(60_000);
    const bye = requestContext(request('BYE', 'sip:bob@example.org', 'To: <sip:bob@example.org>;tag=t9'));
    finish(bench, bye, 200);
    finish(bench, bye, 200);
    expect(host.lines('info')).toEqual([
      'ACC: call ended: timestamp=1800000064;method=INVITE;from_tag=f1;to_tag=t9;call_id=call-1;code=200;reason=OK' +
        ';created=1800000000;setuptime=4;duration=60',
    ]);
  });
});

describe('acc_log_request', () => {
  it('writes at once', () => {
    const bench = new ScriptBench(acc);
    bench.call(requestContext(), 'acc_log_request', '404 Not here');
    expect(bench.host.lines('info')[0]).toMatch(/^ACC: request accounted: .*code=404;reason=Not here$/);
  });
});
