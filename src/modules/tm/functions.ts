/** The script functions of tm. */

import type { MessageContext } from '#module/context.ts';
import { everyRoute, type FunctionDeclaration, type RouteKind } from '#module/define.ts';
import { relayRequest } from '#modules/tm/relay.ts';
import type { ScriptTransaction } from '#modules/tm/script-transaction.ts';
import type { TransactionModule } from '#modules/tm/transaction-module.ts';

type Declaration = FunctionDeclaration<TransactionModule>;

const requestRoutes: readonly RouteKind[] = ['request', 'failure'];
const transactionRoutes: readonly RouteKind[] = ['request', 'failure', 'onreply', 'branch', 'local'];

function transactionOf(context: MessageContext): ScriptTransaction | null {
  return context.transaction as ScriptTransaction | null;
}

/** Arming a route makes the transaction if need be: the script may arm before it relays. */
function arm(
  name: string,
  routeKind: RouteKind,
  set: (transaction: ScriptTransaction, route: string) => void,
): Declaration {
  return {
    name,
    routes: transactionRoutes,
    arguments: [{ name: 'route', kind: 'route', routeKind, optional: true }],
    help: `Names the ${routeKind} route to run for this transaction; empty or "0" clears it.`,
    call: (module, context, route: string | null) => {
      const transaction = module.transaction(context);
      if (transaction === null) return -1;
      set(transaction, route === null || route === '0' ? '' : route);
      return 1;
    },
  };
}

const relay: Declaration = {
  name: 't_relay',
  routes: requestRoutes,
  arguments: [
    { name: 'flags', kind: 'string', optional: true },
    { name: 'outbound', kind: 'string', optional: true },
  ],
  help: 'Relays the request statefully to its destinations. -1 failed, -3 no destination, -4 bad destination.',
  call: (module, context, first: string | null, second: string | null) => {
    // OpenSIPS 2.4 puts the destination first and the flags second; a destination has a colon, flags have none.
    const outbound = [second, first].find((text) => text?.includes(':')) ?? null;
    return relayRequest(module, context, outbound === null ? null : destinationUri(outbound));
  },
};

/** `udp:1.2.3.4:5060` or a SIP URI, as a URI. */
function destinationUri(text: string): string {
  if (text.startsWith('sip:') || text.startsWith('sips:')) return text;
  const colon = text.indexOf(':');
  return `sip:${text.slice(colon + 1)};transport=${text.slice(0, colon)}`;
}

const reply: Declaration = {
  name: 't_reply',
  routes: requestRoutes,
  arguments: [
    { name: 'code', kind: 'integer' },
    { name: 'reason', kind: 'string' },
  ],
  help: 'Answers the request statefully.',
  call: (module, context, code: number, reason: string) => module.reply(context, code, reason ?? ''),
};

const replyWithBody: Declaration = {
  name: 't_reply_with_body',
  routes: requestRoutes,
  arguments: [
    { name: 'code', kind: 'integer' },
    { name: 'reason', kind: 'string' },
    { name: 'body', kind: 'string' },
    { name: 'content_type', kind: 'string', optional: true },
  ],
  help: 'Answers the request statefully, with a body (application/sdp unless named).',
  call: (module, context, code: number, reason: string, body: string, contentType: string | null) =>
    module.reply(context, code, reason ?? '', body ?? '', contentType ?? 'application/sdp'),
};

const newTransaction: Declaration = {
  name: 't_newtran',
  routes: ['request'],
  arguments: [],
  help: 'Creates the transaction now, so that retransmissions are absorbed from here on.',
  call: (module, context) => (module.transaction(context) === null ? -1 : 1),
};

const checkTransaction: Declaration = {
  name: 't_check_trans',
  routes: ['request', 'branch'],
  arguments: [],
  help:
    'CANCEL: true when its INVITE is known. ACK: -2 when it acknowledges a 2xx that went through here. ' +
    'Others: true when this message has a transaction already. Retransmissions never reach the script.',
  call: (module, context) => {
    const { table } = module.core;
    if (context.request.method === 'CANCEL') return table.findInvite(context.request) === null ? -1 : 1;
    if (context.request.method === 'ACK') return -2;
    return context.transaction === null ? -1 : 1;
  },
};

const replicate: Declaration = {
  name: 't_anycast_replicate',
  routes: ['request'],
  arguments: [],
  help:
    'Kept for scripts written for OpenSIPS. Messages of transactions that a peer owns were handed to it before the ' +
    'script ran: -2 when this copy came from a peer, else -1, nobody owns it.',
  call: (_module, context) => (context.receivedBy === 0 ? -1 : -2),
};

const checkStatus: Declaration = {
  name: 't_check_status',
  routes: transactionRoutes,
  arguments: [{ name: 'status', kind: 'regexp' }],
  help: 'True when the last reply code matches the expression.',
  call: (_module, context, expression: RegExp) => {
    const status = context.reply?.status ?? transactionOf(context)?.lastStatus ?? 0;
    return expression.test(String(status)) ? 1 : -1;
  },
};

const wasCancelled: Declaration = {
  name: 't_was_cancelled',
  routes: transactionRoutes,
  arguments: [],
  help: 'True when the caller cancelled the transaction.',
  call: (_module, context) => (transactionOf(context)?.cancelled === true ? 1 : -1),
};

const localReplied: Declaration = {
  name: 't_local_replied',
  routes: transactionRoutes,
  arguments: [{ name: 'which', kind: 'string' }],
  help: 'True when the "last" reply, or "all" of them, were made here (408 on a time-out).',
  call: (_module, context, which: string) => {
    const transaction = transactionOf(context);
    if (transaction === null) return -1;
    return (which === 'all' ? transaction.allWereLocal : transaction.lastWasLocal) ? 1 : -1;
  },
};

const addHeaders: Declaration = {
  name: 't_add_hdrs',
  routes: ['request'],
  arguments: [{ name: 'headers', kind: 'string' }],
  help: 'Header lines to be put into the local replies of this transaction.',
  call: (module, context, headers: string) => {
    const transaction = module.transaction(context);
    if (transaction === null) return -1;
    transaction.extraHeaders += headers ?? '';
    return 1;
  },
};

const addCancelReason: Declaration = {
  name: 't_add_cancel_reason',
  routes: ['request'],
  arguments: [{ name: 'reason', kind: 'string' }],
  help: 'The Reason header line that the CANCELs of this transaction will carry.',
  call: (module, context, reason: string) => {
    const transaction = module.transaction(context);
    if (transaction === null) return -1;
    transaction.cancelReason = reason ?? '';
    return 1;
  },
};

const flushFlags: Declaration = {
  name: 't_flush_flags',
  routes: everyRoute,
  arguments: [],
  help: 'Copies the message flags into the transaction.',
  call: (_module, context) => {
    const transaction = transactionOf(context);
    if (transaction === null) return -1;
    transaction.context.messageFlags = context.messageFlags;
    return 1;
  },
};

export const transactionFunctions: readonly Declaration[] = [
  relay,
  reply,
  replyWithBody,
  newTransaction,
  checkTransaction,
  replicate,
  arm('t_on_branch', 'branch', (transaction, route) => {
    transaction.branchRoute = route;
  }),
  arm('t_on_reply', 'onreply', (transaction, route) => {
    transaction.replyRoute = route;
  }),
  arm('t_on_failure', 'failure', (transaction, route) => {
    transaction.failureRoute = route;
  }),
  checkStatus,
  wasCancelled,
  localReplied,
  addHeaders,
  addCancelReason,
  flushFlags,
];
