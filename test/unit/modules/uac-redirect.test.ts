/** Recursion on 3xx, on a whole node. */

import { describe, expect, it } from 'vitest';
import type { SentDatagram } from '../../support/node-harness.ts';
import { callerAddress, names, only, ScriptCall } from '../../support/script-call.ts';

const modules =
  'loadmodule "tm.so"\nloadmodule "sl.so"\nloadmodule "uac_redirect.so"\nloadmodule "sipmsgops.so"\n';
const script = (failure: string, head = ''): string => `${modules}${head}
  route { $ru = "sip:bob@10.0.0.8"; t_on_failure("f"); t_relay(); }
  failure_route[f] { ${failure} }`;
const follow = 'if (get_redirects("*")) { t_on_failure("f"); t_relay(); } else xlog("none");';

/** The callee redirects to these Contacts. */
function redirect(call: ScriptCall, contacts: readonly string[], sent = call.send('INVITE')): SentDatagram[] {
  const headers = contacts.map((contact) => `Contact: ${contact}\r\n`).join('');
  return call.answer(only(sent, 'INVITE'), 302, { headers });
}

const targets = (sent: readonly SentDatagram[]): string[] =>
  sent.filter((one) => one.text.startsWith('INVITE')).map((one) => one.text.split(' ')[1]!);

describe('RFC 3261 16.7 step 4 and 16.5 recursion on 3xx', () => {
  it('sends the request to the contacts, the highest q first, and forwards no 3xx', () => {
    const call = new ScriptCall(script(follow));
    const sent = redirect(call, [
      '<sip:bob@10.0.0.6>;q=0.2, "B" <sip:bob@10.0.0.5;x=y>;q=0.7',
      '<sip:bob@10.0.0.4>',
    ]);
    expect(targets(sent)).toEqual(['sip:bob@10.0.0.4', 'sip:bob@10.0.0.5;x=y', 'sip:bob@10.0.0.6']);
    expect(names(sent)).not.toContain(`302 ${callerAddress}`);
    expect(names(call.answer(sent[1], 200))).toContain(`200 ${callerAddress}`);
  });

  it('tries no place twice, whoever names it', () => {
    const call = new ScriptCall(script(follow));
    const second = redirect(call, ['<sip:bob@10.0.0.8>', '<sip:bob@10.0.0.6>', '<sip:bob@10.0.0.6>']);
    expect(targets(second)).toEqual(['sip:bob@10.0.0.6']);
    const third = redirect(call, ['<sip:bob@10.0.0.8>'], second);
    expect(names(third)).toEqual(['ACK 10.0.0.6:5060', `302 ${callerAddress}`]);
    expect(call.said()).toEqual(['none']);
  });

  it('of a SIPS request follows SIPS contacts only', () => {
    const call = new ScriptCall(
      `${modules}route { $du = "sip:10.0.0.8"; t_on_failure("f"); t_relay(); } failure_route[f] { ${follow} }`,
    );
    const sent = redirect(call, ['<sip:bob@10.0.0.6>'], call.sendTo('sips:bob@example.org', 'INVITE'));
    expect(names(sent)).toEqual(['ACK 10.0.0.8:5060', `302 ${callerAddress}`]);
  });
});

describe('get_redirects', () => {
  const three = ['<sip:a@10.0.0.6>;q=0.1', '<sip:b@10.0.0.6>;q=0.3', '<sip:c@10.0.0.6>;q=0.2'];

  it.each([
    ['2', 2],
    ['*', 3],
    ['3:1', 1],
    ['*:2', 2],
  ])('takes at most so many: %s', (limits, count) => {
    const call = new ScriptCall(script(`if (get_redirects("${limits}", "Redirected")) t_relay();`));
    expect(targets(redirect(call, three))).toHaveLength(count);
  });

  it('follows what the filters let through', () => {
    const head = 'modparam("uac_redirect", "deny_filter", ".*@10\\.0\\.0\\.6")\n';
    const call = new ScriptCall(script(follow, head));
    expect(targets(redirect(call, [...three, '<sip:d@10.0.0.5>']))).toEqual(['sip:d@10.0.0.5']);
    const named = new ScriptCall(script(`set_accept_filter("^sip:c@"); ${follow}`, head));
    expect(targets(redirect(named, three))).toEqual(['sip:c@10.0.0.6']);
    const closed = new ScriptCall(script(follow, 'modparam("uac_redirect", "default_filter", "deny")\n'));
    expect(targets(redirect(closed, three))).toEqual([]);
  });

  it('leaves out what is no target', () => {
    const call = new ScriptCall(script(follow));
    expect(targets(redirect(call, ['*', '<mailto:bob@10.0.0.6>', '<tel:+49>', '<sip:>']))).toEqual([]);
    expect(call.said()).toEqual(['none']);
  });

  it('a filter that is no expression is bad configuration', () => {
    const head = 'modparam("uac_redirect", "deny_filter", "([")\n';
    expect(() => new ScriptCall(script(follow, head))).toThrow('"([" is no regular expression');
  });
});
