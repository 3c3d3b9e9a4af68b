/** The module `acc`: one line in the log or row of a table per call or request. Left out: AAA and events. */

import {
  defineModule,
  type FunctionDeclaration,
  type ParameterDeclaration,
  type ParameterValues,
  type RouteKind,
} from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import {
  type AccountingDatabase,
  type AccountingFlags,
  AccountingModule,
  type RecordKinds,
} from '#modules/acc/accounting.ts';
import { flagParameters, listenToFlags } from '#modules/acc/flag-parameters.ts';
import { AccountingTables } from '#modules/acc/records.ts';
import { Failure } from '#util/failure.ts';

type Declaration = FunctionDeclaration<AccountingModule>;

const routes: readonly RouteKind[] = ['request', 'failure', 'branch', 'local', 'onreply'];

/** A script that asks for another kind of record must not run without it: calls would be lost. */
function parseKinds(literal: string): RecordKinds | Failure {
  const kinds = literal.split('|').map((kind) => kind.trim().toLowerCase());
  const unknown = kinds.find((kind) => kind !== 'log' && kind !== 'db');
  if (unknown !== undefined) {
    return new Failure('ACC_KIND_UNKNOWN', `"${unknown}": only "log" and "db" exist`);
  }
  return { log: kinds.includes('log'), db: kinds.includes('db') };
}

type RequestedFlags = Omit<AccountingFlags, 'kinds' | 'table'>;

const flagNames = ['cdr', 'missed', 'failed'] as const;

function parseFlags(literal: string): RequestedFlags | Failure {
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

const noFlags: RequestedFlags = { cdr: false, missed: false, failed: false };

/** `404 Not here` → status and reason. */
function parseComment(comment: string | null): [status: string, reason: string] {
  const [, status, reason] = /^(\d{3})?\s*(.*)$/s.exec(comment ?? '') ?? [];
  return [status ?? '', reason ?? ''];
}

const functions: readonly Declaration[] = [
  {
    name: 'do_accounting',
    routes,
    arguments: [
      { name: 'kind', kind: 'static', parse: parseKinds },
      { name: 'flags', kind: 'static', parse: parseFlags, optional: true },
      { name: 'table', kind: 'string', optional: true },
    ],
    help: 'This request will be accounted: "cdr" once when the call ends, "missed" and "failed" also without success.',
    call: (module, context, kinds: RecordKinds, flags: RequestedFlags | null, table: string | null) => {
      module.start(context, { ...(flags ?? noFlags), kinds, table: table ?? '' });
      return 1;
    },
  },
  {
    name: 'drop_accounting',
    routes,
    arguments: [
      { name: 'kind', kind: 'static', parse: parseKinds, optional: true },
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
      module.logRequest(context, ...parseComment(comment));
      return 1;
    },
  },
  {
    name: 'acc_db_request',
    routes,
    arguments: [
      { name: 'comment', kind: 'string' },
      { name: 'table', kind: 'string' },
    ],
    help: 'Writes a row to the table now, behind the script; the comment is "code reason". Fails without db_url.',
    call: (module, context, comment: string | null, table: string | null) =>
      module.storeRequest(context, ...parseComment(comment), table ?? '') ? 1 : -1,
  },
];

const noAaa = 'there are no AAA servers';

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
  {
    name: 'report_cancels',
    kind: 'integer',
    default: 0,
    help: '1: a CANCEL for which do_accounting is called has a record of its own.',
  },
  {
    name: 'early_media',
    kind: 'integer',
    default: 0,
    help: '1: provisional replies with a body have records too.',
  },
  ...flagParameters,
  ...ignored('integer', 'records always name the caller as From', ['detect_direction']),
  ...ignored('string', 'the log has no facilities', ['log_facility']),
  ...ignored('string', 'there are no legs', ['leg_fields']),
  ...ignored('string', noAaa, ['aaa_url']),
  ...ignored('string', 'extra fields are no AVPs', ['db_table_avp']),
  { name: 'db_url', kind: 'string', default: null, help: 'Database of the kind "db".' },
  {
    name: 'db_spool_file',
    kind: 'string',
    default: '',
    help: 'File of this node in which records wait too, so that they outlive a kill (100 MB at most, no fsync).',
  },
  { name: 'db_table_acc', kind: 'string', default: 'acc', help: 'Table of calls and requests.' },
  { name: 'db_table_missed_calls', kind: 'string', default: 'missed_calls', help: 'Table of missed calls.' },
  ...columns.map(
    (column): ParameterDeclaration => ({
      name: `acc_${column}_column`,
      kind: 'string',
      default: column,
      help: `Column for ${column}.`,
    }),
  ),
  ...ignored('integer', noAaa, ['service_type']),
  ...ignored('string', 'the creation time has no AVP', ['acc_created_avp_name']),
];

/** `log:tag->name;tag`; parts for other kinds are left out. */
function parseExtraFields(texts: readonly string[], kind: 'log' | 'db'): Map<string, string> {
  const fields = new Map<string, string>();
  for (const text of texts) {
    const colon = text.indexOf(':');
    if (colon !== -1 && text.slice(0, colon).trim() !== kind) continue;
    for (const entry of text.slice(colon + 1).split(';')) {
      const [tag, name] = entry.split('->').map((part) => part.trim());
      if (tag !== undefined && tag !== '') fields.set(name ?? tag, tag);
    }
  }
  return fields;
}

function databaseOf(host: ModuleHost, values: ParameterValues): AccountingDatabase | null {
  if (values.db_url === null || values.db_url === undefined || values.db_url === '') return null;
  return {
    tables: new AccountingTables(host, String(values.db_url), String(values.db_spool_file ?? '')),
    acc: String(values.db_table_acc),
    missedCalls: String(values.db_table_missed_calls),
    columns: Object.fromEntries(columns.map((name) => [name, String(values[`acc_${name}_column`])])),
    extraFields: parseExtraFields((values.extra_fields ?? []) as readonly string[], 'db'),
  };
}

export const acc = defineModule<AccountingModule>({
  name: 'acc',
  help: 'Accounting in the log and in a database.',
  statistics: [
    'db_waiting',
    'db_written',
    'db_failures',
    'db_refused',
    'db_overflowed',
    'db_spool_bytes',
    'db_spool_dropped',
  ],
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
    const failure = listenToFlags(host, values, () => module);
    if (failure !== null) return failure;
    const module = new AccountingModule(host, {
      reportsCancels: Number(values.report_cancels) !== 0,
      reportsEarlyMedia: Number(values.early_media) !== 0,
      write: (line) => write(line),
      extraFields: parseExtraFields((values.extra_fields ?? []) as readonly string[], 'log'),
      database: databaseOf(host, values),
    });
    return module;
  },
});
