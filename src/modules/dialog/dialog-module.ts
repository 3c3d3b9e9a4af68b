/**
 * Dialogs of one node: created by the script, carried through their states by the messages that pass, shared with all
 * peers at the moment they change. A BYE ends a dialog on every node, whichever node saw it.
 */

import { type DialogDelta, decodeDelta, encodeDelta, type StateChange, valuesMax } from '#dialog/delta.ts';
import { type Dialog, type DialogRecord, dialogDuties, dialogStates, profilesOf } from '#dialog/dialog.ts';
import { DialogTable } from '#dialog/dialog-table.ts';
import { DueWheel } from '#dialog/due-wheel.ts';
import type { MessageContext } from '#module/context.ts';
import type { OutgoingReply } from '#module/hooks.ts';
import { type ClusterSubscriber, clusterChannels, type ModuleHost } from '#module/host.ts';
import type { DialogService, EndedDialog } from '#module/services.ts';
import type { Counter } from '#module/statistics.ts';
import { Closing } from '#modules/dialog/closing.ts';
import { dialogCounters, showGauges } from '#modules/dialog/dialog-figures.ts';
import { DialogRecords } from '#modules/dialog/dialog-records.ts';
import { Duty } from '#modules/dialog/duty.ts';
import {
  answeringLeg,
  byeReason,
  callerRoutes,
  contactOf,
  noteReply,
  noteRequest,
} from '#modules/dialog/legs.ts';
import { dialogOfRoute, endBy } from '#modules/dialog/matching.ts';
import { flagsOf, newDialog } from '#modules/dialog/new-dialog.ts';
import { endBoth } from '#modules/dialog/requests-within.ts';
import { type DialogSettings, matchModes } from '#modules/dialog/settings.ts';
import type { MessageEdits } from '#sip/edits.ts';
import { findParameter } from '#sip/parameters.ts';
import { detach } from '#sip/serialize.ts';

/** A peer's dialog lives this much longer here than there: its owner is the one to end it in time. */
const copyGraceSeconds = 60;
/** A dialog whose owner died before the answer: nobody rings longer than Timer C (RFC 3261 16.6 step 11). */
const orphanSeconds = 180;
/** A link may have been dead for so long before its node was taken for down: what was said then is said again. */
const silenceMilliseconds = 10_000;
/** What a node that has just started may hear of from a peer that does not know better yet. */
const staleMilliseconds = 60_000;

/** A successor waits so long after a lifetime, for the owner may be there again. */
const inheritedSeconds = 4;
/** Nodes still come or go: look again after so long. */
const unsettledSeconds = 2;

export class DialogModule implements DialogService, ClusterSubscriber {
  readonly host: ModuleHost;
  readonly table = new DialogTable();
  readonly settings: DialogSettings;
  readonly #wheel = new DueWheel<Dialog>();
  readonly #duty: Duty;
  readonly #closing: Closing;
  readonly records: DialogRecords;
  readonly #counters: Readonly<Record<string, Counter>>;
  /** When each peer was last reached, and in which life. */
  readonly #lost = new Map<number, { readonly incarnation: number; readonly at: number }>();
  readonly #incarnations = new Map<number, number>();
  #created = 0;

