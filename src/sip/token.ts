/** Characters and numbers of the SIP grammar (RFC 3261 25.1). */

/** 1 where a character may stand in a token; one entry per byte. */
const tokenCharacters = new Uint8Array(256);
for (const character of "-.!%*_+`'~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  tokenCharacters[character.charCodeAt(0)] = 1;
}

export function isTokenCode(code: number): boolean {
  return tokenCharacters[code] === 1;
}

export function isToken(text: string): boolean {
  for (let position = 0; position < text.length; position++) {
    if (tokenCharacters[text.charCodeAt(position)] !== 1) return false;
  }
  return text.length > 0;
}

/**
 * The text from `start` to `end` without white space around it. `trim()` must not do this: of latin1 text it takes the
 * byte A0 too, with which letters like \u00e0 end in UTF-8.
 */
export function sliceTrimmed(text: string, start = 0, end = text.length): string {
  let first = start;
  let last = end;
  while (first < last && text.charCodeAt(first) <= 32) first++;
  while (last > first && text.charCodeAt(last - 1) <= 32) last--;
  return text.slice(first, last);
}

/** More digits than this, leading zeros left out, are a number that no field of SIP can hold. */
const digitsMax = 15;

/** The whole number without sign that fills the text from `start` to `end`; -1 when the text is none. */
export function decimalOf(text: string, start = 0, end = text.length): number {
  let position = start;
  while (position < end - 1 && text.charCodeAt(position) === 48) position++;
  if (position >= end || end - position > digitsMax) return -1;
  let value = 0;
  for (; position < end; position++) {
    const digit = text.charCodeAt(position) - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}
