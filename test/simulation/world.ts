/**
 * One seeded world: a clock, datagrams that are lost, delayed, doubled and overtaken, and an anycast address whose
 * router gives every datagram to any node it believes in. The streams between the nodes are those of ClusterNetwork.
 * Whatever happens, happens in `run`, in an order that the seed alone decides.
 */

import { ClusterNetwork } from '../scenario/cluster-network.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import type { Handing } from './troubles.ts';

export const anycastAddress = '198.51.100.1';
export const anycastPort = 5060;

export interface Problem {
  readonly text: string;
  /** '' when it is about no single call. */
  readonly call: string;
}

const problemsMax = 200;

export interface Endpoint {
  /** A datagram for `host:port` of this endpoint. */
  receive(text: string, from: string): void;
}

/** Something that lives on the world's clock beside the datagrams. */
export interface Resident {
  nextDue(): number;
  /** Runs what is due. */
  advance(now: number): void;
}

export interface DatagramFaults {
  lossChance: number;
  doubleChance: number;
  /** One way, ms. */
  delay: readonly [number, number];
}

interface Happening {
  readonly due: number;
  readonly order: number;
  readonly run: () => void;
}

export class World {
  readonly seed: number;
  readonly random: SeededRandom;
  readonly links: ClusterNetwork;
  readonly residents = new Set<Resident>();
  /** By `host:port`. */
  readonly endpoints = new Map<string, Endpoint>();
  /** Nodes that the router sends to, and what it hands them. */
  readonly routes = new Map<number, (text: string, from: string) => void>();
  faults: DatagramFaults = { lossChance: 0, doubleChance: 0, delay: [1, 3] };
  now = 0;
  /** One line per event, for people; null = nobody reads it. */
  readonly journal: string[] | null;
  readonly problems: Problem[] = [];
  /** By Call-ID: which node the router gave its messages to, in order. */
  readonly handings = new Map<string, Handing[]>();
  readonly #heap: Happening[] = [];
  #order = 0;

  constructor(seed: number, isTold = false) {
    this.seed = seed;
    this.random = new SeededRandom(seed);
    this.links = new ClusterNetwork(seed ^ 0x5bd1e995);
    this.journal = isTold ? [] : null;
  }

  tell(line: string): void {
    this.journal?.push(`${this.now.toFixed(1).padStart(9)}  ${line}`);
  }

  /** `call`: what must not happen to it, unless nothing can be promised for it. */
  problem(text: string, call = ''): void {
    this.tell(`PROBLEM ${text}`);
    if (this.problems.length < problemsMax)
      this.problems.push({ text: `${this.now.toFixed(1)} ms: ${text}`, call });
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.random.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.random.next() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.random.below(items.length)]!;
  }

  after(milliseconds: number, run: () => void): void {
    this.#push({ due: this.now + milliseconds, order: this.#order++, run });
  }

  /** `from`, `to`: `host:port`. */
  send(text: string, from: string, to: string): void {
    const copies = this.chance(this.faults.lossChance) ? 0 : this.chance(this.faults.doubleChance) ? 2 : 1;
    if (this.journal !== null)
      this.tell(`${from} → ${to}${copies === 1 ? '' : ` ×${copies}`}  ${titleOf(text)}`);
    for (let copy = 0; copy < copies; copy++) {
      const [shortest, longest] = this.faults.delay;
      const late = copy === 0 ? 0 : this.between(0, 800);
      const delay = late + shortest + this.random.next() * (longest - shortest);
      this.after(delay, () => this.#deliver(text, from, to));
    }
  }

  #deliver(text: string, from: string, to: string): void {
    if (to !== `${anycastAddress}:${anycastPort}`) {
      this.endpoints.get(to)?.receive(text, from);
      return;
    }
    const nodes = [...this.routes.keys()];
    if (nodes.length === 0) return;
    const node = this.pick(nodes);
    this.tell(`   node ${node} gets ${titleOf(text)}`);
    this.#note(node, text);
    this.routes.get(node)!(text, from);
  }

  #note(node: number, text: string): void {
    const call = /\r\nCall-ID: *([^\r]*)/i.exec(text)?.[1] ?? '';
    const isInitialInvite = text.startsWith('INVITE ') && !/\r\nTo: [^\r]*;tag=/i.test(text);
    const handing = { node, at: this.now, isRequest: !text.startsWith('SIP/2.0 '), isInitialInvite };
    const known = this.handings.get(call);
    if (known === undefined) this.handings.set(call, [handing]);
    else known.push(handing);
  }

  /** Until `end` ms. */
  run(end: number): void {
    for (;;) {
      const next = this.#nextDue();
      if (next > end) break;
      this.now = Math.max(this.now, next);
      while (this.#heap.length > 0 && this.#heap[0]!.due <= this.now) this.#pop().run();
      this.links.step(this.now);
      for (const resident of this.residents) resident.advance(this.now);
    }
    this.now = end;
    this.links.now = end;
  }

  #nextDue(): number {
    let due = Math.min(this.links.nextDue(), this.#heap[0]?.due ?? Infinity);
    for (const resident of this.residents) due = Math.min(due, resident.nextDue());
    return due;
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let index = heap.push(happening) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent]!, happening)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = happening;
  }

  #pop(): Happening {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(one: Happening, other: Happening): boolean {
  return one.due < other.due || (one.due === other.due && one.order < other.order);
}

/** First line and CSeq: what a person looks for in a list of messages. */
export function titleOf(text: string): string {
  const cseq = /\r\nCSeq: *([^\r]*)/i.exec(text)?.[1] ?? '';
  const call = /\r\nCall-ID: *([^\r]*)/i.exec(text)?.[1] ?? '';
  return `${text.slice(0, text.indexOf('\r')).replace(' SIP/2.0', '')} (${call} ${cseq})`;
}
