/** Questions about registrations, and removals by the script. */

import type { MessageContext } from '#module/context.ts';
import type { RegistrarModule } from '#modules/registrar/registrar-module.ts';
import { splitTableKey } from '#registrar/address.ts';
import { type Binding, instanceOf } from '#registrar/binding.ts';
import { isSameContact } from '#registrar/registration.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';

/** Bindings of the address that the script names, or else of To in a REGISTER and From in any other request. */
export function bindingsOf(
  module: RegistrarModule,
  context: MessageContext,
  domain: string,
  uri: string | null,
): { readonly key: string; readonly bindings: readonly Binding[] } {
  const { request } = context;
  const own = request.method === 'REGISTER' ? request.to.uri : request.from.uri;
  const key = module.key(domain, uri ?? own) ?? '';
  return { key, bindings: key === '' ? [] : module.location.table.lookup(key, module.host.clock.wall()) };
}

export interface RemovalFilter {
  readonly contact: string | null;
  readonly nextHop: string | null;
  readonly instance: string | null;
  readonly flag: string | null;
}

/** Removes the contacts to which everything that the filter names applies. Returns how many. */
export function removeBindings(
  module: RegistrarModule,
  key: string,
  bindings: readonly Binding[],
  filter: RemovalFilter,
): number {
  const leaving = bindings.filter((binding) => applies(module, binding, filter));
  if (leaving.length > 0) module.location.remove(key, leaving);
  return leaving.length;
}

function applies(module: RegistrarModule, binding: Binding, filter: RemovalFilter): boolean {
  const { contact, nextHop, instance, flag } = filter;
  if (contact !== null && !isSameContact(binding.uri, contact, null)) return false;
  if (nextHop !== null && hostOf(nextHopOf(binding)) !== hostOf(nextHop)) return false;
  if (instance !== null && instanceOf(binding) !== instance) return false;
  if (flag === null) return true;
  const bit = module.host.flagBit('branch', flag);
  return !isFailure(bit) && (binding.flags & bit) !== 0;
}

function nextHopOf(binding: Binding): string {
  return binding.received === '' ? binding.uri : binding.received;
}

function hostOf(text: string): string {
  const uri = parseUri(text.includes(':') && /^sips?:/i.test(text) ? text : `sip:${text}`);
  return isFailure(uri) ? text : uri.host.toLowerCase();
}

/** True when a binding's requests go to this address; `port` 0 = any. */
export function leadsTo(binding: Binding, address: string, port: number): boolean {
  const uri = parseUri(nextHopOf(binding));
  if (isFailure(uri) || uri.host !== address) return false;
  return port === 0 || (uri.port === 0 ? 5060 : uri.port) === port;
}

/** `remove_ip_port`: every contact behind one address, of one address of record or of all. Returns how many. */
export function removeFrom(
  module: RegistrarModule,
  place: { readonly address: string; readonly port: number },
  domain: string,
  uri: string | null,
): number {
  const wanted = uri === null ? null : module.key(domain, uri);
  const found: [string, Binding[]][] = [];
  for (const [key, bindings] of module.location.table.all()) {
    if (uri !== null && key !== wanted) continue;
    if (splitTableKey(key).domain !== domain) continue;
    const leaving = bindings.filter((binding) => leadsTo(binding, place.address, place.port));
    if (leaving.length > 0) found.push([key, leaving]);
  }
  for (const [key, leaving] of found) module.location.remove(key, leaving);
  return found.reduce((sum, [, leaving]) => sum + leaving.length, 0);
}
