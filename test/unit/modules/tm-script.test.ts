/** What scripts do with transactions: the functions, variables and parameters of tm, on a whole node. */

import { describe, expect, it, vi } from 'vitest';
import { callerAddress, names, only, ScriptCall } from '../../support/script-call.ts';

const bob = '10.0.0.8:5060';
const carol = '10.0.0.7:5060';
const toBob = '$ru = "sip:bob@10.0.0.8";';

describe('onreply_route', () => {
  it('sees where the reply came from, in $si and $sp', () => {
    const call = new ScriptCall(
      `route { ${toBob} t_on_reply("r"); t_relay(); } onreply_route[r] { xlog("$si:$sp $rs $rr $(<request>rm) $(<request>si):$(<request>sp)"); }`,
    );
    call.answer(only(call.send('INVITE'), 'INVITE'), 183, { from: '10.0.0.88:6000', reason: 'Wait' });
    expect(call.said()).toEqual(['10.0.0.88:6000 183 Wait INVITE 10.0.0.9:5070']);
  });

  it('changes status and reason with change_reply_status', () => {
    const call = new ScriptCall(
      `route { ${toBob} t_on_reply("r"); t_relay(); } onreply_route[r] { change_reply_status(480, "Try later"); }`,
    );
    const [, reply] = call.answer(only(call.send('INVITE'), 'INVITE'), 486);
    expect(reply!.text).toMatch(/^SIP\/2\.0 480 Try later\r\nVia: /);
  });

  it('does not change the class of a status', () => {
    const call = new ScriptCall(
      `route { ${toBob} t_on_reply("r"); t_relay(); } onreply_route[r] { if (!change_reply_status(200, "OK")) xlog("no"); }`,
    );
    const sent = call.answer(only(call.send('INVITE'), 'INVITE'), 486);
    expect(names(sent)).toEqual([`ACK ${bob}`, `486 ${callerAddress}`]);
    expect(call.said()).toEqual(['no']);
  });

  it('the changed status is what the failure route sees and what is chosen among the branches', () => {
    const call = new ScriptCall(`
      route { ${toBob} append_branch("sip:carol@10.0.0.7"); t_on_reply("r"); t_on_failure("f"); t_relay(); }
      onreply_route[r] { if ($rs == 486) change_reply_status(401, "Who"); }
      failure_route[f] { xlog("$T_reply_code"); if (t_check_status("401")) xlog("changed"); }`);
    const sent = call.send('INVITE');
    call.answer(sent[1], 486);
    const last = call.answer(sent[2], 404);
    expect(names(last)).toEqual([`ACK ${carol}`, `401 ${callerAddress}`]);
    expect(call.said()).toEqual(['401', 'changed']);
  });

  it('drops a provisional reply, but no final one', () => {
    const call = new ScriptCall(
      `route { ${toBob} t_on_reply("r"); t_relay(); } onreply_route[r] { drop(); }`,
    );
    const sent = only(call.send('INVITE'), 'INVITE');
    expect(call.answer(sent, 183)).toEqual([]);
    expect(names(call.answer(sent, 200))).toEqual([`200 ${callerAddress}`]);
  });

  it('armed in a branch route is about that branch alone', () => {
    const call = new ScriptCall(`
      route { ${toBob} append_branch("sip:carol@10.0.0.7"); t_on_branch("b"); t_relay(); }
      branch_route[b] { if ($rU == "carol") t_on_reply("c"); }
      onreply_route[c] { xlog("$T_branch_idx $ru"); }`);
    const sent = call.send('INVITE');
    call.answer(sent[1], 180);
    call.answer(sent[2], 180);
    expect(call.said()).toEqual(['1 sip:carol@10.0.0.7']);
  });

  it('t_cancel_branch cancels this branch, the others or all', () => {
    const script = (which: string): string => `
      route { ${toBob} append_branch("sip:carol@10.0.0.7"); t_on_reply("r"); t_relay(); }
      onreply_route[r] { if ($rs == 183) t_cancel_branch(${which}); }`;
    const cancelled = (which: string): string[] => {
      const call = new ScriptCall(script(which));
      const sent = call.send('INVITE');
      call.answer(sent[1], 180);
      call.answer(sent[2], 180);
      return names(call.answer(sent[2], 183)).filter((name) => name.startsWith('CANCEL'));
    };
    expect(cancelled('')).toEqual([`CANCEL ${carol}`]);
    expect(cancelled('"o"')).toEqual([`CANCEL ${bob}`]);
    expect(cancelled('"a"')).toEqual([`CANCEL ${bob}`, `CANCEL ${carol}`]);
  });
});

