/**
 * What one request may still do: be forwarded at all (RFC 3261 16.3), and to how many places at once (Max-Breadth,
 * RFC 5393 5). Made with the first branch: a request that is answered here needs none.
 */

import { BreadthBudget, receivedBreadth } from '#proxy/breadth.ts';
import { routingHash } from '#proxy/loop-detection.ts';
import type { ProxySettings } from '#proxy/proxy-user.ts';
import { type Refusal, refusalOf } from '#proxy/validation.ts';
import type { MessageEdits } from '#sip/edits.ts';
import type { SipMessage } from '#sip/message.ts';
import type { BranchCodec } from '#transaction/branch.ts';
import type { Flow } from '#util/socket-address.ts';

export class Admission {
  /** RFC 5393 4.2 */
  readonly routingHash: number;
  readonly breadth: BreadthBudget;
  readonly #request: SipMessage;
  #isValidated = false;

  constructor(request: SipMessage, source: Flow) {
    this.#request = request;
    this.routingHash = routingHash(request, source);
    this.breadth = new BreadthBudget(receivedBreadth(request));
  }

  /** Once per request; `requestUri` and `edits` are the script's. Null: it may be forwarded. */
  refusal(
    requestUri: string,
    edits: MessageEdits,
    settings: ProxySettings,
    branches: BranchCodec,
  ): Refusal | null {
    if (this.#isValidated) return null;
    this.#isValidated = true;
    return refusalOf(this.#request, requestUri, edits, {
      loops: settings.detectLoops ? { hash: this.routingHash, branches } : null,
      understoodOptions: settings.understoodOptions,
    });
  }
}
