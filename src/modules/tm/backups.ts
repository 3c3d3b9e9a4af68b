/** The transactions that this node's successor must know of, by number; and those that were taken over from others. */

import { adoptTransaction, saveTransaction } from '#modules/tm/backup.ts';
import type { ScriptTransaction } from '#modules/tm/script-transaction.ts';
import type { TransactionModule } from '#modules/tm/transaction-module.ts';

export class Backups {
  readonly #module: TransactionModule;
  readonly #byId = new Map<number, ScriptTransaction>();
  readonly #adopted = new Map<string, Set<ScriptTransaction>>();
  #lastId = 0;

  constructor(module: TransactionModule) {
    this.#module = module;
  }

  /** The first change of an INVITE makes it known. Other requests are repeated by their callers, who then get an answer. */
  change(now: number, transaction: ScriptTransaction): void {
    const { backup } = this.#module.core;
    if (backup === null || transaction.ended || transaction.isDisowned) return;
    if (transaction.backupId === 0) {
      if (!transaction.server.isInvite || !transaction.context.source.socket.anycast) return;
      this.#lastId = (this.#lastId + 1) >>> 0;
      transaction.backupId = this.#lastId;
      this.#byId.set(transaction.backupId, transaction);
    }
    backup.change(now, transaction.backupId);
  }

  end(now: number, transaction: ScriptTransaction): void {
    if (transaction.isAdopted) this.#forget(transaction);
    if (transaction.backupId === 0) return;
    this.#byId.delete(transaction.backupId);
    this.#module.core.backup?.end(now, transaction.backupId);
    transaction.backupId = 0;
  }

  /** A peer has the same request, and keeps it: nobody shall go on with ours. */
  disown(now: number, transaction: ScriptTransaction): void {
    transaction.isDisowned = true;
    this.end(now, transaction);
  }

  #forget(transaction: ScriptTransaction): void {
    for (const [life, transactions] of this.#adopted)
      if (transactions.delete(transaction) && transactions.size === 0) this.#adopted.delete(life);
  }

  // ── asked by the takeover ─────────────────────────────────────────────────────────────────────────────────────

  ids(): Iterable<number> {
    return this.#byId.keys();
  }

  write(id: number): { readonly key: string; readonly body: Uint8Array } | null {
    const transaction = this.#byId.get(id);
    // A failure that was acknowledged is over: there is nothing that could be repeated.
    if (transaction === undefined) return null;
    const { lastStatus, lastResponse } = transaction.server;
    if (lastStatus >= 300 && lastResponse === null) return null;
    return { key: transaction.server.key, body: saveTransaction(this.#module, transaction) };
  }

  /** `life` names the dead node's life. */
  adopt(now: number, life: string, body: Uint8Array): boolean {
    const transaction = adoptTransaction(this.#module, now, body);
    if (transaction === null) return false;
    const others = this.#adopted.get(life) ?? new Set();
    this.#adopted.set(life, others.add(transaction));
    this.change(now, transaction);
    return true;
  }

  /** A peer has taken it over: it ends here without a word to anybody, its dialog excepted, which goes on there. */
  yield(now: number, id: number): void {
    const transaction = this.#byId.get(id);
    if (transaction === undefined) return;
    this.#byId.delete(id);
    transaction.backupId = 0;
    transaction.context.dialog = null;
    this.#module.core.claims?.release(now, transaction.server.key);
    transaction.proxy.abandon(now);
  }

  /** The node that began them has let go of them. */
  claimAdopted(now: number, life: string): void {
    for (const transaction of this.#adopted.get(life) ?? [])
      if (!transaction.ended) this.#module.claim(now, transaction);
    this.#adopted.delete(life);
  }
}
