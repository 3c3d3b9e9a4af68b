import { describe, expect, it } from 'vitest';
import { core } from '#modules/core/declaration.ts';
import {
  edited,
  invite,
  reply,
  replyContext,
  requestContext,
  ScriptBench,
  TestHost,
  TestVariable,
  testSocket,
} from '../../support/module-host.ts';

describe('functions on the Request-URI', () => {
  const bench = new ScriptBench(core);
  const start = 'sip:bob:secret@example.org:5080;transport=udp';

  it.each([
    ['sethost', ['10.0.0.7'], 'sip:bob:secret@10.0.0.7:5080;transport=udp'],
    ['rewritehost', ['[2001:db8::1]'], 'sip:bob:secret@[2001:db8::1]:5080;transport=udp'],
    ['sethostport', ['10.0.0.7:5090'], 'sip:bob:secret@10.0.0.7:5090;transport=udp'],
    ['setuser', ['carol'], 'sip:carol:secret@example.org:5080;transport=udp'],
    ['setuserpass', ['carol:x'], 'sip:carol:x@example.org:5080;transport=udp'],
    ['setport', ['5070'], 'sip:bob:secret@example.org:5070;transport=udp'],
    ['setport', [''], 'sip:bob:secret@example.org;transport=udp'],
    ['seturi', ['sip:dave@example.net'], 'sip:dave@example.net'],
    ['prefix', ['+'], 'sip:+bob:secret@example.org:5080;transport=udp'],
    ['strip', [1], 'sip:ob:secret@example.org:5080;transport=udp'],
    ['strip_tail', [2], 'sip:b:secret@example.org:5080;transport=udp'],
  ])('%s(%j)', (name, args, expected) => {
    const context = requestContext();
    context.requestUri = start;
    expect(bench.call(context, name, ...args)).toBe(1);
    expect(context.requestUri).toBe(expected);
  });

  it('leaves the URI as it is when the new part is none', () => {
    const context = requestContext();
    context.requestUri = start;
    expect(bench.call(context, 'sethostport', 'a b')).toBe(-1);
    expect(bench.call(context, 'setport', '70000')).toBe(-1);
    expect(bench.call(context, 'seturi', 'nothing')).toBe(-1);
    expect(context.requestUri).toBe(start);
    bench.call(context, 'revert_uri');
    expect(context.requestUri).toBe('sip:bob@example.org');
  });

  it('sets and asks for the destination URI', () => {
    const context = requestContext();
    expect(bench.call(context, 'isdsturiset')).toBe(-1);
    bench.call(context, 'setdsturi', 'sip:10.0.0.7');
    expect(bench.call(context, 'isdsturiset')).toBe(1);
    bench.call(context, 'resetdsturi');
    expect(context.destinationUri).toBeNull();
  });

  it('knows itself', () => {
    const context = requestContext();
    expect(bench.call(context, 'is_myself', '10.0.0.1')).toBe(1);
    expect(bench.call(context, 'is_myself', '10.0.0.1', 5061)).toBe(-1);
    expect(bench.call(context, 'is_myself', '10.0.0.2')).toBe(-1);
  });

  it('constructs a URI', () => {
    const result = new TestVariable();
    bench.call(requestContext(), 'construct_uri', 'sip', 'bob', 'example.org', '5080', 'lr', result);
    expect(result.value).toBe('sip:bob@example.org:5080;lr');
    bench.call(requestContext(), 'construct_uri', 'sip', null, 'example.org', null, null, result);
    expect(result.value).toBe('sip:example.org');
  });
});

describe('flags', () => {
  const bench = new ScriptBench(core);

  it('are set, asked for and cleared by name', () => {
    const context = requestContext();
    bench.call(context, 'setflag', 'NAT');
    bench.call(context, 'setflag', 'ACC');
    expect(bench.call(context, 'isflagset', 'NAT')).toBe(1);
    expect(bench.read(context, 'mf')).toBe('NAT ACC');
    bench.call(context, 'resetflag', 'NAT');
    expect(bench.call(context, 'isflagset', 'NAT')).toBe(-1);
    expect(bench.read(context, 'msg.flag', 'ACC')).toBe(1);
    bench.write(context, 'msg.flag', 0, { inner: 'ACC' });
    expect(context.messageFlags).toBe(0);
  });

  it('belong to a branch in both orders of arguments', () => {
    const context = requestContext();
    bench.call(context, 'append_branch', 'sip:carol@example.org');
    bench.call(context, 'setbflag', 'NAT', '1');
    bench.call(context, 'setbflag', '0', 'QUIET');
    expect(bench.call(context, 'isbflagset', 'NAT')).toBe(-1);
    expect(bench.call(context, 'isbflagset', '1', 'NAT')).toBe(1);
    expect(bench.call(context, 'isbflagset', 'QUIET')).toBe(1);
    expect(bench.call(context, 'setbflag', 'NAT', '7')).toBe(-1);
  });

  it('run out after 31 names', () => {
    const context = requestContext();
    for (let index = 0; index < 31; index++) bench.call(context, 'setflag', `F${index}`);
    expect(bench.call(context, 'setflag', 'ONE_MORE')).toBe(-1);
    expect(bench.host.lines('error').join()).toContain('ONE_MORE');
  });
});

