/** What scripts ask tm about a transaction, and the timers that they set for one. */

import { describe, expect, it } from 'vitest';
import { readSent } from '../../support/node-harness.ts';
import { callerAddress, names, only, ScriptCall } from '../../support/script-call.ts';

const bob = '10.0.0.8:5060';
const toBob = '$ru = "sip:bob@10.0.0.8";';

describe('timers of one transaction', () => {
  it('$T_fr_timeout: how long an answer is waited for', () => {
    const call = new ScriptCall(
      `route { t_newtran(); xlog("$T_fr_timeout"); $T_fr_timeout = 3; xlog("$T_fr_timeout"); ${toBob} t_relay(); }`,
    );
    call.send('INVITE');
    call.advance(3000);
    expect(names(call.take()).at(-1)).toBe(`408 ${callerAddress}`);
    expect(call.said()).toEqual(['30', '3']);
  });

  it('$T_fr_inv_timeout: how long it may ring; other transactions keep theirs', () => {
    const call = new ScriptCall(`route {
      if ($rU == "bob") { t_newtran(); $T_fr_inv_timeout = 10; } ${toBob} t_relay(); }`);
    call.answer(only(call.send('INVITE'), 'INVITE'), 180);
    call.advance(10_000);
    expect(names(call.take())).toEqual([`CANCEL ${bob}`]);
    const other = new ScriptCall(`route { ${toBob} t_relay(); }`);
    other.answer(only(other.send('INVITE'), 'INVITE'), 180);
    other.advance(119_000);
    expect(other.take()).toEqual([]);
  });
});

describe('t_check_trans', () => {
  const script = `route {
    if (is_method("ACK")) { t_check_trans(); xlog("ack $rc"); exit; }
    if (is_method("CANCEL")) { t_check_trans(); xlog("cancel $rc"); exit; }
    t_check_trans(); xlog("new $rc");
    t_newtran(); t_check_trans(); xlog("known $rc");
    ${toBob} t_relay();
  }`;

  it('knows new requests from known ones, and the INVITE of a CANCEL', () => {
    const call = new ScriptCall(script);
    call.send('CANCEL');
    const sent = only(call.send('INVITE'), 'INVITE');
    call.send('CANCEL');
    call.answer(sent, 200);
    call.sendTo('sip:bob@10.0.0.8', 'ACK', 'To: <sip:bob@example.org>;tag=bob');
    expect(call.said()).toEqual(['cancel -1', 'new -1', 'known 1', 'cancel 1', 'ack -2']);
  });

  it('never sees a retransmission: it was answered before the script', () => {
    const call = new ScriptCall(script);
    call.send('INVITE');
    call.said();
    expect(names(call.send('INVITE'))).toEqual([`100 ${callerAddress}`]);
    expect(call.said()).toEqual([]);
  });
});

describe('t_local_replied', () => {
  const script = (failure: string): string => `modparam("tm", "fr_timeout", 2)
    route { ${toBob} append_branch("sip:carol@10.0.0.7"); t_on_failure("f"); t_relay(); }
    failure_route[f] { ${failure} }`;
  const ask = 'if (t_local_replied("last")) xlog("last"); if (t_local_replied("all")) xlog("all");';

  it('all: nobody answered', () => {
    const call = new ScriptCall(script(ask));
    call.send('INVITE');
    call.advance(2000);
    expect(call.said()).toEqual(['last', 'all']);
  });

  it('neither: one of them did', () => {
    const call = new ScriptCall(script(ask));
    call.answer(call.send('INVITE')[1], 404);
    call.advance(2000);
    expect(call.said()).toEqual([]);
  });
});

describe('t_reply', () => {
  it('with a body', () => {
    const call = new ScriptCall('route { t_reply_with_body(488, "Not like this", "why", "text/plain"); }');
    const reply = readSent(call.send('INVITE')[0]);
    expect([reply.status, reply.reason, reply.body]).toEqual([488, 'Not like this', 'why']);
    expect(reply.text).toContain('\r\nContent-Type: text/plain\r\n');
  });

  it('provisional, then final; nothing after that', () => {
    const call = new ScriptCall(
      'route { t_reply(183, "Wait"); t_reply(404, "No"); t_reply(200, "Yes"); xlog("$rc"); }',
    );
    expect(names(call.send('INVITE'))).toEqual([`183 ${callerAddress}`, `404 ${callerAddress}`]);
    expect(call.said()).toEqual(['-1']);
  });

  it('ends the branches that are under way', () => {
    const call = new ScriptCall(`route { ${toBob} t_on_reply("r"); t_on_failure("f"); t_relay(); }
      onreply_route[r] { if ($rs == 183) t_cancel_branch(); }
      failure_route[f] { t_reply(480, "Cut"); }`);
    const sent = only(call.send('INVITE'), 'INVITE');
    expect(names(call.answer(sent, 183))).toEqual([`CANCEL ${bob}`, `183 ${callerAddress}`]);
    expect(names(call.answer(sent, 487))).toEqual([`ACK ${bob}`, `480 ${callerAddress}`]);
  });
});

describe('flags and AVPs', () => {
  it('of the request route are there in its replies and failures', () => {
    const call = new ScriptCall(`
      route { setflag(ONE); $avp(a) = "x"; ${toBob} t_on_reply("r"); t_on_failure("f"); t_relay(); }
      onreply_route[r] { if (isflagset(ONE)) xlog("reply $avp(a)"); $avp(b) = "y"; }
      failure_route[f] { if (isflagset(ONE)) xlog("failure $avp(a) $avp(b)"); }`);
    call.answer(only(call.send('INVITE'), 'INVITE'), 486);
    expect(call.said()).toEqual(['reply x', 'failure x y']);
  });

  it('t_flush_flags hands later flags on', () => {
    const call = new ScriptCall(`
      route { ${toBob} t_on_failure("f"); t_relay(); setflag(LATE); t_flush_flags(); }
      failure_route[f] { if (isflagset(LATE)) xlog("late"); }`);
    call.answer(only(call.send('INVITE'), 'INVITE'), 486);
    expect(call.said()).toEqual(['late']);
  });
});

describe('a request that the script forgets', () => {
  it('after t_newtran is answered 500; without a transaction it is dropped', () => {
    expect(names(new ScriptCall('route { t_newtran(); exit; }').send('INVITE'))).toEqual([
      `500 ${callerAddress}`,
    ]);
    expect(new ScriptCall('route { exit; }').send('INVITE')).toEqual([]);
  });
});
