/** What dialogs ask of the cluster beside their messages: variables, lifetimes, ends and call records, once each. */

import { describe, expect, it } from 'vitest';
import type { DialogRecord } from '#dialog/dialog.ts';
import type { DialogDatabase } from '#dialog/dialog-storage.ts';
import { AnycastTrio, callerAddress, inDialog, invite } from './anycast-trio.ts';

const accounting = 'loadmodule "acc.so"\n';

function trioOf(beforeRelay: string, parameters = ''): AnycastTrio {
  return new AnycastTrio({ beforeRelay: () => beforeRelay, parameters });
}

/** A call that node 1 owns, answered and acknowledged. */
function call(trio: AnycastTrio, name: string): string {
  trio.arrive(1, invite({ call: name }));
  trio.run(30);
  trio.answer(1, 200);
  trio.run(30);
  const ok = trio.caller.last('200 INVITE');
  trio.arrive(1, inDialog(ok, 'ACK', 1));
  trio.run(30);
  return inDialog(ok, 'BYE', 2);
}

/** Transactions by Call-ID. */
function byes(mailbox: AnycastTrio['caller']): string[] {
  const branches = new Map(
    mailbox.messages.filter((one) => one.method === 'BYE').map((one) => [one.topVia.branch, one.callId]),
  );
  return [...branches.values()].sort();
}

async function listed(trio: AnycastTrio, node: number): Promise<Record<string, unknown>[]> {
  const answer = await trio.at(node).node.control.runForPeer('dlg_list_ctx', '{}');
  return (JSON.parse(answer) as { Dialogs: Record<string, unknown>[] }).Dialogs;
}

describe('what a script keeps with a dialog', () => {
  it('is known on all nodes, and wherever it is changed', async () => {
    const trio = trioOf('$dlg_val(who) = "alice"; $dlg_val(count) = 7; set_dlg_flag("vip");');
    call(trio, 'a');
    for (const node of [1, 2, 3]) {
      const [dialog] = await listed(trio, node);
      expect(dialog!.context).toEqual({
        values: [{ who: 'alice' }, { count: 7 }],
        profiles: [{ calls: null }],
      });
      expect(dialog!.user_flags).toBe(1);
      expect(dialog!.CALLEES).toMatchObject([{ callee_contact: expect.stringContaining('sip:callee@') }]);
    }
  });
});

describe('a lifetime', () => {
  it('ends with one BYE to each side', () => {
    const trio = trioOf('create_dialog("B"); $DLG_timeout = 60;');
    call(trio, 'a');
    trio.run(58_000);
    expect(byes(trio.callee)).toEqual([]);
    trio.run(4000);
    expect([byes(trio.caller), byes(trio.callee)]).toEqual([['a'], ['a']]);
    expect(trio.caller.last('BYE').cseqNumber).toBe(1);
    expect(trio.callee.last('BYE').cseqNumber).toBe(2);
    trio.settle();
    expect([byes(trio.caller), byes(trio.callee), trio.leftovers()]).toEqual([['a'], ['a'], []]);
  });

  it('ends without BYE when the script does not ask for it', () => {
    const trio = trioOf('$DLG_timeout = 60;');
    call(trio, 'a');
    trio.settle();
    expect([byes(trio.caller), byes(trio.callee), trio.leftovers()]).toEqual([[], [], []]);
  });

  it('of many calls, whose owner died, ends with one BYE to each side of each', () => {
    const trio = trioOf('create_dialog("bye-on-timeout"); $DLG_timeout = 60;');
    const names = Array.from({ length: 40 }, (_, index) => `call-${String(index).padStart(2, '0')}`);
    for (const name of names) call(trio, name);
    trio.kill(1);
    trio.settle();
    expect(byes(trio.caller)).toEqual(names);
    expect(byes(trio.callee)).toEqual(names);
    expect([trio.total('dialog:expired_dialogs'), trio.leftovers()]).toEqual([40, []]);
  });

  it('is kept by whoever is the successor then: the owner came back, as another life', () => {
    const trio = trioOf('create_dialog("B"); $DLG_timeout = 60;');
    const names = Array.from({ length: 30 }, (_, index) => `call-${String(index).padStart(2, '0')}`);
    for (const name of names) call(trio, name);
    trio.kill(1);
    trio.run(40_000);
    trio.start(1);
    trio.settle();
    expect([byes(trio.caller), byes(trio.callee), trio.leftovers()]).toEqual([names, names, []]);
  });
});

describe('an end by hand', () => {
  it('by the management command on any node sends a BYE to each side', async () => {
    const trio = trioOf('');
    call(trio, 'a');
    const [dialog] = await listed(trio, 3);
    const control = trio.at(3).node.control;
    await control.runForPeer('dlg_end_dlg', JSON.stringify({ dialog_id: dialog!.ID }));
    trio.settle();
    expect([byes(trio.caller), byes(trio.callee), trio.leftovers()]).toEqual([['a'], ['a'], []]);
    expect(trio.caller.last('BYE').requestUri).toBe(`sip:caller@${callerAddress}`);
  });
});

