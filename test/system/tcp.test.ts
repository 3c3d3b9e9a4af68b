/** SIP over TCP with real sockets: calls between transports, through one node. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SipMessage } from '#sip/message.ts';
import { Daemon, freeUdpPorts } from '../support/daemon.ts';
import { recordRoutes, routesOf, SipPhone } from '../support/sip-phone.ts';

const modules = ['proto_udp', 'proto_tcp', 'tm', 'sl', 'rr', 'maxfwd', 'sipmsgops', 'signaling', 'usrloc']
  .concat(['registrar'])
  .map((name) => `loadmodule "${name}.so"\n`)
  .join('');

const script = (port: number): string => `log_level=2
socket=udp:127.0.0.1:${port}
socket=tcp:127.0.0.1:${port}
tcp_max_msg_time=1
tcp_max_connections=40
${modules}
route {
  if (has_totag()) {
    if (loose_route()) { t_relay(); exit; }
    if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
    sl_send_reply(404, "Not here");
    exit;
  }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (is_method("REGISTER")) { save("location"); exit; }
  if (is_method("INVITE")) record_route();
  if ($rU == "outside") { $ru = "sip:outside@127.0.0.1:" + $hdr(X-Port); t_relay(); exit; }
  if ($rU == "overtcp") { $ru = "sip:x@127.0.0.1:" + $hdr(X-Port) + ";transport=tcp"; t_relay(); exit; }
  if (!lookup("location")) { sl_send_reply(404, "Nobody"); exit; }
  t_relay();
}
`;

const fourKilobytes = `v=0\r\ns=${'x'.repeat(4096)}\r\n`;

describe('a node that listens on UDP and TCP', () => {
  const folder = mkdtempSync(join(tmpdir(), 'anyvia-tcp-'));
  let node: Daemon;
  let port = 0;
  let phones: SipPhone[] = [];
  const at = (user: string): string => `sip:${user}@127.0.0.1:${port}`;
  const phone = async (user: string, transport: 'udp' | 'tcp' | 'listening'): Promise<SipPhone> => {
    const made = await SipPhone[transport](user, port);
    phones.push(made);
    return made;
  };
  const registered = async (user: string, transport: 'udp' | 'tcp'): Promise<SipPhone> => {
    const made = await phone(user, transport);
    made.request('REGISTER', `sip:127.0.0.1:${port}`, { to: at(user), callId: `reg-${user}-${made.port}` });
    await made.next(200);
    return made;
  };

  beforeAll(async () => {
    [port = 0] = await freeUdpPorts(1);
    node = new Daemon(folder, 'node', script(port));
    await node.start();
  });

  afterEach(() => {
    for (const made of phones) made.close();
    phones = [];
  });

  afterAll(async () => {
    await node.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A call with a body of 4 kB is answered, acknowledged and hung up by `ends`; gives the INVITE as the callee saw it. */
  async function call(
    caller: SipPhone,
    callee: SipPhone,
    uri: string,
    headers: string[] = [],
  ): Promise<SipMessage> {
    const callId = `call-${caller.port}-${callee.port}`;
    caller.request('INVITE', uri, { callId, body: fourKilobytes, headers });
    const invite = await callee.next('INVITE');
    expect(invite.body).toBe(fourKilobytes);
    callee.answer(invite, 180);
    await caller.next(180);
    callee.answer(invite, 200);
    const answer = await caller.next(200);
    const routes = routesOf(answer, true);
    const target = `sip:${callee.user}@127.0.0.1:${callee.port}`;
    const inDialog = { to: uri, toTag: answer.toTag, callId, headers: routes };
    caller.request('ACK', target, inDialog);
    await callee.next('ACK');
    caller.request('BYE', target, { ...inDialog, cseq: 2 });
    const bye = await callee.next('BYE');
    callee.answer(bye, 200);
    await caller.next(200);
    return invite;
  }

  it('carries a call of 4 kB from TCP to UDP: RFC 5658 3.1 two Record-Routes, both consumed', async () => {
    const caller = await phone('alice', 'tcp');
    const callee = await registered('bob', 'udp');
    const invite = await call(caller, callee, at('bob'));
    expect(invite.topVia.protocol).toBe('UDP');
    expect(recordRoutes(invite).map((value) => value.replace(/;ftag=[^;>]*/, ''))).toEqual([
      `<sip:127.0.0.1:${port};lr;r2=on>`,
      `<sip:127.0.0.1:${port};transport=tcp;lr;r2=on>`,
    ]);
  });

  it('carries it from UDP to a phone that registered over TCP, over that connection', async () => {
    const caller = await phone('alice', 'udp');
    const callee = await registered('carol', 'tcp');
    const invite = await call(caller, callee, at('carol'));
    expect(invite.topVia.protocol).toBe('TCP');
  });

  it('carries it from TCP to TCP, with one Record-Route', async () => {
    const caller = await phone('alice', 'tcp');
    const callee = await registered('dave', 'tcp');
    const invite = await call(caller, callee, at('dave'));
    expect(recordRoutes(invite)).toHaveLength(1);
  });

  it('connects to where ;transport=tcp leads', async () => {
    const caller = await phone('alice', 'udp');
    const callee = await phone('erin', 'listening');
    const opened = await node.statistic('tcp:opened');
    await call(caller, callee, at('overtcp'), [`X-Port: ${callee.port}`]);
    expect(await node.statistic('tcp:opened')).toBe(opened + 1);
  });

  it('answers 503 or 500 when nobody listens there', async () => {
    const caller = await phone('alice', 'udp');
    caller.request('INVITE', at('overtcp'), { headers: ['X-Port: 1'], callId: `nobody-${caller.port}` });
    const answer = await caller.next(500);
    expect(answer.method).toBe('INVITE');
    expect(await node.statistic('tcp:connect_failed')).toBeGreaterThan(0);
  });

  it('answers a ping with a pong (RFC 5626 3.5.1)', async () => {
    const caller = await phone('alice', 'tcp');
    caller.write('\r\n\r\n');
    await expect.poll(() => caller.pongs).toBe(1);
  });
});
