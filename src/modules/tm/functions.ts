/** The script functions of tm. */

import type { MessageContext } from '#module/context.ts';
import { everyRoute, type FunctionDeclaration, type RouteKind } from '#module/define.ts';
import { injectBranches, relayRequest } from '#modules/tm/relay.ts';
import type { ScriptTransaction } from '#modules/tm/script-transaction.ts';
import type { TransactionModule } from '#modules/tm/transaction-module.ts';
import type { Failure } from '#util/failure.ts';

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
  help:
    'Relays the request statefully to its destinations. -1 failed, -3 no destination, -4 bad destination; the caller ' +
    'is answered then, unless the flags say no-auto-477 (or 0x02). no-dns-failover (0x04): one address only. Other flags are accepted.',
  call: (module, context, first: string | null, second: string | null) => {
    // OpenSIPS 2.4 puts the destination first and the flags second; a destination has a colon, flags have none.
    const outbound = [second, first].find((text) => text?.includes(':')) ?? null;
    const flags = [first, second].find((text) => text !== null && text !== '' && text !== outbound) ?? '';
    return relayRequest(module, context, {
      outbound: outbound === null ? null : destinationUri(outbound),
      isSilent: hasRelayFlag(flags, 'no-auto-477', 2),
      failsOver: !hasRelayFlag(flags, 'no-dns-failover', 4),
    });
  },
};

/** Names separated by commas, or the bits of OpenSIPS 2.4. */
function hasRelayFlag(flags: string, name: string, bit: number): boolean {
  if (/^(0x)?[0-9a-fA-F]+$/.test(flags)) return (Number.parseInt(flags.replace(/^0x/, ''), 16) & bit) !== 0;
  return flags.split(',').some((flag) => flag.trim() === name);
}

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
  help:
    'Creates the transaction now, so that retransmissions are absorbed from here on. An INVITE that the script then ' +
    'holds back for more than 200 ms is answered 100 (auto_100trying).',
  call: (module, context) => {
    const transaction = module.transaction(context);
    if (transaction === null) return -1;
    const { proxy, server } = transaction;
    if (module.parameters.automaticTrying && server.lastStatus === 0)
      proxy.waiting.startTrying(module.host.clock.monotonic(), server.isInvite, module.core.table.settings);
    return 1;
  },
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

/** Scripts forget the end of the line, and the next header field would be swallowed. */
function withLineEnd(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\r\n`;
}

const addHeaders: Declaration = {
  name: 't_add_hdrs',
  routes: ['request'],
  arguments: [{ name: 'headers', kind: 'string' }],
  help: 'Header lines for all requests of this transaction: its branches, and the ACK and CANCEL made here.',
  call: (module, context, headers: string) => {
    const transaction = module.transaction(context);
    if (transaction === null) return -1;
    transaction.commonHeaders += withLineEnd(headers ?? '');
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
    transaction.cancelReason = withLineEnd(reason ?? '');
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

const cancelBranch: Declaration = {
  name: 't_cancel_branch',
  routes: ['onreply'],
  arguments: [{ name: 'which', kind: 'string', optional: true }],
  help: 'Cancels branches of the transaction: this one, with "o" all others, with "a" all.',
  call: (module, context, which: string | null) => {
    const transaction = transactionOf(context);
    const branch = transaction?.branchAt(context.branchIndex) ?? null;
    if (transaction === null || branch === null) return -1;
    const now = module.host.clock.monotonic();
    if (which?.includes('a') === true) transaction.proxy.cancel(now);
    else if (which?.includes('o') === true) transaction.proxy.cancel(now, '', branch);
    else transaction.proxy.cancelBranch(now, branch);
    return 1;
  },
};

const waitForNewBranches: Declaration = {
  name: 't_wait_for_new_branches',
  routes: ['request'],
  arguments: [{ name: 'branches', kind: 'integer', optional: true }],
  help:
    'Keeps the transaction open although all its branches fail, until so many more were injected (any number without ' +
    'an argument) or fr_inv_timeout has passed.',
  call: (module, context, count: number | null) => {
    const transaction = module.transaction(context);
    if (transaction === null) return -1;
    const { waiting, settings } = transaction.proxy;
    waiting.expect(module.host.clock.monotonic(), count ?? Infinity, settings.timerC);
    return 1;
  },
};

const waitNoMore: Declaration = {
  name: 't_wait_no_more_branches',
  routes: ['request', 'onreply', 'failure'],
  arguments: [],
  help: 'Ends what t_wait_for_new_branches began.',
  call: (module, context) => {
    const transaction = transactionOf(context);
    if (transaction === null) return -1;
    transaction.proxy.expectNoMore(module.host.clock.monotonic());
    return 1;
  },
};

const inject: Declaration = {
  name: 't_inject_branches',
  routes: ['request', 'onreply', 'failure', 'event'],
  arguments: [
    { name: 'source', kind: 'string' },
    { name: 'flags', kind: 'string', optional: true },
  ],
  help:
    'Adds branches to the transaction that is under way: those of the message ("msg") or the contact that the event ' +
    'names ("event"). Flags: "cancel" ends the branches there are, "last" waits for no more.',
  call: (module, context, source: string, flags: string | null) => {
    const transaction = transactionOf(context);
    if (transaction === null) return -1;
    const now = module.host.clock.monotonic();
    if (source === 'event') {
      const uri = context.eventParameters?.get('uri') ?? null;
      if (uri === null) return -1;
      context.requestUri = String(uri);
      context.destinationUri = null;
    }
    const before = transaction.proxy.branches.slice();
    const result = injectBranches(module, context, transaction);
    if (flags?.includes('cancel') === true)
      for (const branch of before) transaction.proxy.cancelBranch(now, branch);
    if (flags?.includes('last') === true) transaction.proxy.expectNoMore(now);
    return result;
  },
};

/** `"display" uri` or `uri`, as the value of From or To. */
function nameAddress(text: string): string {
  const trimmed = text.trim();
  if (trimmed.includes('<')) return trimmed;
  const blank = trimmed.lastIndexOf(' ');
  return blank === -1 ? `<${trimmed}>` : `${trimmed.slice(0, blank).trim()} <${trimmed.slice(blank + 1)}>`;
}

const newRequest: Declaration = {
  name: 't_new_request',
  routes: everyRoute,
  arguments: [
    { name: 'method', kind: 'string' },
    { name: 'uri', kind: 'string' },
    { name: 'from', kind: 'string' },
    { name: 'to', kind: 'string' },
    { name: 'body', kind: 'string', optional: true },
    { name: 'context', kind: 'string', optional: true },
  ],
  help:
    'Sends a request of our own, but no INVITE; From and To are "[display] uri", the body begins with its type. ' +
    'local_route sees it, with the context in $avp(uac_ctx). Does not wait for the answer.',
  call: (module, _context, ...values: unknown[]) => {
    const [method, uri, from, to, body, passed] = values as (string | null)[];
    if (method == null || uri == null || from == null || to == null) return -1;
    const blank = body?.indexOf(' ') ?? -1;
    let problem: Failure | null = null;
    module.send(
      {
        method: method.toUpperCase(),
        uri,
        from: nameAddress(from),
        to: nameAddress(to),
        ...(blank > 0 && { contentType: body!.slice(0, blank), body: body!.slice(blank + 1) }),
        ...(passed != null && { context: passed }),
      },
      (outcome) => {
        problem = outcome.problem;
      },
    );
    if (problem === null) return 1;
    module.warn(problem, 't_new_request');
    return -1;
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
  cancelBranch,
  waitForNewBranches,
  waitNoMore,
  inject,
  newRequest,
];
