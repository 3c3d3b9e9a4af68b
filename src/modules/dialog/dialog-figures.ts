/** The statistics of the module `dialog`: OpenSIPS's, and what shows that nothing is lost. */

import { dialogStates } from '#dialog/dialog.ts';
import type { DialogTable } from '#dialog/dialog-table.ts';
import type { Counter, Statistics } from '#module/statistics.ts';
import type { Closing } from '#modules/dialog/closing.ts';

export const countedNames = [
  'processed_dialogs',
  'expired_dialogs',
  'failed_dialogs',
  'create_sent',
  'update_sent',
  'delete_sent',
  'create_recv',
  'update_recv',
  'delete_recv',
  'mismatched_dids',
];

export function showGauges(statistics: Statistics, table: DialogTable, closing: Closing): void {
  const { answered, confirmed, early } = dialogStates;
  statistics.gauge('dialog', 'active_dialogs', () => table.count([answered, confirmed]));
  statistics.gauge('dialog', 'early_dialogs', () => table.count([early]));
  statistics.gauge('dialog', 'refused_dialogs', () => table.refusedFull);
  statistics.gauge('dialog', 'ends_held', () => closing.held);
  statistics.gauge('dialog', 'ends_dropped', () => closing.dropped);
}

export function dialogCounters(statistics: Statistics): Readonly<Record<string, Counter>> {
  return Object.fromEntries(countedNames.map((name) => [name, statistics.counter('dialog', name)]));
}
