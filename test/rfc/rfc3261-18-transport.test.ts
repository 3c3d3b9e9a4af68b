/** RFC 3261 18: what the transport layer does with messages that arrive and leave; RFC 6026 7.3 and 8.2 for strays. */

import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { readSent } from '../support/node-harness.ts';
import { callerAddress, names, only, ScriptCall } from '../support/script-call.ts';
import { answer, callee, request, TransactionBench } from '../support/transaction-bench.ts';

const relay = 'route { t_relay(, "udp:10.0.0.8:5060"); }';

function withVia(via: string, method = 'OPTIONS'): string {
  return (
    `${method} sip:bob@example.org SIP/2.0\r\nVia: ${via}\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\n` +
    `To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 ${method}\r\nContent-Length: 0\r\n\r\n`
  );
}

describe('RFC 3261 18.1.1 sending requests', () => {
  it('the Via names transport, host and port of the socket that it leaves from', () => {
    const call = new ScriptCall(`socket=udp:10.0.0.1:5080 as proxy.example.org:5090\n${relay}`);
    const { topVia } = readSent(call.send('OPTIONS')[0]);
    expect([topVia.protocol, topVia.host, topVia.port]).toEqual(['UDP', 'proxy.example.org', 5090]);
  });
});

describe('RFC 3261 18.1.2 receiving responses', () => {
  it('a response whose top Via names another address than ours is dropped', () => {
    const bench = new TransactionBench();
    const { sent } = bench.client('OPTIONS');
    const ours = answer(sent, 200);
    expect(bench.table.findClient(ours)).not.toBeNull();
    const call = new ScriptCall(relay);
    const [out] = call.send('OPTIONS');
    const forged = answer(readSent(out), 200).text.replace('UDP 10.0.0.1:5060', 'UDP 10.0.0.2:5060');
    expect(call.receive(forged, '10.0.0.8:5060')).toEqual([]);
    expect(names(call.answer(out, 200))).toEqual([`200 ${callerAddress}`]);
  });
});

describe('RFC 3261 18.2.1 receiving requests', () => {
  it.each([
    ['SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa', null],
    ['SIP/2.0/UDP 10.1.2.3:5070;branch=z9hG4bKa', '10.0.0.9'],
    ['SIP/2.0/UDP pc.example.org;branch=z9hG4bKa', '10.0.0.9'],
  ])('%s gets received=%s', (via, received) => {
    const call = new ScriptCall(relay);
    const forwarded = readSent(call.receive(withVia(via), callerAddress)[0]);
    const [, theirs] = forwarded.values(headerNames.via);
    expect(theirs).toBe(received === null ? via : `${via};received=${received}`);
  });
});

describe('RFC 3261 18.2.2 sending responses', () => {
  it.each([
    ['UDP 10.0.0.9:5099;branch=z9hG4bKa', '10.0.0.9:5099'],
    ['UDP 10.0.0.9;branch=z9hG4bKa', '10.0.0.9:5060'],
    ['UDP 10.1.2.3:5099;branch=z9hG4bKa', '10.0.0.9:5099'],
    ['UDP pc.example.org;branch=z9hG4bKa', '10.0.0.9:5060'],
  ])('SIP/2.0/%s is answered at %s, statefully and statelessly', (via, to) => {
    for (const reply of ['t_reply', 'sl_send_reply']) {
      const call = new ScriptCall(`route { ${reply}(404, "No"); }`);
      expect(names(call.receive(withVia(`SIP/2.0/${via}`), callerAddress)), reply).toEqual([`404 ${to}`]);
    }
  });
});

describe('RFC 3581 4 rport', () => {
  it('the sender gets the port that it sent from, and its answers there', () => {
    const call = new ScriptCall(relay);
    const [sent] = call.receive(withVia('SIP/2.0/UDP 10.1.2.3:5099;rport;branch=z9hG4bKa'), callerAddress);
    expect(readSent(sent).values(headerNames.via)[1]).toContain(
      ';rport=5070;branch=z9hG4bKa;received=10.0.0.9',
    );
    expect(names(call.answer(sent, 200))).toEqual([`200 ${callerAddress}`]);
  });

  it('received is added with it although the address is the same', () => {
    const call = new ScriptCall(relay);
    const [sent] = call.receive(withVia('SIP/2.0/UDP 10.0.0.9:5099;rport;branch=z9hG4bKa'), callerAddress);
    expect(readSent(sent).values(headerNames.via)[1]).toContain(';received=10.0.0.9');
  });
});

