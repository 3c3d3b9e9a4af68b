/**
 * One simulated call: a caller that invites, waits or gives up, a callee that rings, answers or refuses, a renewed
 * invitation from either side, and a BYE from either side. Both keep to RFC 3261; what became of the call is compared
 * with what a single proxy without any fault would have made of it.
 */

import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import type { Phone, Served } from './phone.ts';
import { contactOf, type DialogSide, hopOf, requestText, routeLines } from './wire.ts';
import type { World } from './world.ts';

export type Side = 'caller' | 'callee';

export interface CallPlan {
  readonly id: string;
  /** User part of the Request-URI. */
  readonly target: string;
  readonly startsAt: number;
  /** ms from the INVITE's arrival to 180, and from there to the final response. */
  readonly ringAfter: number;
  readonly answerAfter: number;
  /** 0: it rings until somebody gives up. */
  readonly answer: 0 | 200 | 486;
  /** ms after the INVITE that the caller gives up; 0: it never does. */
  readonly cancelAfter: number;
  readonly holdFor: number;
  readonly ends: Side;
  readonly renews: Side | null;
}

export class Call {
  readonly world: World;
  readonly plan: CallPlan;
  readonly caller: Phone;
  readonly callee: Phone;
  /** Final status at the caller, 0 = none. */
  status = 0;
  timedOut = false;
  cancelSent = false;
  /** Final status of the BYE at the side that sent it. */
  byeStatus = 0;
  renewStatus = 0;
  /** Branches of the initial INVITE at the callee. */
  readonly branches = new Set<string>();
  /** At the callee: requests that it took for new. */
  answered: Served | null = null;
  isAcknowledged = false;
  isEnded = false;
  #invite: { text: string; branch: string } | null = null;
  readonly #sides: Record<Side, DialogSide | null> = { caller: null, callee: null };

  constructor(world: World, plan: CallPlan, phones: { caller: Phone; callee: Phone }) {
    this.world = world;
    this.plan = plan;
    this.caller = phones.caller;
    this.callee = phones.callee;
    world.after(plan.startsAt, () => this.#start());
  }

  // ── caller ────────────────────────────────────────────────────────────────────────────────────────────────────

  #start(): void {
    const { plan, caller } = this;
    const dialog: DialogSide = {
      callId: plan.id,
      localUri: `sip:${plan.id}@caller.test`,
      localTag: `c-${plan.id}`,
      remoteUri: `sip:${plan.target}@198.51.100.1`,
      remoteTag: '',
      remoteTarget: `sip:${plan.target}@198.51.100.1`,
      routes: [],
      cseq: 1,
    };
    this.#sides.caller = dialog;
    this.#invite = this.#invitation('caller', dialog.remoteTarget);
    caller.request(this.#invite.text, this.#invite.branch, {
      onResponse: (response) => this.#onInviteResponse(response),
      onTimeout: () => {
        this.timedOut = true;
      },
    });
    if (plan.cancelAfter > 0) this.world.after(plan.cancelAfter, () => this.#cancel());
  }