describe('failure_route', () => {
  const serial = `route { ${toBob} t_on_failure("f"); t_relay(); }`;

  it('knows the reply that was picked: $rs, $rr, $(<reply>…), $T_reply_code', () => {
    const call = new ScriptCall(
      `${serial} failure_route[f] { xlog("$rs $rr $(<reply>rs) $(<reply>hdr(Warning)) $T_reply_code $rm"); }`,
    );
    const headers = 'Warning: 399 x "busy"\r\n';
    call.answer(only(call.send('INVITE'), 'INVITE'), 486, { headers, reason: 'Busy Here' });
    expect(call.said()).toEqual(['486 Busy Here 486 399 x "busy" 486 INVITE']);
  });

  it('has a reply of our own when nobody answered', () => {
    const call = new ScriptCall(`modparam("tm", "fr_timeout", 2)
      ${serial} failure_route[f] { if (t_local_replied("all")) xlog("$rs $(<reply>rr) $T_reply_code"); }`);
    call.send('INVITE');
    call.advance(2000);
    expect(call.said()).toEqual(['408 Request Timeout 408']);
    expect(names(call.take()).at(-1)).toBe(`408 ${callerAddress}`);
  });

  it('relays to somebody else', () => {
    const call = new ScriptCall(`${serial} failure_route[f] { $ru = "sip:carol@10.0.0.7"; t_relay(); }`);
    const next = call.answer(only(call.send('INVITE'), 'INVITE'), 486);
    expect(names(next)).toEqual([`ACK ${bob}`, `INVITE ${carol}`]);
    expect(names(call.answer(only(next, 'INVITE'), 200))).toEqual([`200 ${callerAddress}`]);
  });

  it('replies by itself, once', () => {
    const call = new ScriptCall(`${serial} failure_route[f] { t_reply(480, "Gone home"); xlog("$(ru)"); }`);
    const sent = call.answer(only(call.send('INVITE'), 'INVITE'), 486);
    expect(names(sent)).toEqual([`ACK ${bob}`, `480 ${callerAddress}`]);
  });

  it('sees that the caller has cancelled, and adds no branch then', () => {
    const call = new ScriptCall(`route {
        if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
        ${toBob} t_on_failure("f"); t_relay();
      }
      failure_route[f] { if (t_was_cancelled()) xlog("cancelled"); t_relay(); }`);
    const sent = only(call.send('INVITE'), 'INVITE');
    call.answer(sent, 180);
    call.send('CANCEL');
    expect(names(call.answer(sent, 487))).toEqual([`ACK ${bob}`, `487 ${callerAddress}`]);
    expect(call.said()[0]).toBe('cancelled');
  });

  it('tries no more after a 6xx, unless disable_6xx_block says so', () => {
    const script = `${serial} failure_route[f] { $ru = "sip:carol@10.0.0.7"; t_relay(); }`;
    const blocked = new ScriptCall(script);
    const strict = blocked.answer(only(blocked.send('INVITE'), 'INVITE'), 603);
    expect(names(strict)).toEqual([`ACK ${bob}`, `603 ${callerAddress}`]);
    const open = new ScriptCall(`modparam("tm", "disable_6xx_block", 1)\n${script}`);
    const loose = open.answer(only(open.send('INVITE'), 'INVITE'), 603);
    expect(names(loose)).toEqual([`ACK ${bob}`, `INVITE ${carol}`]);
  });
});

describe('a failure route that waits', () => {
  const script = `loadmodule "tm.so"\nloadmodule "cfgutils.so"
    route { ${toBob} t_on_failure("f"); t_relay(); }
    failure_route[f] { async(usleep(5000), later); }`;

  it('holds the answer back, and may relay when it goes on', async () => {
    const call = new ScriptCall(`${script} route[later] { $ru = "sip:carol@10.0.0.7"; t_relay(); }`);
    const sent = only(call.send('INVITE'), 'INVITE');
    expect(names(call.answer(sent, 486))).toEqual([`ACK ${bob}`]);
    await vi.waitFor(() => expect(names(call.take())).toEqual([`INVITE ${carol}`]));
  });

  it('that adds nothing lets the best answer go', async () => {
    const call = new ScriptCall(`${script} route[later] { return; }`);
    call.answer(only(call.send('INVITE'), 'INVITE'), 486);
    await vi.waitFor(() => expect(names(call.take())).toEqual([`486 ${callerAddress}`]));
  });
});

describe('a script that holds an INVITE back', () => {
  it('RFC 3261 17.2.1: lets the caller know with a 100 after 200 ms', () => {
    const call = new ScriptCall(`route { t_newtran(); t_wait_for_new_branches(); }`);
    expect(call.send('INVITE')).toEqual([]);
    call.advance(199);
    expect(call.take()).toEqual([]);
    call.advance(1);
    expect(names(call.take())).toEqual([`100 ${callerAddress}`]);
  });

  it('says nothing by itself with auto_100trying 0', () => {
    const call = new ScriptCall(`modparam("tm", "auto_100trying", 0)
      route { t_newtran(); t_wait_for_new_branches(); }`);
    call.send('INVITE');
    call.advance(1000);
    expect(call.take()).toEqual([]);
  });
});

