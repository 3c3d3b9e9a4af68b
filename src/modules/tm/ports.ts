/** What tm needs of the node beneath it, provided by the server before the modules are created. */

import { serviceToken } from '#module/host.ts';
import type { BranchCodec } from '#transaction/branch.ts';
import type { TransactionTable } from '#transaction/table.ts';

/** Tells the peers who owns a transaction whose messages carry nothing of ours (CANCEL, ACK, retransmissions). */
export interface TransactionClaims {
  claim(now: number, key: string, lifetimeMilliseconds: number): void;
  release(now: number, key: string): void;
}

/** Keeps the node's successor informed of what it would have to go on with. */
export interface TransactionBackup {
  /** The transaction began, or another branch, an answer or a CANCEL changed what comes next. */
  change(now: number, id: number): void;
  /** There is nothing left to go on with. */
  end(id: number): void;
}

export interface TransactionCore {
  readonly table: TransactionTable;
  readonly branches: BranchCodec;
  /** Null when the node stands alone. */
  readonly claims: TransactionClaims | null;
  /** Null when the node stands alone, or takeover is switched off. */
  readonly backup: TransactionBackup | null;
}

export const transactionCore = serviceToken<TransactionCore>('transaction-core');
