/**
 * What clients send to keep an address translator's entry open (RFC 5626 3.5): blank datagrams, the double CRLF that
 * wants a CRLF, and STUN binding requests (RFC 8489) on the SIP port. An answer is never much longer than its question.
 */

import { parseIp } from '#util/ip-address.ts';

const stunCookie = 0x2112_a442;
const stunHeaderBytes = 20;
const bindingRequest = 0x0001;
const bindingResponse = 0x0101;
const xorMappedAddress = 0x0020;
/** A binding request of a client is 20 to 100 bytes; more is something else. */
const stunBytesMax = 548;

export function isKeepAlive(bytes: Uint8Array): boolean {
  if (bytes.length > 4) return isStun(bytes);
  for (const byte of bytes) if (byte !== 13 && byte !== 10 && byte !== 0 && byte !== 32) return false;
  return true;
}

/** RFC 8489 6: two zero bits, the cookie, a length that fits. No SIP message begins so. */
function isStun(bytes: Uint8Array): boolean {
  if ((bytes[0]! & 0xc0) !== 0 || bytes.length < stunHeaderBytes || bytes.length > stunBytesMax) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return view.getUint32(4) === stunCookie && view.getUint16(2) === bytes.length - stunHeaderBytes;
}

/** Null when nothing is to be answered. */
export function keepAliveAnswer(
  bytes: Uint8Array,
  source: { readonly address: string; readonly port: number },
): Buffer | null {
  if (bytes.length > 4) return stunAnswer(bytes, source);
  // RFC 5626 3.5.1: the answer to a double CRLF is one CRLF.
  const isPing =
    bytes.length === 4 && bytes[0] === 13 && bytes[1] === 10 && bytes[2] === 13 && bytes[3] === 10;
  return isPing ? Buffer.from('\r\n') : null;
}

/** RFC 8489 7.3.1: the address that the request came from, which the client compares with what it knew before. */
function stunAnswer(
  bytes: Uint8Array,
  source: { readonly address: string; readonly port: number },
): Buffer | null {
  if (((bytes[0]! << 8) | bytes[1]!) !== bindingRequest) return null;
  const address = parseIp(source.address);
  if (address === null) return null;
  const answer = Buffer.alloc(stunHeaderBytes + 8 + address.length);
  answer.writeUInt16BE(bindingResponse, 0);
  answer.writeUInt16BE(8 + address.length, 2);
  answer.set(bytes.subarray(4, stunHeaderBytes), 4);
  answer.writeUInt16BE(xorMappedAddress, stunHeaderBytes);
  answer.writeUInt16BE(4 + address.length, stunHeaderBytes + 2);
  answer[stunHeaderBytes + 5] = address.length === 16 ? 2 : 1;
  answer.writeUInt16BE(source.port ^ (stunCookie >>> 16), stunHeaderBytes + 6);
  // RFC 8489 14.2: mixed with the cookie and the transaction id, so that no translator on the way rewrites it.
  for (let index = 0; index < address.length; index++) {
    answer[stunHeaderBytes + 8 + index] = address[index]! ^ answer[4 + index]!;
  }
  return answer;
}
