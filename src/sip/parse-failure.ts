/** Why a datagram is no acceptable SIP message, and what of it can be answered. */

import type { SipMessage } from '#sip/message.ts';
import { Failure } from '#util/failure.ts';

export class ParseFailure extends Failure {
  /** The request as far as it could be read, when that is enough to answer it: its top Via. Else null. */
  readonly partial: SipMessage | null;
  /** Status to answer with. */
  readonly status: number;
  /** Reason phrase that names the cause. */
  readonly reason: string;
  /** Responses are never answered (RFC 3261 18.1.2): they are only counted apart. */
  readonly isResponse: boolean;

  constructor(
    code: string,
    reason: string,
    found: { readonly partial?: SipMessage; readonly status?: number; readonly isResponse?: boolean } = {},
  ) {
    super(code, `not an acceptable SIP message: ${reason}`);
    this.partial = found.partial ?? null;
    this.status = found.status ?? 400;
    this.reason = reason;
    this.isResponse = found.isResponse ?? false;
  }
}
