/**
 * An independent reader of SIP, drachtio-sip, must find in every message what ours finds. Where it does not, the reason
 * stands in `differences`: a message that shows one must show it, or the difference is no longer true.
 */

import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { isFailure } from '#util/failure.ts';
import { fixture, fixtureNames } from '../../support/fixture.ts';
import { sipMessage } from '../../support/sip-generator.ts';

interface Address {
  readonly name: string | undefined;
  readonly uri: string;
  readonly params: Readonly<Record<string, string | undefined>>;
}

interface Oracle {
  readonly method: string | undefined;
  readonly uri: string | undefined;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  getParsedHeader(name: string): unknown;
}

const { SipMessage: OracleMessage } = createRequire(import.meta.url)('drachtio-sip') as {
  SipMessage: new (text: string) => Oracle;
};

/** Field names and what each of the two read; null for a field that was not accepted. */
type Fields = Readonly<Record<string, string | number | null>>;

const attempt = <Value>(run: () => Value): Value | null => {
  try {
    return run();
  } catch {
    return null;
  }
};

/** What drachtio-sip reads; null when it does not accept the message. */
function oracleFields(text: string): Fields | null {
  const message = attempt(() => new OracleMessage(text));
  if (message === null) return null;
  const address = (name: string): Address | null => attempt(() => message.getParsedHeader(name) as Address);
  const via = attempt(() => (message.getParsedHeader('via') as ViaOracle[])[0]!);
  const cseq = attempt(() => message.getParsedHeader('cseq') as { seq: number; method: string });
  const [from, to] = [address('from'), address('to')];
  return {
    status: message.status ?? 0,
    method: message.method ?? null,
    requestUri: message.uri ?? null,
    callId: message.headers['call-id'] ?? null,
    cseq: cseq?.seq ?? null,
    cseqMethod: cseq?.method ?? null,
    fromUri: from?.uri || null,
    fromTag: from?.params.tag ?? null,
    toUri: to?.uri || null,
    toTag: to?.params.tag ?? null,
    viaProtocol: via?.protocol.toUpperCase() ?? null,
    viaHost: via?.host ?? null,
    viaPort: via?.port ?? null,
    viaBranch: via?.params.branch ?? null,
  };
}

interface ViaOracle {
  readonly protocol: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Readonly<Record<string, string | undefined>>;
}

function ourFields(message: SipMessage): Fields {
  const { topVia } = message;
  return {
    status: message.status,
    method: message.isRequest ? message.method : null,
    requestUri: message.isRequest ? message.requestUri : null,
    callId: message.callId,
    cseq: message.cseqNumber,
    cseqMethod: message.cseqMethod,
    fromUri: message.from.uri,
    fromTag: message.fromTag || null,
    toUri: message.to.uri,
    toTag: message.toTag || null,
    viaProtocol: topVia.protocol,
    viaHost: topVia.host,
    viaPort: topVia.port || null,
    viaBranch: topVia.branch || null,
  };
}

interface Difference {
  /** Why ours is right. */
  readonly reason: string;
  readonly fields: readonly string[];
  readonly applies: (message: SipMessage, ours: string, theirs: string) => boolean;
  /** Shows the difference. */
  readonly example: Readonly<Record<string, string>>;
}

const raw = (message: SipMessage, header: 1 | 2 | 3 | 4 | 5): string => {
  const line = message.find(header);
  return message.text.slice(message.valueStart(line), message.valueEnd(line));
};
const addressFields = ['fromUri', 'toUri', 'fromTag', 'toTag'];

