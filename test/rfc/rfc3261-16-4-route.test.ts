/** RFC 3261 16.4, 16.5, 16.6 steps 4 to 7 and 16.12: where a request goes, on a whole node with a script. */

import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { readSent, type SentDatagram } from '../support/node-harness.ts';
import { names, only, ScriptCall } from '../support/script-call.ts';

const ours = '<sip:10.0.0.1:5060;lr>';
const inDialog = 'To: <sip:bob@example.org>;tag=t1';
const loose = (): ScriptCall =>
  new ScriptCall('route { if (loose_route()) t_relay(); else t_reply(404, "No"); }');
const routes = (sent: SentDatagram | undefined): string[] => readSent(sent).values(headerNames.route);

describe('RFC 3261 16.4 route information preprocessing', () => {
  it('takes our own Route off', () => {
    const [sent] = loose().sendTo('sip:bob@10.0.0.8', 'BYE', inDialog, `Route: ${ours}`);
    expect(sent!.to).toBe('10.0.0.8:5060');
    expect(routes(sent)).toEqual([]);
  });

  it('takes both of ours off when we wrote two', () => {
    const [sent] = loose().sendTo(
      'sip:bob@10.0.0.8',
      'BYE',
      inDialog,
      'Route: <sip:10.0.0.1;lr;r2=on>,<sip:10.0.0.1:5060;lr;r2=on>, <sip:10.0.0.6;lr>',
    );
    expect(sent!.to).toBe('10.0.0.6:5060');
    expect(routes(sent)).toEqual(['<sip:10.0.0.6;lr>']);
  });

  it('a Request-URI that we once wrote into Record-Route is replaced by the last Route', () => {
    const [sent] = loose().sendTo(
      'sip:10.0.0.1:5060;lr',
      'BYE',
      inDialog,
      'Route: <sip:10.0.0.6;lr>',
      'Route: <sip:bob@10.0.0.8>',
    );
    expect(readSent(sent).requestUri).toBe('sip:bob@10.0.0.8');
    expect(sent!.to).toBe('10.0.0.6:5060');
    expect(routes(sent)).toEqual(['<sip:10.0.0.6;lr>']);
  });

  it('a maddr that names us goes, with the port and the transport that are not the default', () => {
    const call = new ScriptCall(
      'socket=udp:10.0.0.1:5080\nroute { xlog("$ru"); t_relay(, "udp:10.0.0.8:5060"); }',
    );
    call.sendTo('sip:bob@example.org:5080;maddr=10.0.0.1;transport=udp;x=y', 'OPTIONS');
    expect(call.said()).toEqual(['sip:bob@example.org;x=y']);
  });

  it.each([
    'sip:bob@example.org;maddr=10.0.0.99',
    'sip:bob@example.org:5061;maddr=10.0.0.1',
    'sip:bob@example.org;maddr=10.0.0.1;transport=tcp',
  ])('%s stays as it is: the request came by another way', (uri) => {
    const call = new ScriptCall('route { xlog("$ru"); }');
    call.sendTo(uri, 'OPTIONS');
    expect(call.said()).toEqual([uri]);
  });
});

describe('RFC 3261 16.5 the target set', () => {
  it('is the Request-URI when nobody says otherwise', () => {
    const call = new ScriptCall('route { t_relay(); }');
    expect(names(call.sendTo('sip:bob@10.0.0.8:5099', 'OPTIONS'))).toEqual(['OPTIONS 10.0.0.8:5099']);
  });

  it('holds every branch of the script, each sent to once', () => {
    const call = new ScriptCall(`route {
      append_branch("sip:bob@10.0.0.7"); append_branch("sip:bob@10.0.0.6"); t_relay();
    }`);
    expect(names(call.sendTo('sip:bob@10.0.0.8', 'OPTIONS'))).toEqual([
      'OPTIONS 10.0.0.8:5060',
      'OPTIONS 10.0.0.7:5060',
      'OPTIONS 10.0.0.6:5060',
    ]);
  });
});

describe('RFC 3261 16.5 the target set, once each', () => {
  it('a target that is there already is not added', () => {
    const call = new ScriptCall(`route {
      append_branch("sip:bob@10.0.0.7"); append_branch("sip:bob@10.0.0.8"); append_branch("SIP:bob@10.0.0.7"); t_relay();
    }`);
    const sent = names(call.sendTo('sip:bob@10.0.0.8', 'OPTIONS'));
    expect(sent).toEqual(['OPTIONS 10.0.0.8:5060', 'OPTIONS 10.0.0.7:5060']);
  });
});

