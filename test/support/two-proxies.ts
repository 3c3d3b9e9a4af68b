/**
 * Alice, two proxies in a row and Bob, all in memory: what is sent is carried where it is addressed, and every message
 * is noted as a line of the ladder, `P1 -> P2 INVITE`. The two user agents are the test itself.
 */

import type { SipMessage } from '#sip/message.ts';
import { buildAck, buildCancel, buildRequest } from '#sip/request.ts';
import { NodeHarness, readSent, type SentDatagram } from './node-harness.ts';
import { answer } from './transaction-bench.ts';

export const addresses = {
  Alice: '10.0.1.1:5060',
  P1: '10.0.0.1:5060',
  P2: '10.0.0.2:5060',
  Bob: '10.0.2.1:5060',
};
export type Party = keyof typeof addresses;

const partyAt = new Map(Object.entries(addresses).map(([name, address]) => [address, name as Party]));

interface ScriptParts {
  readonly own: string;
  readonly next: string;
  /** Lines behind the modules. */
  readonly parameters?: string;
  /** Statements of the failure route, when the caller has not cancelled. */
  readonly failure?: string;
}

const script = ({ own, next, parameters = '', failure = '' }: ScriptParts): string => `
socket=udp:${own}
loadmodule "sl.so"\nloadmodule "tm.so"\nloadmodule "rr.so"\nloadmodule "maxfwd.so"\nloadmodule "sipmsgops.so"
${parameters}
route {
  if (!mf_process_maxfwd_header(10)) { sl_send_reply(483, "Too Many Hops"); exit; }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (has_totag()) { if (loose_route()) t_relay(); else if (!is_method("ACK")) sl_send_reply(404, "Not here"); exit; }
  if (is_method("INVITE")) record_route();
  $du = "sip:${next}";
  t_on_failure("failed");
  if (!t_relay()) sl_reply_error();
}
failure_route[failed] { if (t_was_cancelled()) exit; ${failure} }`;

interface InFlight {
  readonly from: Party;
  readonly sent: SentDatagram;
}

export class TwoProxies {
  readonly nodes: Readonly<Record<'P1' | 'P2', NodeHarness>>;
  /** Messages since the last {@link takeLadder}. */
  #ladder: string[] = [];
  /** What reached the user agents and was not taken yet. */
  readonly #arrived: Record<'Alice' | 'Bob', SipMessage[]> = { Alice: [], Bob: [] };
  #branches = 0;

  /** `first`: what is different in the script of P1. */
  constructor(first: Partial<ScriptParts> = {}) {
    this.nodes = {
      P1: new NodeHarness(script({ own: addresses.P1, next: addresses.P2, ...first })),
      P2: new NodeHarness(script({ own: addresses.P2, next: addresses.Bob })),
    };
  }

  takeLadder(): string[] {
    return this.#ladder.splice(0);
  }

  /** The oldest message that `party` got and that has this method or status. */
  take(party: 'Alice' | 'Bob', what: string): SipMessage {
    const index = this.#arrived[party].findIndex((message) => nameOf(message) === what);
    if (index === -1) throw new Error(`${party} has no ${what}`);
    return this.#arrived[party].splice(index, 1)[0]!;
  }

  send(from: 'Alice' | 'Bob', text: string, to: Party): void {
    this.#carry([{ from, sent: { text, to: addresses[to], socket: this.nodes.P1.sockets[0]! } }]);
  }

  advance(milliseconds: number): void {
    const end = this.nodes.P1.clock.monotonic() + milliseconds;
    // In steps, so that what one node sends reaches the other while its clock is there.
    while (this.nodes.P1.clock.monotonic() < end) {
      const step = Math.min(100, end - this.nodes.P1.clock.monotonic());
      for (const [name, node] of Object.entries(this.nodes)) {
        node.advance(step);
        this.#carry(node.take().map((sent) => ({ from: name as Party, sent })));
      }
    }
  }

  #carry(queue: InFlight[]): void {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { from, sent } = next;
      const to = partyAt.get(sent.to) ?? sent.to;
      const message = readSent(sent);
      this.#ladder.push(`${from} -> ${to} ${nameOf(message)}`);
      if (to === 'Alice' || to === 'Bob') this.#arrived[to].push(message);
      if (to !== 'P1' && to !== 'P2') continue;
      const replies = this.nodes[to].receive(sent.text, addresses[from]);
      queue.push(...replies.map((reply) => ({ from: to, sent: reply }) as const));
    }
  }

  // ── the user agents ───────────────────────────────────────────────────────────────────────────────────────────

  via(party: 'Alice' | 'Bob'): string {
    this.#branches++;
    return `SIP/2.0/UDP ${addresses[party]};branch=z9hG4bK${party}${this.#branches}`;
  }

  invite(): string {
    return buildRequest({
      method: 'INVITE',
      uri: 'sip:bob@biloxi.example.com',
      via: this.via('Alice'),
      from: 'Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl',
      to: 'Bob <sip:bob@biloxi.example.com>',
      callId: '2xTb9vxSit55XU7p8@atlanta.example.com',
      cseq: 1,
      headers: `Max-Forwards: 70\r\nContact: <sip:alice@${addresses.Alice}>\r\n`,
      body: '',
    });
  }

  /** Answers with the Contact of who answers, by the way that the request came. */
  reply(party: 'Alice' | 'Bob', request: SipMessage, status: number): void {
    const contact = `Contact: <sip:${party.toLowerCase()}@${addresses[party]}>\r\n`;
    const text = answer(request, status, party === 'Bob' ? '314159' : '9fxced76sl', contact).text;
    this.send(party, text, party === 'Bob' ? 'P2' : 'P1');
  }

  /** A request of the dialog that `established` (the 200 to the INVITE) made, by its Record-Routes. */
  inDialog(party: 'Alice' | 'Bob', method: string, established: SipMessage, cseq: number): string {
    const records = [...established.text.matchAll(/^Record-Route: (.*)\r$/gm)].map((match) => match[1]!);
    const routes = party === 'Alice' ? records.toReversed() : records;
    const other = party === 'Alice' ? 'Bob' : 'Alice';
    const [from, to] = [established.firstValue(2), established.firstValue(3)];
    return buildRequest({
      method,
      uri: `sip:${other.toLowerCase()}@${addresses[other]}`,
      via: this.via(party),
      from: party === 'Alice' ? from : to,
      to: party === 'Alice' ? to : from,
      callId: established.callId,
      cseq,
      headers: `Max-Forwards: 70\r\n${routes.map((route) => `Route: ${route}\r\n`).join('')}`,
      body: '',
    });
  }

  ack(sent: SipMessage, failure: SipMessage): void {
    this.send('Alice', buildAck(sent, failure), 'P1');
  }

  cancel(sent: SipMessage): void {
    this.send('Alice', buildCancel(sent), 'P1');
  }
}

function nameOf(message: SipMessage): string {
  return message.isRequest ? message.method : `${message.status} ${message.cseqMethod}`;
}
