/** The Via header field (RFC 3261 20.42). */

import { parseHostPort } from '#sip/host-port.ts';
import { findParameter } from '#sip/parameters.ts';
import { sliceTrimmed } from '#sip/token.ts';

export class Via {
  /** `UDP`, `TCP`…, upper case. */
  readonly protocol: string;
  readonly host: string;
  /** 0 = absent. */
  readonly port: number;
  /** Text beginning with `;`, or ''. */
  readonly parameters: string;
  readonly branch: string;

  constructor(protocol: string, host: string, port: number, parameters: string) {
    this.protocol = protocol;
    this.host = host;
    this.port = port;
    this.parameters = parameters;
    this.branch = findParameter(parameters, 'branch') ?? '';
  }

  /** IP text; null absent. RFC 5118 4.5: IPv6 with and without brackets means the same. */
  get received(): string | null {
    const received = this.parameter('received');
    return received?.charCodeAt(0) === 91 && received.endsWith(']') ? received.slice(1, -1) : received;
  }

  /** RFC 3581: null absent, '' without a value. */
  get rport(): string | null {
    return this.parameter('rport');
  }

  parameter(name: string): string | null {
    return findParameter(this.parameters, name);
  }
}

/** One Via value; null when it cannot be read. */
export function parseVia(value: string): Via | null {
  // SIP/2.0/UDP host:port;parameters — blanks are allowed around the slashes (RFC 4475 3.1.1.1). A Via of another
  // version (3.1.2.16) is read, or the request that has it could not be answered.
  let start: number;
  if (value.startsWith('SIP/2.0/')) start = 8;
  else {
    const lead = /^SIP\s*\/\s*\d{1,3}\.\d{1,3}\s*\/\s*/i.exec(value);
    if (lead === null) return null;
    start = lead[0].length;
  }
  let blank = start;
  while (blank < value.length && value.charCodeAt(blank) > 32) blank++;
  if (blank === start || blank === value.length) return null;
  let end = value.indexOf(';', blank);
  if (end === -1) end = value.length;
  const sentBy = parseHostPort(sliceTrimmed(value, blank, end));
  if (sentBy === null) return null;
  const protocol = value.slice(start, blank);
  return new Via(
    protocol === 'UDP' ? 'UDP' : protocol.toUpperCase(),
    sentBy.host,
    sentBy.port,
    value.slice(end),
  );
}
