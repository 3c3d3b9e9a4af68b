/**
 * Accounting by message flags, as OpenSIPS had it before 2.2 (`modparam("acc", "db_flag", 1)` and `setflag(1)`): the
 * same as do_accounting, decided by the flags that are set when a request is sent on or answered. A call that has only
 * the flag of missed calls is accounted when it is missed and not otherwise.
 */

import type { MessageContext } from '#module/context.ts';
import type { ParameterDeclaration, ParameterValues } from '#module/define.ts';
import type { OutgoingReply } from '#module/hooks.ts';
import type { ModuleHost } from '#module/host.ts';
import type { AccountingModule } from '#modules/acc/accounting.ts';
import type { SipMessage } from '#sip/message.ts';
import { Failure } from '#util/failure.ts';

const meanings = {
  log_flag: 'requests that are answered, in the log',
  log_missed_flag: 'missed calls, in the log',
  db_flag: 'requests that are answered, in the database',
  db_missed_flag: 'missed calls, in the database',
  failed_transaction_flag: 'also requests that fail',
  cdr_flag: 'one record when the call ends',
} as const;

type FlagName = keyof typeof meanings;

const names = Object.keys(meanings) as FlagName[];

export const flagParameters: readonly ParameterDeclaration[] = names.map((name) => ({
  name,
  kind: 'string',
  isFlag: true,
  default: null,
  help: `Message flag (OpenSIPS before 2.2): ${meanings[name]}.`,
}));

type Masks = Readonly<Record<FlagName, number>>;

/** Null when the script names no such flag. */
function readMasks(host: ModuleHost, values: ParameterValues): Masks | null | Failure {
  const masks: Record<string, number> = {};
  for (const name of names) {
    const flag = values[name];
    masks[name] = 0;
    if (flag === null || flag === undefined || flag === '') continue;
    const bit = host.flagBit('message', String(flag));
    if (bit instanceof Failure) return bit;
    masks[name] = bit;
  }
  return names.some((name) => masks[name] !== 0) ? (masks as Masks) : null;
}

/** Its hooks must come before the module's own, which read what they asked for. Failure: no bit is left for a flag. */
export function listenToFlags(
  host: ModuleHost,
  values: ParameterValues,
  module: () => AccountingModule,
): Failure | null {
  const masks = readMasks(host, values);
  if (masks === null || masks instanceof Failure) return masks;
  const seen = new WeakMap<SipMessage, number>();
  const has = (flags: number, ...wanted: readonly FlagName[]): boolean =>
    wanted.some((name) => (flags & masks[name]) !== 0);
  const flagsOf = (context: MessageContext): number => {
    const flags = (seen.get(context.request) ?? 0) | context.messageFlags;
    seen.set(context.request, flags);
    return flags;
  };
  const start = (context: MessageContext, kinds: { log: boolean; db: boolean }, flags: number): void => {
    if (!kinds.log && !kinds.db) return;
    const missed = has(flags, 'log_missed_flag', 'db_missed_flag');
    const failed = has(flags, 'failed_transaction_flag') && has(flags, 'log_flag', 'db_flag');
    module().start(context, { cdr: has(flags, 'cdr_flag'), missed, failed, kinds, table: '' });
  };
  host.hooks.beforeRequestSent.push((context) => {
    const flags = flagsOf(context);
    // A missed call is accounted with the time at which it came.
    if (has(flags, ...names)) module().note(context);
    if (!has(flags, 'cdr_flag')) return;
    start(context, { log: has(flags, 'log_flag'), db: has(flags, 'db_flag') }, flags);
  });
  host.hooks.beforeReplySent.push(({ context, status }: OutgoingReply) => {
    if (status < 200) return;
    const flags = flagsOf(context);
    const missed = status >= 300;
    const log = has(flags, 'log_flag') || (missed && has(flags, 'log_missed_flag'));
    const db = has(flags, 'db_flag') || (missed && has(flags, 'db_missed_flag'));
    start(context, { log, db }, flags);
  });
  return null;
}
