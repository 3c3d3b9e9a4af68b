/** How a request within a dialog finds it by the `did` of our Route; Call-ID and tags must fit as well. */

import type { Dialog } from '#dialog/dialog.ts';
import type { DialogTable } from '#dialog/dialog-table.ts';
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
