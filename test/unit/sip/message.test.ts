import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import { headerLinesMax } from '#sip/limits.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { ParseFailure } from '#sip/parse-failure.ts';
import { toBytes } from '#sip/serialize.ts';
import { parseVia } from '#sip/via.ts';
import { isFailure } from '#util/failure.ts';
import { fixture, fixtureNames } from '../../support/fixture.ts';
import { mutate } from '../../support/mutation.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { sipMessage } from '../../support/sip-generator.ts';

function read(text: string): SipMessage {
  const message = parseMessage(text);
  if (isFailure(message)) throw new Error(`${message.message}: ${JSON.stringify(text)}`);
  return message;
}

const lines = (...more: string[]): string =>
  [
    'INVITE sip:b@h SIP/2.0',
    'Via: SIP/2.0/UDP h;branch=z9hG4bKa',
    'From: <sip:a@h>;tag=1',
    'To: <sip:b@h>',
    'Call-ID: c',
    'CSeq: 1 INVITE',
    ...more,
    '',
    '',
  ].join('\r\n');

/** The message put together again from what the index says of it. */
function reassembled(message: SipMessage): string {
  const { text } = message;
  let result = text.slice(0, message.startLineEnd);
  for (let line = 0; line < message.lineCount; line++) {
    const name = message.lineName(line);
    const start = message.lineStart(line);
    expect(text.startsWith(name, start)).toBe(true);
    result += name + text.slice(start + name.length, message.valueStart(line));
    result += text.slice(message.valueStart(line), message.valueEnd(line));
    result += text.slice(message.valueEnd(line), message.lineEnd(line));
  }
  return result + text.slice(message.headersEnd, message.bodyStart) + text.slice(message.bodyStart);
}

describe('every message of the grammar', () => {
  it('is read as it was meant', () => {
    fc.assert(
      fc.property(sipMessage, (wanted) => {
        const message = read(wanted.text);
        expect({
          requestUri: message.requestUri,
          status: message.status,
          method: message.method,
          from: { display: message.from.display, uri: message.from.uri, tag: message.fromTag },
          to: { display: message.to.display, uri: message.to.uri, tag: message.toTag },
          callId: message.callId,
          cseq: message.cseqNumber,
          contacts: message.values(headerNames.contact),
          maxForwards: message.maxForwards,
          body: message.body,
          vias: message.values(headerNames.via).map((value) => {
            const { protocol, host, port, branch } = parseVia(value)!;
            return { protocol, host, port, branch };
          }),
        }).toEqual({ ...wanted, text: undefined });
        expect(message.topVia.branch).toBe(wanted.vias[0]!.branch);
      }),
      { numRuns: 400 },
    );
  });

  it('leaves byte-identical when nothing edited it', () => {
    fc.assert(
      fc.property(sipMessage, ({ text }) => {
        const bytes = toBytes(text);
        const message = read(bytes.toString('latin1'));
        expect(toBytes(new MessageEdits().apply(message.text)).equals(bytes)).toBe(true);
        expect(reassembled(message)).toBe(text);
      }),
    );
  });

  it('keeps what no edit touches when a header is taken out and one put in', () => {
    fc.assert(
      fc.property(sipMessage, fc.nat(), ({ text }, number) => {
        const message = read(text);
        const line = number % message.lineCount;
        const edits = new MessageEdits();
        edits.remove(message.lineStart(line), message.lineEnd(line));
        edits.insert(message.headersEnd, 'X-New: 1\r\n');
        const before = text.slice(0, message.lineStart(line));
        const between = text.slice(message.lineEnd(line), message.headersEnd);
        expect(edits.apply(text)).toBe(`${before}${between}X-New: 1\r\n${text.slice(message.headersEnd)}`);
      }),
    );
  });
});

