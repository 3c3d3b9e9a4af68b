/** Branches as scripts see them, and the parameters of tm, on a whole node. */

import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { readSent, type SentDatagram } from '../../support/node-harness.ts';
import { callerAddress, names, only, ScriptCall } from '../../support/script-call.ts';

const bob = '10.0.0.8:5060';
const carol = '10.0.0.7:5060';
const toBob = '$ru = "sip:bob@10.0.0.8";';

describe('branch_route', () => {
  it('changes what goes to one branch only: URI, destination, header fields, flags', () => {
    const call = new ScriptCall(`
      route { ${toBob} append_branch("sip:carol@10.0.0.7"); t_on_branch("b"); t_relay(); }
      branch_route[b] { if ($T_branch_idx == 1) { append_hf("X-Branch: $T_branch_idx\\r\\n"); $ru = "sip:c@10.0.0.6"; } }`);
    const sent = call.send('INVITE').slice(1);
    expect(names(sent)).toEqual([`INVITE ${bob}`, 'INVITE 10.0.0.6:5060']);
    expect(sent.map((datagram) => datagram.text.includes('X-Branch: 1'))).toEqual([false, true]);
  });

  it('drops a branch', () => {
    const call = new ScriptCall(`
      route { ${toBob} append_branch("sip:carol@10.0.0.7"); t_on_branch("b"); t_relay(); }
      branch_route[b] { if ($rU == "bob") drop(); }`);
    expect(names(call.send('INVITE'))).toEqual([`100 ${callerAddress}`, `INVITE ${carol}`]);
  });

  it('numbers branches in the order of the script, although the name of the first is resolved last', () => {
    const script = `
      route { $ru = "sip:bob@slow.example"; append_branch("sip:carol@10.0.0.7"); t_on_branch("b"); t_on_reply("r");
        t_on_failure("f"); t_relay(); }
      branch_route[b] { xlog("branch $T_branch_idx $rU"); $bavp(who) = $rU; if ($rU == "bob") setbflag("BOB"); }
      onreply_route[r] { xlog("reply $T_branch_idx $bavp(who)"); }
      failure_route[f] { xlog("failure $T_branch_idx $bavp(who) $bf"); }`;
    let resolve: (() => void) | null = null;
    const call = new ScriptCall(script, {
      later: (run) => {
        resolve = run;
      },
      names: { 'slow.example': '10.0.0.8' },
    });
    const [, first] = call.send('INVITE');
    expect(first!.to).toBe(carol);
    resolve!();
    const [second] = call.take();
    expect(second!.to).toBe(bob);
    call.answer(second, 180);
    call.answer(first, 480);
    call.answer(second, 404);
    expect(call.said()).toEqual([
      'branch 0 bob',
      'branch 1 carol',
      'reply 0 bob',
      'reply 1 carol',
      'reply 0 bob',
      'failure 0 bob BOB',
    ]);
  });

  it('keeps $bavp of its branch for the reply', () => {
    const call = new ScriptCall(`
      route { ${toBob} append_branch("sip:carol@10.0.0.7"); t_on_branch("b"); t_on_reply("r"); t_relay(); }
      branch_route[b] { $bavp(who) = $rU; }
      onreply_route[r] { xlog("$bavp(who) $T_branch_last_reply_code"); }`);
    const sent = call.send('INVITE');
    call.answer(sent[2], 180);
    call.answer(sent[1], 183);
    expect(call.said()).toEqual(['carol 180', 'bob 183']);
  });
});