const differences: readonly Difference[] = [
  {
    reason:
      'it takes the escapes of URIs for escapes of methods; RFC 4475 3.1.1.5: RE%47IST%45R is not REGISTER',
    fields: ['method', 'cseqMethod'],
    applies: (_message, ours) => ours.includes('%'),
    example: { start: 'RE%47IST%45R sip:b@h SIP/2.0', cseq: 'CSeq: 1 RE%47IST%45R' },
  },
  {
    reason: 'it ends the host of a Via at the first colon, also within the brackets of IPv6',
    fields: ['viaHost', 'viaPort', 'viaBranch'],
    applies: (message) => raw(message, headerNames.via).includes('['),
    example: { via: 'Via: SIP/2.0/UDP [2001:db8::1];branch=z9hG4bKa' },
  },
  {
    reason: 'it reads the next element of a list into the host of a Via that has no parameters',
    fields: ['viaHost'],
    applies: (_message, ours, theirs) => theirs.startsWith(`${ours},`),
    example: { via: 'Via: SIP/2.0/UDP h\r\nVia: SIP/2.0/UDP h2' },
  },
  {
    reason: 'it keeps blanks before the closing bracket (RFC 4475 3.1.2.14 lets us read over them)',
    fields: ['fromUri', 'toUri'],
    applies: (_message, ours, theirs) => theirs.trim() === ours,
    example: { to: 'To: < sip:b@h >' },
  },
  {
    reason: 'it takes an unquoted display name with a comma for the URI (RFC 4475 3.1.2.15 lets us read it)',
    fields: addressFields,
    applies: (message) =>
      [message.from, message.to].some((address) => /[^\w\-.!%*+`'~\s]/.test(address.display)),
    example: { to: 'To: Bell, A. <sip:b@h>;tag=2' },
  },
  {
    reason: 'it keeps line ends of folded values, which mean one blank (RFC 3261 7.3.1)',
    fields: ['callId', ...addressFields],
    applies: (message) => message.text.slice(0, message.headersEnd).includes('\n '),
    example: { to: 'To: <sip:b@h\r\n >' },
  },
  {
    reason: 'it keeps the quotes of quoted parameters, which are not part of the value (RFC 3261 25.1)',
    fields: ['fromTag', 'toTag', 'viaBranch'],
    applies: (_message, _ours, theirs) => theirs.startsWith('"'),
    example: { from: 'From: <sip:a@h>;tag="1"' },
  },
  {
    reason: 'it keeps blanks at the end of a value, which mean nothing (RFC 3261 7.3.1)',
    fields: ['callId', 'requestUri'],
    applies: (_message, ours, theirs) => theirs.trim() === ours,
    example: { callId: 'Call-ID: c \t' },
  },
];

const plain: Readonly<Record<string, string>> = {
  start: 'INVITE sip:b@h SIP/2.0',
  via: 'Via: SIP/2.0/UDP h;branch=z9hG4bKa',
  from: 'From: <sip:a@h>;tag=1',
  to: 'To: <sip:b@h>',
  callId: 'Call-ID: c',
  cseq: 'CSeq: 1 INVITE',
};

const build = (changes: Readonly<Record<string, string>>): string =>
  `${Object.values({ ...plain, ...changes }).join('\r\n')}\r\n\r\n`;

/** Fields that both accepted and read differently, those with a known reason left out. */
function disagreements(text: string): string[] {
  const message = parseMessage(text);
  const theirs = oracleFields(text);
  if (isFailure(message) || theirs === null) return [];
  const ours = ourFields(message);
  const found: string[] = [];
  for (const [field, value] of Object.entries(ours)) {
    const other = theirs[field] ?? null;
    if (value === null || other === null || value === other) continue;
    const isKnown = differences.some(
      ({ fields, applies }) => fields.includes(field) && applies(message, String(value), String(other)),
    );
    if (!isKnown) found.push(`${field}: ${JSON.stringify(value)}, drachtio-sip ${JSON.stringify(other)}`);
  }
  return found;
}

describe('drachtio-sip agrees with our parser', () => {
  it('about every message of the grammar, most of which it accepts', () => {
    const runs = 500;
    let compared = 0;
    const property = fc.property(sipMessage, ({ text }) => {
      expect(disagreements(text)).toEqual([]);
      const fields = oracleFields(text);
      if (fields?.viaHost != null && fields.fromUri != null) compared++;
    });
    fc.assert(property, { numRuns: runs });
    expect(compared).toBeGreaterThan(runs / 2);
  });

  it.each(fixtureNames('rfc4475'))('about %s of RFC 4475', (name) => {
    expect(disagreements(fixture(`rfc4475/${name}`))).toEqual([]);
  });

  it.each(fixtureNames('rfc5118'))('about %s of RFC 5118', (name) => {
    expect(disagreements(fixture(`rfc5118/${name}`))).toEqual([]);
  });
});

describe('what it reads differently', () => {
  it.each(differences)('$reason', ({ example, fields }) => {
    const text = build(example);
    const ours = ourFields(parseMessage(text) as SipMessage);
    const theirs = oracleFields(text)!;
    expect(fields.some((field) => ours[field] !== theirs[field])).toBe(true);
  });
});
