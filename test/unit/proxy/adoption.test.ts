import { describe, expect, it } from 'vitest';
import { adoptBranch, saveBranch } from '#proxy/adoption.ts';
import { MessageEdits } from '#sip/edits.ts';
import { ProxyBench } from '../../support/proxy-bench.ts';
import { callee } from '../../support/transaction-bench.ts';

const at = (port: number) => ({ ...callee, port });

describe('a branch of a dead node', () => {
  it('goes to the next address of its target when the first one fails (RFC 3263 4.3)', () => {
    const dead = new ProxyBench();
    dead.fork({ flow: at(7001), alternatives: [at(7002)], headers: 'X-Own: 1\r\n' });
    const [branch] = dead.context.branches;
    const { spare } = branch!;
    const heir = new ProxyBench();
    adoptBranch(heir.now, heir.table, heir.context, {
      saved: saveBranch(branch!),
      target: branch!.target,
      spare: { ...spare!, edits: new MessageEdits() },
      commonHeaders: '',
    });
    const sent = heir.take().filter(({ message }) => message.isRequest);
    expect(sent.map(({ flow }) => flow.port)).toEqual([7001]);
    heir.table.onTransportError(heir.now, at(7001));
    const [next] = heir.take().filter(({ message }) => message.isRequest);
    expect(next!.flow.port).toBe(7002);
    expect(next!.message.text).toContain('X-Own: 1\r\n');
  });
});
