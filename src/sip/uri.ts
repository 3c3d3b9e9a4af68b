/** SIP, SIPS and tel URIs (RFC 3261 19.1, RFC 3966). */

import { parseHostPort } from '#sip/host-port.ts';
import { findParameter } from '#sip/parameters.ts';
import { Failure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';

export class SipUri {
  readonly text: string;
  /** Lower case. */
  readonly scheme: string;
  /** As written, without the password; '' when absent. The number of a tel URI. */
  readonly user: string;
  readonly password: string;
  /** IPv6 without brackets; '' in a tel URI. */
  readonly host: string;
  /** 0 = absent. */
  readonly port: number;
  /** Begins with `;`, or ''. */
  readonly parameters: string;
  /** Behind the `?`, or ''. */
  readonly headers: string;

  constructor(parts: {
    text: string;
    scheme: string;
    user: string;
    password: string;
    host: string;
    port: number;
    parameters: string;
    headers: string;
  }) {
    this.text = parts.text;
    this.scheme = parts.scheme;
    this.user = parts.user;
    this.password = parts.password;
    this.host = parts.host;
    this.port = parts.port;
    this.parameters = parts.parameters;
    this.headers = parts.headers;
  }

  /** null absent, '' without a value */
  parameter(name: string): string | null {
    return this.parameters === '' ? null : findParameter(this.parameters, name);
  }

  /** A copy with other parts; `port` 0 and '' leave the part out. */
  with(parts: {
    user?: string;
    password?: string;
    host?: string;
    port?: number;
    parameters?: string;
    headers?: string;
  }): string {
    return formatUri({ ...this, ...parts });
  }
}

export function formatUri(parts: {
  scheme: string;
  user: string;
  password: string;
  host: string;
  port: number;
  parameters: string;
  headers: string;
}): string {
  const password = parts.password === '' ? '' : `:${parts.password}`;
  const user = parts.user === '' ? '' : `${parts.user}${password}${parts.scheme === 'tel' ? '' : '@'}`;
  const port = parts.port === 0 ? '' : `:${parts.port}`;
  const headers = parts.headers === '' ? '' : `?${parts.headers}`;
  return `${parts.scheme}:${user}${bracketed(parts.host)}${port}${parts.parameters}${headers}`;
}

function problem(text: string): Failure {
  return new Failure('SIP_URI_INVALID', `"${text}" is no SIP, SIPS or tel URI`);
}

/** Reads a URI; a Failure SIP_URI_INVALID when it has no known scheme or no readable host. */
export function parseUri(text: string): SipUri | Failure {
  const colon = text.indexOf(':');
  if (colon === -1) return problem(text);
  const written = text.slice(0, colon);
  const scheme = written === 'sip' ? 'sip' : written.toLowerCase();
  if (scheme === 'tel') return parseTel(text, colon);
  if (scheme !== 'sip' && scheme !== 'sips') return problem(text);
  if (hasForbidden(text)) return problem(text);
  let hostStart = colon + 1;
  let user = '';
  let password = '';
  // The user part may hold `;` and `?`, so the last `@` before any of the host's own characters counts.
  const at = text.indexOf('@', hostStart);
  if (at !== -1) {
    user = text.slice(hostStart, at);
    const separator = user.indexOf(':');
    if (separator !== -1) {
      password = user.slice(separator + 1);
      user = user.slice(0, separator);
    }
    if (user === '') return problem(text);
    hostStart = at + 1;
  }
  let hostEnd = hostStart;
  while (hostEnd < text.length) {
    const code = text.charCodeAt(hostEnd);
    if (code === 59 || code === 63) break;
    hostEnd++;
  }
  const address = parseHostPort(text.slice(hostStart, hostEnd));
  if (address === null) return problem(text);
  const question = text.indexOf('?', hostEnd);
  return new SipUri({
    text,
    scheme,
    user,
    password,
    host: address.host,
    port: address.port,
    parameters: hostEnd === text.length ? '' : text.slice(hostEnd, question === -1 ? undefined : question),
    headers: question === -1 ? '' : text.slice(question + 1),
  });
}

function parseTel(text: string, colon: number): SipUri | Failure {
  const semicolon = text.indexOf(';');
  const number = text.slice(colon + 1, semicolon === -1 ? undefined : semicolon);
  if (number === '' || !/^[+0-9a-fA-F*#().-]+$/.test(number)) return problem(text);
  const parameters = semicolon === -1 ? '' : text.slice(semicolon);
  return new SipUri({
    text,
    scheme: 'tel',
    user: number,
    password: '',
    host: '',
    port: 0,
    parameters,
    headers: '',
  });
}

/** RFC 3261 25.1: white space, control characters, quotes and angle brackets stand in no URI without an escape. */
function hasForbidden(text: string): boolean {
  for (let position = 0; position < text.length; position++) {
    const code = text.charCodeAt(position);
    if (code <= 32 || code === 34 || code === 60 || code === 62 || code === 127) return true;
  }
  return false;
}

/** `%41` → `A`; an incomplete escape stays as it is. */
export function unescapeUri(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-fA-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** Everything that a user part cannot hold as it is (RFC 3261 25.1) as `%XX`; one character is one byte. */
export function escapeUser(text: string): string {
  return text.replace(
    /[^A-Za-z0-9\-_.!~*'()&=+$,;?/]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
