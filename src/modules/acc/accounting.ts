/**
 * What `do_accounting` asked for, per request, and the lines and rows it leads to. A record follows the final response
 * upstream, or, for calls, the BYE: a BYE that another node handles ends the call without a record here.
 */

import type { MessageContext } from '#module/context.ts';
import type { OutgoingReply } from '#module/hooks.ts';
import type { ModuleHost } from '#module/host.ts';
import { dialogService, type StoredRecord } from '#module/services.ts';
import { type AccountingTables, type RecordTimes, recordColumns, recordKey } from '#modules/acc/records.ts';
import type { SipMessage } from '#sip/message.ts';
import { reasonPhrase } from '#sip/status.ts';
import { dropOldest } from '#util/oldest.ts';

export interface AccountingFlags {
  readonly cdr: boolean;
  readonly missed: boolean;
  readonly failed: boolean;
  readonly kinds: RecordKinds;
  /** '' for the table that `db_table_acc` names. */
  readonly table: string;
}

/** Where records go. */
export interface RecordKinds {
  readonly log: boolean;
  readonly db: boolean;
}

export interface AccountingDatabase {
  readonly tables: AccountingTables;
  readonly acc: string;
  readonly missedCalls: string;
  /** Column by OpenSIPS's name for it. */
  readonly columns: Readonly<Record<string, string>>;
  /** `extra_fields` of the database: column → tag. */
  readonly extraFields: ReadonlyMap<string, string>;
}

/** Accounting of one request; derived contexts (failure, onreply…) find it through the request. */
export interface Accounting {
  cdr: boolean;
  missed: boolean;
  failed: boolean;
  /** ms since 1970 */
  readonly created: number;
  readonly extra: Map<string, string>;
  active: boolean;
  kinds: RecordKinds;
  table: string;
}

interface RecordText {
  readonly toTag: string;
  readonly status: string;
  readonly reason: string;
  readonly tail: string;
}

/** What a record knows beside its texts. */
interface RecordContext {
  readonly extra: ReadonlyMap<string, string>;
  readonly kinds: RecordKinds;
  readonly table: string;
  readonly created: number;
  /** ms since 1970; of a call that has ended. */
  readonly answered?: number;
  /** Id of the dialog: the same on every node. */
  readonly dialog?: string;
}

interface OpenCall {
  readonly created: number;
  readonly answered: number;
  readonly invite: SipMessage;
  readonly toTag: string;
  readonly extra: ReadonlyMap<string, string>;
  readonly kinds: RecordKinds;
  readonly table: string;
  readonly dialog: string;
}

/** Calls whose BYE is waited for; the oldest gives way when more are open. */
const openCallsMax = 100_000;

export const recordTexts = {
  answered: 'ACC: transaction answered: ',
  missed: 'ACC: call missed: ',
  request: 'ACC: request accounted: ',
  acknowledged: 'ACC: request acknowledged: ',
  ended: 'ACC: call ended: ',
} as const;

export class AccountingModule {
  readonly #host: ModuleHost;
  readonly #write: (line: string) => void;
  /** `extra_fields` of the log: name of the field → name of the tag. */
  readonly #extraFields: ReadonlyMap<string, string>;
  readonly #database: AccountingDatabase | null;
  #immediate = 0;
  readonly #accountings = new WeakMap<SipMessage, Accounting>();
  readonly #openCalls = new Map<string, OpenCall>();

