/**
 * The messages of RFC 4475 and RFC 5118 mutated by the thousand and sent to one node. After each the node must still
 * answer an OPTIONS at once; no message may break an invariant, lead to an answer that is no SIP, or be left in memory.
 * A failure prints its seed: `MUTATION_SEED=n` runs that one alone.
 */

import { env } from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { parseMessage } from '#sip/message.ts';
import { buildResponse } from '#sip/response.ts';
import { isFailure } from '#util/failure.ts';
import type { LocalSocket } from '#util/socket-address.ts';
import { fixture, fixtureNames } from '../support/fixture.ts';
import { mutate } from '../support/mutation.ts';
import { NodeHarness, type SentDatagram } from '../support/node-harness.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const seeds = env.MUTATION_SEED === undefined ? [1, 2, 3] : [Number(env.MUTATION_SEED)];
/** Messages per seed and round. */
const messagesPerRound = 1500;
/** What is kept of a round must be less than a byte or two for each of its messages. */
const growthBytesMax = 1_500_000;
/** One message may take this long on a busy machine; what takes quadratic time takes seconds. */
const millisecondsMax = 400;

const script = `
  socket = udp:192.0.2.10:5060
  socket = udp:[2001:db8::10]:5060
  alias = udp:example.com:5060
  loadmodule "proto_udp.so"\nloadmodule "sl.so"\nloadmodule "tm.so"\nloadmodule "rr.so"\nloadmodule "maxfwd.so"
  loadmodule "usrloc.so"\nloadmodule "registrar.so"\nloadmodule "sipmsgops.so"\nloadmodule "signaling.so"
  loadmodule "textops.so"\nloadmodule "dialog.so"\nloadmodule "options.so"
  route {
    if (is_method("OPTIONS") && is_myself("$rd") && $rU == NULL) {
      options_reply();
      exit;
    }
    if (!mf_process_maxfwd_header(70)) {
      send_reply(483, "Too Many Hops");
      exit;
    }
    sipmsg_validate("cfhrt");
    if (is_method("REGISTER")) {
      save("location");
      exit;
    }
    if (is_method("CANCEL")) {
      if (t_check_trans())
        t_relay();
      exit;
    }
    if (is_method("INVITE"))
      create_dialog();
    if (!has_totag())
      record_route();
    $var(a) = $fU + $tU + $ct + $ua + $rb + $hdr(Subject) + $(hdr(Via)[-1]) + $si + $cl + $fn;
    sip_to_json($var(json));
    loose_route();
    t_relay();
  }
  error_route {
    xlog("$err.info: $rm $ru $fu $tu $ci $cs $ct $rb $si $hdr(Via) $(hdr(From){nameaddr.uri})");
    sl_reply_error();
  }`;

const names = {
  'example.com': '192.0.2.200',
  'example.net': '192.0.2.201',
  'example.org': '192.0.2.202',
  'company.com': '192.0.2.206',
};

const messages = [
  ...fixtureNames('rfc4475').map((name) => fixture(`rfc4475/${name}`)),
  ...fixtureNames('rfc5118').map((name) => fixture(`rfc5118/${name}`)),
];

function ping(number: number): string {
  return [
    'OPTIONS sip:192.0.2.10 SIP/2.0',
    `Via: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bKping${number};rport`,
    'From: <sip:probe@example.com>;tag=p',
    'To: <sip:192.0.2.10>',
    `Call-ID: ping${number}`,
    'CSeq: 1 OPTIONS',
    'Max-Forwards: 70',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

function collectGarbage(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let count = 0; count < 4; count++) collect();
  return process.memoryUsage().heapUsed;
}

class Attack {
  readonly node = new NodeHarness(script, { names });
  readonly #random: SeededRandom;
  #number = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  round(): void {
    for (let count = 0; count < messagesPerRound; count++) this.#one();
    // Every transaction is over by then, and every dialog and registration that has an end.
    this.node.advance(4 * 3600 * 1000);
    this.node.take();
    this.node.logged.length = 0;
  }

  #one(): void {
    const datagram = mutate(messages[this.#random.below(messages.length)]!, this.#random);
    const socket = this.node.sockets[this.#random.below(2)]!;
    const from = socket.index === 0 ? '192.0.2.66:5066' : '[2001:db8::66]:5066';
    const began = performance.now();
    const sent = this.node.receive(datagram, from, socket);
    const spent = performance.now() - began;
    expect(spent, `milliseconds for ${JSON.stringify(datagram.slice(0, 300))}`).toBeLessThan(millisecondsMax);
    this.#checkSent(datagram, sent);
    this.#answer(sent, from, socket);
    const pong = this.node.receive(ping(this.#number++), '192.0.2.77:5060');
    expect(pong.map(({ text }) => text.slice(0, 14))).toEqual(['SIP/2.0 200 OK']);
    this.node.advance(this.#random.below(2000));
    this.node.take();
  }

  /** The next hop answers what it got, and what it says is mutated too, half of the time. */
  #answer(sent: readonly SentDatagram[], from: string, socket: LocalSocket): void {
    for (const { text } of sent) {
      const request = parseMessage(text);
      if (isFailure(request) || !request.isRequest) continue;
      const status = [100, 180, 200, 302, 407, 486, 503, 603][this.#random.below(8)]!;
      const answer = buildResponse(request, {
        status,
        reason: 'Answer',
        toTag: 'b',
        headers: 'Contact: <sip:b@192.0.2.66>\r\n',
      });
      const datagram = this.#random.below(2) === 0 ? answer : mutate(answer, this.#random);
      // What a next hop made of the fields of others passes as it is.
      this.node.receive(datagram, from, socket);
      this.#checkInvariants(datagram);
    }
  }

  /** All can be read again but refusals of what lacks From, To or Call-ID, pings, and what a next hop said. */
  #checkSent(datagram: string, sent: readonly SentDatagram[]): void {
    for (const { text } of sent) {
      const again = parseMessage(text);
      if (isFailure(again) && !/^(SIP\/2\.0 (400|505|513|... Answer)|\r\n$)/.test(text)) {
        expect.fail(`${again.message}\nsent: ${JSON.stringify(text)}\nreceived: ${JSON.stringify(datagram)}`);
      }
    }
    this.#checkInvariants(datagram);
  }

  #checkInvariants(datagram: string): void {
    const broken = this.node.statistic('core:broken_invariants');
    expect(broken, `${JSON.stringify(datagram)} ${JSON.stringify(this.node.logged.slice(-2))}`).toBe(0);
  }
}

describe('mutated messages', () => {
  it.each(seeds)('break nothing and leave nothing behind (seed %i)', (seed) => {
    const attack = new Attack(seed);
    attack.round();
    const before = collectGarbage();
    attack.round();
    attack.round();
    const grown = collectGarbage() - before;
    expect(attack.node.node.table.serverCount).toBe(0);
    expect(grown, 'bytes kept').toBeLessThan(growthBytesMax);
  });
});
