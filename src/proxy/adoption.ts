/**
 * Branches of a dead node, gone on with: the same request with the same branch leaves here, so the callee sees a
 * retransmission and answers with what it said last (RFC 3261 17.2.1). Timers B and C begin anew.
 */

import { removeTopVia } from '#proxy/forwarding.ts';
import { type BranchTarget, ProxyBranch, type ProxyTarget } from '#proxy/proxy-branch.ts';
import type { ResponseContext } from '#proxy/response-context.ts';
import { MessageEdits } from '#sip/edits.ts';
import { parseMessage } from '#sip/message.ts';
import type { TransactionTable } from '#transaction/table.ts';
import { isFailure } from '#util/failure.ts';

/** What another node must know of a branch. */
export interface SavedBranch {
  /** The branch parameter of its Via. */
  readonly branch: string;
  /** The request as sent; '' when it has its final response. */
  readonly text: string;
  /** Final status, 0 while it is pending. */
  readonly status: number;
  /** The failure that came, '' for none, and the ACK that was sent for it. */
  readonly response: string;
  readonly acknowledgement: string;
  readonly timedOut: boolean;
}

export function saveBranch(branch: ProxyBranch): SavedBranch {
  return {
    branch: branch.client?.branch ?? '',
    text: branch.pending ? (branch.client?.text ?? '') : '',
    status: branch.status,
    response: branch.response?.text ?? '',
    acknowledgement: branch.client?.acknowledgement ?? '',
    timedOut: branch.timedOut,
  };
}

export interface AdoptedBranch {
  readonly saved: SavedBranch;
  readonly target: BranchTarget;
  /** RFC 3263 4.3: the next address of the same target. */
  readonly spare: ProxyTarget | null;
  readonly commonHeaders: string;
}

/** Adds the branch to `context` and sends its request again, if it is not over. */
export function adoptBranch(
  now: number,
  table: TransactionTable,
  context: ResponseContext,
  { saved, target, spare, commonHeaders }: AdoptedBranch,
): void {
  const branch = new ProxyBranch(context.branches.length, target, context);
  branch.timedOut = saved.timedOut;
  branch.spare = spare;
  branch.status = saved.status;
  if (saved.status !== 0) takeResponse(branch, saved.response);
  // RFC 3261 16.9: what was lost on the way counts as a 503.
  else if (saved.text === '') branch.status = 503;
  const { text, acknowledgement } = saved;
  if (text !== '' || acknowledgement !== '') {
    const request = {
      text,
      method: context.server.method,
      flow: target.flow,
      finalResponseMilliseconds: context.settings.frTimeout,
      commonHeaders,
    };
    const client = table.adoptClient(saved.branch, request, branch);
    if (isFailure(client)) branch.status ||= 503;
    else branch.client = client;
  }
  if (context.cancelled || branch.timedOut) branch.cancel = branch.pending ? 'wanted' : 'sent';
  context.addAdopted(branch);
  if (branch.pending) branch.client?.start(now);
  else branch.client?.resumeCompleted(now, acknowledgement);
}

function takeResponse(branch: ProxyBranch, text: string): void {
  const response = text === '' ? null : parseMessage(text);
  if (response === null || isFailure(response)) return;
  branch.response = response;
  branch.responseEdits = new MessageEdits();
  removeTopVia(response, branch.responseEdits);
}
