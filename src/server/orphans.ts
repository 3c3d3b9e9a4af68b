/**
 * Responses whose owner is gone. A provisional or 2xx response goes on to the next Via, so that the caller still gets
 * its call; a failure of an INVITE goes on too and is acknowledged on the dead node's behalf, or the callee would
 * repeat it for half a minute. Only for branches whose MAC proves them ours: nobody else's packets are passed on.
 */

import type { Statistics } from '#module/statistics.ts';
import { forwardResponseStatelessly, responseUri } from '#proxy/stateless.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { buildRequest, topViaValue } from '#sip/request.ts';
import { toBytes } from '#sip/serialize.ts';
import { type Failure, isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import type { Flow } from '#util/socket-address.ts';

export interface OrphanParts {
  readonly statistics: Statistics;
  /** `disable_stateless_fwd`: responses of branches that are not ours are dropped unless the script forwards. */
  readonly forwardsForeign: boolean;
  send(bytes: Uint8Array, flow: Flow): void;
  /** Finds where a URI leads, and a socket towards it. */
  resolve(uri: string, done: (flow: Flow | Failure) => void): void;
  /** The socket to send a stateless response from. */
  socketFor(address: string): Flow['socket'] | null;
}

export class Orphans {
  readonly #parts: OrphanParts;

  constructor(parts: OrphanParts) {
    this.#parts = parts;
  }

  /** `source`: where the response came from, for the ACK of a failure. */
  response(response: SipMessage, source: Flow): void {
    this.#count('orphan_replies');
    this.#forward(response, source.socket);
    if (response.method === 'INVITE' && response.status >= 300) this.#acknowledge(response, source);
  }

  /** A response with somebody else's branch on top: RFC 6026 8.2 and OpenSIPS drop it, unless told otherwise. */
  foreignResponse(response: SipMessage): void {
    this.#count('foreign_replies');
    if (!this.#parts.forwardsForeign) return;
    const socket = this.#parts.socketFor(response.topVia.host);
    if (socket !== null) this.#forward(response, socket);
  }

  #forward(response: SipMessage, socket: Flow['socket']): void {
    const next = forwardResponseStatelessly(response);
    if (isFailure(next)) return;
    if (!next.isName && next.transport === socket.protocol)
      this.#parts.send(next.bytes, { socket, address: next.address, port: next.port });
    else
      this.#parts.resolve(responseUri(next), (flow) => {
        if (!isFailure(flow)) this.#parts.send(next.bytes, flow);
      });
  }

  /** RFC 3261 17.1.1.3. The Request-URI of the INVITE died with its owner; the callee matches by branch. */
  #acknowledge(response: SipMessage, source: Flow): void {
    const text = buildRequest({
      method: 'ACK',
      uri: `sip:${bracketed(source.address)}:${source.port}`,
      via: topViaValue(response),
      from: response.firstValue(headerNames.from),
      to: response.firstValue(headerNames.to),
      callId: response.callId,
      cseq: response.cseqNumber,
      headers: 'Max-Forwards: 70\r\n',
      body: '',
    });
    this.#count('orphan_acks');
    this.#parts.send(toBytes(text), source);
  }

  #count(name: string): void {
    this.#parts.statistics.counter('tm', name).value++;
  }
}
