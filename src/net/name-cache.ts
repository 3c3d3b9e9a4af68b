/**
 * Answers of the DNS, kept as long as they say (RFC 1035 3.2.1, RFC 2308), within limits. One question is under way per
 * name and kind, however many wait for it. While no server answers, what was known before still counts (RFC 8767).
 */

import type { NameAnswer, NameKind, NamePort, NameRecords } from '#sip/name-port.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { dropOldest } from '#util/oldest.ts';

export interface TimedRecords<Kind extends NameKind> {
  readonly records: NameRecords[Kind];
  /** Seconds. */
  readonly life: number;
}

/** Asks a server; calls back later, once, and in bounded time. */
export interface NameClient {
  ask<Kind extends NameKind>(
    kind: Kind,
    name: string,
    done: (answer: TimedRecords<Kind> | Failure) => void,
  ): void;
}

/** A record that says 0 is used by the calls that wait for it, and by those of the same second. */
const lifeSecondsMin = 1;
/** Somebody's typing error of a year must not last a year. */
const lifeSecondsMax = 3600;
/** No server is asked again for the same name in this time after it failed to answer. */
const failureSeconds = 5;
/** How long an answer that ran out is used while no server answers. */
const staleSecondsMax = 3600;
/** Answers remembered at once; the oldest goes first. */
const answersMax = 20_000;
/** Questions under way at once. */
const questionsMax = 1000;
/** Calls that wait at once, for whatever name. */
const waitersMax = 20_000;

type Waiter = (answer: NameRecords[NameKind] | Failure) => void;

interface Known {
  readonly answer: NameRecords[NameKind] | Failure;
  /** ms */
  readonly until: number;
  readonly staleUntil: number;
}

export class NameCache implements NamePort {
  readonly counters = {
    /** Questions to a server. */
    questions: 0,
    /** Answered from here. */
    hits: 0,
    /** Joined a question under way. */
    shared: 0,
    /** Questions that no server answered. */
    failures: 0,
    /** Answered with what had run out, for no server answered. */
    stale: 0,
    /** Refused: too many questions or calls wait. */
    rejected: 0,
    /** Forgotten for want of room. */
    evicted: 0,
  };
  readonly #client: NameClient;
  readonly #monotonic: () => number;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Waiter[]>();
  #waiting = 0;

  constructor(client: NameClient, monotonic: () => number) {
    this.#client = client;
    this.#monotonic = monotonic;
  }

  /** Calls that wait for an answer. */
  get waiting(): number {
    return this.#waiting;
  }

  get size(): number {
    return this.#known.size;
  }

  ask<Kind extends NameKind>(kind: Kind, name: string, done: (answer: NameAnswer<Kind>) => void): void {
    const plain = plainName(name);
    const key = `${kind} ${plain}`;
    const known = this.#known.get(key);
    if (known !== undefined && known.until > this.#monotonic()) {
      this.counters.hits++;
      done(known.answer as NameAnswer<Kind>);
      return;
    }
    const asking = this.#asking.get(key);
    if (this.#waiting >= waitersMax || (asking === undefined && this.#asking.size >= questionsMax)) {
      this.counters.rejected++;
      done(
        new Failure(
          'NET_NAME_QUESTIONS_TOO_MANY',
          `"${name}" is not asked for: too many calls wait for names`,
        ),
      );
      return;
    }
    this.#waiting++;
    if (asking !== undefined) {
      this.counters.shared++;
      asking.push(done as Waiter);
      return;
    }
    this.#asking.set(key, [done as Waiter]);
    this.counters.questions++;
    this.#client.ask(kind, plain, (answer) => this.#onAnswer(key, answer));
  }

  /** Forgets what is known; questions under way go on. Returns how many answers were forgotten. */
  flush(): number {
    const count = this.#known.size;
    this.#known.clear();
    return count;
  }

  /** Left: seconds, below 0 when it ran out. */
  list(): Record<string, string | number>[] {
    const now = this.#monotonic();
    return Array.from(this.#known, ([key, { answer, until }]) => ({
      Type: key.slice(0, key.indexOf(' ')),
      Name: key.slice(key.indexOf(' ') + 1),
      Left: Math.ceil((until - now) / 1000),
      Answer: describe(answer),
    }));
  }

  #onAnswer(key: string, answer: TimedRecords<NameKind> | Failure): void {
    const waiters = this.#asking.get(key) ?? [];
    this.#asking.delete(key);
    this.#waiting -= waiters.length;
    const result = isFailure(answer) ? this.#onFailure(key, answer) : this.#onRecords(key, answer);
    for (const waiter of waiters) waiter(result);
  }

  #onRecords(key: string, { records, life }: TimedRecords<NameKind>): NameRecords[NameKind] {
    const seconds = Math.min(lifeSecondsMax, Math.max(lifeSecondsMin, life));
    const until = this.#monotonic() + seconds * 1000;
    this.#remember(key, { answer: records, until, staleUntil: until + staleSecondsMax * 1000 });
    return records;
  }

  /** RFC 8767 5: what ran out is used on, and the server left alone for a while. */
  #onFailure(key: string, failure: Failure): NameRecords[NameKind] | Failure {
    this.counters.failures++;
    const now = this.#monotonic();
    const old = this.#known.get(key);
    const until = now + failureSeconds * 1000;
    if (old === undefined || isFailure(old.answer) || old.staleUntil <= now) {
      this.#remember(key, { answer: failure, until, staleUntil: 0 });
      return failure;
    }
    this.counters.stale++;
    this.#remember(key, { ...old, until });
    return old.answer;
  }

  #remember(key: string, known: Known): void {
    this.#known.delete(key);
    if (this.#known.size >= answersMax) {
      dropOldest(this.#known);
      this.counters.evicted++;
    }
    this.#known.set(key, known);
  }
}

/** RFC 4343: names have no case; the dot at the end says only that they are complete. */
function plainName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

function describe(answer: NameRecords[NameKind] | Failure): string {
  if (isFailure(answer)) return answer.message;
  if (answer.length === 0) return 'none';
  return answer
    .map((record) => (typeof record === 'string' ? record : Object.values(record).join(' ')))
    .join(', ');
}
