/**
 * The module `uac_redirect`: recursion on 3xx when the script asks for it (RFC 3261 16.5, 16.7 step 4). The contacts
 * of the redirecting branches become the next targets; `t_relay` sends there. Left out: accounting of redirections.
 */

import type { MessageContext } from '#module/context.ts';
import { defineModule, type FunctionDeclaration, type RouteKind } from '#module/define.ts';
import type { ModuleHost } from '#module/host.ts';
import { compilePattern } from '#module/pattern.ts';
import { type TransactionService, transactionService } from '#module/services.ts';
import { contactsOf, type RedirectContact } from '#modules/uac_redirect/redirect-contact.ts';
import { equalUris } from '#sip/uri-equality.ts';
import { Failure } from '#util/failure.ts';

interface Filters {
  readonly accept: readonly RegExp[];
  readonly deny: readonly RegExp[];
}

interface RedirectModule {
  readonly host: ModuleHost;
  readonly transactions: TransactionService;
  readonly filters: Filters;
  /** What happens to a contact that no filter is about. */
  readonly acceptsOthers: boolean;
}

type Declaration = FunctionDeclaration<RedirectModule>;

const failureRoute: readonly RouteKind[] = ['failure'];
/** Where a context keeps the filters that its script added. */
const addedFilters = 'uac_redirect.filters';
/** A server that names more places than this is broken or hostile (RFC 5393). */
const contactsMax = 32;

function filtersOf(module: RedirectModule, context: MessageContext): Filters {
  return (context.attachments.get(addedFilters) as Filters | undefined) ?? module.filters;
}

/** `reset_all`: the filters of the module no longer count; `reset_default` and `reset_added` are accepted as parts of it. */
function addFilter(
  module: RedirectModule,
  context: MessageContext,
  kind: keyof Filters,
  [expression, flags]: readonly [RegExp, string | null],
): number {
  const isFresh = (flags ?? '').includes('reset_all') || flags === '*';
  const known = isFresh ? [] : filtersOf(module, context)[kind];
  context.attachments.set(addedFilters, { ...filtersOf(module, context), [kind]: [...known, expression] });
  return 1;
}

function isAccepted(module: RedirectModule, context: MessageContext, uri: string): boolean {
  const { accept, deny } = filtersOf(module, context);
  if (accept.some((expression) => expression.test(uri))) return true;
  if (deny.some((expression) => expression.test(uri))) return false;
  return module.acceptsOthers;
}

function filterFunction(name: string, kind: keyof Filters, help: string): Declaration {
  return {
    name,
    routes: failureRoute,
    arguments: [
      { name: 'filter', kind: 'regexp' },
      { name: 'flags', kind: 'string', optional: true },
    ],
    help,
    call: (module, context, expression: RegExp, flags: string | null) =>
      addFilter(module, context, kind, [expression, flags]),
  };
}

/** Limits: `3`, `3:1` (all, of one branch) or `*`. */
function limitsIn(text: string | null): { readonly total: number; readonly branch: number } {
  const [total = '', branch = ''] = (text ?? '').split(':');
  const read = (part: string): number => (/^[1-9]\d*$/.test(part.trim()) ? Number(part) : contactsMax);
  return { total: Math.min(read(total), contactsMax), branch: Math.min(read(branch), contactsMax) };
}

/** Contacts worth trying, highest q first: none twice, none that was tried before (RFC 3261 16.5). */
function targetsOf(
  module: RedirectModule,
  context: MessageContext,
  limits: { readonly total: number; readonly branch: number },
): RedirectContact[] {
  const { replies, tried } = module.transactions.redirections(context);
  const found: RedirectContact[] = [];
  // RFC 3261 16.5: what was asked for with SIPS goes nowhere else.
  const isSecure = context.request.requestUri.toLowerCase().startsWith('sips:');
  const isFresh = (uri: string): boolean =>
    (!isSecure || uri.toLowerCase().startsWith('sips:')) &&
    isAccepted(module, context, uri) &&
    !tried.some((known) => equalUris(known, uri)) &&
    !found.some((known) => equalUris(known.uri, uri));
  for (const reply of replies) {
    let left = limits.branch;
    for (const contact of contactsOf(reply)) {
      if (left === 0 || !isFresh(contact.uri)) continue;
      found.push(contact);
      left--;
    }
  }
  return found.toSorted((a, b) => b.q - a.q).slice(0, limits.total);
}

function getRedirects(module: RedirectModule, context: MessageContext, limits: string | null): number {
  const [first, ...others] = targetsOf(module, context, limitsIn(limits));
  if (first === undefined) return -1;
  Object.assign(context, { requestUri: first.uri, q: first.q, destinationUri: null, path: '' });
  context.branches.length = 0;
  for (const { uri, q } of others) {
    const { branchFlags: flags, sendSocket: socket } = context;
    context.branches.push({ requestUri: uri, destinationUri: null, path: '', q, flags, socket });
  }
  return 1;
}

function expressions(values: unknown): RegExp[] | Failure {
  const list: RegExp[] = [];
  for (const value of (values as readonly unknown[] | null) ?? []) {
    const expression = compilePattern(String(value));
    if (expression === null)
      return new Failure('REDIRECT_FILTER_INVALID', `"${String(value)}" is no regular expression`);
    list.push(expression);
  }
  return list;
}

export const uacRedirect = defineModule<RedirectModule>({
  name: 'uac_redirect',
  help: 'Follows redirections (3xx) instead of handing them to the caller, when a failure route says so.',
  needs: ['tm'],
  parameters: [
    {
      name: 'default_filter',
      kind: 'string',
      default: 'accept',
      help: '"accept" or "deny": contacts that no filter is about.',
    },
    {
      name: 'deny_filter',
      kind: 'string',
      default: null,
      repeatable: true,
      help: 'Contacts that match are not followed.',
    },
    {
      name: 'accept_filter',
      kind: 'string',
      default: null,
      repeatable: true,
      help: 'Contacts that match are followed, whatever the deny filters say.',
    },
  ],
  functions: [
    {
      name: 'get_redirects',
      routes: failureRoute,
      arguments: [
        { name: 'limits', kind: 'string', optional: true },
        { name: 'reason', kind: 'string', optional: true },
      ],
      help:
        'Makes the contacts of the 3xx that came the next targets, highest q first: the first the Request-URI, the ' +
        'others branches. Limits: "3" in all, "3:1" and of one branch. False when none is left. t_relay sends.',
      call: (module, context, limits: string | null) => getRedirects(module, context, limits),
    },
    filterFunction('set_deny_filter', 'deny', 'Contacts that match are not followed by this message.'),
    filterFunction('set_accept_filter', 'accept', 'Contacts that match are followed by this message.'),
  ],
  create: (host, parameters) => {
    const accept = expressions(parameters.accept_filter);
    const deny = expressions(parameters.deny_filter);
    if (accept instanceof Failure) return accept;
    if (deny instanceof Failure) return deny;
    const transactions = host.service(transactionService);
    const acceptsOthers = String(parameters.default_filter).toLowerCase() !== 'deny';
    return { host, transactions, filters: { accept, deny }, acceptsOthers };
  },
});
