/**
 * When which node was down, which pair of nodes out of touch, and who was cut off from the larger part of the cluster:
 * what no cluster can promise is judged by this, call by call, and everything else without mercy.
 */

export interface Handing {
  readonly node: number;
  readonly at: number;
  readonly isRequest: boolean;
  readonly isInitialInvite: boolean;
}

export interface Outcome {
  readonly branches: number;
  readonly timedOut: boolean;
}

interface Span {
  readonly from: number;
  to: number;
}

/** Heartbeats missed, fates decided, links dialled again, state told anew. */
const settleMilliseconds = 8000;
/** A claim is told within its batch, and what a lossy link delays it by. */
const claimMilliseconds = 100;
/** In which a node's work is adopted by its successor, and given to a second one: after silence, when that is noticed. */
const takeoverMilliseconds = { killed: 1000, stopped: 5500 };
/** `fr_timeout` of the storm's script. */
const timerBMilliseconds = 5000;
/** The longest that an INVITE is under way: Timer C, the answer to the CANCEL. */
const inviteMilliseconds = 60_000;

export class Troubles {
  readonly #nodes: readonly number[];
  readonly #down = new Map<number, Span>();
  readonly #downs: { readonly node: number; readonly span: Span; readonly takeover: number }[] = [];
  /** By `low high`. A pair may be broken by several faults at once. */
  readonly #broken = new Map<string, number>();
  readonly #breaks: { readonly pair: string; readonly span: Span }[] = [];
  readonly #cut = new Map<number, Span>();
  readonly #cuts: { readonly node: number; readonly span: Span }[] = [];

  constructor(nodes: readonly number[]) {
    this.#nodes = nodes;
  }

  /** Killed, or stopped, which its peers find out later. */
  fall(now: number, node: number, how: 'killed' | 'stopped'): void {
    if (this.#down.has(node)) return;
    const span = { from: now, to: Infinity };
    this.#down.set(node, span);
    this.#downs.push({ node, span, takeover: takeoverMilliseconds[how] });
    this.#look(now);
  }

  rise(now: number, node: number): void {
    const span = this.#down.get(node);
    if (span !== undefined) span.to = now;
    this.#down.delete(node);
    this.#look(now);
  }

  part(now: number, one: number, other: number): void {
    const pair = pairOf(one, other);
    this.#broken.set(pair, (this.#broken.get(pair) ?? 0) + 1);
    this.#breaks.push({ pair, span: { from: now, to: Infinity } });
    this.#look(now);
  }

  join(now: number, one: number, other: number): void {
    const pair = pairOf(one, other);
    const left = (this.#broken.get(pair) ?? 1) - 1;
    this.#broken.set(pair, left);
    if (left === 0)
      for (const each of this.#breaks) if (each.pair === pair) each.span.to = Math.min(each.span.to, now);
    this.#look(now);
  }

  /** Who is cut off now? */
  #look(now: number): void {
    for (const node of this.#nodes) {
      const isCut = !this.#down.has(node) && this.#reached(node) * 2 < this.#nodes.length;
      const span = this.#cut.get(node);
      if (isCut === (span !== undefined)) continue;
      if (span !== undefined) {
        span.to = now;
        this.#cut.delete(node);
        continue;
      }
      const begun = { from: now, to: Infinity };
      this.#cut.set(node, begun);
      this.#cuts.push({ node, span: begun });
    }
  }

  /** Nodes that it reaches, itself too: directly, or through one other. */
  #reached(node: number): number {
    const near = this.#nodes.filter((other) => other !== node && this.#areLinked(node, other));
    const far = this.#nodes.filter((other) =>
      near.some((relay) => relay !== other && this.#areLinked(relay, other)),
    );
    return new Set([node, ...near, ...far]).size;
  }

  #areLinked(one: number, other: number): boolean {
    return (
      !this.#down.has(one) && !this.#down.has(other) && (this.#broken.get(pairOf(one, other)) ?? 0) === 0
    );
  }

  /**
   * Why nothing can be promised for a call whose messages were handed to these nodes at these times; '' when everything
   * can. `branches`: of its INVITE, at the callee; `timedOut`: one of its requests got a 408.
   */
  excuse(handings: readonly Handing[], { branches, timedOut }: Outcome): string {
    if (this.#wasCutOff(handings)) return 'a node that had to do with it was cut off';
    if (timedOut && this.#stoodStill(handings))
      return 'its owner stood still for as long as it waits for an answer';
    if (this.#fellTogether(handings)) return 'two nodes were down within the time of a takeover';
    if (this.#fellUnheard(handings))
      return 'its owner was down before its cut link to the successor was noticed';
    if (branches > 1 && this.#wereApart(handings))
      return 'copies reached nodes that could not tell each other';
    return '';
  }

  #wasCutOff(handings: readonly Handing[]): boolean {
    return this.#cuts.some(({ node, span }) =>
      handings.some((handing) => {
        if (handing.node !== node) return false;
        const until = handing.isRequest ? handing.at + inviteMilliseconds : handing.at;
        return handing.at <= span.to + settleMilliseconds && until >= span.from;
      }),
    );
  }

  /** Its timers run out as soon as it goes on. */
  #stoodStill(handings: readonly Handing[]): boolean {
    return this.#downs.some(({ node, span, takeover }) => {
      if (takeover !== takeoverMilliseconds.stopped || span.to - span.from < timerBMilliseconds) return false;
      return handings.some(
        (one) =>
          one.node === node &&
          one.isRequest &&
          one.at <= span.from &&
          one.at > span.from - timerBMilliseconds,
      );
    });
  }

  #fellTogether(handings: readonly Handing[]): boolean {
    const first = handings[0]?.at ?? Infinity;
    const last = handings.at(-1)?.at ?? -Infinity;
    return this.#downs.some((one) =>
      this.#downs.some((other) => {
        if (one === other || one.node === other.node || other.span.from < one.span.from) return false;
        if (other.span.from > one.span.from + one.takeover) return false;
        return first <= other.span.from + other.takeover && last >= one.span.from;
      }),
    );
  }

  /** What it gave its successor went into a link that was cut, and that nobody had missed yet. */
  #fellUnheard(handings: readonly Handing[]): boolean {
    return this.#downs.some(({ node, span }) =>
      this.#breaks.some(({ pair, span: cut }) => {
        if (!pair.split(' ').includes(String(node))) return false;
        if (span.from < cut.from || span.from > cut.from + takeoverMilliseconds.stopped) return false;
        const isOwner = handings.some((one) => one.node === node && one.isRequest && one.at <= span.from);
        return isOwner && handings.some(({ at }) => at >= cut.from - claimMilliseconds && at <= span.from);
      }),
    );
  }

  #wereApart(handings: readonly Handing[]): boolean {
    const copies = handings.filter((handing) => handing.isInitialInvite);
    return copies.some((one) =>
      copies.some((other) => {
        if (other.at < one.at || other.node === one.node) return false;
        if (other.at - one.at < claimMilliseconds) return true;
        return this.#wasApart(one.node, other.node, one.at, other.at);
      }),
    );
  }

  #wasApart(one: number, other: number, from: number, to: number): boolean {
    const pair = pairOf(one, other);
    const overlaps = (span: Span): boolean => span.from <= to && span.to + settleMilliseconds >= from;
    if (this.#breaks.some((each) => each.pair === pair && overlaps(each.span))) return true;
    return this.#downs.some(({ node, span }) => (node === one || node === other) && overlaps(span));
  }
}

function pairOf(one: number, other: number): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`;
}
