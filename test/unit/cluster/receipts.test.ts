/** Who asks whether the peers have everything is told once, whatever they do. */

import { describe, expect, it } from 'vitest';
import { Receipts } from '#cluster/receipts.ts';
import { TimerQueue } from '#util/timer-queue.ts';

/** Nodes 1 to 3 that hear each other at once, unless `held` keeps what is sent to them. */
function cluster(timeoutMilliseconds = 50) {
  const timers = new TimerQueue();
  const held = new Map<number, (() => void)[]>();
  const full = new Set<number>();
  const nodes = new Map<number, Receipts>();
  for (const id of [1, 2, 3]) {
    const port = {
      livePeers: () => [1, 2, 3].filter((peer) => peer !== id),
      send: (peer: number, body: Uint8Array) => {
        if (full.has(peer)) return false;
        const deliver = (): void => nodes.get(peer)!.onMessage(id, body);
        const queue = held.get(peer);
        if (queue === undefined) deliver();
        else queue.push(deliver);
        return true;
      },
    };
    nodes.set(id, new Receipts({ port, timers, timeoutMilliseconds }));
  }
  let told = 0;
  const ask = (): boolean => nodes.get(1)!.ask(0, () => told++);
  return { timers, held, full, asking: nodes.get(1)!, ask, told: () => told };
}

describe('a question for receipts', () => {
  it('is over when the last peer has answered', () => {
    const { held, asking, ask, told } = cluster();
    held.set(2, []).set(3, []);
    expect(ask()).toBe(true);
    held.get(2)![0]!();
    expect(told()).toBe(0);
    held.get(3)![0]!();
    expect(told()).toBe(1);
    expect(asking.size).toBe(0);
    expect(asking.counters).toEqual({ asked: 1, unanswered: 0, unreadable: 0 });
  });

  it('is over when its time is, and an answer that comes later tells nobody again', () => {
    const { timers, held, asking, ask, told } = cluster();
    held.set(3, []);
    ask();
    timers.advance(49);
    expect(told()).toBe(0);
    timers.advance(60);
    expect(told()).toBe(1);
    held.get(3)![0]!();
    expect(told()).toBe(1);
    expect(asking.size).toBe(0);
    expect(asking.counters.unanswered).toBe(1);
  });

  it('does not wait for a peer that goes down', () => {
    const { held, asking, ask, told } = cluster();
    held.set(3, []);
    ask();
    asking.onPeerDown(2);
    expect(told()).toBe(0);
    asking.onPeerDown(3);
    expect(told()).toBe(1);
  });

  it('is not asked where nobody can be, or nothing is to be waited for', () => {
    const { full, asking, ask, told } = cluster();
    full.add(2).add(3);
    expect(ask()).toBe(false);
    expect(asking.counters.unanswered).toBe(1);
    expect(cluster(0).ask()).toBe(false);
    expect(told()).toBe(0);
  });

  it('is bounded in number: beyond that nobody waits, and it is counted', () => {
    const { held, asking, ask } = cluster();
    held.set(2, []).set(3, []);
    let asked = 0;
    while (ask()) asked++;
    expect(asked).toBe(10_000);
    expect(asking.size).toBe(10_000);
    expect(asking.counters.unanswered).toBe(1);
  });

  it('that cannot be read is counted', () => {
    const { asking } = cluster();
    asking.onMessage(2, Buffer.from([1]));
    expect(asking.counters.unreadable).toBe(1);
  });
});