  constructor(
    host: ModuleHost,
    options: {
      readonly write: (line: string) => void;
      readonly extraFields: ReadonlyMap<string, string>;
      readonly database: AccountingDatabase | null;
    },
  ) {
    this.#host = host;
    this.#write = options.write;
    this.#extraFields = options.extraFields;
    this.#database = options.database;
    host.hooks.beforeReplySent.push((reply) => this.#onReply(reply));
    host.hooks.onEndToEndAck.push((context) => this.#onAck(context));
  }

  /** Flags add up over several calls. */
  start(context: MessageContext, flags: AccountingFlags): void {
    const accounting = this.#of(context);
    accounting.active = true;
    accounting.cdr ||= flags.cdr;
    accounting.missed ||= flags.missed;
    accounting.failed ||= flags.failed;
    const { log, db } = accounting.kinds;
    accounting.kinds = { log: log || flags.kinds.log, db: db || flags.kinds.db };
    if (flags.kinds.db && this.#database === null) {
      accounting.kinds = { log: true, db: false };
      this.#host.log.warn('do_accounting: "db" needs db_url; the record goes to the log');
    }
    if (flags.table !== '') accounting.table = flags.table;
    if (!flags.cdr || context.request.method !== 'INVITE') return;
    if (this.#host.optionalService(dialogService)?.create(context) === true) return;
    accounting.cdr = false;
    this.#host.log.warn('do_accounting: "cdr" needs the dialog module; the call has no record of its end');
  }

  stop(context: MessageContext): boolean {
    const accounting = this.#accounting(context);
    if (accounting === undefined || !accounting.active) return false;
    accounting.active = false;
    return true;
  }

  /** `acc_log_request`: at once. */
  logRequest(context: MessageContext, status: string, reason: string): void {
    const message = context.request;
    const parts = { toTag: message.toTag, status, reason, tail: '' };
    this.#line(recordTexts.request, message, parts, this.#accounting(context)?.extra);
  }

  /** `acc_db_request`: at once. False without a database. */
  storeRequest(context: MessageContext, status: string, reason: string, table: string): boolean {
    const message = context.request;
    const database = this.#database;
    if (database === null) return false;
    this.#immediate++;
    // Whoever asks twice wants two: only a repeated write of the same record is one.
    const { nodeId, incarnation, clock } = this.#host;
    const key = recordKey('request', String(nodeId), String(incarnation), String(this.#immediate));
    const wall = clock.wall();
    const extra = this.#accounting(context)?.extra ?? new Map<string, string>();
    const parts = { toTag: message.toTag, status, reason, tail: '' };
    const columns = this.#columns(message, parts, { extra, wall, times: null }, database);
    database.tables.append(table, { key, columns });
    return true;
  }

  readExtra(context: MessageContext, tag: string): string | null {
    return this.#accounting(context)?.extra.get(tag) ?? null;
  }

  writeExtra(context: MessageContext, tag: string, value: string | null): void {
    if (value === null) this.#accounting(context)?.extra.delete(tag);
    else this.#of(context).extra.set(tag, value);
  }

  knowsExtra(tag: string): boolean {
    const stored = this.#database?.extraFields.values() ?? [];
    return [...this.#extraFields.values(), ...stored].includes(tag);
  }

  #accounting(context: MessageContext): Accounting | undefined {
    return this.#accountings.get(context.request);
  }

  #of(context: MessageContext): Accounting {
    const known = this.#accounting(context);
    if (known !== undefined) return known;
    const made: Accounting = {
      cdr: false,
      missed: false,
      failed: false,
      created: this.#host.clock.wall(),
      extra: new Map(),
      active: false,
      kinds: { log: false, db: false },
      table: '',
    };
    this.#accountings.set(context.request, made);
    return made;
  }

  #onReply({ context, status, response, toTag }: OutgoingReply): void {
    if (status < 200) return;
    const request = context.request;
    if (request.method === 'BYE' && status < 300) this.#endCall(context);
    const accounting = this.#accounting(context);
    if (accounting === undefined || !accounting.active) return;
    const isInvite = request.method === 'INVITE';
    const answerTag = toTag || (response?.toTag ?? request.toTag);
    const reason = response?.reason ?? reasonPhrase(status);
    const parts = { toTag: answerTag, status: String(status), reason, tail: '' };
    if (status < 300) {
      if (isInvite && accounting.cdr && request.toTag === '') this.#openCall(context, accounting, answerTag);
      else this.#record(recordTexts.answered, request, parts, accounting);
      return;
    }
    if (isInvite && accounting.missed) this.#record(recordTexts.missed, request, parts, accounting);
    if (accounting.failed) this.#record(recordTexts.answered, request, parts, accounting);
  }

  #onAck(context: MessageContext): void {
    const accounting = this.#accounting(context);
    if (accounting === undefined || !accounting.active) return;
    const { toTag } = context.request;
    this.#record(
      recordTexts.acknowledged,
      context.request,
      { toTag, status: '', reason: '', tail: '' },
      accounting,
    );
  }

  #openCall(context: MessageContext, accounting: Accounting, toTag: string): void {
    const id = this.#host.optionalService(dialogService)?.dialogId(context) ?? null;
    if (id === null || this.#openCalls.has(id)) return;
    if (this.#openCalls.size >= openCallsMax) dropOldest(this.#openCalls);
    this.#openCalls.set(id, {
      created: accounting.created,
      answered: this.#host.clock.wall(),
      invite: context.request,
      toTag,
      extra: accounting.extra,
      kinds: accounting.kinds,
      table: accounting.table,
      dialog: id,
    });
  }

