/** The IPv6 messages of RFC 5118, each with the treatment that the RFC names, at a node with an IPv6 address. */

import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { parseNameAddress } from '#sip/name-address.ts';
import { requestUriProblem } from '#sip/request-uri.ts';
import { parseUri, type SipUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';
import { fixture, fixtureNames } from '../support/fixture.ts';
import { NodeHarness, readSent } from '../support/node-harness.ts';

const script = `
  socket = udp:[2001:db8::10]:5060
  socket = udp:192.0.2.10:5060
  route {
    if (is_method("REGISTER") && is_myself("$rd", $rp)) {
      save("location");
      exit;
    }
    if (is_method("BYE"))
      t_relay("udp:[2001:db8::77]:5060");
    else
      t_relay();
  }`;
const withModules = `loadmodule "proto_udp.so"\nloadmodule "sl.so"\nloadmodule "tm.so"\nloadmodule "usrloc.so"
  loadmodule "registrar.so"\nloadmodule "sipmsgops.so"\nloadmodule "signaling.so"\n${script}`;
const names = { 'example.com': '192.0.2.200' };
const source = '[2001:db8::9:1]:5060';

const node = (): NodeHarness => new NodeHarness(withModules, { names });

function read(name: string): SipMessage {
  const message = parseMessage(fixture(`rfc5118/${name}`));
  if (isFailure(message)) throw new Error(`${name}: ${message.message}`);
  return message;
}

function uriOf(text: string): SipUri {
  const uri = parseUri(text);
  if (isFailure(uri)) throw new Error(uri.message);
  return uri;
}

/** Start line and destination of everything that the node sent because of the message. */
function treatment(name: string): string[] {
  const sent = node().receive(fixture(`rfc5118/${name}`), source);
  return sent.map(({ text, to }) => `${text.slice(0, text.indexOf('\r\n'))} → ${to}`);
}

describe('RFC 5118', () => {
  it('4.1 ipv6-good: a valid message with an IPv6 reference is registered', () => {
    const message = read('ipv6-good');
    expect(uriOf(message.requestUri).host).toBe('2001:db8::10');
    expect(message.topVia.host).toBe('2001:db8::9:1');
    const contact = parseNameAddress(message.firstValue(headerNames.contact));
    expect(uriOf(contact!.uri).host).toBe('2001:db8::1');
    // The To of this message names another domain than the Request-URI: RFC 3261 10.3 step 5.
    expect(treatment('ipv6-good')).toEqual(['SIP/2.0 404 Not Found → [2001:db8::9:1]:5060']);
  });

  it('4.2 ipv6-bad: an IPv6 address without its brackets is answered 400', () => {
    expect(requestUriProblem(read('ipv6-bad').requestUri)).toBe('Invalid Request-URI');
    expect(treatment('ipv6-bad')).toEqual(['SIP/2.0 400 Invalid Request-URI → [2001:db8::9:1]:5060']);
  });

  it('4.3 port-ambiguous: what stands inside the brackets is address, not port', () => {
    const uri = uriOf(read('port-ambiguous').requestUri);
    expect([uri.host, uri.port]).toEqual(['2001:db8::10:5070', 0]);
    expect(treatment('port-ambiguous')).toEqual([
      'REGISTER sip:[2001:db8::10:5070] SIP/2.0 → [2001:db8::10:5070]:5060',
    ]);
  });

  it('4.4 port-unambiguous: what stands behind the brackets is the port', () => {
    const uri = uriOf(read('port-unambiguous').requestUri);
    expect([uri.host, uri.port]).toEqual(['2001:db8::10', 5070]);
    expect(treatment('port-unambiguous')).toEqual([
      'REGISTER sip:[2001:db8::10]:5070 SIP/2.0 → [2001:db8::10]:5070',
    ]);
  });

  it.each(['via-received-param-with-delim', 'via-received-param-no-delim'])(
    '4.5 %s: received is read with and without brackets',
    (name) => {
      expect(read(name).topVia.received).toBe('2001:db8::9:255');
      expect(treatment(name)).toEqual(['BYE sip:[2001:db8::10] SIP/2.0 → [2001:db8::77]:5060']);
    },
  );

  it('4.5: what we write as received has none, as the grammar of via-received says', () => {
    const sent = node().receive(fixture('rfc5118/via-received-param-with-delim'), '[2001:db8::5]:5060');
    expect(readSent(sent[0]).values(headerNames.via)[1]).toContain(';received=2001:db8::5;');
  });

  it.each([
    ['4.6', 'ipv6-in-sdp', 'c=IN IP6 2001:db8::20'],
    ['4.8', 'mult-ip-in-sdp', 'c=IN IP4 192.0.2.1'],
  ])('%s %s: the body passes as it is', (_clause, name, line) => {
    const original = fixture(`rfc5118/${name}`);
    const text = new NodeHarness(withModules.replace('t_relay();', 't_relay("udp:192.0.2.50:5060");'))
      .receive(original, source)
      .find((sent) => sent.text.startsWith('INVITE'))!.text;
    expect(text.slice(text.indexOf('\r\n\r\n'))).toBe(original.slice(original.indexOf('\r\n\r\n')));
    expect(text).toContain(line);
  });

  it('4.7 mult-ip-in-header: addresses of both kinds in one message', () => {
    const message = read('mult-ip-in-header');
    expect(message.values(headerNames.via)).toHaveLength(3);
    expect([message.topVia.host, message.topVia.port]).toEqual(['2001:db8::9:1', 6050]);
    const sent = readSent(node().receive(fixture('rfc5118/mult-ip-in-header'), source)[0]);
    expect(sent.values(headerNames.via).slice(2)).toEqual(message.values(headerNames.via).slice(1));
  });

  it('4.9 ipv4-mapped-ipv6: mapped addresses are IPv6 addresses', () => {
    const message = read('ipv4-mapped-ipv6');
    expect([message.topVia.host, message.topVia.port]).toEqual(['::ffff:192.0.2.10', 19_823]);
    const contact = parseNameAddress(message.firstValue(headerNames.contact));
    expect(uriOf(contact!.uri).host).toBe('::ffff:192.0.2.2');
    expect(treatment('ipv4-mapped-ipv6').at(-1)).toBe(
      'INVITE sip:user@example.com SIP/2.0 → 192.0.2.200:5060',
    );
  });

  it('4.10 ipv6-bug-abnf-3-colons: the third colon of the old grammar is read over', () => {
    expect(uriOf(read('ipv6-bug-abnf-3-colons').requestUri).host).toBe('2001:db8::192.0.2.1');
    expect(treatment('ipv6-bug-abnf-3-colons')).toEqual([
      'OPTIONS sip:user@[2001:db8:::192.0.2.1] SIP/2.0 → [2001:db8::192.0.2.1]:5060',
    ]);
  });
});

describe('a call between two phones with IPv6 addresses', () => {
  const callScript = `
    socket = udp:[2001:db8::10]:5060
    loadmodule "proto_udp.so"\nloadmodule "sl.so"\nloadmodule "tm.so"\nloadmodule "rr.so"\nloadmodule "usrloc.so"
    loadmodule "registrar.so"\nloadmodule "sipmsgops.so"\nloadmodule "signaling.so"
    route {
      if (is_method("REGISTER")) {
        save("location");
        exit;
      }
      if (has_totag()) {
        loose_route();
        t_relay();
        exit;
      }
      record_route();
      if (lookup("location"))
        t_relay();
      else
        send_reply(404, "Not Found");
    }`;
  const caller = '[2001:db8::a]:5070';
  const callee = '[2001:db8::b]:5072';

  const request = (method: string, uri: string, ...headers: string[]): string =>
    [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP ${method === 'REGISTER' ? callee : caller};branch=z9hG4bK${method};rport`,
      'From: <sip:a@[2001:db8::10]>;tag=1',
      'Call-ID: six',
      `CSeq: 1 ${method}`,
      'Max-Forwards: 70',
      ...headers,
      '',
      '',
    ].join('\r\n');

  it('is set up through brackets in Via, Record-Route, Route and Contact', () => {
    const one = new NodeHarness(callScript);
    const to = 'To: <sip:b@[2001:db8::10]>';
    const registered = one.receive(
      request('REGISTER', 'sip:[2001:db8::10]', to, `Contact: <sip:b@${callee}>`),
      callee,
    );
    expect(readSent(registered[0]).firstValue(headerNames.contact)).toContain(`<sip:b@${callee}>`);

    const invite = request('INVITE', 'sip:b@[2001:db8::10]', to, `Contact: <sip:a@${caller}>`);
    const sent = one.receive(invite, caller);
    const forwarded = sent.find(({ text }) => text.startsWith('INVITE'))!;
    expect(forwarded.to).toBe(callee);
    const received = readSent(forwarded);
    expect(received.topVia.host).toBe('2001:db8::10');
    expect(received.values(headerNames.via)[0]).toContain('SIP/2.0/UDP [2001:db8::10]:5060;');
    expect(received.values(headerNames.via)[1]).toContain(
      `SIP/2.0/UDP ${caller};branch=z9hG4bKINVITE;rport=5070`,
    );
    const recordRoute = received.firstValue(headerNames.recordRoute);
    expect(recordRoute).toContain('<sip:[2001:db8::10]:5060;lr');

    const answer = [
      'SIP/2.0 200 OK',
      ...received.values(headerNames.via).map((via) => `Via: ${via}`),
      `Record-Route: ${recordRoute}`,
      `From: ${received.firstValue(headerNames.from)}`,
      `To: ${received.firstValue(headerNames.to)};tag=2`,
      'Call-ID: six',
      'CSeq: 1 INVITE',
      `Contact: <sip:b@${callee}>`,
      '',
      '',
    ].join('\r\n');
    const ok = one.receive(answer, callee);
    expect(ok.map((datagram) => datagram.to)).toEqual([caller]);
    expect(readSent(ok[0]).status).toBe(200);

    const inDialog = `Route: ${recordRoute}\r\n${to};tag=2`;
    const ack = one.receive(request('ACK', `sip:b@${callee}`, ...inDialog.split('\r\n')), caller);
    expect(ack.map((datagram) => datagram.to)).toEqual([callee]);
    const bye = one.receive(request('BYE', `sip:b@${callee}`, ...inDialog.split('\r\n')), caller);
    expect(bye.map((datagram) => datagram.to)).toEqual([callee]);
    expect(readSent(bye[0]).find(headerNames.route)).toBe(-1);
  });
});

it('every message of the RFC is here', () => {
  expect(fixtureNames('rfc5118')).toHaveLength(11);
});

describe('this node by its IPv6 address', () => {
  const answer = (uri: string): string => {
    const one = new NodeHarness(`socket = udp:[2001:db8::10]:5060\nalias = udp:[2001:db8::99]:5070
      loadmodule "proto_udp.so"\nloadmodule "sl.so"
      route { if (is_myself("$rd", $rp)) sl_send_reply(200, "OK"); else sl_send_reply(404, "No"); }`);
    const text = [
      `OPTIONS ${uri} SIP/2.0`,
      'Via: SIP/2.0/UDP [2001:db8::a];branch=z9hG4bK1',
      'From: <sip:a@h>;tag=1',
      'To: <sip:b@h>',
      'Call-ID: c',
      'CSeq: 1 OPTIONS',
      '',
      '',
    ].join('\r\n');
    return one.receive(text, '[2001:db8::a]:5060')[0]!.text.slice(8, 11);
  };

  it.each([
    ['sip:[2001:db8::10]', '200'],
    ['sip:[2001:DB8:0:0::10]:5060', '200'],
    ['sip:[2001:db8::0099]:5070', '200'],
    ['sip:[2001:db8::10]:5061', '404'],
    ['sip:[2001:db8::11]', '404'],
  ])('%s is answered %s', (uri, status) => expect(answer(uri)).toBe(status));
});
