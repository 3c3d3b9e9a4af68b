/**
 * Valid SIP messages as the grammar allows them (RFC 3261 25.1), with what a reader must find in them: compact and
 * odd spellings, folding, quoting, lists over one line or several, IPv6, any byte in the body. For fast-check.
 */

import fc from 'fast-check';

export interface GeneratedAddress {
  readonly display: string;
  readonly uri: string;
  readonly tag: string;
}

export interface GeneratedVia {
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  readonly branch: string;
}

export interface GeneratedMessage {
  readonly text: string;
  /** '' in a response. */
  readonly requestUri: string;
  /** 0 in a request. */
  readonly status: number;
  readonly method: string;
  readonly from: GeneratedAddress;
  readonly to: GeneratedAddress;
  readonly callId: string;
  readonly cseq: number;
  readonly vias: readonly GeneratedVia[];
  /** Values of Contact, in order. */
  readonly contacts: readonly string[];
  readonly maxForwards: number;
  readonly body: string;
}

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const textOf = (characters: string, minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...characters), { minLength, maxLength }).map((all) => all.join(''));

const token = textOf(`${letters}-.!%*_+\`'~`, 1, 12);
const word = textOf(letters, 1, 10);
const host = fc.oneof(
  word.map((name) => `${name}.example.com`),
  fc.constantFrom('192.0.2.1', '[2001:db8::1]', '[::ffff:192.0.2.7]', 'localhost'),
);
const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: 0 });
/** Unescaped user characters, escapes included; what could be taken for parameters or headers only escaped. */
const user = fc.oneof(
  word,
  textOf(`${letters}-_.!~*'()&=+$,/`, 1, 10),
  fc.constantFrom('%00', 'a%3Bb', '%41'),
);
const hostPort = fc.tuple(host, port).map(([name, number]) => (number === 0 ? name : `${name}:${number}`));
const uri = fc
  .tuple(fc.constantFrom('sip', 'sips'), fc.option(user, { nil: '' }), hostPort)
  .map(([scheme, name, place]) => `${scheme}:${name === '' ? '' : `${name}@`}${place}`);
const uriParameters = fc.constantFrom('', ';lr', ';transport=udp', ';user=phone;x=%41');
const blank = fc.constantFrom(' ', '  ', '\t', '\r\n ', ' \r\n\t');
const noBlank = fc.constantFrom('', '', '', ' ', '\r\n ');

const quotedText = fc
  .array(
    fc.oneof(
      fc.constantFrom(...`${letters} ,;<>@:`).map((character) => ({ read: character, written: character })),
      fc
        .constantFrom('"', '\\', 'x', '\0')
        .map((character) => ({ read: character, written: `\\${character}` })),
      fc
        .constantFrom('\xc3\xa4', '\xe5\xa4\xa7')
        .map((character) => ({ read: character, written: character })),
    ),
    { maxLength: 12 },
  )
  .map((parts) => ({
    read: parts.map((part) => part.read).join(''),
    written: `"${parts.map((part) => part.written).join('')}"`,
  }));
const display = fc.oneof(
  fc.constant({ read: '', written: '' }),
  fc
    .tuple(token, token)
    .map(([first, second]) => ({ read: `${first} ${second}`, written: `${first} ${second}` })),
  quotedText,
);

interface Written<Value> {
  readonly value: Value;
  readonly text: string;
}

const address: fc.Arbitrary<Written<GeneratedAddress>> = fc
  .record({ display, uri, uriParameters, tag: token, noBlank, blank, bracketed: fc.boolean() })
  .map((parts) => {
    if (!parts.bracketed) {
      const value = { display: '', uri: parts.uri, tag: parts.tag };
      return { value, text: `${parts.uri}${parts.noBlank};tag${parts.noBlank}=${parts.noBlank}${parts.tag}` };
    }
    const full = parts.uri + parts.uriParameters;
    const gap =
      parts.display.written.startsWith('"') || parts.display.written === '' ? parts.noBlank : parts.blank;
    return {
      value: { display: parts.display.read, uri: full, tag: parts.tag },
      text: `${parts.display.written}${gap}<${full}>${parts.noBlank};x="a;b\\"c"${parts.noBlank};TAG=${parts.tag}`,
    };
  });

