/**
 * Questions to the database, with an end: at most so many at once, none longer than its time, equal ones asked once.
 * What fails is said in the log once in half a minute for each cause, and counted.
 */

import type { ModuleHost } from '#module/host.ts';
import type { TableQuery, TableRow, TableSource } from '#module/services.ts';
import type { Counter } from '#module/statistics.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { LogLimiter } from '#util/log-limiter.ts';
import type { TimerTarget } from '#util/timer-queue.ts';

type Rows = readonly TableRow[] | Failure;

/** Each holds a message, some 5 kB. A database that answers in 1 ms serves that many in a second. */
const questionsMax = 1000;

class Deadline implements TimerTarget {
  readonly #run: () => void;

  constructor(run: () => void) {
    this.#run = run;
  }

  onTimer(): void {
    this.#run();
  }
}

export class BoundedReader {
  readonly #host: ModuleHost;
  readonly #group: string;
  readonly #source: TableSource;
  readonly #milliseconds: number;
  readonly #open = new Map<string, Promise<Rows>>();
  readonly #queries: Counter;
  readonly #failed: Counter;
  readonly #refused: Counter;
  readonly #problems = new LogLimiter();

  /** `group`: name of the module, for its statistics and its log lines. */
  constructor(host: ModuleHost, group: string, source: TableSource, milliseconds: number) {
    this.#host = host;
    this.#group = group;
    this.#source = source;
    this.#milliseconds = milliseconds;
    this.#queries = host.statistics.counter(group, 'queries');
    this.#failed = host.statistics.counter(group, 'failed_queries');
    this.#refused = host.statistics.counter(group, 'refused_queries');
    host.statistics.gauge(group, 'waiting_queries', () => this.#open.size);
  }

  /** Failures: MODULE_QUERIES_TOO_MANY, MODULE_QUERY_TIMEOUT, MODULE_QUERY_BROKEN and those of the source; each is in the log already. */
  select(query: TableQuery): Promise<Rows> {
    const key = JSON.stringify(query);
    const open = this.#open.get(key);
    if (open !== undefined) return open;
    if (this.#open.size >= questionsMax) {
      this.#refused.value++;
      const problem = `more than ${questionsMax} questions wait for ${this.#source.description}`;
      return Promise.resolve(this.#complain(new Failure('MODULE_QUERIES_TOO_MANY', problem)));
    }
    this.#queries.value++;
    const answer = this.#ask(query).then((rows) => {
      this.#open.delete(key);
      if (!isFailure(rows)) return rows;
      this.#failed.value++;
      return this.#complain(rows);
    });
    this.#open.set(key, answer);
    return answer;
  }

  #ask(query: TableQuery): Promise<Rows> {
    const { timers, clock } = this.#host;
    return new Promise((resolve) => {
      const late = new Failure(
        'MODULE_QUERY_TIMEOUT',
        `${this.#source.description} did not answer within ${this.#milliseconds} ms`,
      );
      const timer = timers.start(clock.monotonic(), this.#milliseconds, new Deadline(() => resolve(late)), 0);
      const done = (rows: Rows): void => {
        timers.stop(timer);
        resolve(rows);
      };
      // A broken invariant below must not leave the message waiting and the question open for ever.
      const broken = (error: unknown): void => done(new Failure('MODULE_QUERY_BROKEN', String(error)));
      this.#source.select(query).then(done, broken);
    });
  }

  #complain(failure: Failure): Failure {
    const kept = this.#problems.pass(this.#host.clock.monotonic(), failure.code);
    if (kept !== null) {
      const again = kept === 0 ? '' : ` (${kept} more before)`;
      this.#host.log.error(`${this.#group}: ${failure.message}${again}`, { code: failure.code });
    }
    return failure;
  }
}
