/**
 * Records that wait for a database, in a file as well: a node that is killed finds them there when it starts again. A
 * line is added for each record when it is made, and the file is emptied whenever none waits; while some always do, it
 * is written anew once half of it is of no use. Left out on purpose: fsync. What was written survives the process, not
 * the machine; a disk that is asked per record would hold up calls. A line torn by the end of the process is skipped.
 */

import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { RecordSpool, SpooledRecord } from '#module/services.ts';
import { Failure } from '#util/failure.ts';

/** What waits in memory is 50 MB at most per table. */
const defaultBytesMax = 100_000_000;
/** Below this the useless half is not worth a new file. */
const compactBytesMin = 1_000_000;

export interface RecordSpoolParts {
  readonly log: { error(message: string): void };
  /** For tests. */
  readonly bytesMax?: number;
}

export class FileRecordSpool implements RecordSpool {
  readonly #path: string;
  readonly #parts: RecordSpoolParts;
  readonly #bytesMax: number;
  #file: number;
  /** What waits → bytes of its line. */
  readonly #waiting = new Map<string, number>();
  #usefulBytes = 0;
  #bytes = 0;
  #dropped = 0;
  #isTroubled = false;

  private constructor(path: string, file: number, parts: RecordSpoolParts) {
    this.#path = path;
    this.#file = file;
    this.#parts = parts;
    this.#bytesMax = parts.bytesMax ?? defaultBytesMax;
  }

  /** `each` is called with what a former life left. Failure: DB_SPOOL_UNUSABLE. */
  static open(
    path: string,
    parts: RecordSpoolParts,
    each: (record: SpooledRecord) => void,
  ): FileRecordSpool | Failure {
    try {
      // Who may read it reads who called whom.
      const spool = new FileRecordSpool(path, openSync(path, 'a', 0o600), parts);
      for (const record of spool.#recover()) each(record);
      return spool;
    } catch (error) {
      return new Failure('DB_SPOOL_UNUSABLE', `file for waiting records: ${(error as Error).message}`);
    }
  }

  get figures(): { readonly bytes: number; readonly dropped: number } {
    return { bytes: this.#bytes, dropped: this.#dropped };
  }

  add(record: SpooledRecord): void {
    const identity = identityOf(record.table, record.key);
    if (this.#waiting.has(identity)) return;
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    if (this.#bytes + line.length > this.#bytesMax) {
      this.#fail(`${this.#bytesMax} bytes wait already`);
      return;
    }
    try {
      if (writeSync(this.#file, line) < line.length) throw new Error('no space left');
      this.#bytes += line.length;
      this.#note(identity, line.length);
      this.#isTroubled = false;
    } catch (error) {
      // Half a line goes again: the next record shall have one of its own.
      this.#tryTruncate(this.#bytes);
      this.#fail((error as Error).message);
    }
  }

  done(table: string, keys: readonly string[]): void {
    for (const key of keys) {
      const identity = identityOf(table, key);
      this.#usefulBytes -= this.#waiting.get(identity) ?? 0;
      this.#waiting.delete(identity);
    }
    if (this.#waiting.size === 0) this.#tryTruncate(0);
    else if (this.#bytes > compactBytesMin && this.#usefulBytes * 2 < this.#bytes) this.#compact();
  }

  close(): void {
    closeSync(this.#file);
  }

  #note(identity: string, bytes: number): void {
    this.#waiting.set(identity, bytes);
    this.#usefulBytes += bytes;
  }

  #recover(): SpooledRecord[] {
    const records: SpooledRecord[] = [];
    let torn = 0;
    for (const [line, record] of this.#lines()) {
      if (record === null) torn++;
      else if (!this.#waiting.has(identityOf(record.table, record.key))) {
        records.push(record);
        this.#note(identityOf(record.table, record.key), Buffer.byteLength(line) + 1);
      }
    }
    if (torn > 0) this.#parts.log.error(`${this.#path}: ${torn} records cannot be read`);
    this.#compact();
    return records;
  }

  *#lines(): Iterable<readonly [string, SpooledRecord | null]> {
    for (const line of readFileSync(this.#path, 'utf8').split('\n')) {
      if (line !== '') yield [line, parseLine(line)];
    }
  }

  /** A new file takes the place of the old one at once: whatever happens, one of them is whole. */
  #compact(): void {
    const lines: string[] = [];
    for (const [line, record] of this.#lines()) {
      if (record !== null && this.#waiting.has(identityOf(record.table, record.key))) lines.push(`${line}\n`);
    }
    try {
      const text = lines.join('');
      writeFileSync(`${this.#path}.new`, text, { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
      const former = this.#file;
      this.#file = openSync(this.#path, 'a', 0o600);
      closeSync(former);
      this.#bytes = Buffer.byteLength(text);
    } catch (error) {
      this.#fail((error as Error).message);
    }
  }

  #tryTruncate(bytes: number): void {
    try {
      ftruncateSync(this.#file, bytes);
      this.#bytes = bytes;
      if (bytes === 0) this.#usefulBytes = 0;
    } catch (error) {
      this.#fail((error as Error).message);
    }
  }

  /** The record still waits in memory. */
  #fail(problem: string): void {
    this.#dropped++;
    if (this.#isTroubled) return;
    this.#isTroubled = true;
    this.#parts.log.error(`${this.#path}: records wait in memory only: ${problem}`);
  }
}

function identityOf(table: string, key: string): string {
  return `${table}\n${key}`;
}

/** Null when this is no record. */
function parseLine(line: string): SpooledRecord | null {
  try {
    const { table, key, columns } = JSON.parse(line) as SpooledRecord;
    return typeof table === 'string' && typeof key === 'string' && typeof columns === 'object'
      ? { table, key, columns }
      : null;
  } catch {
    return null;
  }
}
