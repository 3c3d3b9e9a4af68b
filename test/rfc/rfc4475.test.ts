/**
 * The torture messages of RFC 4475, each with the treatment that the RFC names for it, at a node that is the registrar
 * of example.com and forwards everything else. Where the RFC lets an element choose between 400 and tolerance, the
 * reason of our choice stands beside it.
 */

import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { isFailure } from '#util/failure.ts';
import { fixture, fixtureNames } from '../support/fixture.ts';
import { NodeHarness, readSent, type SentDatagram } from '../support/node-harness.ts';

const script = `
  alias = udp:example.com:5060
  modparam("registrar", "max_contacts", 10)
  route {
    if (is_method("REGISTER")) {
      save("location");
      exit;
    }
    if (!mf_process_maxfwd_header(70)) {
      send_reply(483, "Too Many Hops");
      exit;
    }
    loose_route();
    t_relay();
  }`;

const names = {
  'example.com': '192.0.2.200',
  'example.net': '192.0.2.201',
  'example.org': '192.0.2.202',
  'chair-dnrc.example.com': '192.0.2.203',
  'services.example.com': '192.0.2.204',
  'registrar.example.com': '192.0.2.205',
  'company.com': '192.0.2.206',
};

const node = (): NodeHarness => new NodeHarness(script, { names });

function read(name: string): SipMessage {
  const message = parseMessage(fixture(`rfc4475/${name}`));
  if (isFailure(message)) throw new Error(`${name}: ${message.message}`);
  return message;
}

/** Header lines without those that a proxy changes, and the body: what must leave byte-identical. */
function untouched(text: string, changed: readonly string[]): string[] {
  const end = text.indexOf('\r\n\r\n');
  const lines = text.slice(text.indexOf('\r\n') + 2, end).split(/\r\n(?![ \t])/);
  return [
    ...lines.filter((line) => !changed.some((name) => line.toLowerCase().startsWith(name))),
    text.slice(end),
  ];
}

function forwarded(name: string): SentDatagram {
  const sent = node().receive(fixture(`rfc4475/${name}`), '192.0.2.99:5060');
  const requests = sent.filter(({ text }) => !text.startsWith('SIP/2.0 '));
  expect(requests, `${name} is forwarded once`).toHaveLength(1);
  return requests[0]!;
}

/** Every valid request that is not for the registrar: nothing changes but the hop's own fields. */
const forwardedUnchanged = [
  ['wsinv', '3.1.1.1 a short tortuous INVITE'],
  ['intmeth', '3.1.1.2 wide range of valid characters'],
  ['esc01', '3.1.1.3 valid use of the % escaping'],
  ['esc02', '3.1.1.5 % where it is no escape: RE%47IST%45R is not REGISTER'],
  ['lwsdisp', '3.1.1.6 no white space between display name and <'],
  ['longreq', '3.1.1.7 long values'],
  ['semiuri', '3.1.1.9 semicolons in the user part'],
  ['transports', '3.1.1.10 unknown transports'],
  // A proxy has no use for Date, and a display name or a blank that breaks the grammar of From or To leaves no doubt
  // about the address: such phones work.
  ['baddate', '3.1.2.12 a time zone that Date may not have'],
  ['badaspec', '3.1.2.14 blanks inside the angle brackets'],
  ['baddn', '3.1.2.15 an unquoted comma in display names'],
  ['badbranch', '3.2.1 a branch that is only the magic cookie'],
  ['invut', '3.3.6 a content type that only the callee must know'],
  ['sdp01', '3.3.15 an Accept that only the callee can refuse'],
  ['inv2543', '3.4.1 an INVITE of RFC 2543'],
] as const;

