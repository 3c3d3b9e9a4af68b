/** lookup(): the registered contacts become targets of the request (RFC 3261 16.5), best q first. */

import type { AdditionalBranch, MessageContext } from '#module/context.ts';
import type { LookupOptions } from '#modules/registrar/lookup-options.ts';
import type { RegistrarModule } from '#modules/registrar/registrar-module.ts';
import type { Binding } from '#registrar/binding.ts';
import { allows } from '#registrar/methods.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

export interface LookupArguments {
  readonly domain: string;
  readonly flags: string | null;
  /** Null = the Request-URI. */
  readonly address: string | null;
}

/** OpenSIPS's return codes. */
export const lookupResult = { found: 1, none: -1, methodRefused: -2 } as const;

/** As many as the core lets a script append; forking wider is a mistake or an attack (RFC 5393). */
const branchesMax = 32;

export function lookup(module: RegistrarModule, context: MessageContext, named: LookupArguments): number {
  const options = module.lookupOptions(named.flags);
  const { domain } = named;
  const own = targets(module, context, { domain, uri: named.address ?? context.requestUri, options });
  const waiting = options.looksUpBranches ? context.branches.splice(0) : [];
  let result = own.result;
  if (own.branches.length > 0) place(context, own.branches, options);
  for (const branch of waiting) {
    const found = targets(module, context, { domain, uri: branch.requestUri, options });
    // A branch that is nobody's address of record is a destination already.
    const added =
      found.branches.length > 0 ? found.branches : found.result === lookupResult.none ? [branch] : [];
    for (const target of added) append(context, target);
    if (found.result === lookupResult.found) result = lookupResult.found;
  }
  return result;
}

function place(context: MessageContext, branches: readonly AdditionalBranch[], options: LookupOptions): void {
  const [best, ...others] = branches;
  if (options.branchesOnly) append(context, best!);
  else {
    context.requestUri = best!.requestUri;
    context.destinationUri = best!.destinationUri;
    context.path = best!.path;
    context.q = best!.q;
    context.branchFlags = best!.flags;
    if (best!.socket !== null) context.sendSocket = best!.socket;
  }
  if (!options.noBranches) for (const other of others) append(context, other);
}

function append(context: MessageContext, branch: AdditionalBranch): void {
  if (context.branches.length < branchesMax) context.branches.push(branch);
}

interface Wanted {
  readonly domain: string;
  readonly uri: string;
  readonly options: LookupOptions;
}

function targets(
  module: RegistrarModule,
  context: MessageContext,
  wanted: Wanted,
): { readonly branches: readonly AdditionalBranch[]; readonly result: number } {
  const { options } = wanted;
  const key = module.key(wanted.domain, wanted.uri);
  const bindings = key === null ? [] : module.location.table.lookup(key, module.host.clock.wall());
  const usable = bindings.filter(
    (binding) =>
      isRoutable(binding) && (options.userAgent === null || options.userAgent.test(binding.userAgent)),
  );
  if (usable.length === 0) return { branches: [], result: lookupResult.none };
  const { method } = context.request;
  const allowed = options.filtersMethods
    ? usable.filter((binding) => allows(binding.methods, method))
    : usable;
  if (allowed.length === 0) return { branches: [], result: lookupResult.methodRefused };
  return { branches: allowed.map((binding) => branchOf(module, binding)), result: lookupResult.found };
}

/** Any URI may be registered; a proxy reaches those with a host. */
function isRoutable(binding: Binding): boolean {
  const uri = parseUri(binding.uri);
  return !isFailure(uri) && uri.scheme !== 'tel';
}

function branchOf(module: RegistrarModule, binding: Binding): AdditionalBranch {
  return {
    requestUri: binding.uri,
    destinationUri: binding.received === '' ? null : binding.received,
    path: binding.path,
    q: binding.q,
    flags: binding.flags,
    socket: module.socket(binding.socket),
  };
}
