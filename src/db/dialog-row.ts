/**
 * A dialog as a row of the table `dialog` with the columns of OpenSIPS (version 12), and back. What OpenSIPS has no
 * column for stands in `vars` under a name of ours, as JSON.
 */

import { createHash } from 'node:crypto';
import type { SqlRow, SqlValue } from '#db/sql-connection.ts';
import type { DialogRecord } from '#dialog/dialog.ts';

export const dialogColumns = [
  'dlg_id',
  'callid',
  'from_uri',
  'from_tag',
  'to_uri',
  'to_tag',
  'caller_cseq',
  'callee_cseq',
  'caller_ping_cseq',
  'callee_ping_cseq',
  'caller_route_set',
  'callee_route_set',
  'caller_contact',
  'callee_contact',
  'caller_sock',
  'callee_sock',
  'state',
  'start_time',
  'timeout',
  'vars',
  'profiles',
  'script_flags',
] as const;

const ownVariable = 'anyvia';
/** OpenSIPS's types of values. */
const valueTypes = { text: '1', number: '2' } as const;

type Extras = Pick<
  DialogRecord,
  'id' | 'owner' | 'incarnation' | 'version' | 'editor' | 'duties' | 'kept' | 'callerContact'
>;

/** The key of a dialog's row: 63 bits of a hash of its id. */
export function dialogRowId(id: string): bigint {
  return createHash('sha256').update(id).digest().readBigUInt64BE(0) >> 1n;
}

/** In the order of {@link dialogColumns}. */
export function rowOfDialog(record: DialogRecord): SqlValue[] {
  const { caller, callee } = record;
  return [
    dialogRowId(record.id),
    record.callId,
    record.fromUri,
    record.fromTag,
    record.toUri,
    record.toTag,
    String(caller.cseq),
    String(callee.cseq),
    0,
    0,
    caller.routeSet,
    callee.routeSet,
    caller.contact,
    callee.contact,
    '',
    '',
    record.state,
    record.start,
    record.start + record.lifetime,
    variablesOf(record),
    record.profiles.map(({ profile, value }) => `${escaped(profile)}#${escaped(value)}|`).join(''),
    record.flags,
  ];
}

function variablesOf(record: DialogRecord): string {
  const { id, owner, incarnation, version, editor, duties, kept, callerContact, profiles } = record;
  const extras: Extras & { plain: string[] } = {
    id,
    owner,
    incarnation,
    version,
    editor,
    duties,
    kept,
    callerContact,
    plain: profiles.filter(({ hasValue }) => !hasValue).map(({ profile }) => profile),
  };
  const values = record.values.map(
    ({ name, isNumber, text }) =>
      `${escaped(name)}#${isNumber ? valueTypes.number : valueTypes.text}#${escaped(text)}|`,
  );
  return `${values.join('')}${ownVariable}#${valueTypes.text}#${escaped(JSON.stringify(extras))}|`;
}

/** Null for a row that nobody can use: one that another program wrote, or of a call that is not answered. */
export function dialogOfRow(row: SqlRow): DialogRecord | null {
  const text = (name: string): string => textOf(row[name]);
  const number = (name: string): number => Number(row[name]) || 0;
  const variables = splitFields(text('vars'));
  const extras = readExtras(variables.find(([name]) => name === ownVariable)?.[2] ?? '');
  const start = number('start_time');
  if (extras === null || start === 0) return null;
  const { plain, ...known } = extras;
  return {
    ...known,
    state: number('state'),
    callId: text('callid'),
    fromTag: text('from_tag'),
    toTag: text('to_tag'),
    fromUri: text('from_uri'),
    toUri: text('to_uri'),
    start,
    lifetime: Math.max(0, number('timeout') - start),
    profiles: splitFields(text('profiles')).map(([profile = '', value = '']) => ({
      profile,
      value,
      hasValue: !plain.includes(profile),
    })),
    caller: {
      contact: text('caller_contact'),
      routeSet: text('caller_route_set'),
      cseq: number('caller_cseq'),
    },
    callee: {
      contact: text('callee_contact'),
      routeSet: text('callee_route_set'),
      cseq: number('callee_cseq'),
    },
    flags: text('script_flags'),
    values: variables
      .filter(([name]) => name !== ownVariable)
      .map(([name = '', type, value = '']) => ({ name, isNumber: type === valueTypes.number, text: value })),
  };
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : String(value);
}

function readExtras(text: string): (Extras & { plain: string[] }) | null {
  if (text === '') return null;
  try {
    return JSON.parse(text) as Extras & { plain: string[] };
  } catch {
    return null;
  }
}

/** `|` ends an entry, `#` a field, `\` takes the next character as it is. */
function escaped(text: string): string {
  return text.replace(/[\\|#]/g, '\\$&');
}

function splitFields(text: string): string[][] {
  const entries: string[][] = [];
  let fields: string[] = [];
  let field = '';
  for (let position = 0; position < text.length; position++) {
    const character = text[position]!;
    if (character === '\\') {
      position++;
      field += text[position] ?? '';
    } else if (character === '#' || character === '|') {
      fields.push(field);
      field = '';
      if (character === '#') continue;
      entries.push(fields);
      fields = [];
    } else field += character;
  }
  return entries;
}
