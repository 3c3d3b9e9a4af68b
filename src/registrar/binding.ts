/** One Contact bound to an address of record (RFC 3261 10). */

export interface Binding {
  /** Contact URI as registered. */
  readonly uri: string;
  /** Contact parameters but q and expires, `;…`. */
  readonly parameters: string;
  /** Where the REGISTER came from, as a URI (`sip:ip:port`), '' when the Contact can be used as it is. */
  readonly received: string;
  /** Path vector (RFC 3327), ''. */
  readonly path: string;
  /** q × 1000, -1 unset. */
  readonly q: number;
  readonly callId: string;
  readonly cseq: number;
  readonly userAgent: string;
  /** Unix milliseconds. */
  readonly expires: number;
  readonly flags: number;
  /** When it was last changed, unix milliseconds, and by which node: the later change wins on every node. */
  readonly changed: number;
  readonly node: number;
}
