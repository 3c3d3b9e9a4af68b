/** The Date header field (RFC 3261 20.17): RFC 1123 form, always GMT. */

/** `wall`: ms since 1970. */
export function formatSipDate(wall: number): string {
  return new Date(wall).toUTCString();
}
