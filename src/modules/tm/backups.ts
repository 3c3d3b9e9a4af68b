/** The transactions that this node's successor must know of, by number; and those that were taken over from others. */

import { adoptTransaction, saveTransaction } from '#modules/tm/backup.ts';
import type { ScriptTransaction } from '#modules/tm/script-transaction.ts';
import type { TransactionModule } from '#modules/tm/transaction-module.ts';

/** A checkpoint of a dead node: its number for the work, and what it wrote. */
interface AdoptedWork {
  readonly id: number;
  readonly body: Uint8Array;
}

export class Backups {
  readonly #module: TransactionModule;
  readonly #byId = new Map<number, ScriptTransaction>();
  /** By the dead node's life and its number for the work. */
  readonly #adopted = new Map<string, Map<number, ScriptTransaction>>();
  #lastId = 0;

  constructor(module: TransactionModule) {
    this.#module = module;
  }

  /** The first change of an INVITE makes it known. Other requests are repeated by their callers, who then get an answer. */
  change(now: number, transaction: ScriptTransaction): void {
    const { backup } = this.#module.core;
    if (backup === null || transaction.ended || transaction.isDisowned) return;
    const { lastStatus } = transaction.server;
    // Answered: a CANCEL that comes late changes nothing, and a successor would have nothing to go on with.
    if (lastStatus >= 200 && lastStatus < 300) return;
    if (transaction.backupId === 0) {
      if (!transaction.server.isInvite || !transaction.context.source.socket.anycast) return;
      this.#lastId = (this.#lastId + 1) >>> 0;
      transaction.backupId = this.#lastId;
      this.#byId.set(transaction.backupId, transaction);
    }
    backup.change(now, transaction.backupId);
  }

  end(transaction: ScriptTransaction): void {
    if (transaction.isAdopted) this.#forget(transaction);
    if (transaction.backupId === 0) return;
    this.#byId.delete(transaction.backupId);
    this.#module.core.backup?.end(transaction.backupId);
    transaction.backupId = 0;
  }

  /** A peer has the same request, and keeps it: nobody shall go on with ours. */
  disown(transaction: ScriptTransaction): void {
    transaction.isDisowned = true;
    this.end(transaction);
  }

  #forget(transaction: ScriptTransaction): void {
    for (const [life, transactions] of this.#adopted) {
      for (const [id, one] of transactions) if (one === transaction) transactions.delete(id);
      if (transactions.size === 0) this.#adopted.delete(life);
    }
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
  adopt(now: number, life: string, { id, body }: AdoptedWork): boolean {
    const transaction = adoptTransaction(this.#module, now, body);
    if (transaction === null) return false;
    const others = this.#adopted.get(life) ?? new Map<number, ScriptTransaction>();
    this.#adopted.set(life, others.set(id, transaction));
    this.change(now, transaction);
    return true;
  }

  /** A peer has taken it over: it ends here without a word to anybody, its dialog excepted, which goes on there. */
  yield(now: number, id: number): boolean {
    const transaction = this.#byId.get(id);
    // The caller has its answer already: nobody may give another one.
    if (transaction === undefined || transaction.server.lastStatus >= 200) return false;
    this.#byId.delete(id);
    transaction.backupId = 0;
    this.#abandon(now, transaction);
    return true;
  }

  /** It had ended where it began: it ends here, too, without a word. */
  drop(now: number, life: string, id: number): void {
    const transaction = this.#adopted.get(life)?.get(id);
    if (transaction === undefined || transaction.ended) return;
    this.end(transaction);
    this.#abandon(now, transaction);
  }

  #abandon(now: number, transaction: ScriptTransaction): void {
    transaction.context.dialog = null;
    this.#module.core.claims?.release(now, transaction.server.key);
    transaction.proxy.abandon(now);
  }

  /** The node that began them has let go of them. */
  claimAdopted(now: number, life: string): void {
    for (const transaction of this.#adopted.get(life)?.values() ?? [])
      if (!transaction.ended) this.#module.claim(now, transaction);
    this.#adopted.delete(life);
  }
}
