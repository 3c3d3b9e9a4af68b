/**
 * From which of its addresses this machine reaches another (`mhomed`): the kernel's routing says so when a datagram
 * socket is connected, which sends nothing. Answers are kept for a short time, and their number is bounded.
 */

import { createSocket } from 'node:dgram';
import { dropOldest } from '#util/oldest.ts';

/** Routes change rarely, but they do. */
const answerMilliseconds = 30_000;
/** Destinations remembered at once; the oldest goes first. */
const destinationsMax = 10_000;
/** Discard: nothing is sent there. */
const anyPort = 9;

type Done = (local: string | null) => void;

export class SourceAddresses {
  readonly #known = new Map<string, { readonly local: string | null; readonly until: number }>();
  readonly #asking = new Map<string, Done[]>();

  /** `address`: IP text. Null: no route leads there. `done` is called at once when the answer is known. */
  find(now: number, address: string, done: Done): void {
    const known = this.#known.get(address);
    if (known !== undefined && known.until > now) {
      done(known.local);
      return;
    }
    const waiting = this.#asking.get(address);
    if (waiting !== undefined) {
      waiting.push(done);
      return;
    }
    this.#asking.set(address, [done]);
    const probe = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    let isOver = false;
    const finish = (local: string | null): void => {
      if (isOver) return;
      isOver = true;
      probe.close();
      this.#answer(now, address, local);
    };
    probe.on('error', () => finish(null));
    probe.connect(anyPort, address, () => finish(probe.address().address));
  }

  #answer(now: number, address: string, local: string | null): void {
    const waiters = this.#asking.get(address) ?? [];
    this.#asking.delete(address);
    this.#known.delete(address);
    if (this.#known.size >= destinationsMax) dropOldest(this.#known);
    this.#known.set(address, { local, until: now + answerMilliseconds });
    for (const waiter of waiters) waiter(local);
  }
}
