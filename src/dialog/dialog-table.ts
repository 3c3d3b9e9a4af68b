/**
 * All dialogs that this node knows, and their profiles. Profile sizes are counted from the dialogs held, so they cannot
 * go below zero and are equal on nodes that hold the same dialogs.
 */

import { Dialog, type DialogRecord, dialogStates, type ProfileEntry } from '#dialog/dialog.ts';
import { dropOldest } from '#util/oldest.ts';

/** Some 2 kB each. */
const dialogsMax = 500_000;
/** Ends of dialogs that were not known (yet): a late record of one of them must not bring it back. */
const tombstonesMax = 100_000;

export class DialogTable {
  readonly #dialogs = new Map<string, Dialog>();
  readonly #byCallId = new Map<string, Dialog>();
  /** When each ended here, ms. */
  readonly #tombstones = new Map<string, number>();
  /** profile → value ('' for none) → dialogs. */
  readonly #profiles = new Map<string, Map<string, number>>();
  refusedFull = 0;

  get size(): number {
    return this.#dialogs.size;
  }

  all(): IterableIterator<Dialog> {
    return this.#dialogs.values();
  }

  get(id: string): Dialog | null {
    return this.#dialogs.get(id) ?? null;
  }

  /** For requests without `did` (RFC 3261 12.2.2): by Call-ID and both tags. */
  find(callId: string, fromTag: string, toTag: string): Dialog | null {
    const dialog = this.#byCallId.get(callId);
    if (dialog === undefined) return null;
    return dialog.hasTags(fromTag, toTag) ? dialog : null;
  }

  withCallId(callId: string): Dialog | null {
    return this.#byCallId.get(callId) ?? null;
  }

  /** Null when the table is full or the dialog has ended already. */
  add(record: DialogRecord): Dialog | null {
    const known = this.#dialogs.get(record.id);
    if (known !== undefined) return known;
    if (this.#tombstones.has(record.id)) return null;
    if (this.#dialogs.size >= dialogsMax) {
      this.refusedFull++;
      return null;
    }
    const dialog = new Dialog(record);
    this.#dialogs.set(dialog.id, dialog);
    this.#byCallId.set(dialog.callId, dialog);
    return dialog;
  }

  /** Ids of dialogs that ended here at `time` (ms) or later, as far as they are remembered. */
  *endedSince(time: number): IterableIterator<string> {
    for (const [id, endedAt] of this.#tombstones) if (endedAt >= time) yield id;
  }

  hasEnded(id: string): boolean {
    return this.#tombstones.has(id);
  }

  /** The dialog that ended now; null when it was unknown. Either way it cannot come back. */
  end(id: string, reason: string, now = 0): Dialog | null {
    this.#bury(id, now);
    const dialog = this.#dialogs.get(id);
    if (dialog === undefined) return null;
    this.#dialogs.delete(id);
    if (this.#byCallId.get(dialog.callId) === dialog) this.#byCallId.delete(dialog.callId);
    for (const entry of dialog.profiles) this.#count(entry, -1);
    dialog.profiles = [];
    dialog.state = dialogStates.deleted;
    dialog.endReason = reason;
    return dialog;
  }

  count(states: readonly number[]): number {
    let count = 0;
    for (const dialog of this.#dialogs.values()) if (states.includes(dialog.state)) count++;
    return count;
  }

  // ── profiles ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** `clear`: the dialog leaves its other values of that profile. */
  enter(dialog: Dialog, entry: ProfileEntry, clear: boolean): void {
    if (clear) this.leave(dialog, entry.profile, null);
    dialog.profiles.push(entry);
    this.#count(entry, 1);
  }

  /** `value` null: every value. False when it was in none. */
  leave(dialog: Dialog, profile: string, value: string | null): boolean {
    const leaving = dialog.profiles.filter(
      (entry) => entry.profile === profile && (value === null || entry.value === value),
    );
    for (const entry of leaving) this.#count(entry, -1);
    dialog.profiles = dialog.profiles.filter((entry) => !leaving.includes(entry));
    return leaving.length > 0;
  }

  /** Makes the dialog's profiles what a peer says they are. */
  setProfiles(dialog: Dialog, entries: readonly ProfileEntry[]): void {
    for (const entry of dialog.profiles) this.#count(entry, -1);
    dialog.profiles = [...entries];
    for (const entry of entries) this.#count(entry, 1);
  }

  /** `value` null: all values together. */
  profileSize(profile: string, value: string | null): number {
    const values = this.#profiles.get(profile);
    if (values === undefined) return 0;
    if (value !== null) return values.get(value) ?? 0;
    let total = 0;
    for (const count of values.values()) total += count;
    return total;
  }

  profileValues(profile: string): { value: string; count: number }[] {
    return [...(this.#profiles.get(profile) ?? [])].map(([value, count]) => ({ value, count }));
  }

  #count({ profile, value }: ProfileEntry, change: 1 | -1): void {
    let values = this.#profiles.get(profile);
    if (values === undefined) {
      values = new Map();
      this.#profiles.set(profile, values);
    }
    const key = value ?? '';
    const count = (values.get(key) ?? 0) + change;
    if (count === 0) values.delete(key);
    else values.set(key, count);
  }

  #bury(id: string, now: number): void {
    this.#tombstones.set(id, now);
    if (this.#tombstones.size > tombstonesMax) dropOldest(this.#tombstones);
  }
}
