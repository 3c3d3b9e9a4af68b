/** The header fields that anyvia looks at, as small numbers. Compact forms (RFC 3261 7.3.3) are the same header. */

export const headerNames = {
  other: 0,
  via: 1,
  from: 2,
  to: 3,
  callId: 4,
  cseq: 5,
  contact: 6,
  route: 7,
  recordRoute: 8,
  maxForwards: 9,
  contentLength: 10,
  contentType: 11,
  expires: 12,
  require: 13,
  proxyRequire: 14,
  supported: 15,
  authorization: 16,
  proxyAuthorization: 17,
  path: 18,
  event: 19,
  userAgent: 20,
  wwwAuthenticate: 21,
  proxyAuthenticate: 22,
  minExpires: 23,
  timestamp: 24,
  subject: 25,
  allow: 26,
  unsupported: 27,
  maxBreadth: 28,
} as const;

export type HeaderName = (typeof headerNames)[keyof typeof headerNames];

const byText: Readonly<Record<string, HeaderName>> = {
  via: 1,
  v: 1,
  from: 2,
  f: 2,
  to: 3,
  t: 3,
  'call-id': 4,
  i: 4,
  cseq: 5,
  contact: 6,
  m: 6,
  route: 7,
  'record-route': 8,
  'max-forwards': 9,
  'content-length': 10,
  l: 10,
  'content-type': 11,
  c: 11,
  expires: 12,
  require: 13,
  'proxy-require': 14,
  supported: 15,
  k: 15,
  authorization: 16,
  'proxy-authorization': 17,
  path: 18,
  event: 19,
  o: 19,
  'user-agent': 20,
  'www-authenticate': 21,
  'proxy-authenticate': 22,
  'min-expires': 23,
  timestamp: 24,
  subject: 25,
  s: 25,
  allow: 26,
  unsupported: 27,
  'max-breadth': 28,
};

/** A map, because an object would have members that nobody put in: a header may be named `constructor`. */
const byLowerCase = new Map<string, HeaderName>(Object.entries(byText));

/** Spellings that senders really use: found without making a lower-case copy. */
const byExactText = new Map<string, HeaderName>();
for (const [text, header] of Object.entries(byText)) {
  byExactText.set(text, header);
  byExactText.set(
    text.replace(/(^|-)([a-z])/g, (_all, dash: string, letter: string) => dash + letter.toUpperCase()),
    header,
  );
}
byExactText.set('Call-ID', 4);
byExactText.set('CSeq', 5);
byExactText.set('WWW-Authenticate', 21);

/** All compact forms (RFC 3261 7.3.3 and the RFCs that added some). */
const longNames = new Map<string, string>([
  ['v', 'via'],
  ['f', 'from'],
  ['t', 'to'],
  ['i', 'call-id'],
  ['m', 'contact'],
  ['l', 'content-length'],
  ['c', 'content-type'],
  ['k', 'supported'],
  ['o', 'event'],
  ['s', 'subject'],
  ['e', 'content-encoding'],
  ['r', 'refer-to'],
  ['b', 'referred-by'],
  ['u', 'allow-events'],
  ['a', 'accept-contact'],
  ['j', 'reject-contact'],
  ['d', 'request-disposition'],
  ['x', 'session-expires'],
  ['y', 'identity'],
  ['n', 'identity-info'],
]);

/** The number of a header name as it stands in a message; 0 for all that have none. */
export function headerOf(name: string): HeaderName {
  return byExactText.get(name) ?? byLowerCase.get(name.toLowerCase()) ?? 0;
}

/** What a header name can be by its length and first letter, in lower case. */
interface Candidate {
  readonly lower: string;
  readonly header: HeaderName;
}
const longestName = Math.max(...Object.keys(byText).map((text) => text.length));
const candidates: (readonly Candidate[] | null)[] = Array.from(
  { length: (longestName + 1) * 32 },
  () => null,
);
for (const [lower, header] of byLowerCase) {
  const slot = slotOf(lower.length, lower.charCodeAt(0));
  candidates[slot] = [...(candidates[slot] ?? []), { lower, header }];
}

function slotOf(length: number, firstCode: number): number {
  return length * 32 + (firstCode & 31);
}

/** The same as {@link headerOf} for the token at these offsets of a text, without making a string of it. */
export function headerAt(text: string, start: number, end: number): HeaderName {
  const length = end - start;
  if (length > longestName) return 0;
  const slot = candidates[slotOf(length, text.charCodeAt(start))]!;
  if (slot === null) return 0;
  for (const candidate of slot) if (isSpelled(candidate.lower, text, start)) return candidate.header;
  return 0;
}

function isSpelled(lower: string, text: string, start: number): boolean {
  for (let position = 0; position < lower.length; position++) {
    // Bit 32 makes a letter small; no other two characters of a token become the same by it.
    if ((text.charCodeAt(start + position) | 32) !== lower.charCodeAt(position)) return false;
  }
  return true;
}

/** Lower case, compact forms spelled out: two names mean the same header when this is equal. */
export function canonicalName(name: string): string {
  const lower = name.toLowerCase();
  return longNames.get(lower) ?? lower;
}
