/**
 * Host names to addresses, without blocking anything. IP literals never come here. Answers are kept for a short time,
 * questions under way are shared, and the table is bounded.
 */

import { lookup } from 'node:dns';
import { Failure } from '#util/failure.ts';

/** How long an answer of the system's resolver is believed; it does not tell us the record's own TTL. */
const answerMilliseconds = 30_000;
/** A name that does not resolve is not asked for again for this long. */
const failureMilliseconds = 5_000;
/** Names remembered at once; the oldest goes first. */
const namesMax = 10_000;

interface Answer {
  readonly address: string | Failure;
  readonly until: number;
}

type Waiting = (address: string | Failure) => void;

export class Resolver {
  readonly #answers = new Map<string, Answer>();
  readonly #asking = new Map<string, Waiting[]>();

  /** `family` 0 = any. `done` is called at once when the answer is known, else later. */
  resolve(now: number, host: string, family: 0 | 4 | 6, done: Waiting): void {
    const key = `${family}/${host.toLowerCase()}`;
    const known = this.#answers.get(key);
    if (known !== undefined && known.until > now) {
      done(known.address);
      return;
    }
    const waiting = this.#asking.get(key);
    if (waiting !== undefined) {
      waiting.push(done);
      return;
    }
    const waiters: Waiting[] = [done];
    this.#asking.set(key, waiters);
    lookup(host, { family }, (error, address) => {
      this.#asking.delete(key);
      const answer =
        error === null
          ? address
          : new Failure(
              'NET_NAME_UNRESOLVED',
              `the name "${host}" does not resolve: ${error.code ?? error.message}`,
            );
      this.#remember(key, answer, now);
      for (const waiter of waiters) waiter(answer);
    });
  }

  #remember(key: string, address: string | Failure, now: number): void {
    if (this.#answers.size >= namesMax) {
      const oldest = this.#answers.keys().next();
      if (!oldest.done) this.#answers.delete(oldest.value);
    }
    const life = address instanceof Failure ? failureMilliseconds : answerMilliseconds;
    this.#answers.delete(key);
    this.#answers.set(key, { address, until: now + life });
  }
}
