/** name-addr and addr-spec values: From, To, Contact, Route and their like (RFC 3261 20.10). */

import { findParameter, quotedEnd, unescapeQuoted } from '#sip/parameters.ts';
import { sliceTrimmed } from '#sip/token.ts';

export class NameAddress {
  /** Without quotes; '' when absent. */
  readonly display: string;
  /** URI text without the angle brackets; `*` for the Contact of that name. */
  readonly uri: string;
  /** Header parameters, beginning with `;`, or ''. */
  readonly parameters: string;

  constructor(display: string, uri: string, parameters: string) {
    this.display = display;
    this.uri = uri;
    this.parameters = parameters;
  }

  /** '' when absent. */
  get tag(): string {
    return this.parameters === '' ? '' : (findParameter(this.parameters, 'tag') ?? '');
  }

  parameter(name: string): string | null {
    return findParameter(this.parameters, name);
  }
}

/** One value; null when it cannot be read. */
export function parseNameAddress(text: string): NameAddress | null {
  let display = '';
  let open: number;
  if (text.charCodeAt(0) === 34) {
    const end = quotedEnd(text, 0);
    display = unescapeQuoted(text.slice(1, end - 1));
    open = text.indexOf('<', end);
    if (open === -1) return null;
  } else {
    open = text.indexOf('<');
    if (open === -1) return addressOnly(text);
    if (open > 0) display = sliceTrimmed(text, 0, open);
  }
  const close = text.indexOf('>', open);
  if (close === -1 || close === open + 1) return null;
  const semicolon = close + 1 === text.length ? -1 : text.indexOf(';', close);
  return new NameAddress(
    display,
    sliceTrimmed(text, open + 1, close),
    semicolon === -1 ? '' : text.slice(semicolon),
  );
}

/**
 * RFC 3261 20.10: without angle brackets, parameters behind the URI belong to the header, and the URI may hold no
 * question mark.
 */
function addressOnly(text: string): NameAddress | null {
  const semicolon = text.indexOf(';');
  const uri = sliceTrimmed(text, 0, semicolon === -1 ? text.length : semicolon);
  if (uri === '' || (uri !== '*' && !uri.includes(':'))) return null;
  if (uri.includes('?') && uri.indexOf('?') > uri.indexOf('@')) return null;
  return new NameAddress('', uri, semicolon === -1 ? '' : text.slice(semicolon));
}

/** Offsets of the elements of a comma list: quoted strings and angle brackets hide commas. */
export function splitList(text: string): { start: number; end: number }[] {
  const elements: { start: number; end: number }[] = [];
  for (let start = 0; ; ) {
    const end = elementEnd(text, start);
    elements.push({ start, end });
    if (end === text.length) return elements;
    start = end + 1;
  }
}

/** The first element of a comma list, trimmed. */
export function firstElement(value: string): string {
  return value.includes(',') ? sliceTrimmed(value, 0, elementEnd(value, 0)) : value;
}

/** Offset of the comma that ends the element which begins at `start`, or of the end of the text. */
function elementEnd(text: string, start: number): number {
  let inBrackets = false;
  for (let position = start; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code === 34) position = quotedEnd(text, position) - 1;
    else if (code === 60) inBrackets = true;
    else if (code === 62) inBrackets = false;
    else if (code === 44 && !inBrackets) return position;
  }
  return text.length;
}
