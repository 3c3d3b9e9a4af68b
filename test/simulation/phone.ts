/**
 * A simulated user agent's transport and transactions (RFC 3261 17 and RFC 6026): it repeats what must be repeated and
 * absorbs what was repeated. What the requests mean is said by the calls that use it. It also watches: whatever a
 * proxy must never do to a user agent becomes a problem of the world.
 */

import type { SipMessage } from '#sip/message.ts';
import { longest, read, replyAddress, responseText, t1, t2 } from './wire.ts';
import { anycastAddress, anycastPort, type Endpoint, type World } from './world.ts';

export interface ClientUser {
  onResponse(response: SipMessage): void;
  onTimeout(): void;
}

/** A request under way. */
class Client {
  readonly text: string;
  readonly isInvite: boolean;
  readonly user: ClientUser;
  status = 0;
  /** Status and To tag of the final response, to tell a repeated one from a second one. */
  final = '';

  constructor(text: string, isInvite: boolean, user: ClientUser) {
    this.text = text;
    this.isInvite = isInvite;
    this.user = user;
  }
}

/** A request that arrived, and its last response. */
export class Served {
  readonly request: SipMessage;
  response = '';
  status = 0;
  isAcknowledged = false;

  constructor(request: SipMessage) {
    this.request = request;
  }
}

export interface PhoneUser {
  /** A request that is new; answer with `Phone.respond`. */
  onRequest(served: Served): void;
  onAck(ack: SipMessage): void;
  onCancelled(invite: Served): void;
}

export class Phone implements Endpoint {
  readonly world: World;
  /** `host:port` */
  readonly address: string;
  user: PhoneUser | null = null;
  readonly #clients = new Map<string, Client>();
  readonly #served = new Map<string, Served>();
  #branches = 0;
  /** Branches of initial INVITEs that arrived, by call: more than one is a fork that nobody asked for. */
  readonly invitations = new Map<string, Map<string, string>>();

  constructor(world: World, address: string) {
    this.world = world;
    this.address = address;
    world.endpoints.set(address, this);
  }

  newBranch(): string {
    this.#branches++;
    return `z9hG4bK-${this.address}-${this.#branches}`;
  }

  send(text: string, to = `${anycastAddress}:${anycastPort}`): void {
    this.world.send(text, this.address, to);
  }

  // ── client transactions ───────────────────────────────────────────────────────────────────────────────────────

  request(text: string, branch: string, user: ClientUser): void {
    const method = text.slice(0, text.indexOf(' '));
    const client = new Client(text, method === 'INVITE', user);
    const key = `${branch} ${method}`;
    this.#clients.set(key, client);
    this.send(text);
    this.#repeat(client, t1);
    this.world.after(longest, () => {
      if (client.status < 200 && !(client.isInvite && client.status >= 100)) user.onTimeout();
      if (client.status === 0) client.status = 408;
    });
  }

  #repeat(client: Client, interval: number): void {
    this.world.after(interval, () => {
      // RFC 3261 17.1.1.2, 17.1.2.2: an INVITE until anything is heard, other requests until the final response.
      if (client.status >= (client.isInvite ? 100 : 200)) return;
      this.send(client.text);
      this.#repeat(client, client.isInvite ? interval * 2 : Math.min(interval * 2, t2));
    });
  }

  #onResponse(response: SipMessage): void {
    const { branch } = response.topVia;
    const client = this.#clients.get(`${branch} ${response.cseqMethod}`);
    if (client === undefined) {
      this.world.problem(`${this.address}: a response to nothing: ${response.text}`, response.callId);
      return;
    }
    if (response.values(1).length !== 1)
      this.world.problem(`${this.address}: a response with several Via: ${response.text}`, response.callId);
    if (response.status >= 200) {
      const final = `${response.status} ${response.toTag}`;
      // RFC 3261 17.1.1: one final response per transaction, repetitions and 2xx of further forks excepted.
      // The 200 to a CANCEL says nothing of the call: who took over may say it again with a tag of its own.
      if (client.isInvite && client.final !== '' && client.final !== final)
        this.world.problem(
          `${this.address}: ${response.cseqMethod} of ${response.callId} got ${client.final} and then ${final}`,
          response.callId,
        );
      client.final = final;
    }
    client.status = Math.max(client.status, response.status);
    client.user.onResponse(response);
  }

  // ── server transactions ───────────────────────────────────────────────────────────────────────────────────────

  /** A final response to an INVITE is repeated until its ACK (RFC 3261 13.3.1.4, 17.2.1). */
  respond(served: Served, parts: { status: number; reason: string; tag: string; headers?: string }): void {
    if (served.status >= 200) return;
    served.status = parts.status;
    served.response = responseText(served.request, parts);
    this.#answer(served);
    if (parts.status >= 200 && served.request.method === 'INVITE') this.#repeatResponse(served, t1, longest);
  }

  #answer(served: Served): void {
    this.send(served.response, replyAddress(served.request));
  }

  #repeatResponse(served: Served, interval: number, left: number): void {
    this.world.after(interval, () => {
      if (served.isAcknowledged || left <= interval) return;
      this.#answer(served);
      this.#repeatResponse(served, Math.min(interval * 2, t2), left - interval);
    });
  }

  acknowledged(ack: SipMessage): void {
    for (const served of this.#served.values()) {
      const { callId, method, cseqNumber } = served.request;
      if (callId === ack.callId && method === 'INVITE' && cseqNumber === ack.cseqNumber)
        served.isAcknowledged = true;
    }
  }

  receive(text: string): void {
    const message = read(text);
    if (!message.isRequest) {
      this.#onResponse(message);
      return;
    }
    const { branch } = message.topVia;
    if (message.method === 'ACK') {
      const invite = this.#served.get(`${branch} INVITE`);
      if (invite !== undefined && invite.status >= 300) invite.isAcknowledged = true;
      else this.user?.onAck(message);
      return;
    }
    if (message.method === 'CANCEL') {
      this.#onCancel(message);
      return;
    }
    const key = `${branch} ${message.method}`;
    const known = this.#served.get(key);
    if (known !== undefined) {
      // The same branch is the same request, whoever sends it: a node that took over, too.
      if (known.request.text !== text)
        this.world.problem(
          `${this.address}: two requests of one branch:\n${known.request.text}\n${text}`,
          message.callId,
        );
      if (known.response !== '') this.#answer(known);
      return;
    }
    const served = new Served(message);
    this.#served.set(key, served);
    this.user?.onRequest(served);
  }

  #onCancel(cancel: SipMessage): void {
    const invite = this.#served.get(`${cancel.topVia.branch} INVITE`);
    const served = new Served(cancel);
    const status = invite === undefined ? 481 : 200;
    const reason = invite === undefined ? 'Transaction Does Not Exist' : 'OK';
    this.respond(served, { status, reason, tag: `cancel-${this.address}` });
    if (invite !== undefined && invite.status < 200) this.user?.onCancelled(invite);
  }
}