  constructor(host: ModuleHost, settings: DialogSettings) {
    this.host = host;
    this.settings = settings;
    this.#duty = new Duty(host);
    this.#closing = new Closing(host, this.#duty, (id) => this.#tell({ kind: 'closed', body: { id } }, true));
    this.#counters = dialogCounters(host.statistics);
    showGauges(host.statistics, this.table, this.#closing);
    const { hooks } = host;
    hooks.beforeRequestSent.push((context, edits) => this.#beforeRequestSent(context, edits));
    hooks.beforeReplySent.push((reply, now) => this.#beforeReplySent(reply, now));
    hooks.onLooseRoute.push((context, route, now) => this.#onLooseRoute(context, route, now));
    hooks.onOrphanReply.push((reply, now) => endBy(this.table, reply, (id, why) => this.#end(id, why, now)));
    hooks.onEndToEndAck.push((context) => this.#onAck(context));
    hooks.onTransactionEnd.push((context, now) => this.#onTransactionEnd(context, now));
    host.cluster?.subscribe(clusterChannels.dialog, this, true);
    host.every(1000, (now) => this.#tick(now));
    this.records = new DialogRecords(host, {
      find: (id) => this.#stored(id),
      own: () => this.#storable(),
      take: (record) => this.#onStored(record),
    });
  }

  // ── by the script ─────────────────────────────────────────────────────────────────────────────────────────────

  create(context: MessageContext): boolean {
    return this.begin(context, 0);
  }

  /** `duties`: bits of {@link dialogDuties}. True when the context has a dialog afterwards. */
  begin(context: MessageContext, duties: number): boolean {
    const begun = context.dialog as Dialog | null;
    if (begun !== null) {
      if ((begun.duties | duties) !== begun.duties) {
        begun.duties |= duties;
        this.tellUpdate(begun);
      }
      return true;
    }
    const { request } = context;
    // Only an initial INVITE begins a dialog (RFC 3261 12.1).
    if (request.method !== 'INVITE' || request.toTag !== '') return false;
    this.#created++;
    const record = newDialog(this.host, request, {
      created: this.#created,
      lifetime: this.settings.defaultSeconds,
      duties,
    });
    const dialog = this.table.add(record);
    if (dialog === null) return false;
    context.dialog = dialog;
    this.#counters.processed_dialogs!.value++;
    this.#schedule(dialog);
    return true;
  }

  dialogId(context: MessageContext): string | null {
    return (context.dialog as Dialog | null)?.id ?? null;
  }

  attach(context: MessageContext, id: string): boolean {
    context.dialog = this.table.get(id);
    return context.dialog !== null;
  }

  keep(context: MessageContext, name: string, text: string): boolean {
    const dialog = context.dialog as Dialog | null;
    if (dialog === null) return false;
    if (dialog.kept.get(name) === text) return true;
    dialog.kept.set(name, text);
    this.tellUpdate(dialog, true);
    return true;
  }

  onEnd(name: string, listener: (dialog: EndedDialog) => void): void {
    this.#closing.listen(name, listener);
  }

  /** Finds the dialog of an in-dialog request by its Call-ID and tags. */
  match(context: MessageContext): boolean {
    const { request } = context;
    context.dialog ??= this.table.find(request.callId, request.fromTag, request.toTag);
    return context.dialog !== null;
  }

  /** `match_dialog(mode)`: one of {@link matchModes}. The id counts when our Route has been followed. */
  find(context: MessageContext, mode: number): boolean {
    if (context.dialog !== null) return true;
    const outcome = this.#matchId(context, context.routeParameters ?? '', mode);
    if (outcome === 'found') return true;
    return outcome === 'unknown' && mode !== matchModes.didOnly && this.match(context);
  }

  #matchId(context: MessageContext, parameters: string, mode: number): 'found' | 'wrong' | 'unknown' {
    if (mode === matchModes.didNone) return 'unknown';
    const found = dialogOfRoute(this.table, context.request, {
      parameters,
      name: this.settings.routeParameter,
    });
    if (found === null) return 'unknown';
    if (found === 'wrong') {
      this.#counters.mismatched_dids!.value++;
      return 'wrong';
    }
    context.dialog = found;
    return 'found';
  }

  /** Tells the peers what changed in a dialog that they know already. */
  tellUpdate(dialog: Dialog, isPatient = false): void {
    if (!dialog.isTold || dialog.state === dialogStates.deleted) return;
    dialog.version++;
    dialog.editor = this.host.nodeId;
    this.#counters.update_sent!.value++;
    this.#tell({ kind: 'record', body: this.#record(dialog) }, isPatient);
    this.#touch(dialog);
  }

  #record(dialog: Dialog): DialogRecord {
    return dialog.record(dialog.flags === 0 ? '' : this.host.flagNames('dialog', dialog.flags));
  }

  /** False when it may not have so many. */
  setValue(dialog: Dialog, name: string, value: string | number | null): boolean {
    const { values } = dialog;
    if (value === null ? !values.delete(name) : values.get(name) === value) return true;
    if (value !== null) {
      if (values.size >= valuesMax && !values.has(name)) return false;
      values.set(name, value);
    }
    this.tellUpdate(dialog);
    return true;
  }

  setFlags(dialog: Dialog, flags: number): void {
    if (dialog.flags === flags) return;
    dialog.flags = flags;
    this.tellUpdate(dialog);
  }

  /** From now on, if it is answered; else from its answer on. */
  setLifetime(dialog: Dialog, seconds: number): void {
    dialog.lifetime =
      dialog.start === 0 ? seconds : Math.max(0, this.#wallSeconds() - dialog.start) + seconds;
    this.#schedule(dialog);
    this.tellUpdate(dialog);
  }

  /** Seconds that are left, before its answer those that it will have. */
  secondsLeft({ start, lifetime }: Dialog): number {
    return start === 0 ? lifetime : Math.max(0, start + lifetime - this.#wallSeconds());
  }

  /** BYE to both sides and its end on all nodes; `headers`: lines for the BYEs. False before the answer. */
  terminate(dialog: Dialog, reason: string, headers: string): boolean {
    if (!dialog.isAnswered) return false;
    this.#end(dialog.id, reason, this.host.clock.monotonic());
    endBoth(this.host, dialog, this.settings.extraHeaders + headers);
    return true;
  }

  #wallSeconds(): number {
    return Math.floor(this.host.clock.wall() / 1000);
  }

  // ── by the messages ───────────────────────────────────────────────────────────────────────────────────────────

  #beforeRequestSent(context: MessageContext, edits: MessageEdits): void {
    const dialog = context.dialog as Dialog | null;
    if (dialog === null) return;
    const { request } = context;
    if (request.toTag !== '') {
      if (noteRequest(dialog, request, edits)) this.tellUpdate(dialog, true);
      return;
    }
    if (request.method !== 'INVITE') return;
    const parameter = `;${this.settings.routeParameter}=${dialog.id}`;
    const route = context.recordRoute;
    if (route !== null && !route.parameters.includes(parameter)) route.parameters.push(parameter);
    if (dialog.isTold) return;
    dialog.caller = { ...dialog.caller, contact: contactOf(request, edits), routeSet: callerRoutes(request) };
    dialog.isTold = true;
    this.#counters.create_sent!.value++;
    this.#tell({ kind: 'record', body: this.#record(dialog) }, true);
  }

  /** The peers know of the answer before the 200 leaves: its ACK and BYE may reach any of them. */
  #beforeReplySent(reply: OutgoingReply, now: number): void {
    const dialog = reply.context.dialog as Dialog | null;
    if (dialog === null) return;
    const { request } = reply.context;
    if (request.toTag !== '') {
      if (noteReply(dialog, reply)) this.tellUpdate(dialog, true);
      return;
    }
    if (request.method !== 'INVITE') return;
    if (reply.status < 200) {
      if (dialog.state === dialogStates.unconfirmed) dialog.state = dialogStates.early;
    } else if (reply.status >= 300) {
      this.#counters.failed_dialogs!.value++;
      this.#end(dialog.id, `Upstream ${reply.status}`, now);
    } else if (dialog.state < dialogStates.answered) {
      dialog.callee = { ...dialog.callee, ...answeringLeg(reply, dialog.id) };
      this.#answer(dialog, reply.toTag);
    }
  }

  #answer(dialog: Dialog, toTag: string): void {
    dialog.state = dialogStates.answered;
    dialog.toTag = detach(toTag);
    dialog.start = this.#wallSeconds();
    this.#schedule(dialog);
    this.#counters.update_sent!.value++;
    const { id, state, start, callee } = dialog;
    this.#tell({ kind: 'state', body: { id, state, toTag: dialog.toTag, start, callee } });
  }

  #onLooseRoute(context: MessageContext, parameters: string, now: number): void {
    const { request } = context;
    const { matchMode, routeParameter } = this.settings;
    const outcome = this.#matchId(context, parameters, matchMode);
    if (outcome === 'unknown' && matchMode !== matchModes.didOnly) this.match(context);
    if (request.method !== 'BYE' || outcome === 'wrong') return;
    const known = context.dialog as Dialog | null;
    const id = known?.id ?? findParameter(parameters, routeParameter);
    // A BYE may be faster than the news of its dialog: the end is told all the same, and kept in mind.
    if (id !== null) this.#end(detach(id), byeReason(known, request.fromTag), now);
  }

  #onAck(context: MessageContext): void {
    const dialog = context.dialog as Dialog | null;
    if (dialog === null) return;
    // Its owner died with the INVITE, and the answer went past it: the ACK says that there was one.
    if (dialog.state < dialogStates.answered) this.#answer(dialog, context.request.toTag);
    if (dialog.state === dialogStates.answered) dialog.state = dialogStates.confirmed;
  }

  /** An INVITE that ended without any final response leaves no dialog. */
  #onTransactionEnd(context: MessageContext, now: number): void {
    const dialog = context.dialog as Dialog | null;
    if (dialog === null || context.request.method !== 'INVITE' || context.request.toTag !== '') return;
    if (dialog.state < dialogStates.answered) this.#end(dialog.id, 'no final response', now);
  }

  #end(id: string, reason: string, now: number): void {
    if (this.table.hasEnded(id)) return;
    this.#forget(id, reason, now);
    this.#counters.delete_sent!.value++;
    this.#tell({ kind: 'end', body: { id, reason } }, true);
  }

  #forget(id: string, reason: string, now: number): void {
    const dialog = this.table.end(id, reason, now);
    if (dialog === null) return;
    this.#wheel.cancel(dialog);
    this.#closing.close(dialog, now);
    this.#touch(dialog);
  }

