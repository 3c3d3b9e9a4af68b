/**
 * Changes of a message's body by scripts: several functions may change it one after the other, each sees what the one
 * before left, and Content-Length follows. The body is replaced as a whole, never in parts.
 */

import type { MessageContext } from '#module/context.ts';
import { headerNames } from '#sip/header-name.ts';

/** The body with all changes made so far. */
export function currentBody(context: MessageContext): string {
  const { message, edits } = context;
  return edits.apply(message.text, message.bodyStart, message.bodyStart + message.body.length);
}

/** A message without a body gets none: it would need a Content-Type too. */
export function replaceBody(context: MessageContext, body: string): void {
  const { message, edits } = context;
  const length = message.body.length;
  if (length === 0) return;
  edits.overwrite(message.bodyStart, message.bodyStart + length, body);
  const line = message.find(headerNames.contentLength);
  // RFC 3261 20.14: over UDP the length may be absent; then the datagram ends the body.
  if (line === -1) return;
  edits.overwrite(message.valueStart(line), message.valueEnd(line), String(body.length));
}
