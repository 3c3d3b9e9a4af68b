/**
 * What one run of a script works on: a message, where it came from, what the script changed so far, and its variables.
 * A transaction keeps the context of its request for its branch, failure and onreply routes.
 */

import type { RouteKind } from '#module/define.ts';
import type { Value } from '#script/value.ts';
import { MessageEdits } from '#sip/edits.ts';
import type { SipMessage } from '#sip/message.ts';
import type { Flow, LocalSocket } from '#util/socket-address.ts';

/** A further destination for the request, beside the Request-URI itself (`append_branch`, several contacts). */
export interface AdditionalBranch {
  requestUri: string;
  /** `$du` of this branch; null = the Request-URI itself. */
  destinationUri: string | null;
  /** Route header values that belong to this branch (RFC 3327), '' for none. */
  path: string;
  /** q × 1000, 0…1000, or -1 when unset. */
  q: number;
  /** Bits of {@link MessageContext.branchFlags}. */
  flags: number;
  /** Socket to send from; null = chosen by the destination. */
  socket: LocalSocket | null;
}

/** The Record-Route entry to be written when the request is relayed. Parameters may still be added until then. */
export interface RecordRoute {
  /** User part, '' for none. */
  user: string;
  /** Each begins with `;`: `;ftag=abc`, `;did=1.2`. Written in this order after `;lr`. */
  readonly parameters: string[];
  /** From `record_route_preset`: the whole host part, instead of the sending socket's. */
  preset: string | null;
  /** The other side's, below the first, when the request changes networks on its way. */
  secondPreset: string | null;
}

export type AttributeValues = Map<string, Value[]>;

export class MessageContext {
  /** The message as received; never changed. In onreply routes it is the reply. */
  readonly message: SipMessage;
  /** In onreply and failure routes: the request of the transaction. In request routes: equal to `message`. */
  readonly request: SipMessage;
  /** In onreply and failure routes: the reply that is being handled. */
  readonly reply: SipMessage | null;
  /** Where `message` came from and on which socket. For a relayed datagram: those of the node that received it. */
  readonly source: Flow;
  /** Where `request` came from: in onreply routes not where the reply did. */
  readonly requestSource: Flow;
  /** Node that received the datagram when a peer relayed it to us, else 0. */
  readonly receivedBy: number;
  routeKind: RouteKind;

  /** Current Request-URI, as the script changed it. */
  requestUri: string;
  /** `$du`: next hop, null when the Request-URI says it. */
  destinationUri: string | null = null;
  /** Path vector (Route values to be added), '' for none. */
  path = '';
  /** q of the Request-URI branch × 1000, -1 unset. */
  q = -1;
  /** Socket forced by the script (`force_send_socket`, `$socket_out`), null = by destination. */
  sendSocket: LocalSocket | null = null;
  readonly branches: AdditionalBranch[] = [];

  /** Changes of header lines and body, applied when the message leaves. */
  edits: MessageEdits = new MessageEdits();
  /** Header lines (each ending in CRLF) that `append_to_reply` collected. */
  replyHeaders = '';
  recordRoute: RecordRoute | null = null;
  /** Parameters (`;a=b;lr…`) of the own Route header that `loose_route` consumed; null before. */
  routeParameters: string | null = null;

  /** Bit sets; names become bits when the script is loaded (`host.flags`). */
  messageFlags = 0;
  branchFlags = 0;

  /** `$var(…)`: fresh for every top-level run. Null until one is set. */
  variables: Map<string, Value> | null = null;

  /** Status and reason that `change_reply_status` chose; 0 = as received. */
  changedStatus = 0;
  changedReason = '';
  /** Set by `drop`. */
  dropped = false;
  /** `force_rport()` was called, or the request asked for rport. */
  forceRport = false;

  /** Transaction of this message once there is one. Owned by tm; others ask the transaction service. */
  transaction: unknown = null;
  /** Branch index that a branch or onreply route is about, -1 elsewhere. */
  branchIndex = -1;
  /** Dialog that this message belongs to. Owned by the dialog module. */
  dialog: unknown = null;
  /** @internal Made when first asked for: most messages have none, and an empty Map weighs 250 bytes. */
  ownAttributes: AttributeValues | null;
  /** @internal */
  ownAttachments: Map<string, unknown> | null = null;

  /** The interpreter's own: value of the last command (`$rc`), parameter stack of `route(x, …)`, values of `return`. */
  returnCode: number = 1;
  readonly parameters: Value[][] = [];
  returnValues: Value[] = [];
  routeStack: string[] = [];
  /** Set by `async`: the rest of the run. */
  pending: Promise<number> | null = null;
  /** Named parameters of an event route. */
  eventParameters: Map<string, Value> | null = null;

  constructor(
    message: SipMessage,
    source: Flow,
    routeKind: RouteKind,
    options: {
      request?: SipMessage;
      reply?: SipMessage;
      receivedBy?: number;
      requestSource?: Flow;
      attributes?: AttributeValues;
    } = {},
  ) {
    this.message = message;
    this.request = options.request ?? message;
    this.reply = options.reply ?? null;
    this.source = source;
    this.requestSource = options.requestSource ?? source;
    this.receivedBy = options.receivedBy ?? 0;
    this.routeKind = routeKind;
    this.requestUri = this.request.requestUri;
    this.ownAttributes = options.attributes ?? null;
  }

  /** `$avp(…)`. Shared by all contexts of one transaction. */
  get attributes(): AttributeValues {
    this.ownAttributes ??= new Map();
    return this.ownAttributes;
  }

  /** Accounting and whatever else a module hangs on the message, by module name. */
  get attachments(): Map<string, unknown> {
    this.ownAttachments ??= new Map();
    return this.ownAttachments;
  }
}
