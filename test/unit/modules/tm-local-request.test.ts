/** Requests that the node makes itself: `t_new_request`, `t_uac_dlg`, and the local_route that sees them. */

import { describe, expect, it } from 'vitest';
import type { LocalOutcome, LocalRequest } from '#module/services.ts';
import { LocalRequests } from '#modules/tm/local-request.ts';
import { headerNames } from '#sip/header-name.ts';
import { TestHost } from '../../support/module-host.ts';
import { readSent } from '../../support/node-harness.ts';
import { names, ScriptCall } from '../../support/script-call.ts';
import { answer, TransactionBench } from '../../support/transaction-bench.ts';

const notify = 't_new_request("NOTIFY", "sip:bob@10.0.0.8", "sip:pbx@example.org", "Bob sip:bob@example.org"';
const route = (call: string): string => `route { if (${call})) xlog("$rc"); else xlog("failed"); exit; }`;

describe('t_new_request', () => {
  it('sends a request that is complete', () => {
    const call = new ScriptCall(route(notify));
    const [sent] = call.send('OPTIONS');
    expect(sent!.to).toBe('10.0.0.8:5060');
    const message = readSent(sent);
    expect([message.method, message.requestUri]).toEqual(['NOTIFY', 'sip:bob@10.0.0.8']);
    expect(message.firstValue(headerNames.from)).toMatch(/^<sip:pbx@example\.org>;tag=\S+$/);
    expect(message.firstValue(headerNames.to)).toBe('Bob <sip:bob@example.org>');
    expect([message.cseqNumber, message.maxForwards, message.values(headerNames.via).length]).toEqual([
      1, 70, 1,
    ]);
    expect(message.topVia.branch).toMatch(/^z9hG4bK1-1\./);
    expect(message.callId).not.toBe('');
    expect(call.said()).toEqual(['1']);
  });

  it('with a body, whose first word is its type', () => {
    const call = new ScriptCall(route(`${notify}, "text/plain Hello there"`));
    const message = readSent(call.send('OPTIONS')[0]);
    expect(message.firstValue(headerNames.contentType)).toBe('text/plain');
    expect(message.body).toBe('Hello there');
  });

  it('repeats it until it is answered, each with a Call-ID of its own', () => {
    const call = new ScriptCall(route(notify));
    const [first] = call.send('OPTIONS');
    call.advance(1500);
    expect(names(call.take())).toEqual(['NOTIFY 10.0.0.8:5060', 'NOTIFY 10.0.0.8:5060']);
    call.answer(first, 200);
    call.advance(10_000);
    expect(call.take()).toEqual([]);
    expect(call.node.table.clientCount).toBe(0);
    expect(readSent(call.send('OPTIONS')[0]).callId).not.toBe(readSent(first).callId);
  });

  it('sends no INVITE, and nothing that is no message', () => {
    const bad = [
      notify.replace('NOTIFY', 'INVITE'),
      notify.replace('NOTIFY', 'NO TIFY'),
      notify.replace('sip:pbx@example.org', ''),
    ];
    for (const one of bad) {
      const call = new ScriptCall(route(one));
      expect(call.send('OPTIONS'), one).toEqual([]);
      expect(call.said(), one).toContain('failed');
    }
  });
});

describe('local_route', () => {
  it('changes the request and where it goes, and knows the context', () => {
    const call = new ScriptCall(`${route(`${notify}, "", "seven"`)}
      local_route { append_hf("X-Context: $avp(uac_ctx)\\r\\n"); $du = "sip:10.0.0.6"; xlog("$rm $ru"); }`);
    const [sent] = call.send('OPTIONS');
    expect(sent!.to).toBe('10.0.0.6:5060');
    expect(sent!.text).toContain('\r\nX-Context: seven\r\n');
    expect(call.said()).toEqual(['NOTIFY sip:bob@10.0.0.8', '1']);
  });

  it('drops it', () => {
    const call = new ScriptCall(`${route(notify)} local_route { drop(); }`);
    expect(call.send('OPTIONS')).toEqual([]);
  });

  it('has no transaction to answer', () => {
    const call = new ScriptCall(
      `${route(notify)} local_route { if (!t_on_failure("f")) xlog("none"); } failure_route[f] { exit; }`,
    );
    call.send('OPTIONS');
    expect(call.said()).toEqual(['none', '1']);
    expect(call.node.table.serverCount).toBe(0);
  });
});

