/**
 * What `do_accounting` asked for, per request, and the lines it leads to. A record follows the final response upstream,
 * or, for calls, the BYE: a BYE that another node handles ends the call without a record here.
 */

import type { MessageContext } from '#module/context.ts';
import type { OutgoingReply } from '#module/hooks.ts';
import type { ModuleHost } from '#module/host.ts';
import { dialogService } from '#module/services.ts';
import type { SipMessage } from '#sip/message.ts';
import { reasonPhrase } from '#sip/status.ts';

export interface AccountingFlags {
  readonly cdr: boolean;
  readonly missed: boolean;
  readonly failed: boolean;
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
}

interface OpenCall {
  readonly created: number;
  readonly answered: number;
  readonly invite: SipMessage;
  readonly toTag: string;
  readonly extra: ReadonlyMap<string, string>;
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
  readonly #accountings = new WeakMap<SipMessage, Accounting>();
  readonly #openCalls = new Map<string, OpenCall>();

  constructor(
    host: ModuleHost,
    options: {
      readonly write: (line: string) => void;
      readonly extraFields: ReadonlyMap<string, string>;
    },
  ) {
    this.#host = host;
    this.#write = options.write;
    this.#extraFields = options.extraFields;
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
    this.#record(recordTexts.request, message, { toTag: message.toTag, status, reason, tail: '' });
  }

  readExtra(context: MessageContext, tag: string): string | null {
    return this.#accounting(context)?.extra.get(tag) ?? null;
  }

  writeExtra(context: MessageContext, tag: string, value: string | null): void {
    if (value === null) this.#accounting(context)?.extra.delete(tag);
    else this.#of(context).extra.set(tag, value);
  }

  knowsExtra(tag: string): boolean {
    return [...this.#extraFields.values()].includes(tag);
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
    if (this.#openCalls.size >= openCallsMax) {
      const oldest = this.#openCalls.keys().next();
      if (oldest.done !== true) this.#openCalls.delete(oldest.value);
    }
    this.#openCalls.set(id, {
      created: accounting.created,
      answered: this.#host.clock.wall(),
      invite: context.request,
      toTag,
      extra: accounting.extra,
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

  #record(
    text: string,
    message: SipMessage,
    parts: {
      readonly toTag: string;
      readonly status: string;
      readonly reason: string;
      readonly tail: string;
    },
    accounting?: { readonly extra: ReadonlyMap<string, string> },
  ): void {
    const timestamp = Math.floor(this.#host.clock.wall() / 1000);
    let line =
      `${text}timestamp=${timestamp};method=${message.method};from_tag=${message.fromTag};to_tag=${parts.toTag}` +
      `;call_id=${message.callId};code=${parts.status};reason=${parts.reason}`;
    for (const [field, tag] of this.#extraFields) line += `;${field}=${accounting?.extra.get(tag) ?? ''}`;
    this.#write(line + parts.tail);
  }
}