describe('the record of a call', () => {
  const account = 'do_accounting("log", "cdr");';
  const ended = 'ACC: call ended';

  it('is written by the owner, whichever node saw the BYE', () => {
    const trio = trioOf(account, accounting);
    trio.arrive(3, call(trio, 'a'));
    trio.run(20_000);
    expect(trio.logged(ended)).toEqual([1]);
  });

  it('is written once by another node when the owner is dead', () => {
    const trio = trioOf(account, accounting);
    const bye = call(trio, 'a');
    trio.kill(1);
    trio.run(5000);
    trio.arrive(3, bye);
    trio.run(20_000);
    expect(trio.logged(ended)).toHaveLength(1);
  });

  it('is written once when the owner died a moment before the BYE', () => {
    const trio = trioOf(account, accounting);
    const bye = call(trio, 'a');
    trio.kill(1);
    trio.arrive(2, bye);
    trio.run(20_000);
    expect(trio.logged(ended)).toHaveLength(1);
  });

  it('has no second line when the owner dies after it wrote it', () => {
    const trio = trioOf(account, accounting);
    trio.arrive(2, call(trio, 'a'));
    trio.run(1000);
    trio.kill(1);
    trio.run(20_000);
    expect(trio.logged(ended)).toEqual([1]);
  });

  it('follows a lifetime that ends', () => {
    const trio = trioOf(`${account} $DLG_timeout = 30;`, accounting);
    call(trio, 'a');
    trio.kill(1);
    trio.run(60_000);
    expect(trio.logged(ended)).toHaveLength(1);
  });
});

describe('dialogs in a database', () => {
  /** Writes at once. */
  function memory(rows: Map<string, DialogRecord>): DialogDatabase {
    const figures = { waiting: 0, written: 0, removed: 0, failures: 0, refused: 0, overflowed: 0 };
    return {
      open: ({ find }) => ({
        figures,
        load: (each, done) => {
          for (const row of rows.values()) each(row);
          done(rows.size);
        },
        touch: (id) => {
          const row = find(id);
          if (row === null) rows.delete(id);
          else rows.set(id, row);
        },
        pump: () => {},
      }),
    };
  }

  function stored(rows: Map<string, DialogRecord>, beforeRelay: string): AnycastTrio {
    const parameters =
      'modparam("dialog", "db_mode", 1)\nmodparam("dialog", "db_url", "sqlite:///x")\nloadmodule "acc.so"\n';
    return new AnycastTrio({ beforeRelay: () => beforeRelay, dialogDatabase: memory(rows), parameters });
  }

  function restart(trio: AnycastTrio): void {
    for (const node of [1, 2, 3]) trio.kill(node);
    trio.run(3000);
    for (const node of [1, 2, 3]) trio.start(node);
    trio.run(3000);
  }

  it('are back after all nodes were killed, with what they kept, and their BYE is accepted', async () => {
    const rows = new Map<string, DialogRecord>();
    const trio = stored(rows, '$dlg_val(who) = "alice"; do_accounting("log", "cdr");');
    const bye = call(trio, 'a');
    const [before] = await listed(trio, 2);
    restart(trio);
    for (const node of [1, 2, 3]) {
      const [after] = await listed(trio, node);
      expect(after!.context).toEqual(before!.context);
      expect([after!.ID, after!.timeout]).toEqual([before!.ID, before!.timeout]);
    }
    expect(await trio.profileSizes()).toEqual([1, 1, 1]);
    trio.arrive(3, bye);
    trio.run(100);
    expect(trio.callee.count('BYE')).toBe(1);
    trio.settle();
    expect([rows.size, trio.leftovers()]).toEqual([0, []]);
    expect(trio.logged('ACC: call ended')).toHaveLength(1);
  });

  it('end with one BYE to each side when their lifetime is over', () => {
    const rows = new Map<string, DialogRecord>();
    const trio = stored(rows, 'create_dialog("B"); $DLG_timeout = 30;');
    const names = Array.from({ length: 20 }, (_, index) => `call-${String(index).padStart(2, '0')}`);
    for (const name of names) call(trio, name);
    restart(trio);
    trio.settle();
    expect([byes(trio.caller), byes(trio.callee), rows.size]).toEqual([names, names, 0]);
  });

  it('leave their row when the owner is dead', () => {
    const rows = new Map<string, DialogRecord>();
    const trio = stored(rows, '');
    const bye = call(trio, 'a');
    expect(rows.size).toBe(1);
    trio.kill(1);
    trio.arrive(2, bye);
    trio.run(20_000);
    expect(rows.size).toBe(0);
  });
});
