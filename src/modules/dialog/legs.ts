/** What messages say of the two sides of a call: remote targets and route sets (RFC 3261 12.1). */

import { type Dialog, dialogStates } from '#dialog/dialog.ts';
import type { OutgoingReply } from '#module/hooks.ts';
import type { MessageEdits } from '#sip/edits.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { firstElement, parseNameAddress } from '#sip/name-address.ts';
import { detach } from '#sip/serialize.ts';

/** URI of the first Contact, as the script left it; '' without one. */
export function contactOf(message: SipMessage, edits: MessageEdits | null): string {
  const line = message.find(headerNames.contact);
  if (line === -1) return '';
  const start = message.valueStart(line);
  const end = message.valueEnd(line);
  const text = edits === null ? message.text.slice(start, end) : edits.apply(message.text, start, end);
  return detach(parseNameAddress(firstElement(text))?.uri ?? '');
}

/** The way back to the caller: what proxies before us recorded. */
export function callerRoutes(request: SipMessage): string {
  return detach(request.values(headerNames.recordRoute).join(', '));
}

/**
 * RFC 3261 12.1.2: the Record-Route of the answer in reverse is the way from the caller; the part of it that lies
 * beyond us, nearest first.
 */
function calleeRoutes(response: SipMessage, request: SipMessage, id: string): string {
  const values = response.values(headerNames.recordRoute);
  const own = values.findIndex((value) => value.includes(`=${id}`));
  const before = request.values(headerNames.recordRoute).length;
  const beyond = values.slice(0, own === -1 ? Math.max(0, values.length - before) : own);
  return detach(beyond.reverse().join(', '));
}

/** RFC 3261 12.2.1.1: CSeq grows in each direction; target refreshes bring a new remote target. True: changed. */
export function noteRequest(dialog: Dialog, request: SipMessage, edits: MessageEdits): boolean {
  const { method, fromTag, cseqNumber } = request;
  if (method === 'BYE' || method === 'ACK' || dialog.state === dialogStates.deleted) return false;
  const side = dialog.isFromCaller(fromTag) ? 'caller' : 'callee';
  const leg = dialog[side];
  if (cseqNumber <= leg.cseq) return false;
  const contact = isTargetRefresh(method) ? contactOf(request, edits) : '';
  dialog[side] = { ...leg, cseq: cseqNumber, contact: contact || leg.contact };
  return true;
}

/** RFC 3261 12.2.1.2: the 2xx to a target refresh brings the answering side's new remote target. True: changed. */
export function noteReply(dialog: Dialog, { context, status, response, edits }: OutgoingReply): boolean {
  const { method, fromTag } = context.request;
  if (!isTargetRefresh(method) || status < 200 || status >= 300 || response === null) return false;
  const side = dialog.isFromCaller(fromTag) ? 'callee' : 'caller';
  const contact = contactOf(response, edits);
  if (contact === '' || contact === dialog[side].contact) return false;
  dialog[side] = { ...dialog[side], contact };
  return true;
}

function isTargetRefresh(method: string): boolean {
  return method === 'INVITE' || method === 'UPDATE';
}

/** As `$DLG_end_reason`; null: a dialog that is not known here yet. */
export function byeReason(dialog: Dialog | null, fromTag: string): string {
  if (dialog === null) return 'BYE';
  return dialog.isFromCaller(fromTag) ? 'Downstream BYE' : 'Upstream BYE';
}

/** What a 2xx to the INVITE says of the callee; nothing when it is our own. */
export function answeringLeg(
  { context, response, edits }: OutgoingReply,
  id: string,
): { contact: string; routeSet: string } {
  if (response === null) return { contact: '', routeSet: '' };
  return { contact: contactOf(response, edits), routeSet: calleeRoutes(response, context.request, id) };
}
