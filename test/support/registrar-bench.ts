/** A registrar in memory: REGISTER requests in, answers out. Every request is a transaction of its own unless named. */

import type { SipMessage } from '#sip/message.ts';
import { defaultModules, NodeHarness, readSent } from './node-harness.ts';

export interface RegisterParts {
  readonly uri?: string;
  readonly to?: string;
  readonly callId?: string;
  readonly cseq?: number;
  readonly branch?: string;
  readonly from?: string;
  /** Further Via lines below the top one. */
  readonly vias?: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly message: SipMessage;
  /** Contact values, `expires` and all. */
  readonly contacts: string[];
  header(name: string): string | null;
}

export class RegistrarBench {
  readonly harness: NodeHarness;
  #requests = 0;

  /** `save` is the script's call; `parameters` are modparam lines. */
  constructor(save = 'save("location");', parameters = '', more = '') {
    this.harness = new NodeHarness(
      `${more}${defaultModules}${parameters}\nroute {
  if (is_method("REGISTER")) { ${save} exit; }
  if (!lookup("location")) { sl_send_reply(404, "Not Found"); exit; }
  t_relay();
}`,
    );
  }

  register(headers: readonly string[], parts: RegisterParts = {}): Answer {
    this.#requests++;
    const { uri = 'sip:example.org', to = '<sip:bob@example.org>', callId = 'call-1' } = parts;
    const lines = [
      `REGISTER ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bK${parts.branch ?? `reg${this.#requests}`}`,
      ...(parts.vias ?? []),
      'Max-Forwards: 70',
      'From: <sip:bob@example.org>;tag=f1',
      `To: ${to}`,
      `Call-ID: ${callId}`,
      `CSeq: ${parts.cseq ?? this.#requests} REGISTER`,
      ...headers,
      'Content-Length: 0',
    ];
    const sent = this.harness.receive(`${lines.join('\r\n')}\r\n\r\n`, parts.from ?? '10.0.0.9:5070');
    const message = readSent(sent[0]);
    return {
      status: message.status,
      message,
      contacts: message.values(6),
      header: (name) => {
        const line = message.findNamed(name);
        return line === -1 ? null : message.value(line);
      },
    };
  }

  /** URIs that are bound now, best first, as a fetch (RFC 3261 10.2.3) tells them. */
  bound(): string[] {
    return this.register([], { callId: `fetch-${this.#requests}` }).contacts.map(
      (contact) => /<([^>]*)>/.exec(contact)?.[1] ?? contact,
    );
  }
}