describe('RFC 4475: what a proxy forwards', () => {
  it.each(forwardedUnchanged)('%s (%s) leaves as it came', (name) => {
    const original = fixture(`rfc4475/${name}`);
    const { text } = forwarded(name);
    const changed = ['via', 'v ', 'v:', 'max-forwards', 'max-breadth', 'route'];
    expect(untouched(text, changed)).toEqual(untouched(original, changed));
    const received = read(name);
    const sent = readSent({ ...forwarded(name) });
    expect(sent.method).toBe(received.method);
    expect(sent.requestUri).toBe(received.requestUri);
    // One Via more than came, and the others in their order.
    const vias = (message: SipMessage): (string | undefined)[] =>
      message.values(headerNames.via).map((via) => /[\w.]+(?=\s*(;|$))/.exec(via.slice(8))?.[0]);
    expect(vias(sent).slice(1)).toEqual(vias(received));
    const { maxForwards } = received;
    expect(sent.maxForwards).toBe(maxForwards === -1 ? 70 : maxForwards - 1);
  });

  it('3.1.1.1 wsinv follows its Route', () => {
    expect(forwarded('wsinv').to).toBe('192.0.2.204:5060');
  });

  it('3.1.1.11 mpart01: the multipart body passes byte by byte, and the strict route is followed', () => {
    const { text, to } = forwarded('mpart01');
    expect(text.slice(text.indexOf('\r\n\r\n'))).toBe(
      fixture('rfc4475/mpart01').slice(fixture('rfc4475/mpart01').indexOf('\r\n\r\n')),
    );
    expect(to).toBe('127.0.0.1:5080');
  });

  it('3.2.1 badbranch: two requests with the bare cookie are two transactions', () => {
    const one = node();
    const first = fixture('rfc4475/badbranch');
    const second = first.replace('Call-ID: badbranch', 'Call-ID: other').replace('tag=33242', 'tag=1');
    expect(one.receive(first)).toHaveLength(1);
    expect(one.receive(second)).toHaveLength(1);
    expect(one.receive(first)).toHaveLength(0);
    expect(one.node.table.serverCount).toBe(2);
  });
});

/** [name, clause, status and reason phrase] */
const answered = [
  ['badinv01', '3.1.2.1 stray separators', '400 Missing or Invalid Via'],
  ['clerr', '3.1.2.2 Content-Length larger than the datagram', '400 Invalid Content-Length'],
  ['ncl', '3.1.2.3 negative Content-Length', '400 Invalid Content-Length'],
  ['scalar02', '3.1.2.4 scalars out of range', '400 Missing or Invalid CSeq'],
  ['quotbal', '3.1.2.6 an open quote', '400 Missing or Invalid To'],
  ['ltgtruri', '3.1.2.7 a Request-URI in brackets', '400 Invalid Request-URI'],
  ['lwsruri', '3.1.2.8 white space in the Request-URI', '400 Blank in the Request-URI'],
  // These three may be repaired or refused; who repairs a request line guesses, and the next hop must not have to.
  ['lwsstart', '3.1.2.9 several blanks in the request line', '400 Blank in the Request-URI'],
  ['trws', '3.1.2.10 blanks behind the request line', '400 Blanks Around the Request Line'],
  ['escruri', '3.1.2.11 headers in the Request-URI', '400 Headers in the Request-URI'],
  ['badvers', '3.1.2.16 an unknown version', '505 Version Not Supported'],
  ['mismatch01', '3.1.2.17 another method in CSeq', '400 CSeq Method Differs'],
  ['mismatch02', '3.1.2.18 another method in CSeq, an unknown one in front', '400 CSeq Method Differs'],
  ['insuf', '3.3.1 no Call-ID, From or To', '400 Missing or Invalid From'],
  ['unkscm', '3.3.2 an unknown scheme', '416 Unsupported URI Scheme'],
  ['novelsc', '3.3.3 a known scheme that is none of SIP', '416 Unsupported URI Scheme'],
  ['bext01', '3.3.5 Proxy-Require', '420 Bad Extension'],
  ['multi01', '3.3.8 several values where one may be', '400 More Than One From'],
  ['mcl01', '3.3.9 two Content-Lengths', '400 More Than One Content-Length'],
  ['zeromf', '3.3.11 no hop is left', '483 Too Many Hops'],
] as const;

