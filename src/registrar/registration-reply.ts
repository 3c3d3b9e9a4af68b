/** Header lines of the answer to a REGISTER (RFC 3261 10.3 step 8, RFC 3327 5.3, RFC 5626 6). */

import type { Binding } from '#registrar/binding.ts';
import type { Refusal, Registration } from '#registrar/registration.ts';

/** `bindings`: all current ones, or those that the script wants told. Each line ends in CRLF. */
export function acceptanceHeaders(
  registration: Registration,
  bindings: readonly Binding[],
  wall: number,
  receivedName: string,
): string {
  let text = '';
  if (bindings.length > 0) {
    // 10.3 step 8: every current binding, each with the interval that the registrar chose.
    text += `Contact: ${bindings.map((binding) => contactText(binding, wall, receivedName)).join(', ')}\r\n`;
  }
  // RFC 3327 5.3: the UA hears which way its requests will take.
  if (registration.path !== '') text += `Path: ${registration.path}\r\n`;
  // RFC 5626 6: tells the UA that its flow is kept.
  if (registration.outbound) text += 'Require: outbound\r\n';
  text += 'Supported: path, outbound\r\n';
  return `${text}${dateHeader(wall)}`;
}

function contactText(binding: Binding, wall: number, receivedName: string): string {
  const q = binding.q < 0 ? '' : `;q=${binding.q / 1000}`;
  const seconds = Math.max(0, Math.round((binding.expires - wall) / 1000));
  const received = binding.received === '' ? '' : `;${receivedName}="${binding.received}"`;
  return `<${binding.uri}>${q};expires=${seconds}${received}${binding.parameters}`;
}

/** `retryAfterSeconds`: what the script says instead of our own guess; 0 = nothing. */
export function refusalHeaders(refusal: Refusal, retryAfterSeconds: number): string {
  let text = '';
  // 10.3 step 7: 423 names the shortest interval that would do.
  if (refusal.status === 423) text += `Min-Expires: ${refusal.seconds}\r\n`;
  if (refusal.status === 503) text += `Retry-After: ${retryAfterSeconds || Math.max(1, refusal.seconds)}\r\n`;
  // 8.2.2.3: 420 names what is not supported.
  if (refusal.status === 420) text += `Unsupported: ${refusal.unsupported}\r\n`;
  return `${text}P-Registrar-Error: ${refusal.cause.replace(/[^\x20-\x7e]/g, '?')}\r\n`;
}

/** RFC 3261 20.17 */
export function dateHeader(wall: number): string {
  return `Date: ${new Date(wall).toUTCString()}\r\n`;
}
