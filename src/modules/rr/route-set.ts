/** The Route header fields of a request: its elements with their places in the text, and removing them (RFC 3261 16.4). */

import type { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { parseNameAddress, splitList } from '#sip/name-address.ts';
import { parseUri, type SipUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

export interface RouteElement {
  readonly line: number;
  /** Offsets in the message's text. */
  readonly start: number;
  readonly end: number;
  /** Null when it cannot be read. */
  readonly uri: SipUri | null;
}

export function readRoutes(message: SipMessage): RouteElement[] {
  const routes: RouteElement[] = [];
  for (
    let line = message.find(headerNames.route);
    line !== -1;
    line = message.find(headerNames.route, line + 1)
  ) {
    const base = message.valueStart(line);
    const raw = message.text.slice(base, message.valueEnd(line));
    if (!raw.includes(',')) {
      routes.push({ line, start: base, end: base + raw.length, uri: readUri(raw) });
      continue;
    }
    for (const { start, end } of splitList(raw)) {
      const padded = raw.slice(start, end);
      const element = padded.trim();
      const first = base + start + padded.length - padded.trimStart().length;
      if (element !== '')
        routes.push({ line, start: first, end: first + element.length, uri: readUri(element) });
    }
  }
  return routes;
}

function readUri(element: string): SipUri | null {
  const address = parseNameAddress(element);
  const uri = address === null ? null : parseUri(address.uri);
  return uri === null || isFailure(uri) ? null : uri;
}

/** Removes the first `count` elements; whole lines where nothing of them is left. */
export function removeFirst(
  message: SipMessage,
  edits: MessageEdits,
  routes: readonly RouteElement[],
  count: number,
): void {
  for (let index = 0; index < count; index++) {
    const route = routes[index]!;
    const next = routes[index + 1];
    if (next !== undefined && next.line === route.line) {
      edits.remove(route.start, next.start);
      continue;
    }
    // Last of its line; those before it in the same line were removed above.
    edits.remove(message.lineStart(route.line), message.lineEnd(route.line));
  }
}

/** Removes the last element. */
export function removeLast(message: SipMessage, edits: MessageEdits, routes: readonly RouteElement[]): void {
  const route = routes.at(-1)!;
  const previous = routes.at(-2);
  if (previous !== undefined && previous.line === route.line) edits.remove(previous.end, route.end);
  else edits.remove(message.lineStart(route.line), message.lineEnd(route.line));
}
