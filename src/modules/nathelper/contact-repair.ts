/** Contact headers rewritten to where the request really came from, or marked with it. */

import type { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { parseNameAddress, splitList } from '#sip/name-address.ts';
import { quotedEnd } from '#sip/parameters.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import type { Flow } from '#util/socket-address.ts';

interface ContactPlace {
  readonly uri: string;
  /** Offsets into the message's text. */
  readonly uriStart: number;
  readonly uriEnd: number;
  readonly elementEnd: number;
  /** False: parameters behind the URI belong to the header already. */
  readonly hasBrackets: boolean;
}

/** Where the URI of each Contact stands; `*` is none. */
function contactPlaces(message: SipMessage): ContactPlace[] {
  const places: ContactPlace[] = [];
  for (
    let line = message.find(headerNames.contact);
    line !== -1;
    line = message.find(headerNames.contact, line + 1)
  ) {
    const lineStart = message.valueStart(line);
    const text = message.text.slice(lineStart, message.valueEnd(line));
    for (const { start, end } of splitList(text)) {
      const element = text.slice(start, end);
      const address = parseNameAddress(element.trim());
      if (address === null || address.uri === '*') continue;
      const quoted = element.indexOf('"');
      const isQuoted = quoted !== -1 && element.slice(0, quoted).trim() === '';
      const open = element.indexOf('<', isQuoted ? quotedEnd(element, quoted) : 0);
      const uriStart = lineStart + start + element.indexOf(address.uri, Math.max(open, 0));
      places.push({
        uri: address.uri,
        uriStart,
        uriEnd: uriStart + address.uri.length,
        elementEnd: lineStart + start + element.trimEnd().length,
        hasBrackets: open !== -1,
      });
    }
  }
  return places;
}

/** In the URI of a Contact that was rewritten: the URI that it had, in base64url. */
const preservedParameter = 'nat-uri';

export interface ContactChange {
  /** Added to the URI, `;a=b`. */
  readonly parameters: string;
  /** The URI that stood there is kept in a parameter, for {@link restoreUri}. */
  readonly preserves: boolean;
}

/** Host and port of every Contact become those of the sender. */
export function rewriteContacts(
  message: SipMessage,
  source: Flow,
  edits: MessageEdits,
  change: ContactChange,
): boolean {
  let changed = false;
  for (const place of contactPlaces(message)) {
    const uri = parseUri(place.uri);
    if (isFailure(uri) || edits.touches(place.uriStart, place.uriEnd)) continue;
    const kept = `;${preservedParameter}=${Buffer.from(uri.text, 'latin1').toString('base64url')}`;
    const parameters = change.preserves ? change.parameters + kept : change.parameters;
    const text = uri.with({
      host: source.address,
      port: source.port,
      parameters: uri.parameters + parameters,
    });
    // RFC 3261 20.10: URI parameters need angle brackets around the URI.
    const needsBrackets = !place.hasBrackets && parameters !== '';
    edits.replace(place.uriStart, place.uriEnd, needsBrackets ? `<${text}>` : text);
    changed = true;
  }
  return changed;
}

/** What `rewriteContacts` made of a Contact, apart again: its own URI, and where it is reached. Null when it is none. */
export function restoreUri(text: string): { readonly uri: string; readonly nextHop: string } | null {
  const uri = parseUri(text);
  const kept = isFailure(uri) ? null : uri.parameter(preservedParameter);
  if (isFailure(uri) || kept === null) return null;
  const original = Buffer.from(kept, 'base64url').toString('latin1');
  if (isFailure(parseUri(original))) return null;
  const transport = uri.parameter('transport');
  const nextHop = `sip:${bracketed(uri.host)}:${uri.port}`;
  return { uri: original, nextHop: transport === null ? nextHop : `${nextHop};transport=${transport}` };
}

/** `received` with the sender's address: behind the Contact, or in its URI. */
export function markContacts(
  message: SipMessage,
  source: Flow,
  edits: MessageEdits,
  inUri: boolean,
): boolean {
  const places = contactPlaces(message);
  const received = senderUri(source);
  for (const place of places) {
    if (inUri) {
      const escaped = received.replaceAll(';', '%3B').replaceAll('=', '%3D');
      edits.insert(place.uriEnd, `;received=${escaped}`);
    } else edits.insert(place.elementEnd, `;received="${received}"`);
  }
  return places.length > 0;
}

/** `sip:ip:port`, with the transport when it is not UDP. */
export function senderUri(source: Flow): string {
  const { protocol } = source.socket;
  const transport = protocol === 'udp' ? '' : `;transport=${protocol}`;
  return `sip:${bracketed(source.address)}:${source.port}${transport}`;
}
