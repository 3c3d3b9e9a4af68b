/** The CANCEL that arrives (RFC 3261 9.2) and what the CANCELs that leave say (RFC 3326). */

import { parseMessage, type SipMessage } from '#sip/message.ts';
import { buildCancel } from '#sip/request.ts';
import { buildResponse } from '#sip/response.ts';
import { toBytes } from '#sip/serialize.ts';
import type { ClientTransaction, ClientUser } from '#transaction/client-transaction.ts';
import type { ServerUser } from '#transaction/server-transaction.ts';
import type { TransactionTable } from '#transaction/table.ts';
import { isFailure } from '#util/failure.ts';
import type { Flow } from '#util/socket-address.ts';

/** RFC 3326 3.1: a phone that rang in vain need not show a missed call. */
export const completedElsewhere = 'Reason: SIP;cause=200;text="Call completed elsewhere"\r\n';

/** For a CANCEL of ours: its answer decides nothing. */
const silentClient: ClientUser = {
  onResponse: () => {},
  onTimeout: () => {},
  onTransportError: () => {},
  onTerminated: () => {},
};
const silentServer: ServerUser = {
  onAck: () => {},
  onServerTimeout: () => {},
  onServerTransportError: () => {},
  onServerTerminated: () => {},
};

/** RFC 3261 9.2: 200 to the CANCEL, through a transaction of its own that answers its repetitions. */
export function acceptCancel(
  now: number,
  table: TransactionTable,
  arrival: { readonly cancel: SipMessage; readonly source: Flow },
  parts: { readonly toTag: string; readonly headers: string },
): void {
  const { cancel, source } = arrival;
  const answer = buildResponse(cancel, { status: 200, reason: 'canceling', ...parts, received: source });
  const known = table.serverOf(table.key(cancel));
  const server = known ?? table.createServer(now, cancel, source, silentServer);
  // No room to remember the CANCEL: it is obeyed all the same, and answered when it is repeated.
  if (!isFailure(server)) server.respond(now, 200, toBytes(answer));
}

/** RFC 3261 9.1: the CANCEL of a branch, with the header lines that its `cancelHeaders` hold. */
export function sendCancel(
  now: number,
  table: TransactionTable,
  { client, cancelHeaders }: { readonly client: ClientTransaction; readonly cancelHeaders: string },
): void {
  const sent = parseMessage(client.text!);
  // A script may have put in a header line that is none: then nobody downstream could read the request either.
  if (isFailure(sent)) return;
  table.startCancel(now, client, buildCancel(sent, client.commonHeaders + cancelHeaders), silentClient);
}

/** The Reason header lines of a request, as they stand. */
export function reasonLines(message: SipMessage): string {
  let lines = '';
  for (let line = message.findNamed('Reason'); line !== -1; line = message.findNamed('Reason', line + 1)) {
    lines += `Reason: ${message.value(line)}\r\n`;
  }
  return lines;
}
