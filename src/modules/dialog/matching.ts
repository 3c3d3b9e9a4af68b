/** How a request within a dialog finds it by the `did` of our Route; Call-ID and tags must fit as well. */

import type { Dialog } from '#dialog/dialog.ts';
import type { DialogTable } from '#dialog/dialog-table.ts';
import { byeReason } from '#modules/dialog/legs.ts';
import type { SipMessage } from '#sip/message.ts';
import { findParameter } from '#sip/parameters.ts';

/** Null: it carries no id that is known here. `wrong`: that dialog has another Call-ID or other tags. */
export function dialogOfRoute(
  table: DialogTable,
  { callId, fromTag, toTag }: SipMessage,
  route: { readonly parameters: string; readonly name: string },
): Dialog | 'wrong' | null {
  const id = findParameter(route.parameters, route.name);
  const dialog = id === null ? null : table.get(id);
  if (dialog === null) return null;
  return dialog.callId === callId && dialog.hasTags(fromTag, toTag) ? dialog : 'wrong';
}

/**
 * The response to a BYE whose node died with it, maybe before it told anybody: the dialog is over (RFC 3261 15.1.1). A
 * challenge ends nothing.
 */
export function endBy(
  table: DialogTable,
  response: SipMessage,
  end: (id: string, reason: string) => void,
): void {
  const { status, cseqMethod, callId, fromTag, toTag } = response;
  const isOver = (status >= 200 && status < 300) || status === 408 || status === 481;
  const dialog = cseqMethod === 'BYE' && isOver ? table.find(callId, fromTag, toTag) : null;
  if (dialog !== null) end(dialog.id, byeReason(dialog, fromTag));
}
