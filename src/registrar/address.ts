/** The address of record in its canonical form (RFC 3261 10.3 step 5): the key under which bindings are kept. */

import { parseUri, unescapeUri } from '#sip/uri.ts';
import { Failure, isFailure } from '#util/failure.ts';

export interface AddressRules {
  readonly caseSensitive: boolean;
  /** False: the user part alone (`use_domain` 0). */
  readonly withDomain: boolean;
  /** Taken off the front of the domain, '' for nothing. */
  readonly realmPrefix: string;
  readonly userCharactersMax: number;
  readonly domainCharactersMax: number;
  readonly addressCharactersMax: number;
}

/** The name of the table of which the script speaks when it names none of its own. */
export const defaultDomain = 'location';

/** Stands between the name of a table and an address: no address holds it. */
const divider = '\t';

/**
 * `user@host`: URI parameters gone, escapes resolved (RFC 3261 10.3 step 5), host in lower case.
 * Failure REGISTRAR_ADDRESS_INVALID.
 */
export function addressOfRecord(uri: string, rules: AddressRules): string | Failure {
  const parsed = parseUri(uri);
  if (isFailure(parsed)) return new Failure('REGISTRAR_ADDRESS_INVALID', parsed.message);
  if (parsed.user === '' || parsed.scheme === 'tel') return invalid(uri, 'has no user part');
  const unescaped = readable(unescapeUri(parsed.user));
  const user = rules.caseSensitive ? unescaped : unescaped.toLowerCase();
  let host = parsed.host.toLowerCase();
  const { realmPrefix } = rules;
  if (realmPrefix !== '' && host.startsWith(realmPrefix)) host = host.slice(realmPrefix.length);
  if (user.length > rules.userCharactersMax) return tooLong('user part', rules.userCharactersMax);
  if (host.length > rules.domainCharactersMax) return tooLong('domain', rules.domainCharactersMax);
  const address = rules.withDomain ? `${user}@${host}` : user;
  if (address.length > rules.addressCharactersMax) return tooLong('address', rules.addressCharactersMax);
  return address;
}

function invalid(uri: string, problem: string): Failure {
  return new Failure('REGISTRAR_ADDRESS_INVALID', `"${uri}" ${problem}`);
}

function tooLong(part: string, charactersMax: number): Failure {
  return new Failure('REGISTRAR_ADDRESS_INVALID', `the ${part} is longer than ${charactersMax} characters`);
}

/**
 * Control characters, which a user part may hold (RFC 4475 3.1.1.4), stand escaped in the key: it goes into logs and
 * databases. So does the percent sign, or two users could share a key.
 */
function readable(user: string): string {
  let text = '';
  for (const character of user) {
    const code = character.charCodeAt(0);
    const isPlain = code > 31 && code !== 127 && character !== '%';
    text += isPlain ? character : `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

/** One table holds the addresses of all tables that scripts name: those of the default one stand there as they are. */
export function tableKey(domain: string, address: string): string {
  return domain === defaultDomain ? address : `${domain}${divider}${address}`;
}

export function splitTableKey(key: string): { domain: string; address: string } {
  const at = key.indexOf(divider);
  return at === -1
    ? { domain: defaultDomain, address: key }
    : { domain: key.slice(0, at), address: key.slice(at + 1) };
}