  #invitation(side: Side, uri: string): { text: string; branch: string } {
    const phone = this[side];
    const dialog = this.#sides[side]!;
    const branch = phone.newBranch();
    const headers = `Contact: <sip:${side}@${phone.address}>\r\n${routeLines(dialog.routes)}`;
    const parts = { method: 'INVITE', uri, branch, address: phone.address, cseq: dialog.cseq, headers };
    return { text: requestText(dialog, parts), branch };
  }

  #onInviteResponse(response: SipMessage): void {
    const { status } = response;
    if (status < 200) {
      this.#maybeCancel();
      return;
    }
    const dialog = this.#sides.caller!;
    if (status >= 300) {
      this.#acknowledgeFailure('caller', this.#invite!, response);
      this.status ||= status;
      return;
    }
    const isFirst = this.status === 0;
    this.status ||= status;
    dialog.remoteTag = response.toTag;
    dialog.remoteTarget = contactOf(response);
    dialog.routes = response.values(headerNames.recordRoute).reverse();
    this.#acknowledge('caller', response.cseqNumber);
    if (!isFirst) return;
    if (this.cancelSent) this.world.after(200, () => this.bye('caller'));
    else this.#converse();
  }

  #converse(): void {
    const { holdFor, ends, renews } = this.plan;
    if (renews !== null) this.world.after(holdFor / 2, () => this.#renew(renews));
    this.world.after(holdFor, () => this.bye(ends));
  }

  #wantsCancel = false;

  /** RFC 3261 9.1: no CANCEL before a provisional response. */
  #cancel(): void {
    this.#wantsCancel = true;
    if (this.#heardProvisional) this.#maybeCancel();
  }

  #heardProvisional = false;

  #maybeCancel(): void {
    this.#heardProvisional = true;
    if (!this.#wantsCancel || this.cancelSent || this.status !== 0) return;
    this.cancelSent = true;
    const { text, branch } = this.#invite!;
    const cancel = text
      .replace(/^INVITE/, 'CANCEL')
      .replace(/CSeq: (\d+) INVITE/, 'CSeq: $1 CANCEL')
      .replace(/Contact: [^\r]*\r\n/, '');
    this.caller.request(cancel, branch, { onResponse: () => {}, onTimeout: () => {} });
  }

  #acknowledgeFailure(side: Side, invite: { text: string }, response: SipMessage): void {
    const ack = invite.text
      .replace(/^INVITE/, 'ACK')
      .replace(/CSeq: (\d+) INVITE/, 'CSeq: $1 ACK')
      .replace(/Contact: [^\r]*\r\n/, '')
      .replace(/\r\nTo: [^\r]*/, `\r\nTo: ${response.firstValue(headerNames.to)}`);
    this[side].send(ack);
  }

  #acknowledge(side: Side, cseq: number): void {
    const dialog = this.#sides[side]!;
    const phone = this[side];
    const parts = {
      method: 'ACK',
      uri: dialog.remoteTarget,
      branch: phone.newBranch(),
      address: phone.address,
      cseq,
      headers: routeLines(dialog.routes),
    };
    phone.send(requestText(dialog, parts), this.#hop(dialog));
  }

  #hop(dialog: DialogSide): string {
    return hopOf(dialog.routes[0] ?? dialog.remoteTarget);
  }

  // ── callee ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The initial INVITE, or a copy of it by another branch. */
  onInvite(served: Served): void {
    const { request } = served;
    const { plan, callee, world } = this;
    this.branches.add(request.topVia.branch);
    if (this.branches.size > 1) {
      // RFC 3261 8.2.2.2: the same request by another way.
      callee.respond(served, { status: 482, reason: 'Loop Detected', tag: `merged-${plan.id}` });
      return;
    }
    this.#sides.callee = {
      callId: plan.id,
      localUri: `sip:${plan.target}@198.51.100.1`,
      localTag: `d-${plan.id}`,
      remoteUri: `sip:${plan.id}@caller.test`,
      remoteTag: request.fromTag,
      remoteTarget: contactOf(request),
      routes: request.values(headerNames.recordRoute),
      cseq: 1000,
    };
    const tag = `d-${plan.id}`;
    world.after(plan.ringAfter, () => {
      callee.respond(served, { status: 180, reason: 'Ringing', tag });
      if (plan.answer === 0) return;
      world.after(plan.answerAfter, () => {
        if (served.status >= 200) return;
        const headers = `Contact: <sip:callee@${callee.address}>\r\n`;
        if (plan.answer === 200) this.answered = served;
        callee.respond(served, {
          status: plan.answer,
          reason: plan.answer === 200 ? 'OK' : 'Busy',
          tag,
          headers,
        });
      });
    });
  }

  onCancelled(invite: Served): void {
    this.callee.respond(invite, { status: 487, reason: 'Request Terminated', tag: `d-${this.plan.id}` });
  }

  onAck(side: Side, ack: SipMessage): void {
    this[side].acknowledged(ack);
    if (side === 'callee') this.isAcknowledged = true;
  }

  // ── in the dialog ─────────────────────────────────────────────────────────────────────────────────────────────

  #renew(side: Side): void {
    const dialog = this.#sides[side];
    if (dialog === null || this.isEnded) return;
    dialog.cseq++;
    const invite = this.#invitation(side, dialog.remoteTarget);
    this[side].request(invite.text, invite.branch, {
      onResponse: (response) => {
        if (response.status < 200) return;
        this.renewStatus ||= response.status;
        if (response.status < 300) this.#acknowledge(side, response.cseqNumber);
        else this.#acknowledgeFailure(side, invite, response);
      },
      onTimeout: () => {
        this.renewStatus = 408;
      },
    });
  }

  bye(side: Side): void {
    const dialog = this.#sides[side];
    if (dialog === null || this.isEnded || this.byeStatus !== 0) return;
    dialog.cseq++;
    this.isEnded = true;
    const phone = this[side];
    const branch = phone.newBranch();
    const headers = routeLines(dialog.routes);
    const parts = {
      method: 'BYE',
      uri: dialog.remoteTarget,
      branch,
      address: phone.address,
      cseq: dialog.cseq,
      headers,
    };
    phone.request(requestText(dialog, parts), branch, {
      onResponse: (response) => {
        if (response.status >= 200) this.byeStatus = response.status;
      },
      onTimeout: () => {
        this.byeStatus = 408;
      },
    });
  }

  /** A request within the dialog, at either side. */
  onDialogRequest(side: Side, served: Served): void {
    const tag = side === 'caller' ? `c-${this.plan.id}` : `d-${this.plan.id}`;
    const headers = `Contact: <sip:${side}@${this[side].address}>\r\n`;
    if (served.request.method === 'BYE') this.isEnded = true;
    this[side].respond(served, { status: 200, reason: 'OK', tag, headers });
  }
}
