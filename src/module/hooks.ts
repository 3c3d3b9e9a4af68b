/**
 * Points in a call's life where modules act beside the script: an explicit ordered list per point, in the order in
 * which the script loads the modules.
 */

import type { MessageContext } from '#module/context.ts';
import type { MessageEdits } from '#sip/edits.ts';
import type { SipMessage } from '#sip/message.ts';
import type { SipUri } from '#sip/uri.ts';

/** A response on its way to the caller. */
export interface OutgoingReply {
  readonly context: MessageContext;
  readonly status: number;
  /** The response of a branch that is being forwarded; null when this node made the reply itself. */
  readonly response: SipMessage | null;
  /** Changes to `response`; null for a reply of our own. */
  readonly edits: MessageEdits | null;
  /** To tag of the reply, '' for none. */
  readonly toTag: string;
}

export interface Hooks {
  /** A request was handed to the script's main route and the script is done with it. */
  readonly afterRequestRoute: ((context: MessageContext, now: number) => void)[];
  /** A request branch is about to be sent statefully: last chance to add to Record-Route or the edits. */
  readonly beforeRequestSent: ((context: MessageContext, edits: MessageEdits, now: number) => void)[];
  /** A reply above 100 is about to be sent upstream, forwarded or our own. */
  readonly beforeReplySent: ((reply: OutgoingReply, now: number) => void)[];
  /** An ACK to a 2xx is about to be forwarded end to end. */
  readonly onEndToEndAck: ((context: MessageContext, now: number) => void)[];
  /** Own Route header consumed by `loose_route`: `parameters` is `;lr;ftag=…;did=…`. */
  readonly onLooseRoute: ((context: MessageContext, parameters: string, now: number) => void)[];
  /** Own Route header consumed by `loose_route`, also one that no dialog brought (a Path of ours, RFC 3327). */
  readonly onOwnRoute: ((context: MessageContext, route: SipUri) => void)[];
  /** A response whose branch no transaction of this cluster made. True: it was for this module, and ends here. */
  readonly onForeignReply: ((response: SipMessage, now: number) => boolean)[];
  /** A response whose owner is gone is about to be passed on without it. */
  readonly onOrphanReply: ((response: SipMessage, now: number) => void)[];
  /** The server transaction is over: no message of it will come any more. */
  readonly onTransactionEnd: ((context: MessageContext, now: number) => void)[];
}

export function emptyHooks(): Hooks {
  return {
    afterRequestRoute: [],
    beforeRequestSent: [],
    beforeReplySent: [],
    onEndToEndAck: [],
    onLooseRoute: [],
    onOwnRoute: [],
    onForeignReply: [],
    onOrphanReply: [],
    onTransactionEnd: [],
  };
}
