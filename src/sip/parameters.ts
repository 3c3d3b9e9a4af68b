/** `;name=value` lists, as Via, name-addr headers and URIs have them (RFC 3261 25.1). */

import { sliceTrimmed } from '#sip/token.ts';

/**
 * The value of a parameter in a text that begins with `;`: '' when it has none, null when it is absent. Quoted values
 * come without their quotes. Names are case-insensitive.
 */
export function findParameter(parameters: string, name: string): string | null {
  let position = 0;
  while (position < parameters.length) {
    const start = position + 1;
    const nameEnd = parameterNameEnd(parameters, start);
    const end = parameterEnd(parameters, nameEnd);
    if (sameName(parameters, start, nameEnd, name)) {
      return nameEnd === end ? '' : unquote(sliceTrimmed(parameters, nameEnd + 1, end));
    }
    position = end;
  }
  return null;
}

/** All parameters in order, names as written. */
export function listParameters(parameters: string): { name: string; value: string | null }[] {
  const list: { name: string; value: string | null }[] = [];
  let position = 0;
  while (position < parameters.length) {
    const start = position + 1;
    const nameEnd = parameterNameEnd(parameters, start);
    const end = parameterEnd(parameters, nameEnd);
    const name = sliceTrimmed(parameters, start, nameEnd);
    const value = nameEnd === end ? null : unquote(sliceTrimmed(parameters, nameEnd + 1, end));
    if (name !== '') list.push({ name, value });
    position = end;
  }
  return list;
}

/**
 * A Via value with the parameter's value put in the place of the one it has, or of none. A Via has no
 * `;` before its parameters.
 */
export function replaceParameter(value: string, name: string, replacement: string): string {
  let position = value.indexOf(';');
  while (position !== -1 && position < value.length) {
    const start = position + 1;
    const nameEnd = parameterNameEnd(value, start);
    const end = parameterEnd(value, nameEnd);
    if (sameName(value, start, nameEnd, name)) {
      return `${value.slice(0, start)}${sliceTrimmed(value, start, nameEnd)}=${replacement}${value.slice(end)}`;
    }
    position = end;
  }
  return value;
}

/** Offset of the `=` or `;` that ends the name which begins at `start`. */
function parameterNameEnd(text: string, start: number): number {
  for (let position = start; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code === 61 || code === 59) return position;
  }
  return text.length;
}

/** Offset of the `;` that ends the value at `start`, quoted strings skipped. */
function parameterEnd(text: string, start: number): number {
  for (let position = start; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code === 59) return position;
    if (code === 34) position = quotedEnd(text, position) - 1;
  }
  return text.length;
}

/** Offset behind the closing quote of the quoted string at `start`; the text's length when it never closes. */
export function quotedEnd(text: string, start: number): number {
  for (let position = start + 1; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code === 92) position++;
    else if (code === 34) return position + 1;
  }
  return text.length;
}

function sameName(text: string, start: number, end: number, name: string): boolean {
  let from = start;
  let to = end;
  while (from < to && text.charCodeAt(from) <= 32) from++;
  while (to > from && text.charCodeAt(to - 1) <= 32) to--;
  if (to - from !== name.length) return false;
  if (text.startsWith(name, from)) return true;
  return text.slice(from, to).toLowerCase() === name.toLowerCase();
}

function unquote(value: string): string {
  if (value.length < 2 || value.charCodeAt(0) !== 34) return value;
  return unescapeQuoted(value.slice(1, value.endsWith('"') ? -1 : undefined));
}

/** RFC 3261 25.1 quoted-pair: the text between the quotes with its backslashes resolved. */
export function unescapeQuoted(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/gs, '$1') : text;
}
