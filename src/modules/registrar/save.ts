/** save(): a REGISTER is processed completely or not at all, and answered (RFC 3261 10.3). */

import type { MessageContext } from '#module/context.ts';
import { connectionService } from '#module/services.ts';
import type { RegistrarModule } from '#modules/registrar/registrar-module.ts';
import type { SaveOptions } from '#modules/registrar/save-options.ts';
import { tableKey } from '#registrar/address.ts';
import { type Binding, changesWay } from '#registrar/binding.ts';
import { nextHop } from '#registrar/contact.ts';
import {
  isRefusal,
  type Refusal,
  type Registration,
  type RegistrationInput,
  readRegistration,
} from '#registrar/registration.ts';
import { acceptanceHeaders, refusalHeaders } from '#registrar/registration-reply.ts';
import { detach } from '#sip/serialize.ts';
import { reasonPhrase } from '#sip/status.ts';
import { parseUri } from '#sip/uri.ts';
import { isFailure } from '#util/failure.ts';
import { bracketed } from '#util/ip-address.ts';
import { type Flow, isStream, socketName } from '#util/socket-address.ts';

export interface SaveArguments {
  readonly domain: string;
  readonly flags: string | null;
  /** Address of record as the script names it; null = that of To. */
  readonly address: string | null;
}

/**
 * 1: stored, and answered 200 unless the flags say otherwise. -1: refused, and answered with the reason. A promise when
 * the peers must know first: a call to the contact may follow the answer at once, and reach any node.
 */
export function save(
  module: RegistrarModule,
  context: MessageContext,
  named: SaveArguments,
): number | Promise<number> {
  const options = module.saveOptions(named.flags);
  // A REGISTER that somebody else has answered (onreply) has its answer.
  const replies = options.replies && context.routeKind === 'request';
  const registration = register(module, context, named, options);
  if ('code' in registration) {
    module.rejected.value++;
    if (replies) reject(module, context, registration);
    return -1;
  }
  module.accepted.value++;
  // A response of another registrar goes on at once: reply routes do not keep it waiting.
  if (registration.isNews && context.routeKind === 'request') {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (module.location.confirm(resolve)) {
      return promise.then(() => accept(module, context, registration, options));
    }
  }
  return accept(module, context, registration, options);
}

function accept(
  module: RegistrarModule,
  context: MessageContext,
  registration: Accepted,
  options: SaveOptions,
): number {
  const replies = options.replies && context.routeKind === 'request';
  const wall = module.host.clock.wall();
  const key = registration.key;
  const bindings = module.location.table
    .lookup(key, wall)
    .filter((binding) => !options.onlyRequestContacts || registration.named.includes(binding.key));
  if (isStream(context.source.socket)) keepConnection(module, context, bindings, wall);
  context.replyHeaders += acceptanceHeaders(registration, bindings, wall, module.rules.receivedName);
  if (replies) module.reply(context, 200, 'OK');
  return 1;
}

/** The contacts that were registered over this connection are reached over it, so it stays as long as they do. */
function keepConnection(
  module: RegistrarModule,
  { source }: MessageContext,
  bindings: readonly Binding[],
  wall: number,
): void {
  const sender = senderUri(source);
  const left = bindings
    .filter((binding) => binding.received === sender)
    .map((binding) => binding.expires - wall);
  module.host.optionalService(connectionService)?.keep(source, Math.max(0, ...left));
}

interface Accepted extends Registration {
  readonly key: string;
  /** Requests go elsewhere than before. */
  readonly isNews: boolean;
}

interface Rejection {
  readonly code: number;
  readonly headers: string;
}

function register(
  module: RegistrarModule,
  context: MessageContext,
  named: SaveArguments,
  options: SaveOptions,
): Accepted | Rejection {
  const { request } = context;
  if (request.method !== 'REGISTER') return { code: 405, headers: 'Allow: REGISTER\r\n' };
  const target = parseUri(request.requestUri);
  // RFC 3261 8.2.2.1: a Request-URI with a scheme that is no SIP's.
  if (isFailure(target) || target.scheme === 'tel') return { code: 416, headers: '' };
  const uri = named.address ?? request.to.uri;
  const address = module.address(uri);
  if (isFailure(address)) {
    // RFC 3261 10.3 step 5: not valid for the domain, rather than not readable.
    const isReadable = !isFailure(parseUri(uri)) || /^[a-z][a-z0-9+.-]*:/i.test(uri) === false;
    return { code: isReadable ? 404 : 400, headers: errorHeader(address.message) };
  }
  if (named.address === null && module.checksDomain && !isOurDomain(module, request.to.uri, target.host)) {
    return { code: 404, headers: errorHeader(`${request.to.uri} is no address of ${target.host}`) };
  }
  const key = detach(tableKey(named.domain, address));
  const outcome = readRegistration(module.location.table, inputOf(module, context, key, options));
  if (isRefusal(outcome)) return rejection(outcome, module.retryAfterSeconds);
  const { location, host } = module;
  const wall = host.clock.wall();
  const isNews = outcome.changes.some((change) =>
    changesWay(location.table.version(key, change.key), change, wall),
  );
  if (outcome.changes.length > 0) location.publish(key, outcome.changes);
  return { ...outcome, key, isNews };
}

function rejection(refusal: Refusal, retryAfterSeconds: number): Rejection {
  return { code: refusal.status, headers: refusalHeaders(refusal, retryAfterSeconds) };
}

function errorHeader(cause: string): string {
  return `P-Registrar-Error: ${cause.replace(/[^\x20-\x7e]/g, '?')}\r\n`;
}

/** RFC 3261 10.3 step 5: the address must be valid for the domain in the Request-URI. */
function isOurDomain(module: RegistrarModule, address: string, domain: string): boolean {
  const uri = parseUri(address);
  if (isFailure(uri)) return false;
  return uri.host.toLowerCase() === domain.toLowerCase() || module.host.isMyself(uri.host, 0);
}

function inputOf(
  module: RegistrarModule,
  context: MessageContext,
  key: string,
  options: SaveOptions,
): RegistrationInput {
  const { request, source } = context;
  return {
    request,
    address: key,
    wall: module.host.clock.wall(),
    node: module.host.nodeId,
    received: nextHop(module.received(context)),
    sender: senderUri(source),
    socket: options.readsSocketHeader ? headerSocket(module, context) : socketName(source.socket),
    flags: context.branchFlags,
    rules: options.rules,
    pool: module.location.pool,
  };
}

function headerSocket(module: RegistrarModule, context: MessageContext): string {
  const line = module.socketHeader === '' ? -1 : context.request.findNamed(module.socketHeader);
  return line === -1 ? socketName(context.source.socket) : context.request.value(line);
}

export function senderUri(source: Flow): string {
  const { protocol } = source.socket;
  const transport = protocol === 'udp' ? '' : `;transport=${protocol}`;
  return `sip:${bracketed(source.address)}:${source.port}${transport}`;
}

function reject(module: RegistrarModule, context: MessageContext, { code, headers }: Rejection): void {
  context.replyHeaders += headers;
  module.reply(context, code, reasonPhrase(code));
}
