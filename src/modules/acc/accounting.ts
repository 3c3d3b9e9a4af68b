/**
 * What `do_accounting` asked for, per request, and the lines and rows it leads to. A record follows the final response
 * upstream, or, for calls, the end of the dialog: it is written by the dialog's owner, whichever node saw the BYE, or by its
 * successor. What it needs is kept with the dialog.
 */

import type { MessageContext } from '#module/context.ts';
import type { OutgoingReply } from '#module/hooks.ts';
import type { ModuleHost } from '#module/host.ts';
import { dialogService, type EndedDialog, type StoredRecord } from '#module/services.ts';
import { type AccountingTables, type RecordTimes, recordColumns, recordKey } from '#modules/acc/records.ts';
import type { SipMessage } from '#sip/message.ts';
import { reasonPhrase } from '#sip/status.ts';

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

/** What the dialog keeps, as JSON; times are ms since 1970. */
interface KeptCall {
  readonly created: number;
  /** 0 until then. */
  readonly answered: number;
  readonly extra: readonly (readonly [string, string])[];
  readonly kinds: RecordKinds;
  readonly table: string;
}

/** What a record says of the request. */
type Accounted = Pick<SipMessage, 'method' | 'fromTag' | 'callId' | 'cseqNumber'> & {
  readonly topVia: { readonly branch: string };
};

/** By this name the dialog keeps what the record of its end needs. */
const keptName = 'acc';

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
  readonly #reportsCancels: boolean;
  #immediate = 0;
  readonly #accountings = new WeakMap<SipMessage, Accounting>();

  constructor(
    host: ModuleHost,
    options: {
      readonly write: (line: string) => void;
      readonly extraFields: ReadonlyMap<string, string>;
      readonly database: AccountingDatabase | null;
      /** A CANCEL has records of its own. */
      readonly reportsCancels?: boolean;
      /** Provisional replies with a body have records. */
      readonly reportsEarlyMedia?: boolean;
    },
  ) {
    this.#reportsCancels = options.reportsCancels === true;
    this.#host = host;
    this.#write = options.write;
    this.#extraFields = options.extraFields;
    this.#database = options.database;
    host.hooks.beforeReplySent.push((reply) => this.#onReply(reply));
    if (options.reportsEarlyMedia === true)
      host.hooks.beforeReplySent.push((reply) => reply.status < 200 && this.#onProvisional(reply));
    host.hooks.onEndToEndAck.push((context) => this.#onAck(context));
    this.#listen();
  }

  /** Flags add up over several calls. */
  start(context: MessageContext, flags: AccountingFlags): void {
    if (context.request.method === 'CANCEL' && !this.#reportsCancels) return;
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
    if (this.#beginCall(context, accounting)) return;
    accounting.cdr = false;
    this.#host.log.warn('do_accounting: "cdr" needs the dialog module; the call has no record of its end');
  }

  /** The time of this request is that of now, should it be accounted later. */
  note(context: MessageContext): void {
    this.#of(context);
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

  #onProvisional({ context, status, response }: OutgoingReply): void {
    const accounting = this.#accounting(context);
    if (accounting === undefined || !accounting.active || response === null || response.body === '') return;
    const parts = { toTag: response.toTag, status: String(status), reason: response.reason, tail: '' };
    this.#record(recordTexts.answered, context.request, parts, accounting);
  }

  #onReply({ context, status, response, toTag }: OutgoingReply): void {
    if (status < 200) return;
    const request = context.request;
    const accounting = this.#accounting(context);
    if (accounting === undefined || !accounting.active) return;
    const isInvite = request.method === 'INVITE';
    const answerTag = toTag || (response?.toTag ?? request.toTag);
    const reason = response?.reason ?? reasonPhrase(status);
    const parts = { toTag: answerTag, status: String(status), reason, tail: '' };
    if (status < 300) {
      if (isInvite && accounting.cdr && request.toTag === '') this.#keepCall(context, accounting);
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

  /** False without dialogs. The dialog is told to the peers with what it keeps from the start. */
  #beginCall(context: MessageContext, accounting: Accounting): boolean {
    const dialogs = this.#host.optionalService(dialogService);
    if (dialogs === null || !dialogs.create(context)) return false;
    dialogs.keep(context, keptName, keptText(accounting, 0));
    return true;
  }

  /** The dialog module may be loaded behind this one. */
  #listen(): void {
    let isListening = false;
    const listen = (): void => {
      if (isListening) return;
      const dialogs = this.#host.optionalService(dialogService);
      isListening = dialogs !== null;
      dialogs?.onEnd(keptName, (dialog) => this.#endCall(dialog));
    };
    listen();
    this.#host.every(1000, listen);
  }

  #keepCall(context: MessageContext, accounting: Accounting): void {
    const text = keptText(accounting, this.#host.clock.wall());
    this.#host.optionalService(dialogService)?.keep(context, keptName, text);
  }

  #endCall({ id, callId, fromTag, toTag, start, ended, kept, isRepeat }: EndedDialog): void {
    const { created, answered, extra, kinds, table } = JSON.parse(kept) as KeptCall;
    // Its INVITE was answered past the node that accounted it: the dialog knows the second.
    const since = answered === 0 ? start : answered;
    const seconds = (milliseconds: number): number => Math.round(milliseconds / 1000);
    const setup = seconds(since - created);
    const tail = `;created=${Math.floor(created / 1000)};setuptime=${setup};duration=${seconds(ended - since)}`;
    // The node that is gone wrote its line; its row may have been lost with it, and a row is written once by its key.
    const record = { created, answered: since, extra: new Map(extra), table, dialog: id };
    this.#record(
      recordTexts.ended,
      { method: 'INVITE', fromTag, callId, cseqNumber: 0, topVia: { branch: '' } },
      { toTag, status: '200', reason: 'OK', tail },
      { ...record, kinds: { log: kinds.log && !isRepeat, db: kinds.db } },
    );
  }

  #record(text: string, message: Accounted, parts: RecordText, accounting: RecordContext): void {
    if (accounting.kinds.log) this.#line(text, message, parts, accounting.extra);
    if (accounting.kinds.db && this.#database !== null)
      this.#row(text, message, parts, accounting, this.#database);
  }

  #line(text: string, message: Accounted, parts: RecordText, extra?: ReadonlyMap<string, string>): void {
    const timestamp = Math.floor(this.#host.clock.wall() / 1000);
    let line =
      `${text}timestamp=${timestamp};method=${message.method};from_tag=${message.fromTag};to_tag=${parts.toTag}` +
      `;call_id=${message.callId};code=${parts.status};reason=${parts.reason}`;
    for (const [field, tag] of this.#extraFields) line += `;${field}=${extra?.get(tag) ?? ''}`;
    this.#write(line + parts.tail);
  }

  #row(
    text: string,
    message: Accounted,
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
    message: Accounted,
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

function keptText({ created, extra, kinds, table }: Accounting, answered: number): string {
  return JSON.stringify({ created, answered, extra: [...extra], kinds, table } satisfies KeptCall);
}