describe('RFC 3261 8.1.2 and 8.1.3 requests of other modules', () => {
  class Sender {
    readonly bench = new TransactionBench();
    readonly host = new TestHost();
    readonly #requests = new LocalRequests({
      host: this.host,
      core: { table: this.bench.table, branches: this.bench.branches, claims: null, backup: null },
      viaParameter: ';cid=1',
      finalResponseMilliseconds: 5000,
    });

    send(changes: Partial<LocalRequest> = {}): LocalOutcome[] {
      const outcomes: LocalOutcome[] = [];
      const from = '<sip:a@b>;tag=1';
      const request = { method: 'BYE', uri: 'sip:bob@10.0.0.8', from, to: '<sip:c@d>;tag=2', ...changes };
      this.#requests.send(request, (outcome) => outcomes.push(outcome));
      return outcomes;
    }
  }

  it('go to the first Route, unless a next hop is named', () => {
    const sender = new Sender();
    const headers = 'Route: <sip:10.0.0.5;lr>\r\n';
    sender.send({ headers, callId: 'x', cseq: 9 });
    sender.send({ headers, nextHop: 'sip:10.0.0.4' });
    const [first, second] = sender.bench.take();
    expect([first!.flow.address, second!.flow.address]).toEqual(['10.0.0.5', '10.0.0.4']);
    expect(first!.message.callId).toBe('x');
    expect(first!.message.firstValue(headerNames.cseq)).toBe('9 BYE');
    expect(first!.message.firstValue(headerNames.from)).toBe('<sip:a@b>;tag=1');
    expect(first!.message.topVia.parameter('cid')).toBe('1');
  });

  it('have one outcome: the final answer, 408 without one, 503 when nobody can be reached', () => {
    const sender = new Sender();
    const answered = sender.send();
    const [sent] = sender.bench.take();
    for (const status of [100, 481, 481]) {
      const response = answer(sent!.message, status);
      sender.bench.table.findClient(response)?.receive(sender.bench.now, response);
    }
    expect(answered.map(({ status, response }) => [status, response?.status])).toEqual([[481, 481]]);
    const silent = sender.send();
    sender.bench.advance(5000);
    expect(silent.map(({ status, response }) => [status, response])).toEqual([[408, null]]);
    const refused = sender.send();
    const { flow } = sender.bench.take().at(-1)!;
    sender.bench.table.onTransportError(sender.bench.now, flow);
    expect(refused.map(({ status }) => status)).toEqual([503]);
    sender.bench.advance(40_000);
    expect([sender.bench.table.clientCount, sender.bench.timers.size]).toEqual([0, 0]);
  });

  it('are told when there is no room for another transaction', () => {
    const sender = new Sender();
    Object.assign(sender.bench.table.settings, { transactionsMax: 0 });
    expect(sender.send().map(({ problem }) => problem?.code)).toEqual(['TRANSACTION_TABLE_FULL']);
  });
});

describe('t_uac_dlg', () => {
  const headers = 'From: <sip:a@b>\nTo: <sip:c@d>\nX-One: 1\nContent-Type: text/x';
  const ask = async (call: ScriptCall, parameters: Record<string, string>): Promise<unknown> =>
    JSON.parse(
      await call.node.control.runForPeer(
        't_uac_dlg',
        JSON.stringify({ method: 'MESSAGE', ruri: 'sip:bob@10.0.0.8', headers, ...parameters }),
      ),
    );

  it('sends and waits for the answer', async () => {
    const call = new ScriptCall('route { exit; }');
    const reply = ask(call, { body: 'hello', next_hop: 'sip:10.0.0.6', socket: 'udp:10.0.0.1:5060' });
    await Promise.resolve();
    const [sent] = call.take();
    expect(sent!.to).toBe('10.0.0.6:5060');
    expect(sent!.text).toContain('\r\nX-One: 1\r\n');
    expect(readSent(sent).firstValue(headerNames.contentType)).toBe('text/x');
    expect(readSent(sent).body).toBe('hello');
    call.answer(sent, 202);
    expect(await reply).toMatchObject({ Status: '202 Accepted' });
  });

  it.each([
    [{ headers: 'From: <sip:a@b>' }, 'must hold From and To'],
    [{ headers: 'nonsense' }, 'is no header line'],
    [{ socket: 'udp:1.2.3.4:5060' }, 'no socket of this node'],
    [{ method: 'INVITE' }, 'cannot be sent by itself'],
  ])('refuses %j', async (parameters, reason) => {
    const call = new ScriptCall('route { exit; }');
    expect(JSON.stringify(await ask(call, parameters))).toContain(reason);
    expect(call.take()).toEqual([]);
  });
});