const via: fc.Arbitrary<Written<GeneratedVia>> = fc
  .record({
    protocol: fc.constantFrom('UDP', 'TCP', 'tls', 'SCTP'),
    host,
    port,
    branch: token,
    noBlank,
    blank,
  })
  .map((parts) => {
    const number = parts.port === 0 ? '' : `${parts.noBlank}:${parts.noBlank}${parts.port}`;
    const slash = `${parts.noBlank}/${parts.noBlank}`;
    return {
      value: {
        protocol: parts.protocol.toUpperCase(),
        host: parts.host.replace(/^\[|\]$/g, ''),
        port: parts.port,
        branch: parts.branch,
      },
      text: `SIP${slash}2.0${slash}${parts.protocol}${parts.blank}${parts.host}${number};rport;branch=${parts.branch}`,
    };
  });

const contact = fc.tuple(display, uri, uriParameters).map(([name, place, parameters]) => {
  return `${name.written}${name.written === '' ? '' : ' '}<${place}${parameters}>;q=0.5`;
});

/** A header line: one of its names, odd blanks around the colon. */
const spelled = (...names: string[]): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom(...names), fc.constantFrom('', ' ', '\t')).map(([name, gap]) => `${name}${gap}:`);
const line = (name: fc.Arbitrary<string>, value: string): fc.Arbitrary<string> =>
  fc
    .tuple(name, noBlank, noBlank)
    .map(([lead, before, after]) => `${lead}${before}${value}${after.trimStart()}\r\n`);

const otherLine = fc
  .tuple(token, textOf(`${letters} ,;:<>"@=\\/`, 0, 30))
  .map(([name, value]) => `X-${name}: ${value}\r\n`);

const core = fc.record({
  isRequest: fc.boolean(),
  method: fc.oneof(fc.constantFrom('INVITE', 'ACK', 'BYE', 'REGISTER', 'OPTIONS'), token),
  requestUri: fc.tuple(uri, uriParameters).map((parts) => parts.join('')),
  status: fc.integer({ min: 100, max: 699 }),
  from: address,
  to: address,
  callId: fc.tuple(token, host).map((parts) => parts.join('@')),
  cseq: fc.integer({ min: 0, max: 2_147_483_647 }),
  vias: fc.array(via, { minLength: 1, maxLength: 4 }),
  viasInOneLine: fc.boolean(),
  contacts: fc.array(contact, { maxLength: 3 }),
  maxForwards: fc.integer({ min: 0, max: 255 }),
  others: fc.array(otherLine, { maxLength: 4 }),
  body: textOf(`${letters}\r\n\0\xff `, 0, 40),
  hasLength: fc.boolean(),
});

export const sipMessage: fc.Arbitrary<GeneratedMessage> = core.chain((parts) => {
  const viaTexts = parts.vias.map((entry) => entry.text);
  const viaValues = parts.viasInOneLine ? [viaTexts.join(' ,\r\n\t')] : viaTexts;
  const lines = fc.tuple(
    fc.tuple(...viaValues.map((value) => line(spelled('Via', 'v', 'VIA', 'V'), value))),
    line(spelled('From', 'f', 'FROM'), parts.from.text),
    line(spelled('To', 't', 'to'), parts.to.text),
    line(spelled('Call-ID', 'i', 'call-id', 'Call-Id'), parts.callId),
    line(spelled('CSeq', 'CSEQ', 'Cseq'), `00${parts.cseq} \t${parts.method}`),
    line(spelled('Max-Forwards', 'max-forwards'), String(parts.maxForwards)),
    fc.tuple(...parts.contacts.map((value) => line(spelled('Contact', 'm'), value))),
    line(spelled('Content-Length', 'l'), String(parts.body.length)),
  );
  const start = parts.isRequest
    ? `${parts.method} ${parts.requestUri} SIP/2.0\r\n`
    : `SIP/2.0 ${parts.status} Some Reason\r\n`;
  return lines.map(([vias, from, to, callId, cseq, maxForwards, contacts, length]) => {
    const head = [...vias, ...contacts, to, cseq, ...parts.others, from, maxForwards, callId];
    if (parts.hasLength) head.push(length);
    return {
      text: `${start}${head.join('')}\r\n${parts.body}`,
      requestUri: parts.isRequest ? parts.requestUri : '',
      status: parts.isRequest ? 0 : parts.status,
      method: parts.method,
      from: parts.from.value,
      to: parts.to.value,
      callId: parts.callId,
      cseq: parts.cseq,
      vias: parts.vias.map((entry) => entry.value),
      contacts: parts.contacts,
      maxForwards: parts.maxForwards,
      body: parts.body,
    };
  });
});
