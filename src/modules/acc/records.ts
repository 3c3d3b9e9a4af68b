/**
 * Accounting records as rows: what the tables `acc` and `missed_calls` of OpenSIPS hold, and the key under which an
 * event is known on every node. Texts longer than their columns are cut; the key is made of the whole ones.
 */

import { createHash } from 'node:crypto';
import type { ModuleHost } from '#module/host.ts';
import {
  type RecordService,
  type RecordSpool,
  type RecordStorage,
  type StoredRecord,
  tableService,
} from '#module/services.ts';
import { isFailure } from '#util/failure.ts';

/** A table whose name is made of variables must not open storages without end. */
const tablesMax = 16;
const pumpMilliseconds = 200;

/** Widths in characters of OpenSIPS's columns. */
const widths = { method: 16, from_tag: 64, to_tag: 64, callid: 64, sip_code: 3, sip_reason: 32 } as const;

export interface RecordTimes {
  /** ms since 1970 */
  readonly created: number;
  /** ms from the request to the answer; null where the row has no such columns. */
  readonly setup: number | null;
  /** ms from the answer to the end; null without an end. */
  readonly duration: number | null;
}

export interface RecordParts {
  readonly texts: Readonly<Record<keyof typeof widths, string>>;
  /** ms since 1970 */
  readonly time: number;
  readonly times: RecordTimes | null;
  readonly extra: ReadonlyMap<string, string>;
}

/** 40 hexadecimal digits for what makes an event the same on every node. */
export function recordKey(...identity: readonly string[]): string {
  return createHash('sha1').update(identity.join('\n'), 'latin1').digest('hex');
}

/** Columns by the names that the script gave them. */
export function recordColumns(
  parts: RecordParts,
  names: Readonly<Record<string, string>>,
): StoredRecord['columns'] {
  const columns: Record<string, string | number | null> = {};
  for (const [name, width] of Object.entries(widths)) {
    columns[names[name] ?? name] = parts.texts[name as keyof typeof widths].slice(0, width);
  }
  columns[names.time ?? 'time'] = dateTime(parts.time);
  if (parts.times !== null) {
    const { created, setup, duration } = parts.times;
    columns.created = dateTime(created);
    if (setup !== null) columns.setuptime = Math.round(setup / 1000);
    if (duration !== null) {
      columns.duration = Math.round(duration / 1000);
      columns.ms_duration = Math.round(duration);
    }
  }
  for (const [name, value] of parts.extra) columns[name] = value;
  return columns;
}

/** UTC. */
function dateTime(wall: number): string {
  return new Date(wall).toISOString().slice(0, 19).replace('T', ' ');
}

/** The tables of one `db_url`. */
export class AccountingTables {
  readonly #host: ModuleHost;
  readonly #url: string;
  readonly #service: RecordService | null;
  readonly #tables = new Map<string, RecordStorage>();
  readonly #spoolPath: string;
  #spool: RecordSpool | null = null;
  #isSpoolOpen = false;

  /** `spoolPath`: file in which records wait too, '' for none. */
  constructor(host: ModuleHost, url: string, spoolPath = '') {
    this.#host = host;
    this.#url = url;
    this.#spoolPath = spoolPath;
    this.#service = host.optionalService(tableService)?.records ?? null;
    const gauge = (name: string, figure: keyof RecordStorage['figures']): void =>
      host.statistics.gauge('acc', name, () => this.#sum(figure));
    gauge('db_waiting', 'waiting');
    gauge('db_written', 'written');
    gauge('db_failures', 'failures');
    gauge('db_refused', 'refused');
    gauge('db_overflowed', 'overflowed');
    host.statistics.gauge('acc', 'db_spool_bytes', () => this.#spool?.figures.bytes ?? 0);
    host.statistics.gauge('acc', 'db_spool_dropped', () => this.#spool?.figures.dropped ?? 0);
    host.every(pumpMilliseconds, () => {
      this.#openSpool();
      for (const table of this.#tables.values()) table.pump();
    });
  }

  append(table: string, record: StoredRecord): void {
    const storage = this.#open(table);
    if (storage === null) {
      this.#host.log.error(`acc: no table "${table}" for the record ${JSON.stringify(record.columns)}`);
      return;
    }
    this.#openSpool();
    this.#spool?.add({ table, ...record });
    // What has no room is in the log instead.
    if (!storage.append(record)) this.#spool?.done(table, [record.key]);
  }

  /** Not before the node runs: a check of the script must not touch what another node has written. */
  #openSpool(): void {
    if (this.#isSpoolOpen) return;
    this.#isSpoolOpen = true;
    if (this.#spoolPath === '' || this.#service?.spool === undefined) return;
    let count = 0;
    const opened = this.#service.spool(this.#spoolPath, ({ table, key, columns }) => {
      count++;
      this.#open(table)?.append({ key, columns });
    });
    if (isFailure(opened)) this.#host.log.error(`acc: ${opened.message}; records wait in memory only`);
    else this.#spool = opened;
    if (count > 0) this.#host.log.info(`acc: ${count} records of a former life are written now`);
  }

  #open(name: string): RecordStorage | null {
    const known = this.#tables.get(name);
    if (known !== undefined) return known;
    if (this.#service === null || this.#tables.size >= tablesMax) return null;
    const opened = this.#service.open(this.#url, name, (keys) => this.#spool?.done(name, keys));
    if (isFailure(opened)) return null;
    this.#tables.set(name, opened);
    return opened;
  }

  #sum(figure: keyof RecordStorage['figures']): number {
    let sum = 0;
    for (const { figures } of this.#tables.values()) sum += figures[figure];
    return sum;
  }
}
