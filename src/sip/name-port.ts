/** What server location (RFC 3263) asks the DNS, as plain data. Implemented in `net`, faked in tests. */

import type { Failure } from '#util/failure.ts';

/** RFC 3403 4. */
export interface NaptrRecord {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  readonly service: string;
  readonly replacement: string;
}

/** RFC 2782. */
export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly name: string;
}

export interface NameRecords {
  readonly NAPTR: readonly NaptrRecord[];
  readonly SRV: readonly SrvRecord[];
  /** IP text. */
  readonly A: readonly string[];
  readonly AAAA: readonly string[];
}

export type NameKind = keyof NameRecords;

/** An empty list: there are no such records. A Failure: nobody could say. */
export type NameAnswer<Kind extends NameKind> = NameRecords[Kind] | Failure;

export interface NamePort {
  /** `done` is called once: at once when the answer is known, else later. Nothing is blocked meanwhile. */
  ask<Kind extends NameKind>(kind: Kind, name: string, done: (answer: NameAnswer<Kind>) => void): void;
}

/** The server took longer than it may: what else it is asked would take as long. */
export const unansweredCode = 'NET_NAME_UNANSWERED';
