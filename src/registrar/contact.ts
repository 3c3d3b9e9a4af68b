/** Contact values of a REGISTER, read by the rules of RFC 3261 20.10 and RFC 5626 4. */

import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { parseNameAddress } from '#sip/name-address.ts';
import { findParameter, quotedEnd } from '#sip/parameters.ts';
import { parseUri } from '#sip/uri.ts';
import { Failure, isFailure } from '#util/failure.ts';

export interface ContactValue {
  readonly uri: string;
  /** Parameters that are kept with the binding, `;…` as written. */
  readonly parameters: string;
  /** Seconds asked for, null when neither the Contact nor Expires says. */
  readonly seconds: number | null;
  /** q × 1000, -1 unset. */
  readonly q: number;
  /** Value of the parameter that a proxy on the way added, ''. */
  readonly received: string;
  /** Value of `methods` (RFC 3840), ''. */
  readonly methods: string;
  /** `+sip.instance` without quotes, ''. */
  readonly instance: string;
  /** RFC 5626 4.2.1; 0 = none. */
  readonly regId: number;
}

/** RFC 3261 20.10 and 20.19: what cannot be read counts as an hour. */
const malformedSeconds = 3600;
const secondsMax = 0xffff_ffff;

/** The `*` of RFC 3261 10.2.2. */
export function isStar(text: string): boolean {
  return text === '*' || /^\*\s*;/.test(text);
}

/** Failure REGISTRAR_CONTACT_INVALID. `receivedName`: the parameter that says where the client was seen. */
export function readContact(text: string, request: SipMessage, receivedName: string): ContactValue | Failure {
  const contact = parseNameAddress(text);
  if (contact === null || contact.uri === '*') return invalid(text, 'cannot be read');
  const problem = uriProblem(contact.uri);
  if (problem !== '') return invalid(text, problem);
  const q = readQ(contact.parameter('q'));
  if (q === null) return invalid(text, 'has a q that is not between 0 and 1 with three decimals at most');
  const ownSeconds = contact.parameter('expires');
  const expires =
    ownSeconds ?? (request.find(headerNames.expires) === -1 ? null : request.firstValue(headerNames.expires));
  return {
    uri: contact.uri,
    parameters: withoutParameters(contact.parameters, ['q', 'expires', receivedName]),
    seconds: expires === null ? null : readSeconds(expires),
    q,
    received: nextHop(contact.parameter(receivedName) ?? ''),
    methods: contact.parameter('methods') ?? '',
    instance: contact.parameter('+sip.instance') ?? '',
    regId: readRegId(contact.parameter('reg-id')),
  };
}

/** Stands in quotes in the reply and becomes a next hop: '' unless it is a URI that can be both. */
export function nextHop(text: string): string {
  return text === '' || /["\\<>]/.test(text) || isFailure(parseUri(text)) ? '' : text;
}

function invalid(text: string, problem: string): Failure {
  return new Failure('REGISTRAR_CONTACT_INVALID', `the Contact ${text.slice(0, 200)} ${problem}`);
}

/** Any URI may be bound (RFC 3261 10.2.1); of SIP URIs the whole grammar is known. */
function uriProblem(uri: string): string {
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):./.exec(uri)?.[1]?.toLowerCase();
  if (scheme === undefined || /[\s<>"]/.test(uri)) return 'holds no URI';
  if (!['sip', 'sips', 'tel'].includes(scheme)) return '';
  const parsed = parseUri(uri);
  return isFailure(parsed) ? `is refused: ${parsed.message}` : '';
}

/** RFC 3261 25.1, qvalue. Null when it is none. */
function readQ(text: string | null): number | null {
  if (text === null) return -1;
  return /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(text) ? Math.round(Number(text) * 1000) : null;
}

function readSeconds(text: string): number {
  if (!/^\d{1,10}$/.test(text)) return malformedSeconds;
  const seconds = Number(text);
  return seconds > secondsMax ? malformedSeconds : seconds;
}

/** RFC 5626 4.2.1: from 1 to 2^31 - 1. */
function readRegId(text: string | null): number {
  if (text === null || !/^\d{1,10}$/.test(text)) return 0;
  const number = Number(text);
  return number <= 0x7fff_ffff ? number : 0;
}

/** The list as written, without the parameters of these names. */
export function withoutParameters(parameters: string, names: readonly string[]): string {
  if (names.every((name) => findParameter(parameters, name) === null)) return parameters;
  let kept = '';
  for (let start = 0; start < parameters.length; ) {
    let end = start + 1;
    while (end < parameters.length && parameters.charCodeAt(end) !== 59) {
      end = parameters.charCodeAt(end) === 34 ? quotedEnd(parameters, end) : end + 1;
    }
    const part = parameters.slice(start, end);
    const name = part.slice(1).split('=', 1)[0]!.trim().toLowerCase();
    if (!names.includes(name)) kept += part;
    start = end;
  }
  return kept;
}

/** Names in the comma lists of Require and Supported, in lower case. */
export function optionTags(request: SipMessage, header: 13 | 15): string[] {
  return request.values(header).map((tag) => tag.toLowerCase());
}
