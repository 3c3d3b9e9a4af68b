import { describe, expect, it } from 'vitest';
import type { ClaimOwner } from '#cluster/claim-directory.ts';
import { rank } from '#cluster/ownership.ts';
import { type Life, Takeover } from '#cluster/takeover.ts';
import { decodeTakeover } from '#cluster/takeover-message.ts';
import { TimerQueue } from '#util/timer-queue.ts';

/** Three nodes that hear each other at once; who is down is said by the test. */
class Trio {
  readonly timers = new TimerQueue();
  readonly nodes = new Map<number, Takeover>();
  readonly adopted: string[] = [];
  readonly yielded: string[] = [];
  readonly dropped: string[] = [];
  readonly claimed: string[] = [];
  readonly work = new Map<number, Map<number, string>>();
  readonly incarnations = new Map([
    [1, 1],
    [2, 1],
    [3, 1],
  ]);
  readonly dead = new Set<number>();
  fate: Life = 'over';
  now = 0;

  constructor() {
    for (const node of [1, 2, 3]) this.nodes.set(node, this.#make(node));
    for (const node of [1, 2, 3]) for (const peer of this.#peersOf(node)) this.up(node, peer);
  }

  #peersOf(node: number): number[] {
    return [1, 2, 3].filter((other) => other !== node && !this.dead.has(other));
  }

  #make(node: number): Takeover {
    const works = new Map<number, string>();
    this.work.set(node, works);
    return new Takeover({
      timers: this.timers,
      self: { node, incarnation: 1 },
      livePeers: () => this.#peersOf(node),
      send: (to, body) => {
        if (this.dead.has(to) || this.dead.has(node)) return false;
        this.nodes.get(to)!.onMessage(node, Uint8Array.from(body), this.now);
        return true;
      },
      lifeOf: (_now, peer, incarnation) => {
        if (!this.dead.has(peer)) return this.incarnations.get(peer) === incarnation ? 'here' : 'over';
        return this.fate;
      },
      batchMilliseconds: 5,
      onAdopted: () => {},
      user: {
        ids: () => works.keys(),
        write: (id) => {
          const text = works.get(id);
          return text === undefined ? null : { key: `key ${text}`, body: Buffer.from(text) };
        },
        adopt: (_now, origin: ClaimOwner, { body }) => {
          this.adopted.push(`${node} took ${Buffer.from(body).toString()} of ${origin.node}`);
          return true;
        },
        yield: (_now, id) => {
          this.yielded.push(`${node} ${works.get(id)}`);
          return works.delete(id);
        },
        drop: (_now, origin, id) => {
          this.dropped.push(`${node} drops ${id} of ${origin.node}`);
        },
        claimAdopted: () => {
          this.claimed.push(String(node));
        },
      },
    });
  }

  up(node: number, peer: number): void {
    this.nodes.get(node)!.onPeerUp(peer, this.incarnations.get(peer)!, this.now);
  }

  at(node: number): Takeover {
    return this.nodes.get(node)!;
  }

  begin(node: number, id: number, text: string): void {
    this.work.get(node)!.set(id, text);
    this.at(node).change(this.now, id);
  }

  pass(milliseconds: number): void {
    this.now += milliseconds;
    this.timers.advance(this.now);
  }