describe('whatever arrives', () => {
  it('is a message whose parts make up the whole, or a failure that says why', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const message = parseMessage(text);
        if (isFailure(message)) expect(message.reason).not.toBe('');
        else expect(reassembled(message)).toBe(message.text);
      }),
    );
  });

  it.each([11, 12, 13])('mutated, too (seed %i)', (seed) => {
    const random = new SeededRandom(seed);
    const names = fixtureNames('rfc4475');
    for (let count = 0; count < 3000; count++) {
      const text = mutate(fixture(`rfc4475/${names[count % names.length]}`), random);
      const message = parseMessage(text);
      const found = isFailure(message) ? message.partial : message;
      if (isFailure(message)) expect(message.message).toMatch(/^not an acceptable SIP message: ./);
      if (found === null || isFailure(message)) continue;
      expect(reassembled(found)).toBe(found.text);
      // Every typed header can be asked for.
      expect([
        found.topVia,
        found.from,
        found.to,
        found.callId,
        found.cseqNumber,
        found.maxForwards,
      ]).toHaveLength(6);
      expect(found.values(headerNames.contact)).not.toContain('');
      expect(typeof found.body + String(found.topRoute?.host)).toContain('string');
    }
  });
});

describe('SipMessage', () => {
  it('finds headers by number, by any name, and the next ones behind', () => {
    const message = read(
      lines('Route: <sip:r1>', 'X-A: 1', 'route: <sip:r2>', 'x-a: 2', 'Refer-To: <sip:x>'),
    );
    const first = message.find(headerNames.route);
    expect([first, message.find(headerNames.route, first + 1), message.find(headerNames.path)]).toEqual([
      5, 7, -1,
    ]);
    expect([message.findNamed('x-A'), message.findNamed('X-A', 7), message.findNamed('none')]).toEqual([
      6, 8, -1,
    ]);
    expect([message.findNamed('r'), message.findNamed('Route')]).toEqual([9, 5]);
    expect(message.lineHeader(first)).toBe(headerNames.route);
  });

  it('splits lists over lines, and leaves out what is empty', () => {
    const message = read(lines('Allow: INVITE, ACK,', 'Allow: , BYE', 'Allow:'));
    expect(message.values(headerNames.allow)).toEqual(['INVITE', 'ACK', 'BYE']);
  });

  it('joins folded lines by one blank, and reads an empty value', () => {
    const message = read(lines('Subject: a \r\n\t b\r\n  c', 'X-Empty:', 'X-Blank: \r\n '));
    expect(message.firstValue(headerNames.subject)).toBe('a b c');
    expect(message.value(message.findNamed('X-Empty'))).toBe('');
    expect(message.value(message.findNamed('X-Blank'))).toBe('');
  });

  it('reads lines that end in LF alone', () => {
    const message = read(lines('Subject: x').replaceAll('\r\n', '\n'));
    expect(message.firstValue(headerNames.subject)).toBe('x');
    expect(message.callId).toBe('c');
  });

  it.each([
    ['', -1],
    ['Max-Forwards: 0', 0],
    ['Max-Forwards: 255', 255],
    ['Max-Forwards: 256', -2],
    ['Max-Forwards: x', -2],
    ['Max-Forwards: -1', -2],
  ])('"%s": maxForwards %i', (header, expected) => {
    expect(read(header === '' ? lines() : lines(header)).maxForwards).toBe(expected);
  });

  it.each([
    ['Route: <sip:r1;lr>, <sip:r2>', 'r1'],
    ['Route: "a,b" <sip:r1>', 'r1'],
    ['Route: nonsense', undefined],
    ['Route: <http://x>', undefined],
    ['Supported: x', undefined],
  ])('%s: topRoute %s', (header, host) => expect(read(lines(header)).topRoute?.host).toBe(host));

  it('takes as many header lines as it may, and no more', () => {
    const fill = (count: number): string =>
      lines(...Array.from({ length: count - 5 }, (_, index) => `X-${index}: y`));
    expect(read(fill(headerLinesMax)).lineCount).toBe(headerLinesMax);
    const failure = parseMessage(fill(headerLinesMax + 1)) as ParseFailure;
    expect([failure.status, failure.partial?.callId]).toEqual([513, 'c']);
  });

  it('cuts what follows the body, and lets go of it', () => {
    const message = read(`${lines('Content-Length: 2')}abREST`);
    expect([message.body, message.text.endsWith('\r\n\r\nab')]).toEqual(['ab', true]);
  });

  it('answers nothing of what has no Via', () => {
    const failure = parseMessage(lines().replace(/Via:.*\r\n/, '')) as ParseFailure;
    expect([failure.partial, failure.isResponse]).toEqual([null, false]);
  });

  it.each([
    ['blanks in a folded value', `Subject: a\r\n ${' '.repeat(60_000)}b`],
    ['commas in Via', `Via: SIP/2.0/UDP h${',SIP/2.0/UDP h'.repeat(4000)}`],
    ['semicolons in Via', `X: y\r\nv: SIP/2.0/UDP h;a${';a'.repeat(30_000)}`],
    ['quotes', `Contact: ${'"'.repeat(60_000)}`],
    ['backslashes', `Contact: "${'\\'.repeat(60_000)}`],
    ['brackets', `Contact: ${'<'.repeat(60_000)}`],
    ['slashes in Via', `Via: SIP${' '.repeat(30_000)}/${' '.repeat(30_000)}2.0`],
    ['one long name', `${'X'.repeat(60_000)}: y`],
    ['a line without colon', 'x'.repeat(60_000)],
  ])('takes its time by the length, not by its square: %s', (_name, header) => {
    const began = performance.now();
    const message = parseMessage(lines(header));
    const found = isFailure(message) ? message.partial : message;
    found?.values(headerNames.contact);
    found?.values(headerNames.via);
    found?.firstValue(headerNames.subject);
    expect(performance.now() - began).toBeLessThan(300);
  });
});

