/** The module `acc`: one line in the log per call or request. Left out: accounting in databases and by AAA. */

import {
  defineModule,
  type FunctionDeclaration,
  type ParameterDeclaration,
  type RouteKind,
} from '#module/define.ts';
import { type AccountingFlags, AccountingModule } from '#modules/acc/accounting.ts';
import { Failure } from '#util/failure.ts';

type Declaration = FunctionDeclaration<AccountingModule>;

const routes: readonly RouteKind[] = ['request', 'failure', 'branch', 'local', 'onreply'];

/** A script that asks for another kind of record must not run without it: calls would be lost. */
function parseKind(literal: string): string | Failure {
  const kinds = literal.split('|').map((kind) => kind.trim().toLowerCase());
  const unknown = kinds.find((kind) => kind !== 'log');
  if (unknown === undefined) return 'log';
  return new Failure('ACC_KIND_UNKNOWN', `"${unknown}": only "log" exists`);
}

const flagNames = ['cdr', 'missed', 'failed'] as const;

function parseFlags(literal: string): AccountingFlags | Failure {
  const names = literal
    .split('|')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  const unknown = names.find((name) => !(flagNames as readonly string[]).includes(name));
  if (unknown !== undefined) {
    return new Failure('ACC_FLAG_UNKNOWN', `"${unknown}" is none of ${flagNames.join(', ')}`);
  }
  return {
    cdr: names.includes('cdr'),
    missed: names.includes('missed'),
    failed: names.includes('failed'),
  };
}

const noFlags: AccountingFlags = { cdr: false, missed: false, failed: false };

const functions: readonly Declaration[] = [
  {
    name: 'do_accounting',
    routes,
    arguments: [
      { name: 'kind', kind: 'static', parse: parseKind },
      { name: 'flags', kind: 'static', parse: parseFlags, optional: true },
      { name: 'table', kind: 'string', optional: true },
    ],
    help: 'This request will be accounted: "cdr" once when the call ends, "missed" and "failed" also without success.',
    call: (module, context, _kind: string, flags: AccountingFlags | null) => {
      module.start(context, flags ?? noFlags);
      return 1;
    },
  },
  {
    name: 'drop_accounting',
    routes,
    arguments: [
      { name: 'kind', kind: 'static', parse: parseKind, optional: true },
      { name: 'flags', kind: 'static', parse: parseFlags, optional: true },
    ],
    help: 'Takes do_accounting back, whatever its flags.',
    call: (module, context) => (module.stop(context) ? 1 : -1),
  },
  {
    name: 'acc_log_request',
    routes,
    arguments: [{ name: 'comment', kind: 'string' }],
    help: 'Writes a record now; the comment is "code reason".',
    call: (module, context, comment: string | null) => {
      const [, status, reason] = /^(\d{3})?\s*(.*)$/s.exec(comment ?? '') ?? [];
      module.logRequest(context, status ?? '', reason ?? '');
      return 1;
    },
  },
];

const noDatabase = 'records go to the log only';

function ignored(
  kind: 'integer' | 'string',
  reason: string,
  names: readonly string[],
): ParameterDeclaration[] {
  return names.map((name) => ({ name, kind, default: null, ignored: reason, help: reason }));
}

const columns = ['method', 'from_tag', 'to_tag', 'callid', 'sip_code', 'sip_reason', 'time'];

const parameters: readonly ParameterDeclaration[] = [
  {
    name: 'log_level',
    kind: 'integer',
    default: 2,
    help: 'Level of the records, -3…4 as in xlog.',
  },
  {
    name: 'extra_fields',
    kind: 'string',
    default: null,
    repeatable: true,
    help: 'More fields, "log:tag->name;tag": $acc_extra(tag) stands in the record under the name.',
  },
  ...ignored('integer', 'a CANCEL is a part of its call, not a request of its own', ['report_cancels']),
  ...ignored('integer', 'provisional replies have no record', ['early_media']),
  ...ignored('integer', 'records always name the caller as From', ['detect_direction']),
  ...ignored('string', 'the log has no facilities', ['log_facility']),
  ...ignored('string', 'there are no legs', ['leg_fields']),
  ...ignored('string', noDatabase, [
    'db_url',
    'db_table_acc',
    'db_table_missed_calls',
    'db_table_avp',
    'aaa_url',
    ...columns.map((column) => `acc_${column}_column`),
  ]),
  ...ignored('integer', noDatabase, ['service_type']),
  ...ignored('string', 'the creation time has no AVP', ['acc_created_avp_name']),
];

/** `log:tag->name;tag`; parts for other kinds (`db:`…) say nothing to the log. */
function parseExtraFields(texts: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (const text of texts) {
    const colon = text.indexOf(':');
    if (colon !== -1 && text.slice(0, colon).trim() !== 'log') continue;
    for (const entry of text.slice(colon + 1).split(';')) {
      const [tag, name] = entry.split('->').map((part) => part.trim());
      if (tag !== undefined && tag !== '') fields.set(name ?? tag, tag);
    }
  }
  return fields;
}

export const acc = defineModule<AccountingModule>({
  name: 'acc',
  help: 'Accounting in the log.',
  parameters,
  functions,
  variables: [
    {
      names: ['acc_extra'],
      inner: 'required',
      help: 'Value of a field that extra_fields names, for the record of this request.',
      read: (module, context, tag) => module.readExtra(context, tag ?? ''),
      write: (module, context, value, tag) => {
        if (module.knowsExtra(tag ?? ''))
          module.writeExtra(context, tag ?? '', value === null ? null : String(value));
      },
    },
  ],
  create: (host, values) => {
    const level = Number(values.log_level);
    const { log } = host;
    const write =
      level < 0
        ? log.error.bind(log)
        : level <= 1
          ? log.warn.bind(log)
          : level <= 3
            ? log.info.bind(log)
            : log.debug.bind(log);
    return new AccountingModule(host, {
      write: (line) => write(line),
      extraFields: parseExtraFields((values.extra_fields ?? []) as readonly string[]),
    });
  },
});
