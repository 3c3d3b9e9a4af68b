/** `{s.…}`: transformations of any text. Bytes are latin1, as messages are. */

import { createHash, createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { TransformationDeclaration } from '#module/define.ts';
import type { Value } from '#script/value.ts';

/** What one step may produce: `{s.width}` and `{s.fill}` take their length from the script. */
const textLengthMax = 65_535;

type Apply = (text: string, args: readonly string[], value: Value) => Value;

function define(name: string, help: string, apply: Apply): TransformationDeclaration {
  return {
    name: `s.${name}`,
    help,
    apply: (value, args) => (value === null ? null : apply(String(value), args.map(asText), value)),
  };
}

function asText(value: Value): string {
  return value === null ? '' : String(value);
}

function integer(text: string | undefined): number | null {
  const trimmed = text?.trim() ?? '';
  return /^[+-]?\d+$/.test(trimmed) ? Number(trimmed) : null;
}

/** The number at the beginning; 0 when there is none, 32 bits as all integers of a script. */
function leadingInteger(text: string): number {
  return Number.parseInt(/^\s*[+-]?\d+/.exec(text)?.[0] ?? '0', 10) | 0;
}

const hashes: readonly TransformationDeclaration[] = [
  'md5',
  'sha1',
  'sha224',
  'sha256',
  'sha384',
  'sha512',
].flatMap((algorithm) => {
  const hash = define(algorithm, `${algorithm} hash, hexadecimal.`, (text) =>
    createHash(algorithm).update(text, 'latin1').digest('hex'),
  );
  const keyed = define(`${algorithm}_hmac`, `${algorithm} HMAC with a key, hexadecimal.`, (text, [key]) =>
    key === undefined
      ? null
      : createHmac(algorithm, Buffer.from(key, 'latin1')).update(text, 'latin1').digest('hex'),
  );
  return algorithm === 'md5' ? [hash] : [hash, keyed];
});

function select(text: string, args: readonly string[]): Value {
  const index = integer(args[0]);
  // A comma as separator arrives as two empty arguments.
  const separator = args[1] === '' && args.length > 2 ? ',' : args[1];
  if (index === null || separator === undefined || separator === '') return null;
  return text.split(separator).at(index) ?? null;
}

function substring(text: string, args: readonly string[]): Value {
  const offset = integer(args[0]);
  const length = args[1] === undefined ? 0 : integer(args[1]);
  if (offset === null || length === null || length < 0) return null;
  const start = offset < 0 ? text.length + offset : offset;
  if (start < 0 || start >= text.length) return null;
  return length === 0 ? text.slice(start) : text.slice(start, start + length);
}

function find(text: string, args: readonly string[], backwards: boolean): Value {
  const wanted = args[0];
  if (wanted === undefined || wanted === '') return null;
  const given = args[1] === undefined ? null : integer(args[1]);
  if (args[1] !== undefined && given === null) return null;
  const from = given === null ? null : given < 0 ? text.length + given : given;
  const position = backwards
    ? text.lastIndexOf(wanted, from ?? text.length)
    : text.indexOf(wanted, from ?? 0);
  return position === -1 ? null : position;
}

function fill(text: string, args: readonly string[], left: boolean): Value {
  const character = args[0] ?? '';
  const width = integer(args[1]);
  if (character === '' || width === null || width < 0 || width > textLengthMax) return null;
  return left ? text.padStart(width, character) : text.padEnd(width, character);
}

const cutting: readonly TransformationDeclaration[] = [
  define('len', 'Length.', (text) => text.length),
  define('substr', 'Part from an offset (negative: from the end) of a length (0: to the end).', substring),
  define('select', 'Part n, from 0 or negative from the end, of a text divided by a separator.', select),
  define('index', 'Offset of a text, from a start.', (text, args) => find(text, args, false)),
  define('rindex', 'Last offset of a text, up to a start.', (text, args) => find(text, args, true)),
  define('width', 'Cut or filled with blanks to a width.', (text, [size]) => {
    const width = integer(size);
    return width === null || width < 0 || width > textLengthMax ? null : text.slice(0, width).padEnd(width);
  }),
  define('fill.left', 'Filled on the left with a character to a width.', (text, args) =>
    fill(text, args, true),
  ),
  define('fill.right', 'Filled on the right with a character to a width.', (text, args) =>
    fill(text, args, false),
  ),
  define('trim', 'Without blanks at both ends.', (text) => text.trim()),
  define('triml', 'Without blanks at the beginning.', (text) => text.trimStart()),
  define('trimr', 'Without blanks at the end.', (text) => text.trimEnd()),
  define('reverse', 'Backwards.', (text) => Array.from(text).toReversed().join('')),
  define('tolower', 'In lower case.', (text) => text.toLowerCase()),
  define('toupper', 'In upper case.', (text) => text.toUpperCase()),
];

const numbers: readonly TransformationDeclaration[] = [
  define('int', 'The number at the beginning; 0 without one.', (text, _args, value) =>
    typeof value === 'number' ? value : leadingInteger(text),
  ),
  define('hex2dec', 'Hexadecimal to decimal.', (text) => {
    const digits = text.replace(/^0x/i, '');
    return /^[0-9a-fA-F]{1,8}$/.test(digits) ? Number.parseInt(digits, 16) : null;
  }),
  define('dec2hex', 'Decimal to hexadecimal.', (text) => {
    const number = integer(text);
    return number === null ? null : (number >>> 0).toString(16);
  }),
  define('crc32', 'CRC 32 as a number.', (text) => String(crc32(Buffer.from(text, 'latin1')))),
  define('date2unix', 'A SIP date as seconds since 1970.', (text) => {
    const milliseconds = Date.parse(text);
    return Number.isNaN(milliseconds) ? null : Math.floor(milliseconds / 1000);
  }),
];

function escapeBytes(text: string, keep: RegExp): string {
  return text.replace(/[\s\S]/g, (character) =>
    keep.test(character) ? character : `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function unescapeBytes(text: string): Value {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return null;
  return text.replace(/%(..)/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

const backslashed: Readonly<Record<string, string>> = { "'": "\\'", '"': '\\"', '\\': '\\\\', '\0': '\\0' };

function xor(text: string, [key]: readonly string[]): Value {
  if (key === undefined || key === '') return null;
  let result = '';
  for (let index = 0; index < text.length; index++) {
    result += String.fromCharCode(text.charCodeAt(index) ^ key.charCodeAt(index % key.length));
  }
  return result;
}

const encodings: readonly TransformationDeclaration[] = [
  define('encode.hexa', 'Bytes as hexadecimal digits.', (text) =>
    Buffer.from(text, 'latin1').toString('hex'),
  ),
  define('decode.hexa', 'Hexadecimal digits as bytes.', (text) =>
    /^([0-9a-fA-F]{2})*$/.test(text) ? Buffer.from(text, 'hex').toString('latin1') : null,
  ),
  define('b64encode', 'Base64.', (text) => Buffer.from(text, 'latin1').toString('base64')),
  define('b64decode', 'Out of Base64.', (text) => Buffer.from(text, 'base64').toString('latin1')),
  define('xor', 'Each byte exclusive-or that of a key.', xor),
  define('escape.common', 'Quotes, backslashes and NUL with a backslash.', (text) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is one of the characters to escape.
    text.replace(/['"\\\u0000]/g, (character) => backslashed[character]!),
  ),
  define('unescape.common', 'Takes back escape.common.', (text) =>
    text.replace(/\\(.)/g, (_all, character: string) => (character === '0' ? '\0' : character)),
  ),
  define('escape.user', 'As the user part of a URI (RFC 3261 25.1).', (text) =>
    escapeBytes(text, /[A-Za-z0-9\-_.!~*'()&=+$,;?/]/),
  ),
  define('unescape.user', 'Takes back escape.user.', unescapeBytes),
  define('escape.param', 'As a URI parameter (RFC 3261 25.1).', (text) =>
    escapeBytes(text, /[A-Za-z0-9\-_.!~*'()[\]/:&+$]/),
  ),
  define('unescape.param', 'Takes back escape.param.', unescapeBytes),
];

export const stringTransformations: readonly TransformationDeclaration[] = [
  ...cutting,
  ...numbers,
  ...hashes,
  ...encodings,
];
