import { describe, expect, it } from 'vitest';
import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';

const text =
  'INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bK1;rport\r\n' +
  'Via: SIP/2.0/UDP 10.0.0.8;branch=z9hG4bK2\r\nFrom: <sip:alice@example.com>;tag=a\r\n' +
  'To: <sip:bob@example.com>;tag=b\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\nRoute: <sip:10.0.0.1;lr>\r\n' +
  'Content-Length: 2\r\n\r\nhi';

/** Everything that anybody reads of it. */
function readings(message: SipMessage): unknown {
  const lines = Array.from({ length: message.lineCount }, (_all, line) => [
    message.lineName(line),
    message.value(line),
    message.lineEnd(line),
  ]);
  const { topVia, from, to, fromTag, toTag, callId, cseqNumber, cseqMethod, topRoute, body } = message;
  const headers = message.values(headerNames.via);
  return { lines, topVia, from, to, fromTag, toTag, callId, cseqNumber, cseqMethod, topRoute, body, headers };
}

describe('a trimmed message', () => {
  it('still says all that it said', () => {
    const message = parseMessage(text) as SipMessage;
    const before = readings(message);
    message.trim();
    expect(readings(message)).toEqual(before);
    message.trim();
    expect(message.find(headerNames.route)).toBe(6);
  });
});