describe('serial forking by q', () => {
  const script = `
    route {
      $ru = "sip:low@10.0.0.6"; $ru_q = "0.2";
      append_branch("sip:high@10.0.0.8", "0.9"); append_branch("sip:also-high@10.0.0.7", "0.9");
      serialize_branches(1);
      if (next_branches()) { t_on_failure("next"); t_relay(); }
    }
    failure_route[next] { if (next_branches()) { xlog("$rc"); t_on_failure("next"); t_relay(); } }`;

  it('RFC 3261 16.5: rings the highest together, then the next, then nobody', () => {
    const call = new ScriptCall(script);
    const first = call.send('INVITE');
    expect(names(first)).toEqual([`100 ${callerAddress}`, `INVITE ${bob}`, `INVITE ${carol}`]);
    expect(names(call.answer(first[1], 486))).toEqual([`ACK ${bob}`]);
    const second = call.answer(first[2], 480);
    expect(names(second)).toEqual([`ACK ${carol}`, 'INVITE 10.0.0.6:5060']);
    expect(names(call.answer(only(second, 'INVITE'), 404))).toEqual([
      'ACK 10.0.0.6:5060',
      `404 ${callerAddress}`,
    ]);
    expect(call.said()).toEqual(['2']);
  });
});

describe('t_relay', () => {
  it('takes a destination, in the order of OpenSIPS 2.4 and of 3.0', () => {
    for (const args of [
      '"udp:10.0.0.6:5080", "0x02"',
      ', "udp:10.0.0.6:5080"',
      '"no-auto-477", "sip:10.0.0.6:5080"',
    ]) {
      const call = new ScriptCall(`route { t_relay(${args}); }`);
      expect(names(call.send('OPTIONS')), args).toEqual(['OPTIONS 10.0.0.6:5080']);
    }
  });

  it('answers 478 when the destination cannot be found, unless no-auto-477 says that the script will', () => {
    const loud = new ScriptCall('route { t_relay(); }');
    expect(names(loud.sendTo('sip:bob@nowhere.example', 'OPTIONS'))).toEqual([`478 ${callerAddress}`]);
    const script = (flags: string): string =>
      `route { if (!t_relay("${flags}")) { xlog("$rc"); t_reply(404, "No such place"); } }`;
    for (const flags of ['no-auto-477', '0x02', '2']) {
      const silent = new ScriptCall(script(flags));
      expect(names(silent.sendTo('sip:bob@nowhere.example', 'OPTIONS'))).toEqual([`404 ${callerAddress}`]);
      expect(silent.said()).toContain('-4');
    }
  });

  it('forwards the CANCEL of an unknown INVITE statelessly (RFC 3261 16.10)', () => {
    const call = new ScriptCall(`route { ${toBob} t_relay(); }`);
    expect(names(call.send('CANCEL'))).toEqual([`CANCEL ${bob}`]);
    expect(call.node.table.serverCount).toBe(0);
  });

  it('refuses what must not be forwarded, and counts it', () => {
    const call = new ScriptCall(`route { ${toBob} t_relay(); }`);
    expect(names(call.send('OPTIONS', 'Proxy-Require: foo'))).toEqual([`420 ${callerAddress}`]);
    expect(call.statistic('tm:refused_requests')).toBe(1);
    const allowed = new ScriptCall(
      `modparam("tm", "proxy_require_options", "foo, bar")\nroute { ${toBob} t_relay(); }`,
    );
    expect(names(allowed.send('OPTIONS', 'Proxy-Require: Foo'))).toEqual([`OPTIONS ${bob}`]);
  });
});

describe('when there is no room for another transaction', () => {
  it('t_relay fails, sl_reply_error says 503, it is counted, and the log has one line', () => {
    const call = new ScriptCall(`route { ${toBob} if (!t_relay()) sl_reply_error(); }`);
    Object.assign(call.node.table.settings, { transactionsMax: 0 });
    for (let count = 0; count < 3; count++)
      expect(names(call.send('OPTIONS'))).toEqual([`503 ${callerAddress}`]);
    expect(call.statistic('tm:refused_full')).toBe(3);
    expect(call.lines('warn')).toHaveLength(1);
  });
});

describe('t_reply and its kin', () => {
  it('t_newtran makes the transaction: the script runs once for all copies', () => {
    const call = new ScriptCall('route { xlog("run"); t_newtran(); t_reply(486, "Busy"); }');
    expect(names(call.send('INVITE'))).toEqual([`486 ${callerAddress}`]);
    expect(names(call.send('INVITE'))).toEqual([`486 ${callerAddress}`]);
    expect(call.said()).toEqual(['run']);
  });

  it('force_rport sends replies to where the request came from, although its Via names another port', () => {
    const call = new ScriptCall(`route { force_rport(); ${toBob} t_relay(); }`);
    const sent = call.receive(
      'INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:9;branch=z9hG4bKa\r\n' +
        'From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n',
      callerAddress,
    );
    expect(names(sent)).toEqual([`100 ${callerAddress}`, `INVITE ${bob}`]);
    expect(names(call.answer(sent[1], 180))).toEqual([`180 ${callerAddress}`]);
  });
});
