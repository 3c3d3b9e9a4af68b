/** Contact headers rewritten to where the request really came from, or marked with it. */

import type { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import { bracketed } from '#sip/host-port.ts';
import type { SipMessage } from '#sip/message.ts';
import { parseNameAddress, splitList } from '#sip/name-address.ts';
import { quotedEnd } from '#sip/parameters.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';
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

/** Host and port of every Contact become those of the sender; `parameters` (`;a=b`) are added to the URI. */
export function rewriteContacts(
  message: SipMessage,
  source: Flow,
  edits: MessageEdits,
  parameters: string,
): boolean {
  let changed = false;
  for (const place of contactPlaces(message)) {
    const uri = parseUri(place.uri);
    if (isFailure(uri) || edits.touches(place.uriStart, place.uriEnd)) continue;
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
