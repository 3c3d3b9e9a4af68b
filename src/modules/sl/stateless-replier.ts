/**
 * Replies without a transaction (RFC 3261 8.2.7). The To tag is a hash of what the ACK will repeat, so every node of
 * the cluster knows the ACK of a reply that any of them sent, and nothing is stored.
 */

import type { MessageContext } from '#module/context.ts';
import type { ModuleHost } from '#module/host.ts';
import { type MessageError, type StatelessService, transactionService } from '#module/services.ts';
import type { Counter } from '#module/statistics.ts';
import type { SipMessage } from '#sip/message.ts';
import { buildResponse } from '#sip/response.ts';
import { toBytes } from '#sip/serialize.ts';
import { replyFlow } from '#transaction/reply-flow.ts';

/** Stands before the hash in the tag, so that other tags need no hashing to be told apart. */
const tagLead = 'sl-';

export class StatelessReplier implements StatelessService {
  readonly #host: ModuleHost;
  readonly #serverHeader: string;
  readonly #sent: Counter;
  readonly #sentErrors: Counter;
  readonly #receivedAcks: Counter;
  /** Indexed by class, 1…6. */
  readonly #byClass: readonly Counter[];

  constructor(host: ModuleHost) {
    this.#host = host;
    this.#serverHeader = serverHeader(host);
    const counter = (name: string): Counter => host.statistics.counter('sl', name);
    this.#sent = counter('sent_replies');
    this.#sentErrors = counter('sent_err_replies');
    this.#receivedAcks = counter('received_ACKs');
    this.#byClass = [1, 1, 2, 3, 4, 5, 6].map((digit) => counter(`${digit}xx_replies`));
  }

  /** A request that has a transaction is answered by it: two answers to one request help nobody. */
  reply(context: MessageContext, status: number, reason: string): number {
    const { request } = context;
    // RFC 3261 17.1.1.3: nothing answers an ACK.
    if (request.method === 'ACK') return -1;
    if (!Number.isInteger(status) || status < 100 || status > 699) return -1;
    const transactions = this.#host.optionalService(transactionService);
    if (transactions?.exists(context) === true) return transactions.reply(context, status, reason);
    const { source } = context;
    const text = buildResponse(request, {
      status,
      reason,
      toTag: status > 100 ? replyTag(request) : '',
      headers: context.replyHeaders + this.#serverHeader,
      received: source,
    });
    // RFC 3581 4: the source port also when the script asked for it.
    this.#host.send(toBytes(text), context.forceRport ? source : replyFlow(context.request, source));
    this.#sent.value++;
    this.#byClass[Math.floor(status / 100)]!.value++;
    return 1;
  }

  /** The reply that the last error of this message asks for; 500 when none is known. */
  replyError(context: MessageContext): number {
    const error = context.attachments.get('error') as MessageError | undefined;
    const result = this.reply(context, error?.status ?? 500, error?.reason ?? 'Server Internal Error');
    if (result > 0) this.#sentErrors.value++;
    return result;
  }

  absorbsAck(ack: SipMessage): boolean {
    const tag = ack.toTag;
    if (!tag.startsWith(tagLead) || tag !== replyTag(ack)) return false;
    this.#receivedAcks.value++;
    return true;
  }
}

/** RFC 3261 17.1.1.3: the ACK has the Call-ID, the From tag, the CSeq number and the top Via of its INVITE. */
function replyTag(request: SipMessage): string {
  let high = 0x811c9dc5;
  let low = 0x050c5d1f;
  const mix = (text: string): void => {
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      high = Math.imul(high ^ code, 0x01000193);
      low = Math.imul(low ^ code, 0x01000197) ^ (high >>> 13);
    }
  };
  mix(request.callId);
  mix(request.fromTag);
  mix(request.topVia.branch);
  mix(String(request.cseqNumber));
  return `${tagLead}${(high >>> 0).toString(36)}${(low >>> 0).toString(36)}`;
}

function serverHeader(host: ModuleHost): string {
  if (host.globalParameter('server_signature') === 0) return '';
  const header = host.globalParameter('server_header');
  return `${header === null ? 'Server: anyvia' : String(header)}\r\n`;
}
