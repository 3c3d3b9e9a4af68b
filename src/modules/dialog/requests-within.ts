/** The BYE that this node sends into a dialog for one of its sides (RFC 3261 12.2.1.1, 15.1.1). */

import type { Dialog } from '#dialog/dialog.ts';
import type { ModuleHost } from '#module/host.ts';
import { type LocalRequest, transactionService } from '#module/services.ts';

export type Side = 'caller' | 'callee';

/** `headers`: further lines, each ending in CRLF. */
export function sendBye(host: ModuleHost, dialog: Dialog, side: Side, headers: string): void {
  const isToCaller = side === 'caller';
  const to = dialog[side];
  const from = isToCaller ? dialog.callee : dialog.caller;
  const remoteUri = isToCaller ? dialog.fromUri : dialog.toUri;
  const caller = `<${dialog.fromUri}>;tag=${dialog.fromTag}`;
  const callee = `<${dialog.toUri}>;tag=${dialog.toTag}`;
  const route = to.routeSet === '' ? '' : `Route: ${to.routeSet}\r\n`;
  const request: LocalRequest = {
    method: 'BYE',
    uri: to.contact === '' ? remoteUri : to.contact,
    from: isToCaller ? callee : caller,
    to: isToCaller ? caller : callee,
    callId: dialog.callId,
    cseq: from.cseq + 1,
    headers: route + headers,
  };
  host.service(transactionService).send(request, ({ status }) => {
    // RFC 3261 15.1.1: 481, 408 and no answer at all end the dialog as well.
    if (status >= 300 && status !== 481 && status !== 408)
      host.log.warn(`dialog ${dialog.id}: the ${side} answered our BYE with ${status}`);
  });
}

export function endBoth(host: ModuleHost, dialog: Dialog, headers: string): void {
  sendBye(host, dialog, 'caller', headers);
  sendBye(host, dialog, 'callee', headers);
}
