/** Syntax of a Request-URI (RFC 3261 16.3 step 1, 19.1.1), apart from whether anybody can route by it. */

import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

/**
 * What is wrong with it, as a reason phrase; '' nothing. A URI of another scheme is well formed: whether it is understood
 * (RFC 3261 16.3 step 2) is asked when the script forwards the request.
 */
export function requestUriProblem(uri: string): string {
  // RFC 3261 25.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
  const colon = uri.indexOf(':');
  if (!isScheme(uri, colon)) return 'Invalid Request-URI';
  const scheme = uri.slice(0, colon).toLowerCase();
  if (scheme !== 'sip' && scheme !== 'sips') return '';
  const parsed = parseUri(uri);
  if (isFailure(parsed)) return 'Invalid Request-URI';
  // RFC 3261 19.1.1: header components are not allowed in a Request-URI.
  return parsed.headers === '' ? '' : 'Headers in the Request-URI';
}

function isScheme(uri: string, end: number): boolean {
  for (let position = 0; position < end; position++) {
    const code = uri.charCodeAt(position);
    const isLetter = (code | 32) >= 97 && (code | 32) <= 122;
    if (isLetter) continue;
    const isOther = (code >= 48 && code <= 57) || code === 43 || code === 45 || code === 46;
    if (position === 0 || !isOther) return false;
  }
  return end > 0;
}