  kill(node: number): void {
    this.dead.add(node);
    for (const peer of this.#peersOf(node)) this.at(peer).onPeerDown(node, this.now);
  }

  revive(node: number): void {
    this.dead.delete(node);
    for (const peer of this.#peersOf(node)) {
      this.up(peer, node);
      this.up(node, peer);
    }
  }
}

describe('takeover', () => {
  it('sends what lasts longer than the batch to the rendezvous successor, and takes back what ends', () => {
    const trio = new Trio();
    const successor = rank('takeover 1', [2, 3])[0]!;
    expect(trio.at(1).successor).toBe(successor);
    trio.begin(1, 1, 'call');
    trio.begin(1, 2, 'short call');
    trio.at(1).end(2);
    trio.pass(5);
    expect(trio.at(successor).held).toBe(1);
    expect(trio.at(successor).holds('key call')).toBe(true);
    expect(trio.at(1).counters.sent).toBe(1);
    trio.at(1).end(1);
    trio.pass(5);
    expect(trio.at(successor).held).toBe(0);
  });

  it('takes back at once: a node that dies right after leaves nothing to adopt', () => {
    const trio = new Trio();
    const { successor } = trio.at(1);
    trio.begin(1, 1, 'call');
    trio.pass(5);
    trio.at(1).end(1);
    expect(trio.at(successor).held).toBe(0);
    trio.fate = 'over';
    trio.kill(1);
    trio.pass(1000);
    expect(trio.adopted).toEqual([]);
  });

  it('adopts when the life is over, not while that is unsure; everybody knows who did', () => {
    const trio = new Trio();
    const successor = trio.at(1).successor;
    const third = 5 - successor;
    trio.begin(1, 1, 'call');
    trio.pass(5);
    trio.fate = 'unsure';
    trio.kill(1);
    trio.pass(200);
    expect(trio.adopted).toEqual([]);
    trio.fate = 'over';
    trio.pass(50);
    expect(trio.adopted).toEqual([`${successor} took call of 1`]);
    expect(trio.at(third).successorOf(1, 1)).toBe(successor);
    expect(trio.at(third).successorOf(1, 2)).toBe(0);
  });

  it('adopts what a node had begun before it was started again', () => {
    const trio = new Trio();
    const successor = trio.at(1).successor;
    trio.begin(1, 1, 'call');
    trio.pass(5);
    trio.incarnations.set(1, 2);
    trio.up(successor, 1);
    expect(trio.adopted).toEqual([`${successor} took call of 1`]);
  });

  it('tells a node that was only frozen to let go', () => {
    const trio = new Trio();
    const successor = trio.at(1).successor;
    trio.begin(1, 1, 'call');
    trio.pass(5);
    trio.kill(1);
    trio.revive(1);
    expect(trio.yielded).toEqual(['1 call']);
    expect(trio.claimed).toEqual([String(successor)]);
    expect(trio.at(1).heir).toBe(successor);
  });

  it('is told what had ended before it was adopted, and lets go of that', () => {
    const trio = new Trio();
    const successor = trio.at(1).successor;
    trio.begin(1, 1, 'call');
    trio.pass(5);
    trio.kill(1);
    trio.work.get(1)!.delete(1);
    trio.revive(1);
    expect(trio.dropped).toEqual([`${successor} drops 1 of 1`]);
    expect(trio.at(1).counters.yielded).toBe(0);
  });

  it('throws its copies away when it was cut off itself, and gets them anew when it is back', () => {
    const trio = new Trio();
    const successor = trio.at(1).successor;
    trio.begin(1, 1, 'call');
    trio.pass(5);
    trio.fate = 'unseen';
    trio.kill(1);
    expect(trio.adopted).toEqual([]);
    expect([trio.at(successor).held, trio.at(successor).counters.withheld]).toEqual([0, 1]);
    trio.revive(1);
    trio.pass(5);
    expect(trio.at(successor).held).toBe(1);
  });

  it('gives everything to another successor when the first is gone', () => {
    const trio = new Trio();
    const first = trio.at(1).successor;
    trio.begin(1, 1, 'call');
    trio.pass(5);
    trio.kill(first);
    trio.pass(5);
    expect(trio.at(1).successor).toBe(5 - first);
    expect(trio.at(5 - first).holds('key call')).toBe(true);
  });

  it('reads nothing from bytes of another version', () => {
    expect(decodeTakeover(Uint8Array.from([99, 1, 2, 3]))).toBeNull();
    expect(decodeTakeover(Uint8Array.from([2, 0, 0]))).toBeNull();
  });
});
