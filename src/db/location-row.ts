/**
 * A binding as a row of the table `location` with the columns of OpenSIPS (version 1013), and back. What OpenSIPS has
 * no column for stands in `kv_store`, as the JSON map of strings that it is there.
 */

import type { SqlRow, SqlValue } from '#db/sql-connection.ts';
import { type Binding, bindingId, contactIdText, type FlagTexts, instanceOf } from '#registrar/binding.ts';
import type { LocationRecord } from '#registrar/location-record.ts';
import { Failure } from '#util/failure.ts';
import type { TextPool } from '#util/text-pool.ts';

export const locationColumns = [
  'contact_id',
  'username',
  'domain',
  'contact',
  'received',
  'path',
  'expires',
  'q',
  'callid',
  'cseq',
  'last_modified',
  'flags',
  'cflags',
  'user_agent',
  'socket',
  'methods',
  'sip_instance',
  'kv_store',
  'attr',
] as const;

/** Widths of the columns whose text must be whole to be of use. */
const widths = { username: 64, domain: 64, received: 255, path: 255, cflags: 255, socket: 64 } as const;
/** `Call-ID` and `User-Agent` are for people to read here: cut to the column. */
const textCharactersMax = 255;
/** INT of MySQL is signed; RFC 3261 8.1.1.5 keeps a CSeq under 2^31. */
const cseqMax = 0x7fff_ffff;
/** OpenSIPS's q of a contact that names none. */
const unsetQ = -1;

/** In the order of {@link locationColumns}. Failure DB_ROW_UNFIT: a text is longer than its column. */
export function rowOfBinding(
  { address, binding }: LocationRecord,
  withDomain: boolean,
  flags: FlagTexts,
): SqlValue[] | Failure {
  const at = withDomain ? address.lastIndexOf('@') : -1;
  const texts = {
    username: at === -1 ? address : address.slice(0, at),
    domain: at === -1 ? null : address.slice(at + 1),
    received: orNull(binding.received),
    path: orNull(binding.path),
    cflags: orNull(flags.write(binding.flags)),
    socket: orNull(binding.socket),
  };
  for (const [name, width] of Object.entries(widths)) {
    const text = texts[name as keyof typeof texts];
    if (text === null || text.length <= width) continue;
    return new Failure('DB_ROW_UNFIT', `the ${name} of ${address} is longer than ${width} characters`);
  }
  return [
    BigInt(contactIdText(binding)),
    texts.username,
    texts.domain,
    binding.uri,
    texts.received,
    texts.path,
    Math.ceil(binding.expires / 1000),
    binding.q < 0 ? unsetQ : binding.q / 1000,
    binding.callId.slice(0, textCharactersMax),
    Math.min(binding.cseq, cseqMax),
    localTime(binding.changed),
    0,
    texts.cflags,
    binding.userAgent.slice(0, textCharactersMax),
    texts.socket,
    binding.methods,
    instanceOf(binding)?.slice(0, textCharactersMax) ?? null,
    extrasOf(binding),
    null,
  ];
}

function orNull(text: string): string | null {
  return text === '' ? null : text;
}

/** JSON: what tells the binding apart, its other parameters, its CSeq and time to the last digit. */
function extrasOf(binding: Binding): string {
  const extras: Record<string, string> = { changed: String(binding.changed) };
  if (binding.key !== binding.uri) extras.key = binding.key;
  if (binding.parameters !== '') extras.parameters = binding.parameters;
  if (binding.cseq > cseqMax) extras.cseq = String(binding.cseq);
  return JSON.stringify(extras);
}

/** Null for a row that is over or that nobody can use. `contactId`: as it stands in the table. */
export function bindingOfRow(
  row: SqlRow,
  context: { withDomain: boolean; flags: FlagTexts; pool: TextPool; wall: number },
): { record: LocationRecord; contactId: string } | null {
  const text = (name: string): string =>
    row[name] === null || row[name] === undefined ? '' : String(row[name]);
  const username = text('username');
  const uri = text('contact');
  const expires = Number(row.expires) * 1000;
  if (username === '' || uri === '' || !(expires > context.wall)) return null;
  const address = context.withDomain && text('domain') !== '' ? `${username}@${text('domain')}` : username;
  const extras = readExtras(text('kv_store'));
  const key = extras.key ?? uri;
  const instance = text('sip_instance');
  const q = Number(row.q);
  const binding: Binding = {
    key,
    ...bindingId(address, key),
    removed: false,
    uri: key === uri ? key : uri,
    parameters: extras.parameters ?? (instance === '' ? '' : `;+sip.instance="${instance}"`),
    received: text('received'),
    path: text('path'),
    q: q >= 0 && q <= 1 ? Math.round(q * 1000) : -1,
    callId: text('callid'),
    cseq: Number(extras.cseq ?? row.cseq) || 0,
    mark: 0,
    userAgent: context.pool.share(text('user_agent')),
    socket: context.pool.share(text('socket')),
    methods: Math.max(0, Number(row.methods) || 0) & 0x7fff,
    expires,
    flags: context.flags.read(text('cflags')),
    changed: Number(extras.changed) || timeOf(row.last_modified),
    node: 0,
  };
  return { record: { address, binding }, contactId: text('contact_id') };
}

function readExtras(text: string): Readonly<Record<string, string | undefined>> {
  if (!text.startsWith('{')) return {};
  try {
    return JSON.parse(text) as Record<string, string>;
  } catch {
    // OpenSIPS's own, or somebody's notes.
    return {};
  }
}

/** `YYYY-MM-DD hh:mm:ss` in the machine's zone, as OpenSIPS writes it. */
function localTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function timeOf(value: unknown): number {
  const time = value instanceof Date ? value.getTime() : Date.parse(String(value).replace(' ', 'T'));
  return Number.isFinite(time) ? time : 0;
}