describe('RFC 3581 3 rport', () => {
  it('is asked for in every Via of ours', () => {
    expect(readSent(new ScriptCall(relay).send('OPTIONS')[0]).topVia.rport).toBe('');
  });
});

describe('RFC 3261 18.3 framing', () => {
  const withBody = (length: number | null): string =>
    withVia('SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa', 'MESSAGE')
      .replace('Content-Length: 0\r\n', length === null ? '' : `Content-Length: ${length}\r\n`)
      .concat('hello');

  it('what follows the body that Content-Length names is not part of it', () => {
    const call = new ScriptCall('route { xlog("[$rb]"); }');
    call.receive(withBody(3));
    call.receive(withBody(null));
    expect(call.said()).toEqual(['[hel]', '[hello]']);
  });

  it('a datagram that is shorter than its Content-Length: a request is answered 400, a response dropped', () => {
    const call = new ScriptCall(relay);
    expect(names(call.receive(withBody(6), callerAddress))).toEqual([`400 ${callerAddress}`]);
    const [sent] = call.send('OPTIONS');
    const short = answer(readSent(sent), 200).text.replace('Content-Length: 0', 'Content-Length: 9');
    expect(call.receive(short, '10.0.0.8:5060')).toEqual([]);
    expect(call.node.table.clientCount).toBe(1);
  });
});

describe('RFC 3261 18.4 error handling', () => {
  it('a destination that cannot be reached ends its branch alone, and at once', () => {
    const call = new ScriptCall('route { append_branch("sip:bob@10.0.0.7"); t_relay(); }');
    const sent = call.sendTo('sip:bob@10.0.0.8', 'INVITE');
    const socket = call.sockets[0]!;
    call.node.table.onTransportError(call.clock.monotonic(), { socket, address: '10.0.0.8', port: 5060 });
    expect(call.take()).toEqual([]);
    expect(names(call.answer(sent[2], 404))).toEqual(['ACK 10.0.0.7:5060', `404 ${callerAddress}`]);
  });
});

describe('RFC 3261 18.4 errors of one turn', () => {
  it('end what waits for any of the destinations, over the same transport only', () => {
    const bench = new TransactionBench();
    const to = (address: string, protocol: 'udp' | 'tcp' = 'udp') => ({
      ...callee,
      address,
      socket: { ...callee.socket, protocol },
    });
    const flows = [to('10.1.1.1'), to('10.1.1.2'), to('10.1.1.3'), to('10.1.1.1', 'tcp')];
    const clients = flows.map((flow) => bench.client('OPTIONS', 32_000, flow).client);
    bench.table.onTransportErrors(bench.now, [flows[0]!, flows[1]!, to('10.9.9.9')]);
    expect(clients.map((client) => client.state)).toEqual(['terminated', 'terminated', 'trying', 'trying']);
  });
});

describe('RFC 6026 8.2 responses that belong to nothing', () => {
  it('are dropped, whatever their second Via says', () => {
    const call = new ScriptCall(relay);
    const [sent] = call.send('OPTIONS');
    const stray = answer(readSent(sent), 200).text.replace(
      /branch=z9hG4bK1-\S+?;/,
      'branch=z9hG4bKstranger;',
    );
    expect(call.receive(stray, '10.0.0.8:5060')).toEqual([]);
    expect(call.statistic('tm:foreign_replies')).toBe(1);
  });
});