describe('branches', () => {
  it('are tried in the order of q, equal ones together', () => {
    const bench = new ScriptBench(core);
    const context = requestContext();
    context.q = 500;
    bench.call(context, 'append_branch', 'sip:a@10.0.0.1', '0.9');
    bench.call(context, 'append_branch', 'sip:b@10.0.0.2', '0.5');
    bench.call(context, 'append_branch', 'sip:c@10.0.0.3', '0.1');
    expect(bench.call(context, 'serialize_branches', 1)).toBe(1);
    expect(bench.call(context, 'next_branches')).toBe(1);
    expect([context.requestUri, context.branches.length]).toEqual(['sip:a@10.0.0.1', 0]);
    expect(bench.call(context, 'next_branches')).toBe(1);
    expect(context.requestUri).toBe('sip:bob@example.org');
    expect(context.branches.map((branch) => branch.requestUri)).toEqual(['sip:b@10.0.0.2']);
    expect(bench.call(context, 'next_branches')).toBe(2);
    expect([context.requestUri, context.branches.length]).toEqual(['sip:c@10.0.0.3', 0]);
    expect(bench.call(context, 'next_branches')).toBe(-1);
  });

  it('are moved, exchanged and removed', () => {
    const bench = new ScriptBench(core);
    const context = requestContext();
    bench.call(context, 'append_msg_branch', 'sip:a@10.0.0.1');
    bench.call(context, 'append_msg_branch', 'sip:b@10.0.0.2');
    bench.call(context, 'swap_msg_branches', 0, 2);
    expect(context.requestUri).toBe('sip:b@10.0.0.2');
    bench.call(context, 'remove_msg_branch', 1);
    expect(context.branches.map((branch) => branch.requestUri)).toEqual(['sip:bob@example.org']);
    bench.call(context, 'move_msg_branch', 1, 0);
    expect([context.requestUri, context.branches.length]).toEqual(['sip:bob@example.org', 0]);
  });

  it('are read and written as variables', () => {
    const bench = new ScriptBench(core);
    const context = requestContext();
    bench.call(context, 'append_branch', 'sip:a@10.0.0.1', '0.7');
    expect(bench.read(context, 'branch', 'uri', 0)).toBe('sip:a@10.0.0.1');
    expect(bench.read(context, 'msg.branch.q', null, 1)).toBe('0.7');
    bench.write(context, 'msg.branch.uri', 'sip:x@10.0.0.9', { index: 0 });
    expect(context.requestUri).toBe('sip:x@10.0.0.9');
    expect(bench.read(context, 'ds')).toBe('Contact: <sip:x@10.0.0.9>, <sip:a@10.0.0.1>;q=0.7');
    expect(bench.read(context, 'msg.branch.last_idx')).toBe(1);
  });

  it('have a limit', () => {
    const bench = new ScriptBench(core);
    const context = requestContext();
    for (let index = 0; index < 40; index++) bench.call(context, 'append_branch');
    expect(bench.call(context, 'append_branch')).toBe(-1);
  });
});

describe('xlog', () => {
  it('writes text as it is, at its level, and drops what xlog_level holds back', () => {
    const host = new TestHost();
    host.globals.set('log_level', 3);
    const bench = new ScriptBench(core, {}, host);
    const context = requestContext();
    bench.call(context, 'xlog', 'L_INFO', 'Timer Route - this is node opensips01\n');
    bench.call(context, 'xlog', 'plain {"x":1}');
    bench.call(context, 'xlog', 'L_ERROR', 'bad');
    bench.call(context, 'xlog', 'L_WARN', 'beware');
    bench.call(context, 'xdbg', 'hidden');
    expect(host.logged).toEqual([
      { level: 'info', message: 'Timer Route - this is node opensips01' },
      { level: 'info', message: 'plain {"x":1}' },
      { level: 'error', message: 'bad' },
      { level: 'warn', message: 'beware' },
    ]);
  });

  it('obeys a level set by the script', () => {
    const bench = new ScriptBench(core);
    const context = requestContext();
    bench.call(context, 'xlog', 'L_INFO', 'not shown: the default is notice');
    bench.write(context, 'xlog_level', 4);
    bench.call(context, 'xlog', 'L_DBG', 'shown');
    expect(bench.host.logged).toEqual([{ level: 'debug', message: 'shown' }]);
  });

  it('warns of a level that is none, and writes all the same', () => {
    const bench = new ScriptBench(core);
    bench.call(requestContext(), 'xlog', 'INFO', 'text');
    expect(bench.host.lines('info')).toEqual(['text']);
    expect(bench.host.lines('warn')[0]).toContain('"INFO" is no level');
  });
});