describe('a destination whose name takes time', () => {
  const held = (names: Record<string, string>) => {
    const answers: (() => void)[] = [];
    const script = `
      route { $ru = "sip:bob@slow.example"; append_branch("sip:carol@10.0.0.7"); t_on_failure("f"); t_relay(); }
      failure_route[f] { xlog("failed $T_reply_code"); }`;
    const call = new ScriptCall(script, { later: (answer) => answers.push(answer), names });
    const [, first] = call.send('INVITE');
    return {
      call,
      first,
      resolve: () => {
        for (const answer of answers.splice(0)) answer();
      },
    };
  };

  it('is waited for although all others have failed', () => {
    const { call, first, resolve } = held({ 'slow.example': '10.0.0.8' });
    expect(names(call.answer(first, 486))).toEqual([`ACK ${carol}`]);
    resolve();
    const [second] = call.take();
    expect(names(call.answer(second, 404))).toEqual([`ACK ${bob}`, `404 ${callerAddress}`]);
    expect(call.said()).toEqual(['failed 404']);
  });

  it('and is found not to exist: the best of the others goes to the caller', () => {
    const { call, first, resolve } = held({});
    call.answer(first, 486);
    resolve();
    expect(names(call.take())).toEqual([`486 ${callerAddress}`]);
    expect(call.said().at(-1)).toBe('failed 486');
  });

  it('is not sent to when the caller has given up meanwhile', () => {
    const { call, first, resolve } = held({ 'slow.example': '10.0.0.8' });
    call.answer(first, 200);
    resolve();
    expect(call.take()).toEqual([]);
  });
});

describe('t_add_hdrs', () => {
  it('stands in all requests of the transaction: branches, ACK and CANCEL', () => {
    const call = new ScriptCall(`route {
        if (is_method("CANCEL")) { t_relay(); exit; }
        ${toBob} append_branch("sip:carol@10.0.0.7"); t_add_hdrs("X-Trunk: 7\\r\\n"); t_relay();
      }`);
    const sent = call.send('INVITE');
    call.answer(sent[2], 180);
    const after = [...call.answer(sent[1], 486), ...call.send('CANCEL')];
    const requests = [...sent, ...after].filter((datagram) => readSent(datagram).isRequest);
    expect(requests.map((datagram) => readSent(datagram).method)).toEqual([
      'INVITE',
      'INVITE',
      'ACK',
      'CANCEL',
    ]);
    for (const datagram of requests) expect(datagram.text).toContain('\r\nX-Trunk: 7\r\n');
  });

  it('t_add_cancel_reason stands in the CANCEL', () => {
    const call = new ScriptCall(`route {
        if (is_method("CANCEL")) { t_relay(); exit; }
        ${toBob} t_add_cancel_reason("Reason: SIP;cause=200"); t_relay();
      }`);
    call.answer(only(call.send('INVITE'), 'INVITE'), 180);
    expect(only(call.send('CANCEL'), 'CANCEL').text).toContain('\r\nReason: SIP;cause=200\r\n');
  });
});

describe('branches that come later', () => {
  const script = `
    route {
      t_wait_for_new_branches(1); t_on_reply("r"); append_hf("X-Own: 1\\r\\n");
      if ($rU == "bob") { ${toBob} t_relay(); }
    }
    onreply_route[r] { if ($rs == 183) { $ru = "sip:carol@10.0.0.7"; t_inject_branches("msg", "cancel"); } }`;

  it('are waited for although all others failed', () => {
    const call = new ScriptCall(script);
    const sent = only(call.send('INVITE'), 'INVITE');
    expect(names(call.answer(sent, 486))).toEqual([`ACK ${bob}`]);
    call.advance(119_000);
    expect(call.take()).toEqual([]);
    call.advance(1000);
    expect(names(call.take())).toEqual([`486 ${callerAddress}`]);
  });

  it('are waited for although there was none: 408 when none came', () => {
    const call = new ScriptCall(script);
    expect(names(call.sendTo('sip:nobody@example.org', 'INVITE'))).toEqual([]);
    call.advance(120_000);
    expect(names(call.take())[0]).toBe(`408 ${callerAddress}`);
  });

  it('join those that are under way, or end them', () => {
    const call = new ScriptCall(script);
    const sent = only(call.send('INVITE'), 'INVITE');
    expect(names(call.answer(sent, 183))).toEqual([
      `INVITE ${carol}`,
      `CANCEL ${bob}`,
      `183 ${callerAddress}`,
    ]);
  });
});