describe('start lines', () => {
  it.each([
    ['INVITE sip:b@h sip/2.0', 'INVITE', 'sip:b@h'],
    ["!-.%*_+`'~ sip:b@h SIP/2.0", "!-.%*_+`'~", 'sip:b@h'],
  ])('%s', (start, method, uri) => {
    const message = read(lines().replace(/^.*/, start).replace('1 INVITE', `1 ${method}`));
    expect([message.method, message.requestUri]).toEqual([method, uri]);
  });

  it.each([
    ['SIP/2.0 200 OK', 200, 'OK'],
    ['SIP/2.0 200 ', 200, ''],
    ['SIP/2.0 200', 200, ''],
    ['sip/2.0 404 Not Found', 404, 'Not Found'],
    ['SIP/2.0 699 = 2**3', 699, '= 2**3'],
  ])('%s', (start, status, reason) => {
    const message = read(lines().replace(/^.*/, start));
    expect([message.isRequest, message.status, message.reason, message.method]).toEqual([
      false,
      status,
      reason,
      'INVITE',
    ]);
  });

  it.each([
    ['INVITE sip:b@h SIP/1.0', 505],
    ['INVITE sip:b@h SIP/2.0 ', 400],
    [' INVITE sip:b@h SIP/2.0', 400],
    ['INVITE  sip:b@h SIP/2.0', 400],
  ])('"%s" is answered %i', (start, status) => {
    const failure = parseMessage(lines().replace(/^.*/, start)) as ParseFailure;
    expect(failure).toBeInstanceOf(ParseFailure);
    expect([failure.status, failure.partial?.callId]).toEqual([status, 'c']);
  });

  it.each([
    'INVITE',
    'INVITE SIP/2.0',
    'INV(ITE sip:b@h SIP/2.0',
    'INVITE sip:b@h',
    'GET / HTTP/1.1',
    'SIP/2.0 20 x',
  ])('"%s" is none', (start) => {
    const failure = parseMessage(lines().replace(/^.*/, start)) as ParseFailure;
    expect([failure.code, failure.partial]).toEqual(['SIP_START_LINE_INVALID', null]);
  });
});
