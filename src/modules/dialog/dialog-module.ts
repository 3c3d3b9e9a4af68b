/**
 * Dialogs of one node: created by the script, carried through their states by the messages that pass, shared with all
 * peers at the moment they change. A BYE ends a dialog on every node, whichever node saw it.
 */

import { type DialogDelta, decodeDelta, encodeDelta, type StateChange } from '#dialog/delta.ts';
import { type Dialog, type DialogRecord, dialogStates } from '#dialog/dialog.ts';
import { DialogTable } from '#dialog/dialog-table.ts';
import type { MessageContext } from '#module/context.ts';
import type { ParameterValues } from '#module/define.ts';
import type { OutgoingReply } from '#module/hooks.ts';
import { type ClusterSubscriber, clusterChannels, type ModuleHost } from '#module/host.ts';
import type { DialogService } from '#module/services.ts';
import type { Counter } from '#module/statistics.ts';
import { headerNames } from '#sip/header-name.ts';
import { findParameter } from '#sip/parameters.ts';
import { detach } from '#sip/serialize.ts';
import type { Timer, TimerTarget } from '#util/timer-queue.ts';

/** A peer's dialog lives this much longer here than there: its owner is the one to end it in time. */
const copyGraceSeconds = 60;
/** A dialog whose owner died before the answer: nobody rings longer than Timer C (RFC 3261 16.6 step 11). */
const orphanSeconds = 180;
/** A link may have been dead for so long before its node was taken for down: what was said then is said again. */
const silenceMilliseconds = 10_000;
/** What a node that has just started may hear of from a peer that does not know better yet. */
const staleMilliseconds = 60_000;

class Lifetime implements TimerTarget {
  readonly #expire: (now: number) => void;
  timer: Timer | null = null;

  constructor(expire: (now: number) => void) {
    this.#expire = expire;
  }

  onTimer(_kind: number, now: number): void {
    this.#expire(now);
  }
}

export class DialogModule implements DialogService, ClusterSubscriber {
  readonly host: ModuleHost;
  readonly table = new DialogTable();
  readonly defaultSeconds: number;
  /** Name of the Record-Route parameter. */
  readonly routeParameter: string;
  /** Declared profiles, without suffix: true when it has values. */
  readonly profiles: ReadonlyMap<string, boolean>;
  readonly #lifetimes = new Map<string, Lifetime>();
  readonly #counters: Readonly<Record<string, Counter>>;
  /** When each peer was last reached, and in which life. */
  readonly #lost = new Map<number, { readonly incarnation: number; readonly at: number }>();
  readonly #incarnations = new Map<number, number>();
  #created = 0;

