/** The Contacts of a 3xx as targets (RFC 3261 8.1.3.4, 16.5): URI and q; what is no target is left out. */

import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { parseNameAddress } from '#sip/name-address.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

export interface RedirectContact {
  readonly uri: string;
  /** q × 1000; a Contact without one has 1000 (RFC 3261 20.10 leaves it open). */
  readonly q: number;
}

export function contactsOf(reply: SipMessage): RedirectContact[] {
  const contacts: RedirectContact[] = [];
  for (const value of reply.values(headerNames.contact)) {
    const address = parseNameAddress(value);
    const uri = address === null ? null : parseUri(address.uri);
    if (uri === null || isFailure(uri) || uri.host === '') continue;
    const q = Number(address?.parameter('q') ?? 1);
    contacts.push({ uri: uri.text, q: q >= 0 && q <= 1 ? Math.round(q * 1000) : 1000 });
  }
  return contacts.toSorted((a, b) => b.q - a.q);
}