describe('RFC 3261 16.6 request forwarding', () => {
  it('step 1: body, unknown header fields and their order go on as they came', () => {
    const text =
      'MESSAGE sip:bob@10.0.0.8 SIP/2.0\r\nX-First:1\r\nVia: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa\r\n' +
      'x-odd:  a ;b\r\n  folded\r\nMax-Forwards: 70\r\nMax-Breadth: 9\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\n' +
      'X-First:2\r\ni: x\r\nCSeq: 1 MESSAGE\r\nl: 5\r\n\r\n\x00\xff\r\n!';
    const call = new ScriptCall('route { t_relay(); }');
    const [sent] = call.receive(text, '10.0.0.9:5070');
    const ours = sent!.text.split('\r\n')[1]!;
    const expected = text
      .replace('SIP/2.0\r\n', `SIP/2.0\r\n${ours}\r\n`)
      .replace('Max-Forwards: 70', 'Max-Forwards: 69');
    expect(sent!.text).toBe(expected);
  });

  it('step 4: Record-Route is a SIP URI with lr that leads here', () => {
    const call = new ScriptCall('route { record_route(); t_relay(, "udp:10.0.0.8:5060"); }');
    const sent = readSent(only(call.send('INVITE'), 'INVITE'));
    expect(sent.values(headerNames.recordRoute)).toEqual(['<sip:10.0.0.1:5060;lr;ftag=f1>']);
  });

  it('step 6: a strict router next is the Request-URI, which becomes the last Route', () => {
    const [sent] = loose().sendTo(
      'sip:bob@10.0.0.8',
      'BYE',
      inDialog,
      `Route: ${ours}, <sip:10.0.0.6>, <sip:10.0.0.5;lr>`,
    );
    expect(readSent(sent).requestUri).toBe('sip:10.0.0.6');
    expect(sent!.to).toBe('10.0.0.6:5060');
    expect(routes(sent)).toEqual(['<sip:10.0.0.5;lr>', '<sip:bob@10.0.0.8>']);
  });

  it('step 7: the first Route is where it goes, not the Request-URI; an outbound proxy of the script before both', () => {
    const headers = [inDialog, `Route: ${ours}, <sip:10.0.0.6:5066;lr>`];
    expect(names(loose().sendTo('sip:bob@10.0.0.8', 'BYE', ...headers))).toEqual(['BYE 10.0.0.6:5066']);
    const proxied = new ScriptCall('route { loose_route(); $du = "sip:10.0.0.4"; t_relay(); }');
    expect(names(proxied.sendTo('sip:bob@10.0.0.8', 'BYE', ...headers))).toEqual(['BYE 10.0.0.4:5060']);
  });
});

describe('RFC 3261 16.2 a stateful proxy', () => {
  it('answers an INVITE with 100 at once', () => {
    const call = new ScriptCall('route { t_relay(, "udp:10.0.0.8:5060"); }');
    expect(names(call.send('INVITE'))[0]).toBe('100 10.0.0.9:5070');
  });

  it('absorbs copies of a request: the next hop gets it once', () => {
    const call = new ScriptCall('route { t_relay(, "udp:10.0.0.8:5060"); }');
    call.send('INVITE');
    expect(names(call.send('INVITE'))).toEqual(['100 10.0.0.9:5070']);
  });
});

describe('RFC 3261 16.11 stateless forwarding', () => {
  const script = 'route { forward("10.0.0.8"); }';

  it('keeps nothing, and sends every copy the same way with the same branch', () => {
    const call = new ScriptCall(script);
    const [first] = call.send('OPTIONS');
    const [second] = call.send('OPTIONS');
    expect(first!.text).toBe(second!.text);
    expect(call.node.table.serverCount + call.node.table.clientCount).toBe(0);
  });

  it('makes no 100 of its own', () => {
    expect(names(new ScriptCall(script).send('INVITE'))).toEqual(['INVITE 10.0.0.8:5060']);
  });

  it('answers 483 when the request may go no further, and never an ACK', () => {
    const call = new ScriptCall(script);
    expect(names(call.send('OPTIONS', 'Max-Forwards: 0'))).toEqual(['483 10.0.0.9:5070']);
    expect(names(call.send('ACK', 'Max-Forwards: 0'))).toEqual([]);
  });

  it('sends the ACK to a 2xx on its way by Route, through no transaction', () => {
    const call = loose();
    const sent = call.sendTo('sip:bob@10.0.0.8', 'ACK', inDialog, `Route: ${ours}`);
    expect(names(sent)).toEqual(['ACK 10.0.0.8:5060']);
    expect(call.node.table.serverCount + call.node.table.clientCount).toBe(0);
  });
});