describe('RFC 6026 7.3 a proxy', () => {
  it('forwards no response of a branch that a stranger made up', () => {
    const call = new ScriptCall(relay);
    const [sent] = call.send('OPTIONS');
    const forged = answer(readSent(sent), 200).text.replace('z9hG4bK1-1.', 'z9hG4bK1-2.');
    expect(call.receive(forged, '10.0.0.8:5060')).toEqual([]);
    expect(call.statistic('tm:bad_tags')).toBe(1);
  });

  it('forwards every 2xx to an INVITE, also those of branches that had failed for the caller', () => {
    const call = new ScriptCall(relay);
    const sent = only(call.send('INVITE'), 'INVITE');
    for (const toTag of ['one', 'one', 'two'])
      expect(names(call.answer(sent, 200, { toTag }))).toEqual([`200 ${callerAddress}`]);
  });
});

describe('RFC 3262 and RFC 3311', () => {
  it('RFC 3262 3: reliable provisional responses and their PRACK go through untouched', () => {
    const call = new ScriptCall('route { if (has_totag()) loose_route(); else record_route(); t_relay(); }');
    const sent = only(call.sendTo('sip:bob@10.0.0.8', 'INVITE', 'Require: 100rel'), 'INVITE');
    const headers = 'Require: 100rel\r\nRSeq: 988789\r\n';
    for (let copy = 0; copy < 2; copy++) {
      const [ringing] = call.answer(sent, 183, { headers });
      expect(ringing!.text).toContain(`\r\n${headers}`);
    }
    const route = 'Route: <sip:10.0.0.1:5060;lr>';
    const [prack] = call.sendTo(
      'sip:bob@10.0.0.8',
      'PRACK',
      'To: <sip:bob@example.org>;tag=bob',
      route,
      'RAck: 988789 7 INVITE',
    );
    expect(prack!.text).toContain('\r\nRAck: 988789 7 INVITE\r\n');
    expect(names(call.answer(prack, 200))).toEqual([`200 ${callerAddress}`]);
  });

  it('RFC 3311 5.1: an UPDATE before the final response goes through like any request, its body untouched', () => {
    const call = new ScriptCall('route { if (has_totag()) loose_route(); else record_route(); t_relay(); }');
    call.answer(only(call.sendTo('sip:bob@10.0.0.8', 'INVITE'), 'INVITE'), 183);
    const [update] = call.sendTo(
      'sip:bob@10.0.0.8',
      'UPDATE',
      'To: <sip:bob@example.org>;tag=bob',
      'Route: <sip:10.0.0.1:5060;lr>',
      'Content-Type: application/sdp',
    );
    expect(names([update!])).toEqual(['UPDATE 10.0.0.8:5060']);
    expect(names(call.answer(update, 491))).toEqual([`491 ${callerAddress}`]);
  });
});

describe('RFC 3261 17.2.3 requests of RFC 2543 clients', () => {
  const invite = 'INVITE sip:bob@example.org SIP/2.0';
  const old = (start: string, method: string, toTag: string): string =>
    `${start}\r\nVia: SIP/2.0/UDP 10.0.0.9:5070\r\nFrom: <sip:a@b>\r\nTo: <sip:c@d>${toTag}\r\nCall-ID: x\r\n` +
    `CSeq: 1 ${method}\r\n\r\n`;

  it('a copy is absorbed, an ACK with the tag of the response ends the failure, another tag does not', () => {
    const call = new ScriptCall('route { if (is_method("ACK")) exit; t_reply(486, "Busy"); }');
    const [busy] = call.receive(old(invite, 'INVITE', ''), callerAddress);
    expect(names(call.receive(old(invite, 'INVITE', ''), callerAddress))).toEqual([`486 ${callerAddress}`]);
    const ack = invite.replace('INVITE', 'ACK');
    call.receive(old(ack, 'ACK', ';tag=other'), callerAddress);
    call.advance(500);
    expect(names(call.take())).toEqual([`486 ${callerAddress}`]);
    call.receive(old(ack, 'ACK', `;tag=${readSent(busy).toTag}`), callerAddress);
    call.advance(20_000);
    expect(call.take()).toEqual([]);
  });

  it('a request within a dialog that differs by its To tag is another', () => {
    const bench = new TransactionBench();
    const plain = { branch: '', viaParameters: '' };
    const key = (toTag: string): string => bench.table.key(request('INFO', { ...plain, toTag }));
    expect(key('one')).not.toBe(key('two'));
  });
});
