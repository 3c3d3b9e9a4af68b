/** `host[:port]`, IPv6 in brackets (RFC 3261 25.1, RFC 5118). */

export interface HostPort {
  /** IPv6 without its brackets. */
  readonly host: string;
  /** 0 = absent. */
  readonly port: number;
}

/** Null when the text is neither a host name nor an address, or the port no port. */
export function parseHostPort(text: string): HostPort | null {
  if (text.charCodeAt(0) === 91) {
    const close = text.indexOf(']');
    if (close < 2) return null;
    const port = parsePort(text, close + 1);
    return port < 0 ? null : { host: text.slice(1, close), port };
  }
  const colon = text.indexOf(':');
  if (colon === -1) return isHost(text) ? { host: text, port: 0 } : null;
  const host = text.slice(0, colon).trimEnd();
  const port = parsePort(text, colon);
  return port < 0 || !isHost(host) ? null : { host, port };
}

/** The host as it must stand before a port: IPv6 gets brackets. */
export function bracketed(host: string): string {
  return host.includes(':') && host.charCodeAt(0) !== 91 ? `[${host}]` : host;
}

/** `position` is where a colon stands; 0 when the text ends there, -1 when what follows is no port. */
function parsePort(text: string, position: number): number {
  if (position >= text.length) return 0;
  if (text.charCodeAt(position) !== 58) return -1;
  const digits = text.slice(position + 1).trim();
  if (digits.length === 0 || digits.length > 5) return -1;
  let port = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = digits.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) return -1;
    port = port * 10 + digit;
  }
  return port > 65_535 ? -1 : port;
}

function isHost(text: string): boolean {
  if (text.length === 0) return false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    const isLetter = (code | 32) >= 97 && (code | 32) <= 122;
    const isDigit = code >= 48 && code <= 57;
    if (!isLetter && !isDigit && code !== 46 && code !== 45 && code !== 95) return false;
  }
  return true;
}