  constructor(host: ModuleHost, parameters: ParameterValues) {
    this.host = host;
    this.defaultSeconds = Number(parameters.default_timeout);
    this.routeParameter = String(parameters.rr_param);
    this.profiles = new Map([
      ...profileNames(parameters.profiles_no_value).map((name) => [name, false] as const),
      ...profileNames(parameters.profiles_with_value).map((name) => [name, true] as const),
    ]);
    const names = ['processed_dialogs', 'expired_dialogs', 'failed_dialogs', 'create_sent', 'update_sent'];
    names.push('delete_sent', 'create_recv', 'update_recv', 'delete_recv');
    this.#counters = Object.fromEntries(names.map((name) => [name, host.statistics.counter('dialog', name)]));
    const { answered, confirmed, early } = dialogStates;
    host.statistics.gauge('dialog', 'active_dialogs', () => this.table.count([answered, confirmed]));
    host.statistics.gauge('dialog', 'early_dialogs', () => this.table.count([early]));
    host.hooks.beforeRequestSent.push((context, _edits, now) => this.#beforeRequestSent(context, now));
    host.hooks.beforeReplySent.push((reply, now) => this.#beforeReplySent(reply, now));
    host.hooks.onLooseRoute.push((context, routeParameters, now) =>
      this.#onLooseRoute(context, routeParameters, now),
    );
    host.hooks.onEndToEndAck.push((context, now) => this.#onAck(context, now));
    host.hooks.onTransactionEnd.push((context, now) => this.#onTransactionEnd(context, now));
    host.cluster?.subscribe(clusterChannels.dialog, this);
  }

  // ── by the script ─────────────────────────────────────────────────────────────────────────────────────────────

  create(context: MessageContext): boolean {
    if (context.dialog !== null) return true;
    const { request } = context;
    // Only an initial INVITE begins a dialog (RFC 3261 12.1).
    if (request.method !== 'INVITE' || request.toTag !== '') return false;
    this.#created++;
    const contact = request.firstValue(headerNames.contact);
    const record: DialogRecord = {
      id: `${this.host.nodeId.toString(16)}${this.host.incarnation.toString(16)}.${this.#created.toString(16)}`,
      owner: this.host.nodeId,
      incarnation: this.host.incarnation,
      state: dialogStates.unconfirmed,
      callId: detach(request.callId),
      fromTag: detach(request.fromTag),
      toTag: '',
      fromUri: detach(request.from.uri),
      toUri: detach(request.to.uri),
      callerContact: detach(contact),
      start: 0,
      lifetime: this.defaultSeconds,
      profiles: [],
    };
    const dialog = this.table.add(record);
    if (dialog === null) return false;
    context.dialog = dialog;
    this.#counters.processed_dialogs!.value++;
    this.#live(dialog, this.host.clock.monotonic(), dialog.lifetime);
    return true;
  }

  dialogId(context: MessageContext): string | null {
    return (context.dialog as Dialog | null)?.id ?? null;
  }

  attach(context: MessageContext, id: string): boolean {
    context.dialog = this.table.get(id);
    return context.dialog !== null;
  }

  /** Finds the dialog of an in-dialog request by its Call-ID and tags. */
  match(context: MessageContext): boolean {
    const { request } = context;
    context.dialog ??= this.table.find(request.callId, request.fromTag, request.toTag);
    return context.dialog !== null;
  }

  /** Tells the peers what changed in a dialog that they know already. */
  tellUpdate(dialog: Dialog): void {
    if (dialog.state === dialogStates.unconfirmed) return;
    this.#counters.update_sent!.value++;
    this.#tell({ kind: 'record', body: dialog.record() });
  }

  setLifetime(dialog: Dialog, seconds: number): void {
    dialog.lifetime = seconds;
    this.#live(dialog, this.host.clock.monotonic(), seconds);
    this.tellUpdate(dialog);
  }

  // ── by the messages ───────────────────────────────────────────────────────────────────────────────────────────

  #beforeRequestSent(context: MessageContext, _now: number): void {
    const dialog = context.dialog as Dialog | null;
    if (dialog === null || context.request.toTag !== '' || context.request.method !== 'INVITE') return;
    const parameter = `;${this.routeParameter}=${dialog.id}`;
    const route = context.recordRoute;
    if (route !== null && !route.parameters.includes(parameter)) {
      route.parameters.push(parameter);
      this.#counters.create_sent!.value++;
      this.#tell({ kind: 'record', body: dialog.record() }, true);
    }
  }

  /** The peers know of the answer before the 200 leaves: its ACK and BYE may reach any of them. */
  #beforeReplySent(reply: OutgoingReply, now: number): void {
    const dialog = reply.context.dialog as Dialog | null;
    const { request } = reply.context;
    if (dialog === null || request.method !== 'INVITE' || request.toTag !== '') return;
    if (reply.status < 200) {
      if (dialog.state === dialogStates.unconfirmed) dialog.state = dialogStates.early;
      return;
    }
    if (reply.status >= 300) {
      this.#counters.failed_dialogs!.value++;
      this.#end(dialog.id, `Upstream ${reply.status}`, now);
      return;
    }
    if (dialog.state < dialogStates.answered) this.#answer(dialog, reply.toTag, now);
  }

  #answer(dialog: Dialog, toTag: string, now: number): void {
    dialog.state = dialogStates.answered;
    dialog.toTag = detach(toTag);
    dialog.start = Math.floor(this.host.clock.wall() / 1000);
    this.#live(dialog, now, dialog.lifetime);
    this.#counters.update_sent!.value++;
    const { id, state, start } = dialog;
    this.#tell({ kind: 'state', body: { id, state, toTag: dialog.toTag, start } });
  }

  #onLooseRoute(context: MessageContext, parameters: string, now: number): void {
    const { request } = context;
    const id = findParameter(parameters, this.routeParameter);
    const dialog = id === null ? null : this.table.get(id);
    if (dialog !== null) context.dialog = dialog;
    else this.match(context);
    if (request.method !== 'BYE') return;
    const known = context.dialog as Dialog | null;
    // A BYE may be faster than the news of its dialog: the end is told all the same, and kept in mind.
    if (known !== null || id !== null) this.#end(known?.id ?? detach(id!), 'BYE', now);
  }