  #stored(id: string): DialogRecord | null {
    const dialog = this.table.get(id);
    return dialog?.isAnswered ? this.#record(dialog) : null;
  }

  *#storable(): Iterable<string> {
    for (const dialog of this.table.all())
      if (dialog.isAnswered && this.#duty.isOurs(dialog)) yield dialog.id;
  }

  /** A peer may have told of it, or of its end, already. */
  #onStored(record: DialogRecord): void {
    if (this.table.get(record.id) !== null || this.table.hasEnded(record.id)) return;
    const dialog = this.table.add(record);
    if (dialog === null) return;
    dialog.isTold = true;
    this.#replace(dialog, record);
    this.#schedule(dialog);
  }

  /** It changed or ended: the node whose duty it is sees to its row. */
  #touch(dialog: Dialog): void {
    if (dialog.start !== 0 && this.#duty.isOurs(dialog)) this.records.touch(dialog.id);
  }

  // ── by time ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** A peer's dialog lives longer here than there: it is for its owner to end it in time, or for its successor. */
  #schedule(dialog: Dialog): void {
    this.#touch(dialog);
    const wall = this.#wallSeconds();
    const isOwn = this.#duty.isOwn(dialog);
    const ends = dialog.start === 0 ? wall + dialog.lifetime : dialog.start + dialog.lifetime;
    if (isOwn) this.#wheel.schedule(dialog, ends);
    else {
      const grace = dialog.isAnswered && this.#duty.isOurs(dialog) ? inheritedSeconds : copyGraceSeconds;
      this.#wheel.schedule(dialog, Math.max(ends, wall) + grace);
    }
  }

  #tick(now: number): void {
    this.#closing.tick(now);
    for (const dialog of this.#wheel.take(this.#wallSeconds())) this.#onDue(dialog, now);
  }

  #onDue(dialog: Dialog, now: number): void {
    const isOurs = this.#duty.isOurs(dialog);
    // Two nodes that do not see the same peers yet might both take themselves for the successor.
    if (isOurs && !this.#duty.isOwn(dialog) && !this.#duty.hasSettled(now)) {
      this.#wheel.schedule(dialog, this.#wallSeconds() + unsettledSeconds);
      return;
    }
    const last = dialog.start + dialog.lifetime + copyGraceSeconds;
    // It was ours for a while, when we did not see its owner or the successor.
    if (!isOurs && dialog.isAnswered && this.#wallSeconds() < last) {
      this.#wheel.schedule(dialog, last);
      return;
    }
    this.#counters.expired_dialogs!.value++;
    const isBye = isOurs && (dialog.duties & dialogDuties.byeOnTimeout) !== 0;
    if (!isBye || !this.terminate(dialog, 'Lifetime Timeout', ''))
      this.#end(dialog.id, 'Lifetime Timeout', now);
  }

  // ── shared with the peers ─────────────────────────────────────────────────────────────────────────────────────

  /** `isPatient`: nobody acts on it before the next message of the dialog comes, and that takes longer. */
  #tell(delta: DialogDelta, isPatient = false): void {
    const { cluster } = this.host;
    if (cluster !== null) cluster.broadcast(clusterChannels.dialog, encodeDelta(delta), isPatient);
  }

  onMessage(from: number, body: Uint8Array, now: number): void {
    const delta = decodeDelta(body);
    if (delta === null) return;
    switch (delta.kind) {
      case 'record':
        this.#onRecord(from, delta.body);
        return;
      case 'state':
        this.#onState(delta.body);
        return;
      case 'end':
        this.#counters.delete_recv!.value++;
        this.#forget(delta.body.id, delta.body.reason, now);
        return;
      case 'closed':
        this.#closing.onClosed(delta.body.id);
        return;
      case 'snapshotBegin':
        // Those of its former lives it cannot know: they go on without it.
        for (const dialog of this.table.all())
          dialog.unmentioned = dialog.owner === from && dialog.incarnation === this.#incarnations.get(from);
        return;
      default:
        // What the owner does not know any more has ended while the link was away.
        for (const dialog of this.table.all()) {
          if (dialog.owner === from && dialog.unmentioned) this.#forget(dialog.id, 'ended elsewhere', now);
        }
    }
  }

  #onRecord(from: number, record: DialogRecord): void {
    this.#counters.create_recv!.value++;
    if (this.table.hasEnded(record.id)) {
      // Its BYE passed here while the link was away: the others hear of it now.
      const body = encodeDelta({ kind: 'end', body: { id: record.id, reason: 'BYE' } });
      this.host.cluster?.send(from, clusterChannels.dialog, body);
      return;
    }
    const dialog = this.table.add(record);
    if (dialog === null) return;
    dialog.isTold = true;
    dialog.unmentioned = false;
    if (record.state > dialog.state) dialog.state = record.state;
    if (record.start > 0) dialog.start = record.start;
    if (record.toTag !== '') dialog.toTag = record.toTag;
    if (dialog.isReplacedBy(record)) this.#replace(dialog, record);
    this.#schedule(dialog);
  }

  #replace(dialog: Dialog, record: DialogRecord): void {
    // The answer may have come by another way than what was changed meanwhile.
    const { callee } = dialog;
    dialog.take(record);
    if (record.callee.contact === '' && callee.contact !== '') dialog.callee = callee;
    dialog.flags = flagsOf(this.host, record.flags);
    this.table.setProfiles(dialog, profilesOf(record));
  }

  #onState(change: StateChange): void {
    this.#counters.update_recv!.value++;
    const dialog = this.table.get(change.id);
    if (dialog === null || change.state <= dialog.state) return;
    dialog.state = change.state;
    dialog.toTag = change.toTag;
    dialog.start = change.start;
    if (dialog.callee.contact === '') dialog.callee = change.callee;
    this.#schedule(dialog);
  }

  /** Everything of ours, and of nodes that cannot speak for themselves, to the node that joined. */
  onPeerUp(node: number, incarnation: number, now: number): void {
    const { cluster } = this.host;
    if (cluster === null) return;
    this.#incarnations.set(node, incarnation);
    this.#duty.onPeerUp(node, incarnation, now);
    const live = new Set(cluster.livePeers());
    const send = (delta: DialogDelta): void => {
      cluster.send(node, clusterChannels.dialog, encodeDelta(delta));
    };
    send({ kind: 'snapshotBegin', body: null });
    for (const dialog of this.table.all()) {
      const isFormerLife = dialog.owner === node && dialog.incarnation !== incarnation;
      const isOrphan = !live.has(dialog.owner) && dialog.owner !== this.host.nodeId;
      if (this.#duty.isOwn(dialog) || isFormerLife || isOrphan)
        send({ kind: 'record', body: this.#record(dialog) });
    }
    send({ kind: 'snapshotEnd', body: null });
    const lost = this.#lost.get(node);
    const since = lost?.incarnation === incarnation ? lost.at - silenceMilliseconds : now - staleMilliseconds;
    for (const id of this.table.endedSince(since)) send({ kind: 'end', body: { id, reason: 'BYE' } });
  }

  /** Calls go on although their owner is gone: whoever sees the BYE ends them. Those that rang may have died with it. */
  onPeerDown(node: number, now: number): void {
    this.#lost.set(node, { incarnation: this.#incarnations.get(node) ?? 0, at: now });
    this.#duty.onPeerDown(node, now);
    // It may not have removed the rows of what ended lately; those of others are removed twice, which is nothing.
    for (const id of this.table.endedSince(now - silenceMilliseconds)) this.records.touch(id);
    this.#closing.onPeerDown();
    for (const dialog of this.table.all()) {
      if (this.#duty.ownerLives(dialog)) continue;
      if (dialog.isAnswered) this.#schedule(dialog);
      else if (dialog.owner === node) this.#wheel.schedule(dialog, this.#wallSeconds() + orphanSeconds);
    }
  }
}
