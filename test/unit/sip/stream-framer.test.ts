/** RFC 3261 18.3 over streams: messages are found whatever pieces they come in. */

import { describe, expect, it } from 'vitest';
import { messageBytesMax } from '#sip/limits.ts';
import { type FrameUser, StreamFramer } from '#sip/stream-framer.ts';
import { isFailure } from '#util/failure.ts';

class Recorder implements FrameUser {
  readonly heard: string[] = [];

  onFrame(bytes: Buffer): void {
    this.heard.push(bytes.toString('latin1'));
  }

  onPing(): void {
    this.heard.push('ping');
  }
}

function options(body = '', lengthLine = `Content-Length: ${body.length}`): string {
  return (
    'OPTIONS sip:a@example.org SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKx\r\n' +
    `From: <sip:b@example.org>;tag=1\r\nTo: <sip:a@example.org>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n` +
    `${lengthLine}\r\n\r\n${body}`
  );
}

/** Pushes the pieces; what was heard, and the problem that ended the stream. */
function read(...pieces: string[]): { heard: string[]; problem: string } {
  const framer = new StreamFramer();
  const recorder = new Recorder();
  let problem = '';
  for (const piece of pieces) {
    const result = framer.push(Buffer.from(piece, 'latin1'), recorder);
    if (isFailure(result)) problem ||= result.message;
  }
  return { heard: recorder.heard, problem };
}

describe('RFC 3261 18.3 framing of a stream', () => {
  const messages = [
    options(),
    options('v=0\r\n\r\n\r\nOPTIONS sip:not-one SIP/2.0\r\n'),
    options('abc', 'l:3'),
    options('abc', 'CONTENT-LENGTH \t: \r\n  3 '),
  ];
  const stream = `\r\n${messages[0]}${messages[1]}\r\n\r\n${messages[2]}\r\n${messages[3]}\r\n\r\n`;
  const expected = [messages[0], messages[1], 'ping', messages[2], messages[3], 'ping'];

  it('finds messages and pings that come at once', () => {
    expect(read(stream)).toEqual({ heard: expected, problem: '' });
  });

  it('finds them split in two at every byte', () => {
    for (let at = 0; at <= stream.length; at++) {
      expect(read(stream.slice(0, at), stream.slice(at)), `split at ${at}`).toEqual({
        heard: expected,
        problem: '',
      });
    }
  });

  it('finds them byte by byte', () => {
    expect(read(...stream)).toEqual({ heard: expected, problem: '' });
  });

  it('finds them in random pieces (seeded)', () => {
    for (let seed = 1; seed <= 500; seed++) {
      let state = seed;
      const next = (limit: number): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return (state >>> 8) % limit;
      };
      const pieces: string[] = [];
      for (let at = 0; at < stream.length; ) {
        const length = 1 + next(next(2) === 0 ? 5 : 400);
        pieces.push(stream.slice(at, at + length));
        at += length;
      }
      expect(read(...pieces), `seed ${seed}`).toEqual({ heard: expected, problem: '' });
    }
  });

  it('hands on the bytes as they are', () => {
    const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('');
    expect(read(options(all)).heard).toEqual([options(all)]);
  });
});

describe('a stream that cannot be framed', () => {
  const cases: readonly [string, string, string][] = [
    ['no Content-Length', options('', 'X: y'), 'a message without Content-Length'],
    ['one that is no number', options('', 'Content-Length: 1x'), 'Content-Length is "1x"'],
    ['a negative one', options('', 'Content-Length: -5'), 'Content-Length is "-5"'],
    ['two that differ', options('abc', 'Content-Length: 3\r\nl: 5'), 'two Content-Lengths differ'],
    [
      'a body beyond the limit',
      options('', `Content-Length: ${messageBytesMax}`),
      'a message of more than 65535 bytes',
    ],
    [
      'a head beyond the limit',
      `OPTIONS sip:${'x'.repeat(messageBytesMax)}`,
      'a message of more than 65535 bytes',
    ],
    ['TLS', '\x16\x03\x01\x02\x00', 'it begins like no SIP message'],
  ];
  it.each(cases)('%s', (_name, text, problem) => {
    expect(read(options(), text, options())).toEqual({ heard: [options()], problem });
    expect(read(options(), ...text, options())).toEqual({ heard: [options()], problem });
  });

  it('two that agree are one', () => {
    const text = options('abc', 'Content-Length: 3\r\nl: 3');
    expect(read(text)).toEqual({ heard: [text], problem: '' });
  });

  it('the longest message there is', () => {
    const rest = messageBytesMax - options('', 'Content-Length: 65000').length;
    const text = options('x'.repeat(rest), `Content-Length: ${rest}`);
    expect(text.length).toBe(messageBytesMax);
    expect(read(text.slice(0, 5000), text.slice(5000))).toEqual({ heard: [text], problem: '' });
  });
});

describe('framing under fire (seeded)', () => {
  it('never throws, never keeps more than one message, and ends in one failure', () => {
    const alphabet = [
      '\r\n',
      '\r\n\r\n',
      'l: 3',
      'Content-Length: ',
      '\r',
      '\n',
      'A',
      ' ',
      '\x00',
      '9',
      ':',
      'SIP/2.0',
      options(),
    ];
    for (let seed = 1; seed <= 2000; seed++) {
      let state = seed;
      const next = (limit: number): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return (state >>> 8) % limit;
      };
      const pieces = Array.from({ length: 40 }, () => alphabet[next(alphabet.length)]!);
      const whole = read(pieces.join(''));
      expect(read(...pieces), `seed ${seed}`).toEqual(whole);
    }
  });
});
