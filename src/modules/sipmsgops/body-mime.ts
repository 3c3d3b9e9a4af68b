/** Types of a body and its parts. */

import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';

function mimeOf(contentType: string): string {
  const semicolon = contentType.indexOf(';');
  return (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
}

/** `mime` null: any. */
export function hasBody(message: SipMessage, mime: string | null): boolean {
  if (message.contentLength === 0 || message.bodyStart >= message.text.length) return false;
  return mime === null || mimeOf(message.firstValue(headerNames.contentType)) === mime.toLowerCase();
}

/** The type of the body, then those of its parts when it is a multipart (RFC 2046 5.1). */
export function bodyMimes(message: SipMessage): string[] {
  if (!hasBody(message, null)) return [];
  const whole = mimeOf(message.firstValue(headerNames.contentType));
  if (!whole.startsWith('multipart/')) return [whole];
  const types = message.body.matchAll(/^(?:content-type|c)[ \t]*:[ \t]*([^;\r\n]+)/gim);
  return [whole, ...Array.from(types, (found) => found[1]!.trim().toLowerCase())];
}
