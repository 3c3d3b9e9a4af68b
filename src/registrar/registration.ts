/** What a REGISTER asks for, by the rules of RFC 3261 10.3. Nothing is stored here. */

import type { Binding } from '#registrar/binding.ts';
import { bindingsOfAddressMax, type LocationTable } from '#registrar/location-table.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { parseNameAddress } from '#sip/name-address.ts';
import { listParameters } from '#sip/parameters.ts';
import { detach } from '#sip/serialize.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

export interface RegistrarRules {
  readonly defaultSeconds: number;
  readonly minSeconds: number;
  /** 0 = no limit. */
  readonly maxSeconds: number;
  /** 0 = {@link bindingsOfAddressMax}. */
  readonly contactsMax: number;
  readonly defaultQ: number;
}

export interface RegistrationInput {
  readonly request: SipMessage;
  readonly address: string;
  /** Unix milliseconds. */
  readonly wall: number;
  readonly node: number;
  readonly received: string;
  readonly flags: number;
  readonly rules: RegistrarRules;
}

export interface Registration {
  /** 200, or what the REGISTER is refused with. */
  readonly status: number;
  readonly puts: readonly Binding[];
  readonly removals: readonly string[];
}

function refused(status: number): Registration {
  return { status, puts: [], removals: [] };
}

/** 10.3 steps 6 and 7: all of it or nothing. */
export function readRegistration(table: LocationTable, input: RegistrationInput): Registration {
  const { request, address, wall } = input;
  const contacts = request.values(headerNames.contact);
  const current = table.lookup(address, wall);
  if (contacts.length === 0) return { status: 200, puts: [], removals: [] };
  if (contacts.some((contact) => contact === '*')) {
    const expires = request.firstValue(headerNames.expires);
    // Step 6: `*` stands alone, and only with Expires: 0.
    if (contacts.length > 1 || Number(expires) !== 0 || expires === '') return refused(400);
    if (current.some((binding) => isOutOfOrder(binding, request))) return refused(400);
    return { status: 200, puts: [], removals: current.map((binding) => binding.uri) };
  }
  const puts: Binding[] = [];
  const removals: string[] = [];
  for (const contact of contacts) {
    const made = readContact(contact, input);
    if (typeof made === 'number') return refused(made);
    const known = table.find(address, made.uri);
    // Step 7: the same Call-ID with a CSeq that is not higher is an old request.
    if (known !== null && isOutOfOrder(known, request)) return refused(400);
    if (made.expires <= wall) removals.push(made.uri);
    else puts.push(made);
  }
  const added = puts.filter((binding) => table.find(address, binding.uri) === null).length;
  const most = input.rules.contactsMax === 0 ? bindingsOfAddressMax : input.rules.contactsMax;
  if (current.length + added - removals.length > most || (added > 0 && table.isFull)) return refused(503);
  return { status: 200, puts, removals };
}

function isOutOfOrder(binding: Binding, request: SipMessage): boolean {
  return binding.callId === request.callId && request.cseqNumber < binding.cseq;
}

/** A status when the Contact cannot be accepted. */
function readContact(text: string, input: RegistrationInput): Binding | number {
  const { request, wall, rules } = input;
  const contact = parseNameAddress(text);
  if (contact === null || isFailure(parseUri(contact.uri))) return 400;
  const seconds = expiresOf(contact.parameter('expires'), request, rules);
  if (seconds > 0 && seconds < rules.minSeconds) return 423;
  const kept = listParameters(contact.parameters).filter(
    ({ name }) => !['q', 'expires'].includes(name.toLowerCase()),
  );
  const parameters = kept
    .map(({ name, value }) => (value === null ? `;${name}` : `;${name}=${quoted(value)}`))
    .join('');
  const q = contact.parameter('q');
  return {
    uri: detach(contact.uri),
    parameters: detach(parameters),
    received: input.received,
    path: detach(request.values(headerNames.path).join(', ')),
    q: q === null ? rules.defaultQ : Math.round(Number(q) * 1000) || 0,
    callId: detach(request.callId),
    cseq: request.cseqNumber,
    userAgent: detach(request.firstValue(headerNames.userAgent)),
    expires: seconds === 0 ? 0 : wall + seconds * 1000,
    flags: input.flags,
    changed: wall,
    node: input.node,
  };
}

function quoted(value: string): string {
  return /^[A-Za-z0-9.!%*_+`'~-]+$/.test(value) ? value : `"${value.replace(/(["\\])/g, '\\$1')}"`;
}

/** Step 7: the parameter, else the header, else the default; malformed values count as the default (20.19). */
function expiresOf(parameter: string | null, request: SipMessage, rules: RegistrarRules): number {
  const text = parameter ?? request.firstValue(headerNames.expires);
  const asked = /^\d{1,10}$/.test(text) ? Number(text) : rules.defaultSeconds;
  return rules.maxSeconds > 0 && asked > rules.maxSeconds ? rules.maxSeconds : asked;
}
