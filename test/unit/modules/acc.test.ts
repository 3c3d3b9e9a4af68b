/** acc: which final replies have a record, and what it says. */

import { describe, expect, it } from 'vitest';
import type { MessageContext } from '#module/context.ts';
import {
  type DialogService,
  dialogService,
  type EndedDialog,
  type RecordService,
  type StoredRecord,
  tableService,
} from '#module/services.ts';
import { acc } from '#modules/acc/declaration.ts';
import { Failure } from '#util/failure.ts';
import { requestContext, ScriptBench, TestHost } from '../../support/module-host.ts';

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
    expect(() => new ScriptBench(acc).call(requestContext(), 'do_accounting', 'aaa')).toThrow(/"aaa"/);
  });
});

/** The dialog module with one call that is answered when it is told to keep something. */
class OneDialog implements DialogService {
  #kept = '';
  #listener: (dialog: EndedDialog) => void = () => {};

  create(): boolean {
    return true;
  }

  attach(): boolean {
    return true;
  }

  dialogId(): string {
    return 'd1';
  }

  keep(_context: unknown, _name: string, text: string): boolean {
    this.#kept = text;
    return true;
  }

  onEnd(_name: string, listener: (dialog: EndedDialog) => void): void {
    this.#listener = listener;
  }

  end(ended: number, isRepeat = false): void {
    const dialog = {
      id: 'd1',
      callId: 'call-1',
      fromTag: 'f1',
      toTag: 't9',
      start: 0,
      reason: 'Upstream BYE',
    };
    this.#listener({ ...dialog, ended, kept: this.#kept, isRepeat });
  }
}

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
  it('writes one line when the dialog ends, and none again when its node dies afterwards', () => {
    const host = new TestHost();
    const dialogs = new OneDialog();
    host.provide(dialogService, dialogs);
    const bench = new ScriptBench(acc, {}, host);
    const call = requestContext();
    bench.call(call, 'do_accounting', 'log', 'cdr');
    host.clock.advance(4000);
    finish(bench, call, 200);
    expect(host.logged).toEqual([]);
    host.clock.advance(60_000);
    dialogs.end(host.clock.wall());
    dialogs.end(host.clock.wall(), true);
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

describe('in a database', () => {
  function open(): {
    bench: ScriptBench<unknown>;
    dialogs: OneDialog;
    rows: (StoredRecord & { table: string })[];
  } {
    const host = new TestHost();
    const rows: (StoredRecord & { table: string })[] = [];
    const dialogs = new OneDialog();
    host.provide(dialogService, dialogs);
    const records: RecordService = {
      open: (_url, table) => ({
        get figures() {
          return { waiting: rows.length, written: 0, failures: 0, refused: 0, overflowed: 0 };
        },
        append: (record) => rows.push({ ...record, table }) > 0,
        pump: () => {},
      }),
    };
    host.provide(tableService, { open: () => new Failure('TEST_TABLE_MISSING', 'none'), records });
    const parameters = {
      db_url: 'sqlite:///x',
      extra_fields: ['db:caller->from_user'],
      acc_callid_column: 'call',
    };
    return { bench: new ScriptBench(acc as never, parameters, host), dialogs, rows };
  }

  it('a call is one row with its times, under the columns that the script names', () => {
    const { bench, dialogs, rows } = open();
    const call = requestContext();
    bench.call(call, 'do_accounting', 'db', 'cdr');
    bench.write(call, 'acc_extra', 'alice', { inner: 'caller' });
    bench.host.clock.advance(4000);
    finish(bench, call, 200);
    bench.host.clock.advance(60_250);
    dialogs.end(bench.host.clock.wall());
    expect(rows).toEqual([
      {
        table: 'acc',
        key: expect.stringMatching(/^[0-9a-f]{40}$/),
        columns: {
          method: 'INVITE',
          from_tag: 'f1',
          to_tag: 't9',
          call: 'call-1',
          sip_code: '200',
          sip_reason: 'OK',
          time: '2027-01-15 08:01:04',
          created: '2027-01-15 08:00:00',
          setuptime: 4,
          duration: 60,
          ms_duration: 60_250,
          from_user: 'alice',
        },
      },
    ]);
    expect(bench.host.lines('info')).toEqual([]);
    expect(bench.host.statistics.find('acc:db_waiting')).toBe(1);
  });

  it('missed calls have a table of their own, and the same reply has the same key', () => {
    const { bench, rows } = open();
    for (let time = 0; time < 2; time++) {
      const call = requestContext();
      bench.call(call, 'do_accounting', 'db', 'missed');
      finish(bench, call, 486);
    }
    expect(rows.map(({ table, columns }) => [table, columns.sip_code])).toEqual([
      ['missed_calls', '486'],
      ['missed_calls', '486'],
    ]);
    expect(rows[0]!.key).toBe(rows[1]!.key);
  });

  it('acc_db_request writes each time', () => {
    const { bench, rows } = open();
    const call = requestContext();
    bench.call(call, 'acc_db_request', '404 Not here', 'other');
    bench.call(call, 'acc_db_request', '404 Not here', 'other');
    expect(rows.map(({ table }) => table)).toEqual(['other', 'other']);
    expect(rows[0]!.key).not.toBe(rows[1]!.key);
  });

  it('without a db_url the record goes to the log, and that is said', () => {
    const bench = new ScriptBench(acc);
    const call = requestContext();
    bench.call(call, 'do_accounting', 'db');
    finish(bench, call, 200);
    expect(bench.host.lines('warn')[0]).toContain('db_url');
    expect(bench.host.lines('info')).toHaveLength(1);
  });
});