  #onAck(context: MessageContext, now: number): void {
    const dialog = context.dialog as Dialog | null;
    if (dialog === null) return;
    // Its owner died with the INVITE, and the answer went past it: the ACK says that there was one.
    if (dialog.state < dialogStates.answered) this.#answer(dialog, context.request.toTag, now);
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
    this.table.end(id, reason, now);
    const lifetime = this.#lifetimes.get(id);
    if (lifetime === undefined) return;
    this.host.timers.stop(lifetime.timer);
    this.#lifetimes.delete(id);
  }

  #live(dialog: Dialog, now: number, seconds: number): void {
    let lifetime = this.#lifetimes.get(dialog.id);
    if (lifetime === undefined) {
      lifetime = new Lifetime((at) => this.#expire(dialog, at));
      this.#lifetimes.set(dialog.id, lifetime);
    }
    this.host.timers.stop(lifetime.timer);
    lifetime.timer = this.host.timers.start(now, seconds * 1000, lifetime, 0);
  }

  #expire(dialog: Dialog, now: number): void {
    this.#counters.expired_dialogs!.value++;
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
        this.#onRecord(from, delta.body, now);
        return;
      case 'state':
        this.#onState(delta.body, now);
        return;
      case 'end':
        this.#counters.delete_recv!.value++;
        this.#forget(delta.body.id, delta.body.reason, now);
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

  #onRecord(from: number, record: DialogRecord, now: number): void {
    this.#counters.create_recv!.value++;
    if (this.table.hasEnded(record.id)) {
      // Its BYE passed here while the link was away: the others hear of it now.
      const body = encodeDelta({ kind: 'end', body: { id: record.id, reason: 'BYE' } });
      this.host.cluster?.send(from, clusterChannels.dialog, body);
      return;
    }
    const dialog = this.table.add(record);
    if (dialog === null) return;
    dialog.unmentioned = false;
    if (record.state > dialog.state) dialog.state = record.state;
    if (record.start > 0) dialog.start = record.start;
    if (record.toTag !== '') dialog.toTag = record.toTag;
    const entries = record.profiles.map(({ profile, value, hasValue }) => ({
      profile,
      value: hasValue ? value : null,
    }));
    this.table.setProfiles(dialog, entries);
    this.#live(dialog, now, record.lifetime + copyGraceSeconds);
  }

  #onState(change: StateChange, now: number): void {
    this.#counters.update_recv!.value++;
    const dialog = this.table.get(change.id);
    if (dialog === null || change.state <= dialog.state) return;
    dialog.state = change.state;
    dialog.toTag = change.toTag;
    dialog.start = change.start;
    this.#live(dialog, now, dialog.lifetime + copyGraceSeconds);
  }

  /** Everything of ours, and of nodes that cannot speak for themselves, to the node that joined. */
  onPeerUp(node: number, incarnation: number, now: number): void {
    const { cluster } = this.host;
    if (cluster === null) return;
    this.#incarnations.set(node, incarnation);
    const live = new Set(cluster.livePeers());
    const send = (delta: DialogDelta): void => {
      cluster.send(node, clusterChannels.dialog, encodeDelta(delta));
    };
    send({ kind: 'snapshotBegin', body: null });
    for (const dialog of this.table.all()) {
      const isOurs = dialog.owner === this.host.nodeId && dialog.incarnation === this.host.incarnation;
      const isFormerLife = dialog.owner === node && dialog.incarnation !== incarnation;
      const isOrphan = !live.has(dialog.owner) && dialog.owner !== this.host.nodeId;
      if (isOurs || isFormerLife || isOrphan) send({ kind: 'record', body: dialog.record() });
    }
    send({ kind: 'snapshotEnd', body: null });
    const lost = this.#lost.get(node);
    const since = lost?.incarnation === incarnation ? lost.at - silenceMilliseconds : now - staleMilliseconds;
    for (const id of this.table.endedSince(since)) send({ kind: 'end', body: { id, reason: 'BYE' } });
  }

  /** Calls go on although their owner is gone: whoever sees the BYE ends them. Those that rang may have died with it. */
  onPeerDown(node: number, now: number): void {
    this.#lost.set(node, { incarnation: this.#incarnations.get(node) ?? 0, at: now });
    for (const dialog of this.table.all())
      if (dialog.owner === node && dialog.state < dialogStates.answered)
        this.#live(dialog, now, orphanSeconds);
  }
}

/** `a;b/b; c` → names without their suffix. */
function profileNames(value: unknown): string[] {
  if (value === null || value === undefined) return [];
  return String(value)
    .split(';')
    .map((name) => bareProfile(name.trim()))
    .filter((name) => name !== '');
}

/** `caller/b` → `caller`: every profile is shared here. */
export function bareProfile(name: string): string {
  return name.replace(/\/[bs]$/, '');
}
