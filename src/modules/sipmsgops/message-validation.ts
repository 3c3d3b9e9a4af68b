/** `sipmsg_validate()`: what RFC 3261 8.1.1 asks of a message, beyond what the parser insists on. */

import { hasBody } from '#modules/sipmsgops/body-mime.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { parseNameAddress } from '#sip/name-address.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

export interface ValidationProblem {
  /** Negative, one per kind, as OpenSIPS numbers them. */
  readonly code: number;
  readonly reason: string;
}

interface Check {
  /** Letter that asks for it, '' = always. */
  readonly flag: string;
  readonly code: number;
  readonly reason: string;
  readonly isBroken: (message: SipMessage) => boolean;
}

function isBadUri(text: string): boolean {
  return isFailure(parseUri(text));
}

const methodsWithContact = ['INVITE', 'SUBSCRIBE', 'NOTIFY', 'REFER', 'UPDATE'];

function isBadContact(message: SipMessage): boolean {
  const contacts = message.values(headerNames.contact);
  if (contacts.length === 0) return message.isRequest && methodsWithContact.includes(message.method);
  return contacts.some((text) => {
    const contact = parseNameAddress(text);
    return contact === null || (contact.uri !== '*' && isBadUri(contact.uri));
  });
}

const checks: readonly Check[] = [
  {
    flag: 's',
    code: -1,
    reason: 'no SDP body',
    isBroken: (message) => message.method === 'INVITE' && !hasBody(message, 'application/sdp'),
  },
  {
    flag: 'h',
    code: -2,
    reason: 'a header cannot be read',
    isBroken: (message) => hasBody(message, null) && message.find(headerNames.contentType) === -1,
  },
  {
    flag: 'm',
    code: -3,
    reason: 'no valid Max-Forwards',
    isBroken: (message) => message.isRequest && message.maxForwards < 0,
  },
  {
    flag: 'r',
    code: -4,
    reason: 'invalid Request-URI',
    isBroken: (message) => message.isRequest && isBadUri(message.requestUri),
  },
  { flag: 'f', code: -5, reason: 'invalid From URI', isBroken: (message) => isBadUri(message.from.uri) },
  { flag: 't', code: -6, reason: 'invalid To URI', isBroken: (message) => isBadUri(message.to.uri) },
  { flag: 'c', code: -7, reason: 'invalid Contact', isBroken: isBadContact },
  // RFC 3261 8.1.1.3: the From field MUST contain a tag.
  { flag: '', code: -8, reason: 'no From tag', isBroken: (message) => message.fromTag === '' },
];

/** Null when nothing is wrong. */
export function validateMessage(message: SipMessage, flags: string): ValidationProblem | null {
  for (const check of checks) {
    if ((check.flag === '' || flags.includes(check.flag)) && check.isBroken(message)) return check;
  }
  return null;
}
