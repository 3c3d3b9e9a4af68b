/** What an initial INVITE says of the dialog that begins with it (RFC 3261 12.1). */

import { type DialogRecord, dialogStates, noLeg } from '#dialog/dialog.ts';
import type { ModuleHost } from '#module/host.ts';
import { headerNames } from '#sip/header-name.ts';
import type { SipMessage } from '#sip/message.ts';
import { detach } from '#sip/serialize.ts';
import { isFailure } from '#util/failure.ts';

/** `created`: how many this life of the node has begun; `lifetime` in seconds; `duties`: bits of dialogDuties. */
export function newDialog(
  host: ModuleHost,
  request: SipMessage,
  parts: { readonly created: number; readonly lifetime: number; readonly duties: number },
): DialogRecord {
  return {
    id: `${host.nodeId.toString(16)}${host.incarnation.toString(16)}.${parts.created.toString(16)}`,
    owner: host.nodeId,
    incarnation: host.incarnation,
    state: dialogStates.unconfirmed,
    callId: detach(request.callId),
    fromTag: detach(request.fromTag),
    toTag: '',
    fromUri: detach(request.from.uri),
    toUri: detach(request.to.uri),
    callerContact: detach(request.firstValue(headerNames.contact)),
    start: 0,
    lifetime: parts.lifetime,
    profiles: [],
    version: 0,
    editor: host.nodeId,
    caller: { ...noLeg, cseq: request.cseqNumber },
    callee: noLeg,
    duties: parts.duties,
    flags: '',
    values: [],
    kept: [],
  };
}

/** The bits that this node has for the flags of those names. */
export function flagsOf(host: ModuleHost, names: string): number {
  let flags = 0;
  for (const name of names.split(' ')) {
    const bit = name === '' ? 0 : host.flagBit('dialog', name);
    if (!isFailure(bit)) flags |= bit;
  }
  return flags;
}