describe('the local cache', () => {
  const bench = new ScriptBench(core);
  const context = requestContext();

  it('keeps values until their time is over', () => {
    const result = new TestVariable();
    bench.call(context, 'cache_store', 'local', 'k', 'v', 10);
    expect(bench.call(context, 'cache_fetch', 'local', 'k', result)).toBe(1);
    expect(result.value).toBe('v');
    expect(bench.call(context, 'cache_fetch', 'local:other', 'k', result)).toBe(-2);
    bench.host.advance(10_000);
    expect(bench.call(context, 'cache_fetch', 'local', 'k', result)).toBe(-2);
  });

  it('counts', () => {
    const result = new TestVariable();
    bench.call(context, 'cache_add', 'local', 'calls', 2, 0);
    bench.call(context, 'cache_sub', 'local', 'calls', 5, 0, result);
    expect(result.value).toBe(-3);
    bench.call(context, 'cache_store', 'local', 'text', 'abc');
    expect(bench.call(context, 'cache_add', 'local', 'text', 1, 0)).toBe(-1);
    bench.call(context, 'cache_remove', 'local', 'calls');
    expect(bench.call(context, 'cache_counter_fetch', 'local', 'calls', result)).toBe(-2);
  });

  it('refuses stores that do not exist when the script is loaded', () => {
    expect(() => bench.call(context, 'cache_store', 'redis:x', 'k', 'v')).toThrow('no cache "redis:x"');
  });
});

describe('sending', () => {
  it('forwards a request without a transaction', () => {
    const bench = new ScriptBench(core);
    const context = requestContext(invite('Max-Forwards: 70'));
    expect(bench.call(context, 'forward', 'udp:10.0.0.7:5080')).toBe(1);
    const { text, flow } = bench.host.sent[0]!;
    expect([flow.address, flow.port]).toEqual(['10.0.0.7', 5080]);
    expect(text).toMatch(
      /^INVITE sip:bob@example\.org SIP\/2\.0\r\nVia: SIP\/2\.0\/UDP 10\.0\.0\.1:5060;branch=z9hG4bK/,
    );
    expect(text).toContain('Max-Forwards: 69\r\n');
    expect(context.edits.count).toBe(0);
    expect(bench.host.statistics.find('core:fwd_requests')).toBe(1);
  });

  it('forwards a reply by the next Via', () => {
    const bench = new ScriptBench(core);
    expect(bench.call(replyContext(reply(200, 'OK')), 'forward')).toBe(1);
    expect(bench.host.sent[0]).toMatchObject({ flow: { address: '10.0.0.9', port: 5070 } });
  });

  it('sends a copy with more headers', () => {
    const bench = new ScriptBench(core);
    bench.call(requestContext(), 'send', '10.0.0.7', 'X-Copy: yes\r\n');
    expect(bench.host.sent[0]!.text).toMatch(
      /^INVITE sip:bob@example\.org SIP\/2\.0\r\nX-Copy: yes\r\nVia: /,
    );
  });

  it('fails when the destination is none', () => {
    const bench = new ScriptBench(core);
    expect(bench.call(requestContext(), 'forward', 'udp:no host')).toBe(-1);
    expect(bench.host.sent).toEqual([]);
  });

  it('chooses the socket by name', () => {
    const bench = new ScriptBench(core);
    const other = {
      ...testSocket,
      index: 1,
      port: 5062,
      advertisedAddress: 'sip.example.org',
      advertisedPort: 5060,
    };
    bench.host.sockets.push(other);
    const context = requestContext();
    expect(bench.call(context, 'force_send_socket', 'udp:10.0.0.1:5062')).toBe(1);
    expect(context.sendSocket).toBe(other);
    bench.write(context, 'socket_out', 'udp:sip.example.org:5060');
    expect(bench.read(context, 'socket_out')).toBe('udp:10.0.0.1:5062');
    expect(bench.call(context, 'force_send_socket', 'udp:10.0.0.2:5060')).toBe(-1);
    bench.call(context, 'force_rport');
    expect(context.forceRport).toBe(true);
  });
});

describe('raise_event', () => {
  it('runs the event route with the parameters named', () => {
    const bench = new ScriptBench(core);
    const seen: unknown[] = [];
    bench.host.routes.set('event E_SCRIPT', (context) =>
      seen.push(Object.fromEntries(context.eventParameters!)),
    );
    const context = requestContext();
    context.attributes.set('names', ['a', 'b']);
    context.attributes.set('values', ['1', 2]);
    expect(bench.call(context, 'raise_event', 'E_SCRIPT', '$avp(names)', '$avp(values)')).toBe(1);
    expect(seen).toEqual([{ a: '1', b: 2 }]);
  });
});

describe('pv_printf and get_timestamp', () => {
  it('store', () => {
    const bench = new ScriptBench(core);
    const context = requestContext();
    const first = new TestVariable();
    const second = new TestVariable();
    bench.call(context, 'pv_printf', first, 'text');
    expect(first.value).toBe('text');
    bench.call(context, 'get_timestamp', first, second);
    expect([first.value, second.value]).toEqual([1_800_000_000, 0]);
    expect(edited(context)).toBe(context.message.text);
  });
});
