/** What tm needs of the node beneath it, provided by the server before the modules are created. */

import { serviceToken } from '#module/host.ts';
import type { BranchCodec } from '#transaction/branch.ts';
import type { TransactionTable } from '#transaction/table.ts';

/** Tells the peers who owns a transaction whose messages carry nothing of ours (CANCEL, ACK, retransmissions). */
export interface TransactionClaims {
  claim(now: number, key: string, lifetimeMilliseconds: number): void;
}

export interface TransactionCore {
  readonly table: TransactionTable;
  readonly branches: BranchCodec;
  /** Null when the node stands alone. */
  readonly claims: TransactionClaims | null;
}

export const transactionCore = serviceToken<TransactionCore>('transaction-core');