  #endCall(context: MessageContext): void {
    const id = this.#host.optionalService(dialogService)?.dialogId(context) ?? null;
    const call = id === null ? undefined : this.#openCalls.get(id);
    if (id === null || call === undefined) return;
    this.#openCalls.delete(id);
    const seconds = (milliseconds: number): number => Math.round(milliseconds / 1000);
    const duration = seconds(this.#host.clock.wall() - call.answered);
    const setup = seconds(call.answered - call.created);
    const tail = `;created=${Math.floor(call.created / 1000)};setuptime=${setup};duration=${duration}`;
    this.#record(
      recordTexts.ended,
      call.invite,
      { toTag: call.toTag, status: '200', reason: 'OK', tail },
      call,
    );
  }

  #record(text: string, message: SipMessage, parts: RecordText, accounting: RecordContext): void {
    if (accounting.kinds.log) this.#line(text, message, parts, accounting.extra);
    if (accounting.kinds.db && this.#database !== null)
      this.#row(text, message, parts, accounting, this.#database);
  }

  #line(text: string, message: SipMessage, parts: RecordText, extra?: ReadonlyMap<string, string>): void {
    const timestamp = Math.floor(this.#host.clock.wall() / 1000);
    let line =
      `${text}timestamp=${timestamp};method=${message.method};from_tag=${message.fromTag};to_tag=${parts.toTag}` +
      `;call_id=${message.callId};code=${parts.status};reason=${parts.reason}`;
    for (const [field, tag] of this.#extraFields) line += `;${field}=${extra?.get(tag) ?? ''}`;
    this.#write(line + parts.tail);
  }

  #row(
    text: string,
    message: SipMessage,
    parts: RecordText,
    accounting: RecordContext,
    database: AccountingDatabase,
  ): void {
    const wall = this.#host.clock.wall();
    const { created, answered, extra } = accounting;
    const isMissed = text === recordTexts.missed;
    const times =
      answered !== undefined
        ? { created, setup: answered - created, duration: wall - answered }
        : isMissed
          ? { created, setup: wall - created, duration: null }
          : null;
    const table = isMissed ? database.missedCalls : accounting.table || database.acc;
    // The branch tells a request that comes by twice (a spiral, a new attempt) from one that two nodes account.
    const { method, callId, fromTag, cseqNumber, topVia } = message;
    const key =
      accounting.dialog !== undefined
        ? recordKey('cdr', accounting.dialog, callId, fromTag)
        : recordKey(
            text,
            method,
            callId,
            fromTag,
            parts.toTag,
            String(cseqNumber),
            topVia.branch,
            parts.status,
          );
    database.tables.append(table, {
      key,
      columns: this.#columns(message, parts, { extra, wall, times }, database),
    });
  }

  #columns(
    message: SipMessage,
    parts: RecordText,
    more: {
      readonly extra: ReadonlyMap<string, string>;
      readonly wall: number;
      readonly times: RecordTimes | null;
    },
    database: AccountingDatabase,
  ): StoredRecord['columns'] {
    const extra = new Map<string, string>();
    for (const [column, tag] of database.extraFields) extra.set(column, more.extra.get(tag) ?? '');
    const texts = {
      method: message.method,
      from_tag: message.fromTag,
      to_tag: parts.toTag,
      callid: message.callId,
      sip_code: parts.status,
      sip_reason: parts.reason,
    };
    return recordColumns({ texts, time: more.wall, times: more.times, extra }, database.columns);
  }
}
