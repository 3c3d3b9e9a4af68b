/** `;name=value` lists, as Via, name-addr headers and URIs have them (RFC 3261 25.1). */

/**
 * The value of a parameter in a text that begins with `;`: '' when it has none, null when it is absent. Quoted values
 * come without their quotes. Names are case-insensitive.
 */
export function findParameter(parameters: string, name: string): string | null {
  let position = 0;
  while (position < parameters.length) {
    const start = position + 1;
    const end = parameterEnd(parameters, start);
    let nameEnd = parameters.indexOf('=', start);
    if (nameEnd === -1 || nameEnd > end) nameEnd = end;
    if (sameName(parameters, start, nameEnd, name)) {
      return nameEnd === end ? '' : unquote(parameters.slice(nameEnd + 1, end).trim());
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
    const end = parameterEnd(parameters, start);
    const equals = parameters.indexOf('=', start);
    if (equals === -1 || equals > end) list.push({ name: parameters.slice(start, end).trim(), value: null });
    else {
      const value = unquote(parameters.slice(equals + 1, end).trim());
      list.push({ name: parameters.slice(start, equals).trim(), value });
    }
    position = end;
  }
  return list.filter((entry) => entry.name !== '');
}

/** Offset of the `;` that ends the parameter which begins at `start`, quoted strings skipped. */
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
  return value.slice(1, value.endsWith('"') ? -1 : undefined).replace(/\\(.)/g, '$1');
}
