/**
 * A whole table in memory, for small tables that messages are judged by: read when the node starts, again and again,
 * and on command. While the database is away the last good copy stays.
 */

import type { ModuleHost } from '#module/host.ts';
import type { TableRow, TableSource } from '#module/services.ts';
import { Failure, isFailure } from '#util/failure.ts';
import { LogLimiter } from '#util/log-limiter.ts';

/** Some 300 bytes each: 30 MB. */
const rowsMax = 100_000;

export interface MirrorOptions {
  /** Name of the module: its statistics and its log lines. */
  readonly group: string;
  readonly table: string;
  readonly columns: readonly string[];
  /** 0: on command only. */
  readonly refreshSeconds: number;
  /** All rows, each time they were read. */
  apply(rows: readonly TableRow[]): void;
}

export class TableMirror {
  readonly #host: ModuleHost;
  readonly #source: TableSource;
  readonly #options: MirrorOptions;
  readonly #problems = new LogLimiter();
  #rows = 0;

  constructor(host: ModuleHost, source: TableSource, options: MirrorOptions) {
    this.#host = host;
    this.#source = source;
    this.#options = options;
    const { group, refreshSeconds } = options;
    host.statistics.gauge(group, 'rows', () => this.#rows);
    host.statistics.counter(group, 'failed_reads');
    void this.reload();
    if (refreshSeconds > 0) host.every(refreshSeconds * 1000, () => void this.reload());
  }

  /** Number of rows. Failures: those of the source, MODULE_TABLE_TOO_LARGE; they are in the log already. */
  async reload(): Promise<number | Failure> {
    const { group, table, columns } = this.#options;
    const rows = await this.#source.select({ table, columns, where: [], rowsMax: rowsMax + 1 });
    if (isFailure(rows)) return this.#complain(rows);
    if (rows.length > rowsMax) {
      const problem = `${group}: table ${table} has more than ${rowsMax} rows: the last copy stays`;
      return this.#complain(new Failure('MODULE_TABLE_TOO_LARGE', problem));
    }
    this.#rows = rows.length;
    this.#options.apply(rows);
    return rows.length;
  }

  #complain(failure: Failure): Failure {
    const { group } = this.#options;
    this.#host.statistics.counter(group, 'failed_reads').value++;
    if (this.#problems.pass(this.#host.clock.monotonic(), failure.code) !== null)
      this.#host.log.error(`${group}: ${failure.message}`, { code: failure.code });
    return failure;
  }
}
