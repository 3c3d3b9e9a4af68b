/** Names with a real DNS server (a small one of our own, over loopback UDP) and real sockets. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Daemon, freeUdpPorts, until } from '../support/daemon.ts';
import { DnsServer } from '../support/dns-server.ts';
import { SipPhone } from '../support/sip-phone.ts';

const script = (port: number, dns: string): string => `log_level=2
socket=udp:127.0.0.1:${port}
dns_servers="${dns}"
dns_retr_time=1
dns_retr_no=1
loadmodule "proto_udp.so"
loadmodule "tm.so"
loadmodule "sl.so"
modparam("tm", "fr_timeout", 1)
route {
  t_relay();
}
`;

const srv = (priority: number, port: number, name = 'server.test') => ({ priority, weight: 1, port, name });

describe('names of the DNS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-names-'));
  let node: Daemon;
  let dns: DnsServer;
  let caller: SipPhone;
  let first: SipPhone;
  let second: SipPhone;
  let port = 0;
  let deadPort = 0;

  beforeAll(async () => {
    dns = await DnsServer.open();
    [port = 0, deadPort = 0] = await freeUdpPorts(2);
    node = new Daemon(folder, 'node', script(port, dns.place));
    await node.start();
  });

  beforeEach(async () => {
    caller = await SipPhone.udp('caller', port);
    first = await SipPhone.udp('first', port);
    second = await SipPhone.udp('second', port);
    dns.zone.A = { 'server.test': ['127.0.0.1'] };
    dns.zone.SRV = {};
    dns.zone.ttl = 60;
    dns.isSilent = false;
    dns.delay = 0;
    dns.asked.length = 0;
    await node.ask('dns:flush');
  });

  afterEach(() => {
    for (const phone of [caller, first, second]) phone.close();
  });

  afterAll(async () => {
    await node.kill();
    dns.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const invite = (host: string, callId: string): void =>
    caller.request('INVITE', `sip:somebody@${host}`, { callId });

  it('lead to the port of the SRV record that the NAPTR record names', async () => {
    const naptr = { order: 1, preference: 1, flags: 's', service: 'SIP+D2U', replacement: '_odd.naptr.test' };
    dns.zone.NAPTR = { 'naptr.test': [naptr] };
    dns.zone.SRV = { '_odd.naptr.test': [srv(1, first.port)] };
    invite('naptr.test', 'naptr');
    first.answer(await first.next('INVITE'), 200);
    await caller.next(200);
    expect(dns.asked).toEqual(['NAPTR naptr.test', 'SRV _odd.naptr.test', 'A server.test']);
  });

  it('lead to the second server when the first is dead, and from then on to the second at once', async () => {
    dns.zone.SRV = { '_sip._udp.two.test': [srv(1, deadPort), srv(2, second.port)] };
    invite('two.test', 'dead-1');
    second.answer(await second.next('INVITE'), 200);
    await caller.next(200);
    expect(await node.statistic('dns:avoided_places')).toBe(1);
    const before = Date.now();
    invite('two.test', 'dead-2');
    second.answer(await second.next('INVITE'), 200);
    // The first one is waited for a second.
    expect(Date.now() - before).toBeLessThan(700);
  });

  it('lead to the second server when the first says 503', async () => {
    dns.zone.SRV = { '_sip._udp.busy.test': [srv(1, first.port), srv(2, second.port)] };
    invite('busy.test', 'busy');
    first.answer(await first.next('INVITE'), 503);
    second.answer(await second.next('INVITE'), 200);
    await caller.next(200);
    expect(caller.heard.some(({ status }) => status >= 500)).toBe(false);
  });

  it('are asked for once by a thousand calls, which hear 100 meanwhile', async () => {
    dns.zone.A = { 'many.test': ['127.0.0.1'] };
    dns.delay = 300;
    for (let call = 0; call < 1000; call++) {
      caller.request('OPTIONS', `sip:somebody@many.test:${first.port}`, { callId: `many-${call}` });
      // Paced, so that the kernel's buffers hold them.
      if (call % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    invite(`many.test:${first.port}`, 'many-invite');
    await caller.next(100);
    await until(() => first.heard.length >= 1001, 8000);
    expect(dns.count('A many.test')).toBe(1);
    expect(dns.asked).toHaveLength(1);
  });

  it('are asked for again when their lifetime is over', async () => {
    dns.zone.ttl = 1;
    const host = `short.test:${first.port}`;
    dns.zone.A = { 'short.test': ['127.0.0.1'] };
    caller.request('OPTIONS', `sip:somebody@${host}`, { callId: 'short-1' });
    first.answer(await first.next('OPTIONS'), 200);
    caller.request('OPTIONS', `sip:somebody@${host}`, { callId: 'short-2' });
    first.answer(await first.next('OPTIONS'), 200);
    expect(dns.count('A short.test')).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    caller.request('OPTIONS', `sip:somebody@${host}`, { callId: 'short-3' });
    first.answer(await first.next('OPTIONS'), 200);
    expect(dns.count('A short.test')).toBe(2);
  });

  it('lead where they led before while the server is silent; new ones are answered 478', async () => {
    dns.zone.ttl = 1;
    dns.zone.A = { 'stale.test': ['127.0.0.1'] };
    const host = `stale.test:${first.port}`;
    caller.request('OPTIONS', `sip:somebody@${host}`, { callId: 'stale-1' });
    first.answer(await first.next('OPTIONS'), 200);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    dns.isSilent = true;
    caller.request('OPTIONS', `sip:somebody@${host}`, { callId: 'stale-2' });
    first.answer(await first.next('OPTIONS'), 200);
    invite('never.test', 'never');
    await caller.next(478);
    expect(await node.statistic('dns:stale')).toBeGreaterThan(0);
    expect(await node.statistic('dns:waiting')).toBe(0);
  });

  it('that do not exist are answered 478, and remembered', async () => {
    invite('nobody.test', 'nobody-1');
    await caller.next(478);
    const count = dns.asked.length;
    invite('nobody.test', 'nobody-2');
    await caller.next(478);
    expect(dns.asked).toHaveLength(count);
  });

  it('are shown with what they lead to', async () => {
    dns.zone.SRV = { '_sip._udp.shown.test': [srv(2, 5072), srv(1, 5071)] };
    expect(await node.ask('dns_resolve', { uri: 'sip:shown.test' })).toEqual({
      Places: ['udp:127.0.0.1:5071', 'udp:127.0.0.1:5072'],
    });
    const { Names } = (await node.ask('dns_cache')) as { Names: readonly Record<string, unknown>[] };
    expect(Names).toContainEqual({ Type: 'A', Name: 'server.test', Left: 60, Answer: '127.0.0.1' });
  });

  it('of /etc/hosts are not asked for', async () => {
    caller.request('OPTIONS', `sip:somebody@localhost:${first.port}`, { callId: 'localhost' });
    first.answer(await first.next('OPTIONS'), 200);
    expect(dns.asked).toEqual([]);
  });
});