describe('RFC 4475: what is refused', () => {
  it.each(answered)('%s (%s) is answered %s', (name, _clause, expected) => {
    const one = node();
    const sent = one.receive(fixture(`rfc4475/${name}`), '192.0.2.99:5060').filter(isFinal);
    expect(sent.map(({ text }) => text.slice('SIP/2.0 '.length, text.indexOf('\r\n')))).toEqual([expected]);
    // The answer must be found by who asked: his Via came back, and it goes to where he is.
    expect(sent[0]!.text).toMatch(/\r\nVia: SIP\/[27]\.0\//);
    expect(sent[0]!.to.startsWith('192.0.2.99:')).toBe(true);
  });

  it('3.3.5 bext01: Unsupported names the options of Proxy-Require, not those of Require', () => {
    const reply = readSent(node().receive(fixture('rfc4475/bext01')).find(isFinal));
    expect(reply.values(headerNames.unsupported)).toEqual([
      'noProxiesSupportThis',
      'norDoAnyProxiesSupportThis',
    ]);
  });

  it.each([
    ['scalarlg', '3.1.2.5 a CSeq out of range', 'core:err_replies'],
    ['bigcode', '3.1.2.19 a status code out of range', 'core:err_replies'],
    ['bcast', '3.3.10 the next Via is the broadcast address', 'tm:foreign_replies'],
    ['unreason', '3.1.1.12 a response that nobody here waits for', 'tm:foreign_replies'],
    ['noreason', '3.1.1.13 a response that nobody here waits for', 'tm:foreign_replies'],
  ])('%s (%s) is dropped and counted', (name, _clause, counter) => {
    const one = node();
    expect(one.receive(fixture(`rfc4475/${name}`))).toEqual([]);
    expect(one.statistic(counter)).toBe(1);
  });

  it.each([
    ['255.255.255.255', 0],
    ['0.0.0.0', 0],
    ['224.0.1.75', 0],
    ['[ff02::1]', 0],
    ['[::]', 0],
    ['192.0.2.7', 1],
    ['[2001:db8::7]', 1],
  ])(
    '3.3.10 bcast: stateless forwarding, where a script allows it, towards %s sends %i',
    (address, count) => {
      const modules = 'loadmodule "proto_udp.so"\nloadmodule "sl.so"\nroute { sl_send_reply(404, "No"); }';
      const forwards = new NodeHarness(
        `disable_stateless_fwd = 0\nsocket = udp:192.0.2.198:5060\n${modules}`,
      );
      const response = fixture('rfc4475/bcast').replace('255.255.255.255', address);
      expect(forwards.receive(response)).toHaveLength(count);
    },
  );
});

const isFinal = ({ text }: SentDatagram): boolean => /^SIP\/2\.0 [2-6]/.test(text);

describe('RFC 4475: what the registrar makes of it', () => {
  /** `200` and the bound URIs. */
  function register(name: string): { status: number; contacts: string[] } {
    const sent = node()
      .receive(fixture(`rfc4475/${name}`), '192.0.2.99:5060')
      .filter(isFinal);
    expect(sent, `${name} is answered once`).toHaveLength(1);
    const reply = readSent(sent[0]);
    const contacts = reply.values(headerNames.contact).map((contact) => /<(.*)>/.exec(contact)![1]!);
    return { status: reply.status, contacts: contacts.sort() };
  }

  it.each([
    [
      'escnull',
      '3.1.1.4 escaped NULs are characters',
      200,
      ['sip:%00%00@host5.example.com', 'sip:%00@host5.example.com'],
    ],
    ['dblreq', '3.1.1.8 bytes behind the request', 200, ['sip:j.user@host.example.com']],
    ['regbadct', '3.1.2.13 a Contact with headers outside of brackets', 400, []],
    ['unksm2', '3.3.4 an address of record that is no SIP URI', 400, []],
    ['regaut01', '3.3.7 an unknown authorization scheme, and nobody asked', 200, []],
    ['cparam01', '3.3.12 a parameter of the Contact', 200, ['sip:+19725552222@gw1.example.net']],
    ['cparam02', '3.3.13 a parameter of the URI', 200, ['sip:+19725552222@gw1.example.net;unknownparam']],
    [
      'regescrt',
      '3.3.14 escaped headers in the Contact',
      200,
      ['sip:user@example.com?Route=%3Csip:sip.example.com%3E'],
    ],
  ])('%s (%s): %i %j', (name, _clause, status, contacts) => {
    expect(register(name)).toEqual({ status, contacts });
  });

  it('3.1.1.8 dblreq: the INVITE behind the REGISTER is no message', () => {
    const one = node();
    one.receive(fixture('rfc4475/dblreq'));
    expect(one.statistic('core:rcv_requests')).toBe(1);
  });
});

describe('RFC 4475: what the parser reads', () => {
  it('3.1.1.1 wsinv', () => {
    const message = read('wsinv');
    expect(message.to.uri).toBe('sip:vivekg@chair-dnrc.example.com');
    expect(message.toTag).toBe('1918181833n');
    expect(message.from.display).toBe('J Rosen \\"');
    expect(message.from.uri).toBe('sip:jdrosen@example.com');
    expect(message.fromTag).toBe('98asjd8');
    expect(message.maxForwards).toBe(68);
    expect(message.cseqNumber).toBe(9);
    expect(message.cseqMethod).toBe('INVITE');
    expect(message.topVia.host).toBe('192.0.2.2');
    expect(message.topVia.branch).toBe('390skdjuw');
    expect(message.values(headerNames.via)).toHaveLength(3);
    expect(message.firstValue(headerNames.subject)).toBe('');
    expect(message.value(message.findNamed('NewFangledHeader'))).toBe(
      'newfangled value continued newfangled value',
    );
    expect(message.topRoute?.host).toBe('services.example.com');
    expect(message.contentLength).toBe(150);
  });

  it('3.1.1.2 intmeth', () => {
    const message = read('intmeth');
    expect(message.method).toBe("!interesting-Method0123456789_*+`.%indeed'~");
    expect(message.to.display).toBe('BEL:\x07 NUL:\x00 DEL:\x7f');
    expect(message.from.uri).toBe('sip:mundane@example.com');
    expect(message.fromTag).toBe("_token~1'+`*%!-.");
    expect(message.from.parameter("fromParam''~+*_!.-%")).toHaveLength(20);
    expect(message.cseqNumber).toBe(139_122_385);
    expect(message.maxForwards).toBe(255);
    expect(message.topVia.branch).toBe("z9hG4bK-.!%66*_+`'~");
  });

  it('3.1.1.6 lwsdisp', () => expect(read('lwsdisp').from.display).toBe('caller'));

  it('3.1.1.7 longreq', () => {
    const message = read('longreq');
    expect(message.values(headerNames.via)).toHaveLength(34);
    expect(message.topVia.host).toBe('sip33.example.com');
    expect(message.fromTag).toHaveLength(155);
  });

  it('3.1.1.12 unreason', () => {
    const message = read('unreason');
    expect(message.status).toBe(200);
    expect(Buffer.from(message.reason, 'latin1').toString('utf8')).toBe(
      '= 2**3 * 5**2 но сто девяносто девять - простое',
    );
  });

  it('3.1.1.13 noreason', () => {
    expect(read('noreason').status).toBe(100);
    expect(read('noreason').reason).toBe('');
  });
});

it('every message of the RFC is here and has its test', () => {
  const tested = [...forwardedUnchanged, ...answered].map(([name]): string => name);
  const others =
    'mpart01 scalarlg bigcode bcast unreason noreason escnull dblreq regbadct unksm2 regaut01 cparam01';
  tested.push(...others.split(' '), 'cparam02', 'regescrt');
  expect(tested.sort()).toEqual(fixtureNames('rfc4475'));
  expect(tested).toHaveLength(49);
});
