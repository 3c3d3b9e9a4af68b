/**
 * Replays, cluster-wide: the node that made a nonce is the one that knows which of its counts were used, and the others
 * ask it. What the answer costs is one question and answer on the link, and only for credentials that are right.
 * - A nonce of a former life of its node is refused as stale: the client comes back with a new one.
 * - When its node is down or does not answer in time, this node judges by what it has seen itself, and counts that:
 *   then a replay can pass once on each such node, until the nonce is too old.
 */

import { type ClusterSubscriber, clusterChannels, type ModuleHost } from '#module/host.ts';
import type { Counter } from '#module/statistics.ts';
import type { Nonce } from '#modules/auth/nonce.ts';
import { NonceWindow } from '#modules/auth/nonce-window.ts';
import { boolean, type Codec, decode, encode, struct, u8, u32 } from '#util/codec.ts';
import type { Timer, TimerTarget } from '#util/timer-queue.ts';

/** Some 150 bytes each. At 30 s, what 6,000 authenticated clients a second use up. */
const usesMax = 200_000;
/** An answer takes one round trip on the link; a client repeats its request after 500 ms. */
const answerMilliseconds = 300;
/** One per request that waits; as many as come in the time of an answer, many times over. */
const questionsMax = 10_000;

const kinds = { question: 1, answer: 2 } as const;

interface Question {
  readonly kind: number;
  readonly id: number;
  readonly incarnation: number;
  readonly counter: number;
  readonly count: number;
}
interface Answer {
  readonly kind: number;
  readonly id: number;
  readonly isFresh: boolean;
}

const questionCodec: Codec<Question> = struct<Question>({
  kind: u8,
  id: u32,
  incarnation: u32,
  counter: u32,
  count: u32,
});
const answerCodec: Codec<Answer> = struct<Answer>({ kind: u8, id: u32, isFresh: boolean });

class OpenQuestion implements TimerTarget {
  readonly node: number;
  readonly answer: (isFresh: boolean | null) => void;
  readonly #expire: () => void;
  timer: Timer | null = null;

  constructor(node: number, answer: (isFresh: boolean | null) => void, expire: () => void) {
    this.node = node;
    this.answer = answer;
    this.#expire = expire;
  }

  onTimer(): void {
    this.#expire();
  }
}

export class NonceGuard implements ClusterSubscriber {
  readonly #host: ModuleHost;
  readonly #lifetime: number;
  readonly #window = new NonceWindow(usesMax);
  readonly #open = new Map<number, OpenQuestion>();
  readonly #unchecked: Counter;
  readonly #asked: Counter;
  #lastId = 0;

  /** `lifetimeMilliseconds`: how long a nonce is good. */
  constructor(host: ModuleHost, lifetimeMilliseconds: number) {
    this.#host = host;
    this.#lifetime = lifetimeMilliseconds;
    this.#unchecked = host.statistics.counter('auth', 'unchecked_nonces');
    this.#asked = host.statistics.counter('auth', 'asked_nonces');
    host.statistics.gauge('auth', 'used_nonces', () => this.#window.size);
    host.statistics.gauge('auth', 'forgotten_nonces', () => this.#window.forgotten);
    host.cluster?.subscribe(clusterChannels.nonce, this);
    host.every(1000, (now) => this.#window.expire(now));
  }

  /** True when this count of the nonce is used for the first time. `count` 0: the client counts nothing. */
  use(nonce: Nonce, count: number): boolean | Promise<boolean> {
    const { nodeId, incarnation, cluster } = this.#host;
    if (nonce.node === nodeId) return nonce.incarnation === incarnation && this.#useHere(nonce, count);
    if (cluster === null || !cluster.livePeers().includes(nonce.node)) return this.#judgeAlone(nonce, count);
    return this.#ask(nonce, count);
  }

  #ask(nonce: Nonce, count: number): boolean | Promise<boolean> {
    if (this.#open.size >= questionsMax) return this.#judgeAlone(nonce, count);
    this.#lastId = (this.#lastId + 1) >>> 0;
    const id = this.#lastId;
    const { incarnation, counter } = nonce;
    const body = encode(questionCodec, { kind: kinds.question, id, incarnation, counter, count });
    return new Promise((resolve) => {
      const answer = (isFresh: boolean | null): void => resolve(isFresh ?? this.#judgeAlone(nonce, count));
      const open = new OpenQuestion(nonce.node, answer, () => this.#end(id, null));
      open.timer = this.#host.timers.start(this.#host.clock.monotonic(), answerMilliseconds, open, 0);
      this.#open.set(id, open);
      if (this.#host.cluster!.send(nonce.node, clusterChannels.nonce, body)) this.#asked.value++;
      else this.#end(id, null);
    });
  }

  #judgeAlone(nonce: Nonce, count: number): boolean {
    this.#unchecked.value++;
    return this.#useHere(nonce, count);
  }

  #useHere({ node, incarnation, counter }: Nonce, count: number): boolean {
    const now = this.#host.clock.monotonic();
    return this.#window.use(`${node}.${incarnation}.${counter}`, count, now + this.#lifetime, now);
  }

  #end(id: number, isFresh: boolean | null): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    this.#host.timers.stop(open.timer);
    open.answer(isFresh);
  }

  // ── ClusterSubscriber ─────────────────────────────────────────────────────────────────────────────────────────

  onMessage(from: number, body: Uint8Array): void {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
    if (body[0] === kinds.question) this.#onQuestion(from, decode(questionCodec, bytes));
    else if (body[0] === kinds.answer) {
      const answer = decode(answerCodec, bytes);
      // Only the node that was asked may answer.
      if (answer !== null && this.#open.get(answer.id)?.node === from) this.#end(answer.id, answer.isFresh);
    }
  }

  onPeerUp(): void {}

  onPeerDown(node: number): void {
    for (const [id, open] of this.#open) if (open.node === node) this.#end(id, null);
  }

  #onQuestion(from: number, question: Question | null): void {
    if (question === null) return;
    const { id, incarnation, counter, count } = question;
    const { nodeId } = this.#host;
    const isFresh =
      incarnation === this.#host.incarnation &&
      this.#useHere({ node: nodeId, incarnation, counter, time: 0, algorithms: 0, qop: 0 }, count);
    const body = encode(answerCodec, { kind: kinds.answer, id, isFresh });
    this.#host.cluster?.send(from, clusterChannels.nonce, body);
  }
}