describe('parameters', () => {
  it('minor_branch_flag: nobody waits for such a branch', () => {
    const call = new ScriptCall(`modparam("tm", "minor_branch_flag", "MINOR")
      route { ${toBob} append_branch("sip:carol@10.0.0.7"); t_on_branch("b"); t_relay(); }
      branch_route[b] { if ($rU == "carol") setbflag("MINOR"); }`);
    const sent = call.send('INVITE');
    call.answer(sent[2], 180);
    expect(names(call.answer(sent[1], 486))).toEqual([
      `ACK ${bob}`,
      `CANCEL ${carol}`,
      `486 ${callerAddress}`,
    ]);
  });

  it('restart_fr_on_each_reply 0: only the first provisional reply starts fr_inv_timeout', () => {
    const timesOutAfter = (restart: number): boolean => {
      const call = new ScriptCall(`modparam("tm", "fr_inv_timeout", 20)
        modparam("tm", "restart_fr_on_each_reply", ${restart})
        route { ${toBob} t_relay(); }`);
      const sent = only(call.send('INVITE'), 'INVITE');
      call.answer(sent, 180);
      call.advance(15_000);
      call.answer(sent, 183);
      call.advance(10_000);
      return names(call.take()).includes(`CANCEL ${bob}`);
    };
    expect([timesOutAfter(0), timesOutAfter(1)]).toEqual([true, false]);
  });

  it('auto_100trying 0: nothing is said before the callee speaks', () => {
    const call = new ScriptCall(`modparam("tm", "auto_100trying", 0)\nroute { ${toBob} t_relay(); }`);
    expect(names(call.send('INVITE'))).toEqual([`INVITE ${bob}`]);
  });

  it('wt_timer: a finished transaction stays that long', () => {
    const call = new ScriptCall('modparam("tm", "wt_timer", 2)\nroute { t_reply(404, "No"); }');
    call.send('OPTIONS');
    call.advance(1999);
    expect(call.node.table.serverCount).toBe(1);
    call.advance(1);
    expect(call.node.table.serverCount).toBe(0);
  });

  it('loop_detection 0: Max-Forwards ends a loop', () => {
    const laps = (detection: number): number => {
      const call = new ScriptCall(`modparam("tm", "loop_detection", ${detection})
        route { $du = "sip:10.0.0.1"; t_relay(); }`);
      let sent: SentDatagram | undefined = call.send('INVITE', 'Max-Forwards: 6')[1];
      let count = 0;
      while (sent !== undefined && count < 20) {
        count++;
        sent = call.receive(sent.text, '10.0.0.1:5060').find((one) => one.text.startsWith('INVITE'));
      }
      return count;
    };
    expect([laps(1), laps(0)]).toEqual([2, 6]);
  });
});

describe('record_route in branches', () => {
  it('called in a branch route is written for that branch alone', () => {
    const call = new ScriptCall(`
      route { ${toBob} append_branch("sip:carol@10.0.0.7"); t_on_branch("b"); t_relay(); }
      branch_route[b] { if ($rU == "carol") record_route(); }`);
    const sent = call.send('INVITE').slice(1);
    expect(sent.map((one) => readSent(one).values(headerNames.recordRoute).length)).toEqual([0, 1]);
  });

  it('of a request to a SIPS URI is a SIPS URI (RFC 3261 16.6 step 4)', () => {
    const call = new ScriptCall('route { record_route(); t_relay(, "udp:10.0.0.8:5060"); }');
    const sent = readSent(only(call.sendTo('sips:bob@example.org', 'INVITE'), 'INVITE'));
    expect(sent.values(headerNames.recordRoute)).toEqual(['<sips:10.0.0.1:5060;lr;ftag=f1>']);
  });

  it('record_route_preset with two hosts writes both, the first on top', () => {
    const call = new ScriptCall(
      `route { ${toBob} record_route_preset("192.0.2.1:5060", "10.0.0.1:5060"); t_relay(); }`,
    );
    expect(readSent(only(call.send('INVITE'), 'INVITE')).values(headerNames.recordRoute)).toEqual([
      '<sip:192.0.2.1:5060;lr;r2=on;ftag=f1>',
      '<sip:10.0.0.1:5060;lr;r2=on;ftag=f1>',
    ]);
  });
});

describe('is_method', () => {
  it('takes a variable', () => {
    const call = new ScriptCall(
      'route { $var(m) = "OPTIONS|INFO"; if (is_method($var(m))) xlog("yes"); if (!is_method("X$var(m)")) xlog("no"); }',
    );
    call.send('OPTIONS');
    expect(call.said()).toEqual(['yes', 'no']);
  });
});
