/**
 * Requests that this node makes itself (`t_new_request`, `t_uac_dlg`, the BYE that ends a dialog): a client transaction
 * without a server transaction (RFC 3261 8.1, 17.1.2). `local_route` sees each before it leaves. Left out: INVITE,
 * whose ACK nobody here would send.
 */

import { MessageContext } from '#module/context.ts';
import type { ModuleHost } from '#module/host.ts';
import type { LocalOutcome, LocalRequest } from '#module/services.ts';
import type { TransactionCore } from '#modules/tm/ports.ts';
import { headerNames } from '#sip/header-name.ts';
import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildRequest } from '#sip/request.ts';
import type { ClientUser } from '#transaction/client-transaction.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import type { Flow, LocalSocket } from '#util/socket-address.ts';

export interface LocalRequestParts {
  readonly host: ModuleHost;
  readonly core: TransactionCore;
  readonly viaParameter: string;
  /** Timer F, ms. */
  readonly finalResponseMilliseconds: number;
}

/** Stands where our Via will be, until the socket is known. */
const unsent = 'z9hG4bK-unsent';

export class LocalRequests {
  readonly #parts: LocalRequestParts;
  readonly #userAgent: string;
  #count = 0;

  constructor(parts: LocalRequestParts) {
    this.#parts = parts;
    const header = parts.host.globalParameter('user_agent_header');
    this.#userAgent = `${header === null ? 'User-Agent: anyvia' : String(header)}\r\n`;
  }

  /** `done` is called once; at once, with status 0, when the request could not be made or the route dropped it. */
  send(request: LocalRequest, done: (outcome: LocalOutcome) => void): void {
    const { host } = this.#parts;
    const prepared = this.#prepare(request);
    if (isFailure(prepared)) {
      done({ status: 0, response: null, problem: prepared });
      return;
    }
    if (host.hasRoute('local', '')) void host.runRoute('local', '', prepared);
    if (prepared.dropped) {
      const problem = new Failure('TM_REQUEST_DROPPED', `local_route dropped the ${request.method}`);
      done({ status: 0, response: null, problem });
      return;
    }
    const target = prepared.destinationUri ?? prepared.requestUri;
    host.resolve(target, prepared.sendSocket, (flow) => {
      const problem = isFailure(flow) ? flow : this.#start(prepared, flow, done);
      if (problem !== null) done({ status: 503, response: null, problem });
    });
  }

  #prepare(request: LocalRequest): MessageContext | Failure {
    const { host } = this.#parts;
    if (request.method === 'INVITE' || request.method === 'ACK' || request.method === 'CANCEL')
      return new Failure('TM_METHOD_INVALID', `a ${request.method} cannot be sent by itself`);
    const socket = request.socket ?? host.sockets[0]!;
    const { body = '', contentType = '' } = request;
    const type = body === '' ? '' : `Content-Type: ${contentType === '' ? 'text/plain' : contentType}\r\n`;
    const text = buildRequest({
      method: request.method,
      uri: request.uri,
      via: viaOf(socket, unsent, ''),
      from: withTag(request.from, () => this.#unique()),
      to: request.to,
      callId: request.callId ?? `${this.#unique()}@${bracketed(socket.advertisedAddress)}`,
      cseq: request.cseq ?? 1,
      headers: `Max-Forwards: 70\r\n${request.headers ?? ''}${this.#userAgent}${type}`,
      body,
    });
    const message = parseMessage(text);
    if (isFailure(message)) return message;
    const source = { socket, address: socket.address, port: socket.port };
    const context = new MessageContext(message, source, 'local');
    context.destinationUri = request.nextHop ?? firstRoute(message);
    context.sendSocket = request.socket ?? null;
    if (request.context !== undefined) context.attributes.set('uac_ctx', [request.context]);
    return context;
  }

  /** Null, or why it could not be sent. */
  #start(context: MessageContext, flow: Flow, done: (outcome: LocalOutcome) => void): Failure | null {
    const { core, host, viaParameter, finalResponseMilliseconds } = this.#parts;
    const slot = core.table.reserveClient(0);
    if (isFailure(slot)) return slot;
    const { message, edits } = context;
    const line = message.find(headerNames.via);
    edits.overwrite(
      message.valueStart(line),
      message.valueEnd(line),
      viaOf(flow.socket, slot.branch, viaParameter),
    );
    const text = `${message.method} ${context.requestUri} SIP/2.0\r\n${edits.apply(message.text, message.startLineEnd)}`;
    const sent = { text, method: message.method, flow, finalResponseMilliseconds };
    const client = core.table.prepareClient(slot, sent, oneOutcome(done));
    client.start(host.clock.monotonic());
    return null;
  }

  /** Of this start of this node, and of no other. */
  #unique(): string {
    this.#count++;
    const { nodeId, incarnation } = this.#parts.host;
    return `local-${nodeId}-${incarnation.toString(36)}-${this.#count.toString(36)}`;
  }
}

/** Provisional responses are of no interest; what comes first of the others is the outcome. */
function oneOutcome(done: (outcome: LocalOutcome) => void): ClientUser {
  let isDone = false;
  const finish = (status: number, response: SipMessage | null): void => {
    if (isDone) return;
    isDone = true;
    done({ status, response, problem: null });
  };
  return {
    onResponse: (_now, response) => {
      if (response.status >= 200) finish(response.status, response);
    },
    // RFC 3261 8.1.3.1: as if 408 or 503 had been received.
    onTimeout: () => finish(408, null),
    onTransportError: () => finish(503, null),
    onTerminated: () => finish(408, null),
  };
}

function viaOf(socket: LocalSocket, branch: string, parameter: string): string {
  const { protocol, advertisedAddress, advertisedPort } = socket;
  const sentBy = `${bracketed(advertisedAddress)}:${advertisedPort}`;
  return `SIP/2.0/${protocol.toUpperCase()} ${sentBy};branch=${branch};rport${parameter}`;
}

function withTag(from: string, unique: () => string): string {
  if (/;\s*tag\s*=/i.test(from.slice(from.indexOf('>') + 1))) return from;
  // Without angle brackets the tag would be a parameter of the URI.
  return `${from.includes('<') ? from : `<${from}>`};tag=${unique()}`;
}

/** RFC 3261 8.1.2: the first Route says where the request goes. */
function firstRoute(message: SipMessage): string | null {
  return message.topRoute?.text ?? null;
}
