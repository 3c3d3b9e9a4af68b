/** Reading a message and writing it on: what happens to every datagram. */

import { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { toBytes } from '#sip/serialize.ts';
import { assert } from '#util/assert.ts';
import { isFailure } from '#util/failure.ts';
import type { MicroCase } from './micro.ts';

/** Twelve header lines and a session description. */
const invite =
  'INVITE sip:bob@biloxi.example.com SIP/2.0\r\n' +
  'Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK74bf9.1;rport\r\n' +
  'Via: SIP/2.0/UDP 192.0.2.8:5060;branch=z9hG4bK74bf8.1;received=198.51.100.9\r\n' +
  'Max-Forwards: 70\r\n' +
  'From: "Alice" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n' +
  'To: Bob <sip:bob@biloxi.example.com>\r\n' +
  'Call-ID: 3848276298220188511@atlanta.example.com\r\n' +
  'CSeq: 1 INVITE\r\n' +
  'Contact: <sip:alice@client.atlanta.example.com;transport=udp>\r\n' +
  'User-Agent: a telephone\r\n' +
  'Content-Type: application/sdp\r\n' +
  'Content-Length: 139\r\n\r\n' +
  'v=0\r\no=alice 2890844526 2890844526 IN IP4 client.atlanta.example.com\r\ns=-\r\nc=IN IP4 192.0.2.101\r\n' +
  't=0 0\r\nm=audio 49172 RTP/AVP 0\r\na=rtpmap\r\n';

function parsed(text: string): SipMessage {
  const message = parseMessage(text);
  assert(!isFailure(message), isFailure(message) ? message.message : '');
  return message;
}

export function parseCases(): MicroCase[] {
  const bytes = Buffer.from(invite, 'latin1');
  const message = parsed(invite);
  return [
    {
      name: 'parse an INVITE of 12 header lines, with all that every message must have checked',
      run: (times) => {
        for (let index = 0; index < times; index++) parsed(bytes.toString('latin1'));
      },
    },
    {
      name: 'three edits of it, applied and written into bytes',
      run: (times) => {
        for (let index = 0; index < times; index++) {
          const edits = new MessageEdits();
          const via = message.find(headerNames.via);
          const hops = message.find(headerNames.maxForwards);
          edits.remove(message.lineStart(via), message.lineEnd(via));
          edits.replace(message.valueStart(hops), message.valueEnd(hops), '69');
          edits.insert(message.headersEnd, 'X-Path: 1\r\n');
          toBytes(edits.apply(message.text));
        }
      },
    },
  ];
}
